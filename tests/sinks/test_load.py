from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.convert import convert_gguf
from surtitle.sinks.load import WEIGHTS, UnknownModel, load_model
from surtitle.sinks.stock import StockDecoder

TEXT = [(5 * token + 11) % 260 for token in range(30)]


@pytest.fixture
def folder(make_model, write_gguf) -> Path:
    gguf = write_gguf(make_model("qwen2"))
    convert_gguf(gguf, gguf.parent, lambda share: None)
    return Path(gguf.parent)


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def logits(decoder) -> torch.Tensor:
    return decoder.decode(TEXT, SinkCache(layers=decoder.layers, capacity=40, rotation=decoder.rotation), keep=30)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_a_converted_model_is_the_transformers_model(family: str, tied: bool, make_model, write_gguf) -> None:
    model = make_model(family, tie_word_embeddings=tied)
    gguf = write_gguf(model)
    convert_gguf(gguf, gguf.parent, lambda share: None)
    expected = logits(StockDecoder(model))

    def loss(got: torch.Tensor) -> float:
        return ((got - expected).norm() / expected.norm()).item()

    # exact but for the bytes of a tied head
    assert loss(logits(load_model(gguf.parent, threads=1, exact=True))) < (1e-2 if tied else 1e-5)


def test_all_streams_of_one_model_see_the_same_weights(folder: Path) -> None:
    model = load_model(folder, threads=1)
    assert torch.equal(logits(model), logits(model))


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=WEIGHTS):
        load_model(folder, threads=1)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UnknownModel, match=r"hold no model\.layers\.1\.mlp\.up_proj\.weight"):
        load_model(folder, threads=1)


def test_another_family_is_refused(folder: Path) -> None:
    change_config(folder, model_type="gemma3_text")
    with pytest.raises(UnknownModel, match="the model is gemma3_text with default positions, expected one of llama"):
        load_model(folder, threads=1)


def test_scaled_positions_are_refused(folder: Path) -> None:
    change_config(folder, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0})
    with pytest.raises(UnknownModel, match="qwen2 with yarn positions"):
        load_model(folder, threads=1)
