"""The forward of Llama-shaped models, with nothing in it that a step does not need.

In: token ids and a sink cache. Out: logits for the next token. The mathematics is that of the stock
transformers models (Llama, Qwen 2, Qwen 3; the tests hold them side by side); what is left out is what
costs a third of a step on a CPU: separate query, key and value products, mask construction, copies of
shared keys, and the head on all but the wanted rows. Weights are int8 (`int8.py`). Knows no text and no
turns; it keeps no state between calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from surtitle.sinks.attention import attend_rows
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.int8 import Int8Product
from surtitle.sinks.rope import Rotation


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a model."""

    layers: int
    heads: int
    """Query heads."""
    kv_heads: int
    """Key and value heads: each serves heads / kv_heads query heads."""
    head_size: int
    """Dimensions of a head."""
    epsilon: float
    """Added to the variance by every normalisation."""
    rope_base: float
    """The rotary embedding's theta."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The weights of one decoder layer."""

    input_norm: Tensor  # (D,)
    qkv: Int8Product
    """Query, key and value rows, in this order."""
    qkv_bias: Tensor | None  # ((Hq + 2 H) d,)
    head_norms: Tensor | None  # (Hq + H, d): Qwen 3 normalises each query and key head
    out: Int8Product
    mlp_norm: Tensor  # (D,)
    gate_up: Int8Product
    """Gate rows, then up rows."""
    down: Int8Product


class LeanDecoder:
    """Weights and shape; shared by any number of streams, used from one thread at a time."""

    def __init__(
        self, shape: Shape, embedding: Tensor, layers: Sequence[Layer], norm: Tensor, head: Int8Product
    ) -> None:
        """`embedding` is (V, D), fp16 or fp32; `norm` (D,); `head` maps D to V."""
        self.shape = shape
        self._embedding = embedding
        self._layers = tuple(layers)
        self._norm = norm
        self._head = head
        exponent = torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
        self.rotation = Rotation(shape.rope_base**-exponent)
        self._cos = self._sin = torch.empty(0, 1, shape.head_size)  # (T, 1, d)

    @property
    def layers(self) -> int:
        """How many layers a cache for this model has."""
        return self.shape.layers

    @torch.inference_mode()
    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them."""
        held, n = cache.length, len(ids)
        cos, sin = self._tables(held, held + n)
        x = functional.embedding(torch.tensor(ids), self._embedding).float()  # (n, D)
        for index, layer in enumerate(self._layers):
            x = x + self._attend(layer, index, x, cos, sin, cache)
            h = functional.rms_norm(x, layer.mlp_norm.shape, layer.mlp_norm, self.shape.epsilon)  # (n, D)
            gate, up = torch.chunk(layer.gate_up(h), 2, dim=-1)  # (n, F) each
            x = x + layer.down(functional.silu(gate).mul_(up))
        x = functional.rms_norm(x[n - keep :], self._norm.shape, self._norm, self.shape.epsilon)  # (keep, D)
        return self._head(x)

    def _attend(self, layer: Layer, index: int, x: Tensor, cos: Tensor, sin: Tensor, cache: SinkCache) -> Tensor:
        s = self.shape
        h = functional.rms_norm(x, layer.input_norm.shape, layer.input_norm, s.epsilon)  # (n, D)
        qkv = layer.qkv(h)  # (n, (Hq + 2 H) d)
        if layer.qkv_bias is not None:
            qkv += layer.qkv_bias
        qkv = qkv.view(len(x), s.heads + 2 * s.kv_heads, s.head_size)  # (n, Hq + 2 H, d)
        turned = qkv[:, : s.heads + s.kv_heads]  # (n, Hq + H, d)
        if layer.head_norms is not None:
            turned = functional.rms_norm(turned, (s.head_size,), None, s.epsilon) * layer.head_norms
        first, second = turned.chunk(2, dim=-1)  # (n, Hq + H, d/2) each
        turned = torch.addcmul(turned * cos, torch.cat((second, first), dim=-1), sin)
        keys, values = cache.layers[index].update(
            turned[:, s.heads :].transpose(0, 1)[None],  # (1, H, n, d)
            qkv[:, s.heads + s.kv_heads :].transpose(0, 1)[None],
        )  # (1, H, T, d) each
        queries = turned[:, : s.heads].transpose(0, 1)  # (Hq, n, d)
        out = attend_rows(queries, keys[0], values[0], s.head_size**-0.5)  # (Hq, n, d)
        return layer.out(out.transpose(0, 1).reshape(len(x), -1))

    def _tables(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        if end > len(self._cos):
            angles = self.rotation.angles(max(end, 2 * len(self._cos)))  # (T, d/2), fp64
            self._cos = torch.cat((angles.cos(), angles.cos()), dim=-1).float()[:, None]  # (T, 1, d)
            # the sign of rotate_half is in the table: (-second, first) * (sin, sin) = (second, first) * (-sin, sin)
            self._sin = torch.cat((-angles.sin(), angles.sin()), dim=-1).float()[:, None]  # (T, 1, d)
        return self._cos[start:end], self._sin[start:end]
