"""From a GGUF file to the form that the engine maps into memory, once.

In: a GGUF file of a Llama-shaped model. Out: a folder with `config.json`, the tokenizer's files and
`weights.safetensors`. Every linear layer is bytes and a scale per block (`blocks.py`; `NAME.weight`, `NAME.scale`), and
those that multiply the same input are joined into one; embeddings are fp16, the rest fp32. Runs nothing from the file.

transformers reads GGUF too, but dequantises it at every start, into four times the memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from gguf import GGUFReader, ReaderTensor
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig, PreTrainedTokenizerFast, Qwen2Tokenizer

from surtitle.sinks.blocks import JOINED, WEIGHTS, quantise_blocks

_Array: TypeAlias = NDArray[Any]

_LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}
_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_CONFIG_NAMES = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}
_TOKEN_NAMES = {
    "bos_token_id": "bos_token_id",
    "eos_token_id": "eos_token_id",
    "unknown_token_id": "unk_token_id",
    "padding_token_id": "pad_token_id",
}
# AutoTokenizer would choose the same classes, after reading the whole file once more
_TOKENIZERS = {"llama": PreTrainedTokenizerFast, "qwen2": Qwen2Tokenizer, "qwen3": Qwen2Tokenizer}
_SLICE = 2**17
"""Weights that are dequantised at a time: few enough to stay in the processor's cache."""


class ConversionError(ValueError):
    """The file can't be converted; the message says what was found in it."""


class _Reader(GGUFReader):  # type: ignore[misc]
    """GGUFReader on a plain array: it makes millions of slices, and those of a memmap cost ten times as much."""

    @property
    def data(self) -> NDArray[np.uint8]:
        return self._plain

    @data.setter
    def data(self, mapped: NDArray[np.uint8]) -> None:
        self._plain = mapped.view(np.ndarray)


def convert_gguf(gguf: Path, out_dir: Path, progress: Callable[[float], None]) -> None:
    """Write the engine's form of `gguf` into the existing folder `out_dir`; `progress` gets the share done, 0 to 1.

    Raises ConversionError for what it does not know: a damaged file, an architecture other than llama, qwen2, qwen3,
    scaled positions, a tensor, a way of storing one.
    """
    reader = _open(gguf)
    config = _config(gguf, reader)
    tensors: dict[str, Tensor] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_convert_tensor, gguf, tensor, config) for tensor in reader.tensors]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                tensors.update(job.result())
                progress(done / (len(jobs) + 1))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    join_layers(tensors, config.num_hidden_layers)
    save_file(tensors, out_dir / WEIGHTS)
    _write_config(config.to_dict(), out_dir)
    _TOKENIZERS[config.model_type].from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(out_dir)
    progress(1.0)


def engine_name(gguf_name: str) -> str:
    """`blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight`. Raises ConversionError for any other name."""
    parts = gguf_name.split(".")
    if parts[0] == "blk" and len(parts) == 4 and parts[2] in _LAYER_NAMES:
        return f"model.layers.{parts[1]}.{_LAYER_NAMES[parts[2]]}.{parts[3]}"
    if parts[0] in _TOP_NAMES and len(parts) == 2:
        return f"{_TOP_NAMES[parts[0]]}.{parts[1]}"
    raise ConversionError(f"the file holds a tensor {gguf_name}, which no Llama-shaped model has")


def _open(gguf: Path) -> _Reader:
    try:
        reader = _Reader(gguf)
    except (ValueError, IndexError, KeyError) as error:  # whatever the first bytes out of place lead the reader to
        raise ConversionError(f"{gguf.name} can't be read as a GGUF file: {error}") from error
    field = reader.get_field("general.architecture")
    architecture = "nameless" if field is None else str(field.contents())
    if architecture not in _TOKENIZERS:
        raise ConversionError(f"{gguf.name} is a {architecture} model, expected one of {', '.join(_TOKENIZERS)}")
    scaling = reader.get_field(f"{architecture}.rope.scaling.type")
    scaled = scaling is not None and scaling.contents() != "none"
    if scaled or any(tensor.name.startswith("rope_freqs") for tensor in reader.tensors):
        raise ConversionError(f"{gguf.name} is a model with scaled positions (long context), expected plain ones")
    return reader


