"""`surtitle.pipeline.engine`: which folders of others it does not load, and why."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from surtitle.pipeline.engine import Engine, bytes_on_cores
from surtitle.pipeline.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from chat_folders import chat_folder  # it imports transformers, which takes seconds

    return chat_folder(tmp_path_factory.mktemp("models") / "chat", "chatml", "<|im_end|>")


def test_a_model_larger_than_the_memory_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=1000, available=1000))
    with pytest.raises(UserError, match=r"takes 0.0 GB of memory on cores.*this machine has 0.0: choose a smaller one"):
        Engine(folder, threads=1)


def test_its_size_is_that_of_what_is_loaded_in_fp32(tmp_path: Path) -> None:
    half, whole = torch.zeros(3, 5, dtype=torch.bfloat16), torch.zeros(7)
    save_file({"a": half, "scale": torch.zeros(2, dtype=torch.uint8)}, tmp_path / "model.safetensors")
    assert bytes_on_cores(tmp_path) == 4 * 15 + 2
    save_file({"b": whole}, tmp_path / "part.safetensors")
    index = {"weight_map": {"b": "part.safetensors"}}  # beside it another form of the same, which is not loaded
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert bytes_on_cores(tmp_path) == 4 * 7


def test_weights_of_which_only_the_beginning_was_downloaded_are_said_in_words(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    assert load_file(weights)
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match="holds no translator that can be loaded"):
        Engine(tmp_path, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "few",
    [
        {"quant_method": "gptq", "bits": 4},
        {"quant_method": "awq"},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
    ],
    ids=str,
)
def test_a_model_in_few_bits_says_in_one_line_what_it_wants(
    few: dict[str, object], folder: Path, tmp_path: Path
) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": few}))
    with pytest.raises(UserError, match=r"can't be loaded here \(.* requires .*\): install what it wants, or choose"):
        Engine(tmp_path, threads=1)
