"""A Llama-shaped decoder as an ONNX graph around the cache's own storage.

In: a model's sizes, and where each of its tensors lies in a file. Out: a serialised graph whose weights stay in
that file until a session maps them. The mathematics is that of the stock transformers models (Llama, Qwen 2,
Qwen 3; the tests hold them side by side). `GroupQueryAttention` writes new keys and values into the buffers it
is given, at the slot that is also their position, which is what a sink cache wants. Holds no weights and runs
nothing.

    input            shape          what
    embedded         (1, n, D)      embeddings of the tokens to read, fp16
    rows             (keep,)        of which of them the logits are wanted
    last             (1,)           the slot of the last one
    total            ()             slots in use afterwards
    cosines, sines   (T, d/2)       rotation tables, one row per slot
    keys.i values.i  (1, H, T, d)   storage of layer i, read and written in place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from surtitle.sinks.blocks import BLOCK

_CONTRIB = "com.microsoft"
_INT8, _FP32 = 4, 0  # MatMulNBits' accuracy_level: activations in 8 bits with a scale per block, or as they are
_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "U8": TensorProto.UINT8}


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
    vocabulary: int
    """Rows of the head."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies."""

    kind: str
    """Its type as safetensors names it: F32, F16 or U8."""
    shape: tuple[int, ...]
    offset: int
    """Bytes from the file's beginning."""
    length: int
    """Bytes."""


EMBEDDING = "model.embed_tokens.weight"
"""The tensor (V, D) whose rows the graph is fed: its reader looks them up."""


def build_graph(shape: Shape, stored: Mapping[str, Stored], file: str, *, exact: bool = False) -> bytes:
    """The graph, with its weights in `file`, a name in the session's folder.

    `exact` leaves activations in fp32: fifty times slower, to measure what their rounding costs. Raises KeyError for
    a tensor that is missing.
    """
    graph: bytes = _Builder(shape, stored, file, _FP32 if exact else _INT8).build().SerializeToString()
    return graph


