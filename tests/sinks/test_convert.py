from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from surtitle.sinks.blocks import JOINED, WEIGHTS, quantise_blocks, widen_blocks
from surtitle.sinks.convert import ConversionError, convert_gguf, engine_name


def convert(gguf: Path) -> Path:
    out = gguf.with_name("engine")
    out.mkdir()
    convert_gguf(gguf, out, lambda share: None)
    return out


@pytest.mark.parametrize(
    ("gguf_name", "name"),
    [
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("output_norm.weight", "model.norm.weight"),
        ("output.weight", "lm_head.weight"),
        ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight"),
        ("blk.3.attn_k.bias", "model.layers.3.self_attn.k_proj.bias"),
        ("blk.27.attn_q_norm.weight", "model.layers.27.self_attn.q_norm.weight"),
        ("blk.11.ffn_down.weight", "model.layers.11.mlp.down_proj.weight"),
    ],
)
def test_tensors_get_their_transformers_names(gguf_name: str, name: str) -> None:
    assert engine_name(gguf_name) == name


@pytest.mark.parametrize("gguf_name", ["blk.0.ssm_a.weight", "blk.0", "v.patch_embd.weight", "output", ""])
def test_a_tensor_of_another_kind_of_model_is_named_and_refused(gguf_name: str) -> None:
    with pytest.raises(ConversionError, match=f"tensor {gguf_name}, which no Llama-shaped model has"):
        engine_name(gguf_name)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_what_was_written_as_gguf_comes_back(family, make_model, write_gguf) -> None:
    model = make_model(family)
    converted = load_file(convert(write_gguf(model)) / WEIGHTS)
    for name, weight in model.state_dict().items():
        if weight.dim() == 1:
            assert torch.equal(part_of(converted, name), weight), name
        elif name == "model.embed_tokens.weight":
            assert torch.equal(converted[name], weight.half()), name
        else:
            scale = part_of(converted, name.removesuffix("weight") + "scale")
            assert np.allclose(
                widen_blocks(part_of(converted, name).numpy(), scale.numpy()), weight.numpy(), atol=1e-6
            ), name


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_config_and_tokenizer_are_what_transformers_makes_of_the_file(family, make_model, write_gguf) -> None:
    gguf = write_gguf(make_model(family))
    out = convert(gguf)
    ours, theirs = AutoConfig.from_pretrained(out), AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    given_by_us = {"dtype", "head_dim", "_name_or_path"}  # transformers overlooks Qwen's head size in GGUF files
    assert {k: v for k, v in ours.to_dict().items() if k not in given_by_us} == {
        k: v for k, v in theirs.to_dict().items() if k not in given_by_us
    }
    assert ours.head_dim == 16
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(gguf.parent / "reference")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (out / file).read_bytes() == (gguf.parent / "reference" / file).read_bytes(), file


@pytest.mark.parametrize("kind", ["Q4_K", "Q6_K", "Q8_0", "Q4_1", "Q5_0", "F16", "BF16"])
def test_every_way_of_storing_weights_is_read_as_the_gguf_package_reads_it(kind, make_model, write_gguf) -> None:
    stored = GGMLQuantizationType[kind]
    model = make_model("qwen2", hidden_size=256, intermediate_size=512, head_dim=64, num_hidden_layers=1)
    gguf = write_gguf(model, stored)
    converted = load_file(convert(gguf) / WEIGHTS)
    read = [tensor for tensor in GGUFReader(gguf).tensors if tensor.tensor_type == stored]
    assert len(read) == 9
    for tensor in read:
        values, name = dequantize(tensor.data, stored), engine_name(tensor.name)
        if name == "model.embed_tokens.weight":
            assert np.array_equal(converted[name], values.astype(np.float16)), name
        else:
            quantised, scale = quantise_blocks(values)
            assert np.array_equal(part_of(converted, name), quantised), name
            assert np.array_equal(part_of(converted, name.removesuffix("weight") + "scale"), scale), name


def part_of(converted: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """A layer's tensor, which may lie in one with others: there are as many query heads as keys and values together."""
    prefix, leaf = name.rpartition(".")[0], name.rpartition(".")[2]
    for joined, parts in JOINED.items():
        for index, part in enumerate(parts):
            if prefix.endswith(part):
                whole = converted[f"{prefix.removesuffix(part)}{joined}.{leaf}"]
                shares = [0, 2, 3, 4] if len(parts) == 3 else [0, 2, 4]
                start, end = (len(whole) * share // 4 for share in shares[index : index + 2])
                return whole[start:end]
    return converted[name]


def test_a_tied_head_gets_bytes_of_the_embedding(make_model, write_gguf) -> None:
    out = convert(write_gguf(make_model("llama", tie_word_embeddings=True)))
    converted = load_file(out / WEIGHTS)
    quantised, scale = quantise_blocks(converted["model.embed_tokens.weight"].float().numpy())
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"]
    assert np.array_equal(converted["lm_head.weight"], quantised)
    assert np.array_equal(converted["lm_head.scale"], scale)


def test_progress_grows_to_one(make_model, write_gguf) -> None:
    shares: list[float] = []
    gguf = write_gguf(make_model("qwen2"))
    convert_gguf(gguf, gguf.parent, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_another_architecture_is_refused(make_model, write_gguf) -> None:
    gguf = write_gguf(make_model("qwen2"))
    gguf.write_bytes(gguf.read_bytes().replace(b"qwen2", b"gemma"))
    with pytest.raises(ConversionError, match=r"tiny\.gguf is a gemma model, expected one of llama, qwen2, qwen3"):
        convert(gguf)


def test_scaled_positions_are_refused_not_ignored(make_model, write_gguf) -> None:
    gguf = write_gguf(make_model("llama"), rope_scaling_type="yarn")
    with pytest.raises(ConversionError, match="scaled positions"):
        convert(gguf)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_file_that_was_cut_short_is_refused(share: float, make_model, write_gguf) -> None:
    gguf = write_gguf(make_model("qwen2"))
    whole = gguf.read_bytes()
    gguf.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ConversionError, match=r"tiny\.gguf can't be read as a GGUF file"):
        convert(gguf)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"\x89PNG" + bytes(1000))
    with pytest.raises(ConversionError, match=r"model\.gguf can't be read as a GGUF file"):
        convert(path)
