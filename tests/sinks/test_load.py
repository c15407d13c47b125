from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.convert import convert_gguf
from surtitle.sinks.layer import CacheFull
from surtitle.sinks.load import UnknownModel, load_model
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
    return decoder.decode(TEXT, decoder.cache(40), keep=30)


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
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UnknownModel, match=r"hold no model\.layers\.1\.mlp\.down_proj\.weight"):
        load_model(folder, threads=1)


def test_another_family_is_refused(folder: Path) -> None:
    change_config(folder, model_type="gemma3_text")
    with pytest.raises(UnknownModel, match="the model is gemma3_text with default positions, expected one of llama"):
        load_model(folder, threads=1)


def test_scaled_positions_are_refused(folder: Path) -> None:
    change_config(folder, rope_parameters={"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0})
    with pytest.raises(UnknownModel, match="qwen2 with yarn positions"):
        load_model(folder, threads=1)


def test_heads_of_an_odd_size_are_refused(folder: Path) -> None:
    change_config(folder, head_dim=24)
    with pytest.raises(UnknownModel, match="heads have 24 dimensions, expected a multiple of 16"):
        load_model(folder, threads=1)


def test_weights_that_were_cut_short_are_refused(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match=r"weights\.safetensors has \d+ bytes, expected \d+"):
        load_model(folder, threads=1)


def test_a_stream_does_not_write_into_anothers_cache(folder: Path) -> None:
    model = load_model(folder, threads=1)
    one, other = (model.cache(40) for _ in range(2))
    model.decode(TEXT[:9], one, keep=1)
    before = [tensor.clone() for layer in one.layers for tensor in layer.held()]
    model.decode(TEXT[9:], other, keep=1)
    after = [tensor for layer in one.layers for tensor in layer.held()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert (one.length, other.length) == (9, len(TEXT) - 9)


def test_a_forward_that_would_not_fit_is_refused_before_anything_is_written(folder: Path) -> None:
    model = load_model(folder, threads=1)
    cache = model.cache(10)
    model.decode(TEXT[:8], cache, keep=1)
    with pytest.raises(CacheFull, match="holds 8 tokens and 3 are coming"):
        model.decode(TEXT[8:11], cache, keep=1)
    assert cache.length == 8