def _config(gguf: Path, reader: _Reader) -> PretrainedConfig:
    fields = reader.fields
    architecture = fields["general.architecture"].contents()
    found = {name: fields[key].contents() for key, name in _fields_wanted(architecture).items() if key in fields}
    if "tokenizer.ggml.tokens" in fields:
        found.setdefault("vocab_size", len(fields["tokenizer.ggml.tokens"].data))
    missing = {"num_hidden_layers", "num_attention_heads", "hidden_size", "vocab_size"} - found.keys()
    if missing:
        raise ConversionError(f"{gguf.name} doesn't say its {', '.join(sorted(missing))}")
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    return AutoConfig.for_model(architecture, **found, tie_word_embeddings=tied)


def _fields_wanted(architecture: str) -> dict[str, str]:
    config = {f"{architecture}.{key}": name for key, name in _CONFIG_NAMES.items()}
    if architecture == "llama":
        config["llama.rope.dimension_count"] = "head_dim"
    return config | {f"tokenizer.ggml.{key}": name for key, name in _TOKEN_NAMES.items()}


def _convert_tensor(gguf: Path, tensor: ReaderTensor, config: PretrainedConfig) -> dict[str, Tensor]:
    name = engine_name(tensor.name)
    # read, not mapped: the pages of a map would stay in this process's memory until the end
    stored = np.fromfile(gguf, tensor.data.dtype, tensor.data.size, offset=tensor.data_offset)
    stored = stored.reshape(tensor.data.shape)
    try:
        parts = _engine_form(name, stored, tensor, tied=config.tie_word_embeddings)
    except NotImplementedError as error:
        raise ConversionError(f"{gguf.name} stores {tensor.name} as {tensor.tensor_type.name}: {error}") from error
    if config.model_type == "llama" and ".attn_q." in tensor.name:
        parts = _half_split(parts, config.num_attention_heads)
    if config.model_type == "llama" and ".attn_k." in tensor.name:
        parts = _half_split(parts, config.num_key_value_heads)
    return {part: torch.from_numpy(value) for part, value in parts.items()}


def _engine_form(name: str, stored: _Array, tensor: ReaderTensor, *, tied: bool) -> dict[str, _Array]:
    if stored.ndim == 1:
        return {name: dequantize(stored, tensor.tensor_type)}
    slices = _dequantised(stored, tensor)
    if name != "model.embed_tokens.weight":
        return _in_blocks(name, slices)
    half = np.concatenate([rows.astype(np.float16) for rows in slices])  # (V, D)
    if not tied:
        return {name: half}
    # the head is a linear layer like the others: it gets bytes of its own
    count = -(-half.size // _SLICE)
    widened = (rows.astype(np.float32) for rows in np.array_split(half, count))
    return {name: half} | _in_blocks("lm_head.weight", widened)


def _dequantised(stored: _Array, tensor: ReaderTensor) -> Iterator[NDArray[np.float32]]:
    width = int(tensor.shape[0])  # GGUF names the innermost dimension first
    step = max(1, _SLICE // width)
    for start in range(0, len(stored), step):
        part = stored[start : start + step]
        # as one long row: gguf works on sixteen rows at a time, and short ones would be all overhead
        yield dequantize(part.reshape(1, -1), tensor.tensor_type).reshape(len(part), width)  # (step, K)


def _in_blocks(name: str, slices: Iterable[NDArray[np.float32]]) -> dict[str, _Array]:
    done = [quantise_blocks(rows) for rows in slices]
    quantised = np.concatenate([rows for rows, _ in done])  # (N, K / b, b)
    scale = np.concatenate([scales for _, scales in done])  # (N, K / b)
    return {name: quantised, name.removesuffix("weight") + "scale": scale}


def _half_split(parts: dict[str, _Array], heads: int) -> dict[str, _Array]:
    # GGUF stores Llama's query and key rows for interleaved rotation; transformers rotates halves
    return {
        part: value.reshape(heads, -1, 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
        for part, value in parts.items()
    }


def join_layers(tensors: dict[str, Tensor], layers: int) -> None:
    """Put one tensor in the place of those whose layers are joined."""
    for layer in range(layers):
        for joined, parts in JOINED.items():
            for leaf in ("weight", "scale", "bias"):
                names = [f"model.layers.{layer}.{part}.{leaf}" for part in parts]
                if all(name in tensors for name in names):
                    together = torch.cat([tensors.pop(name) for name in names])
                    tensors[f"model.layers.{layer}.{joined}.{leaf}"] = together


def _write_config(config: dict[str, object], out_dir: Path) -> None:
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    kept.pop("quantization_config", None)
    kept.pop("torch_dtype", None)
    kept["dtype"] = "float32"
    (out_dir / "config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