class _Builder:
    def __init__(self, shape: Shape, stored: Mapping[str, Stored], file: str, accuracy: int) -> None:
        self._accuracy = accuracy
        self._shape = shape
        self._stored = stored
        self._file = file
        self._nodes: list[NodeProto] = []
        self._weights: dict[str, TensorProto] = {}
        self._constants: list[TensorProto] = []

    def build(self) -> ModelProto:
        s = self._shape
        x = self._node("Cast", ["embedded"], to=TensorProto.FLOAT)
        # for Reshape: 0 keeps a dimension, -1 is what is left
        self._constants.append(helper.make_tensor("heads", TensorProto.INT64, [4], [0, 0, -1, s.head_size]))
        self._constants.append(helper.make_tensor("flat", TensorProto.INT64, [3], [0, 0, -1]))
        for index in range(s.layers):
            prefix = f"model.layers.{index}."
            x, h = self._normed(x, f"{prefix}input_layernorm.weight")  # (1, n, D) each
            attended = self._attend(index, h, f"{prefix}self_attn.")
            x, h = self._normed(x, f"{prefix}post_attention_layernorm.weight", attended)
            x = self._node("Add", [x, self._feed(h, f"{prefix}mlp.")])
        _, h = self._normed(x, "model.norm.weight")
        wanted = self._node("Gather", [h, "rows"], axis=1)  # (1, keep, D)
        self._product(wanted, "lm_head", "logits")  # (1, keep, V)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(self._graph(), opset_imports=opsets, ir_version=10)

    def _attend(self, index: int, h: str, prefix: str) -> str:
        s = self._shape
        query, key, value = (self._product(h, f"{prefix}{name}_proj") for name in "qkv")  # (1, n, H d) each
        if f"{prefix}q_norm.weight" in self._stored:
            query = self._head_normed(query, f"{prefix}q_norm.weight")
            key = self._head_normed(key, f"{prefix}k_norm.weight")
        storage = [f"keys.{index}", f"values.{index}"]
        attended = f"{prefix}attended"
        self._nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [query, key, value, *storage, "last", "total", "cosines", "sines"],
                [attended, *(f"{name}.out" for name in storage)],
                domain=_CONTRIB,
                num_heads=s.heads,
                kv_num_heads=s.kv_heads,
                do_rotary=1,
                scale=s.head_size**-0.5,
            )
        )
        return self._product(attended, f"{prefix}o_proj")

    def _feed(self, h: str, prefix: str) -> str:
        gate = self._node("QuickGelu", [self._product(h, f"{prefix}gate_proj")], _CONTRIB, alpha=1.0)  # SiLU
        return self._product(self._node("Mul", [gate, self._product(h, f"{prefix}up_proj")]), f"{prefix}down_proj")

    def _normed(self, x: str, weight: str, more: str | None = None) -> tuple[str, str]:
        """`x`, with `more` added to it, and what its RMS normalisation gives."""
        if more is None:
            return x, self._node("SimplifiedLayerNormalization", [x, self._weight(weight)], epsilon=self._shape.epsilon)
        normed, total = f"{weight}.normed", f"{weight}.sum"
        node = helper.make_node(
            "SkipSimplifiedLayerNormalization",
            [x, more, self._weight(weight)],
            [normed, "", "", total],
            domain=_CONTRIB,
            epsilon=self._shape.epsilon,
        )
        self._nodes.append(node)
        return total, normed

    def _head_normed(self, x: str, weight: str) -> str:
        heads = self._node("Reshape", [x, "heads"])  # (1, n, H, d)
        return self._node("Reshape", [self._normed(heads, weight)[1], "flat"])

    def _product(self, x: str, name: str, output: str | None = None) -> str:
        """A linear layer: (1, M, K) to (1, M, N)."""
        stored = self._stored[f"{name}.weight"]
        inputs = [x, self._weight(f"{name}.weight"), self._weight(f"{name}.scale")]
        if f"{name}.bias" in self._stored:
            inputs += ["", "", self._weight(f"{name}.bias")]
        n, blocks, _ = stored.shape
        sizes = {"K": blocks * BLOCK, "N": n, "bits": 8, "block_size": BLOCK}
        return self._node("MatMulNBits", inputs, _CONTRIB, output, **sizes, accuracy_level=self._accuracy)

    def _node(
        self, kind: str, inputs: list[str], domain: str = "", output: str | None = None, **attributes: float
    ) -> str:
        name = output or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def _weight(self, name: str) -> str:
        stored = self._stored[name]
        tensor = TensorProto(
            name=name,
            data_type=_TYPES[stored.kind],
            # MatMulNBits wants its scales in one row
            dims=stored.shape if not name.endswith(".scale") else [stored.shape[0] * stored.shape[1]],
            data_location=TensorProto.EXTERNAL,
        )
        for key, value in {"location": self._file, "offset": stored.offset, "length": stored.length}.items():
            tensor.external_data.add(key=key, value=str(value))
        self._weights[name] = tensor
        return name

    def _graph(self) -> GraphProto:
        s = self._shape
        stores = [f"{kind}.{index}" for index in range(s.layers) for kind in ("keys", "values")]
        store_dims: list[int | str] = [1, s.kv_heads, "slots", s.head_size]
        inputs = [
            _value("embedded", TensorProto.FLOAT16, [1, "n", "D"]),
            _value("rows", TensorProto.INT64, ["keep"]),
            _value("last", TensorProto.INT32, [1]),
            _value("total", TensorProto.INT32, []),
            *(_value(name, TensorProto.FLOAT, ["slots", s.head_size // 2]) for name in ("cosines", "sines")),
            *(_value(name, TensorProto.FLOAT, store_dims) for name in stores),
        ]
        outputs = [
            _value("logits", TensorProto.FLOAT, [1, "keep", s.vocabulary]),
            *(_value(f"{name}.out", TensorProto.FLOAT, store_dims) for name in stores),
        ]
        return helper.make_graph(self._nodes, "decoder", inputs, outputs, [*self._constants, *self._weights.values()])


def _value(name: str, kind: int, dims: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)
