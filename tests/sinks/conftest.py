"""Tiny random models: every test but the `weights` ones runs without a download."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from gguf_files import TOKENS, to_gguf
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from surtitle.sinks.blocks import WEIGHTS, quantise_blocks, widen_blocks
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.load import load_model

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.2,  # logits with a spread near one: a random model must prefer some token
    "tie_word_embeddings": False,
    "bos_token_id": 257,
    "eos_token_id": 259,
    "pad_token_id": 257,
}
MakeModel = Callable[..., PreTrainedModel]
MakeLean = Callable[..., LeanDecoder]
AsLean = Callable[..., LeanDecoder]
WriteGguf = Callable[..., Path]


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny model's products are too small to share: two threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """`make_model("qwen2")`: a random stock model whose linear weights are already what a conversion rounds them to."""

    def make(family: str, **changes: object) -> PreTrainedModel:
        config_class, model_class = {
            "llama": (LlamaConfig, LlamaForCausalLM),
            "qwen2": (Qwen2Config, Qwen2ForCausalLM),
            "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        }[family]
        torch.manual_seed(1)
        model: PreTrainedModel = model_class(config_class(**{"vocab_size": len(TOKENS), **SIZES, **changes})).eval()
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:  # biases start as zeros and norms as ones: that would hide a mix-up
                nn.init.normal_(parameter, mean=0.0 if name.endswith("bias") else 1.0, std=0.1)
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.data = torch.from_numpy(widen_blocks(*quantise_blocks(module.weight.detach().numpy())))
            if isinstance(module, nn.Embedding):
                module.weight.data = module.weight.data.half().float()
        return model.requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def make_lean(make_model: MakeModel, as_lean: AsLean) -> MakeLean:
    """`make_lean("qwen2")`: the lean decoder with the weights of `make_model("qwen2")`."""

    def make(family: str, **changes: object) -> LeanDecoder:
        return as_lean(make_model(family, **changes))

    return make


@pytest.fixture(scope="session")
def as_lean(tmp_path_factory: pytest.TempPathFactory) -> AsLean:
    """The lean decoder with the weights of a stock model."""

    def make(model: PreTrainedModel, *, exact: bool = False) -> LeanDecoder:
        return lean_of(tmp_path_factory.mktemp("lean"), model, exact=exact)

    return make


def lean_of(folder: Path, model: PreTrainedModel, *, exact: bool = False) -> LeanDecoder:
    """What a conversion makes of `model`, loaded from `folder`."""
    tensors: dict[str, Tensor] = {}
    for name, weight in model.state_dict().items():
        if name == "model.embed_tokens.weight":
            tensors[name] = weight.half()
        elif weight.dim() == 1:
            tensors[name] = weight.contiguous()
        else:
            tensors |= _blocks(name, weight)
    save_file(tensors, folder / WEIGHTS)
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))
    return load_model(folder, threads=1, exact=exact)


def _blocks(name: str, weight: Tensor) -> dict[str, Tensor]:
    quantised, scale = quantise_blocks(weight.numpy())
    return {name: torch.from_numpy(quantised), name.removesuffix("weight") + "scale": torch.from_numpy(scale)}


@pytest.fixture
def write_gguf(tmp_path: Path) -> WriteGguf:
    """`write_gguf(model)`: the file that llama.cpp's converter would make of `model`."""
    return partial(to_gguf, tmp_path / "tiny.gguf")


@pytest.fixture(scope="session")
def make_gguf() -> WriteGguf:
    """`make_gguf(path, model)`, for fixtures that live longer than a test."""
    return to_gguf
