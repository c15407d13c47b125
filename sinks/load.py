"""A model, mapped from the engine's folder in seconds.

In: a folder made by `convert.py`. Out: a `LeanDecoder`. Imports no transformers: that alone takes longer
than loading.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from surtitle.sinks.int8 import Int8Product
from surtitle.sinks.lean import Layer, LeanDecoder, Shape

WEIGHTS = "weights.safetensors"
FINE = frozenset({"q_proj", "o_proj", "down_proj", "lm_head"})
"""Linear layers (with those fused to them) whose activations get 13 bits instead of 7: all but the wide gate and up,
where the second row costs most when several tokens are read at once. scripts/LOG.md has the measurements."""
_FAMILIES = frozenset({"llama", "qwen2", "qwen3"})


class UnknownModel(ValueError):
    """The folder holds a model that this loader can't run; the message says why."""


def load_model(folder: Path, *, fine: frozenset[str] = FINE) -> LeanDecoder:
    """The model in `folder`, on the CPU. Raises UnknownModel, or OSError where a file is missing or damaged."""
    torch.backends.quantized.engine = "fbgemm"
    shape = read_shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    weights = _Weights(folder / WEIGHTS)
    # packing is most of the start: one core each, without the interpreter's lock
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        head = pool.submit(weights.product, "", ("lm_head",), fine)
        layers = list(pool.map(lambda index: weights.layer(index, shape, fine), range(shape.layers)))
    embedding, norm = weights["model.embed_tokens.weight"], weights["model.norm.weight"]
    return LeanDecoder(shape, embedding, layers, norm, head.result())


def read_shape(config: dict[str, Any]) -> Shape:
    """The sizes in a model's `config.json`. Raises UnknownModel for another family or scaled positions."""
    family, rope = config["model_type"], config["rope_parameters"]
    if family not in _FAMILIES or rope["rope_type"] != "default":
        raise UnknownModel(
            f"the model is {family} with {rope['rope_type']} positions, expected one of {', '.join(sorted(_FAMILIES))} "
            f"with default positions"
        )
    return Shape(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        head_size=config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
        epsilon=config["rms_norm_eps"],
        rope_base=float(rope["rope_theta"]),
    )


class _Weights:
    """The file's tensors by name, mapped, not read."""

    def __init__(self, path: Path) -> None:
        self._file: Any = safe_open(path, framework="pt")
        self._names: frozenset[str] = frozenset(self._file.keys())  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise UnknownModel(f"the folder's weights hold no {name}: not a model that this loader knows")
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def product(self, prefix: str, names: tuple[str, ...], fine: frozenset[str]) -> Int8Product:
        """The linear layers `names`, fused."""
        rows = torch.cat([self[f"{prefix}{name}.weight"] for name in names])  # (N, K)
        scales = torch.cat([self[f"{prefix}{name}.scale"] for name in names])  # (N,)
        return Int8Product(rows, scales, fine=not fine.isdisjoint(names))

    def layer(self, index: int, shape: Shape, fine: frozenset[str]) -> Layer:
        """Everything of one decoder layer."""
        prefix = f"model.layers.{index}."
        attention, mlp = f"{prefix}self_attn.", f"{prefix}mlp."
        biases = [f"{attention}{name}_proj.bias" for name in "qkv"]
        return Layer(
            input_norm=self[f"{prefix}input_layernorm.weight"],
            qkv=self.product(attention, ("q_proj", "k_proj", "v_proj"), fine),
            qkv_bias=torch.cat([self[name] for name in biases]) if biases[0] in self._names else None,
            head_norms=self._head_norms(attention, shape),
            out=self.product(attention, ("o_proj",), fine),
            mlp_norm=self[f"{prefix}post_attention_layernorm.weight"],
            gate_up=self.product(mlp, ("gate_proj", "up_proj"), fine),
            down=self.product(mlp, ("down_proj",), fine),
        )

    def _head_norms(self, attention: str, shape: Shape) -> Tensor | None:
        query, key = f"{attention}q_norm.weight", f"{attention}k_norm.weight"
        if query not in self._names:
            return None
        return torch.cat((self[query].expand(shape.heads, -1), self[key].expand(shape.kv_heads, -1)))  # (Hq + H, d)
