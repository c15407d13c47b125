"""A Llama-shaped decoder as an ONNX graph around the caches' own storage.

In: a model's sizes, and where each of its tensors lies in a file. Out: a serialised graph whose weights stay in that
file until a session maps them. Holds no weights and runs nothing.

The mathematics is that of the stock transformers models (Llama, Qwen 2, Qwen 3; the tests hold them side by side).
Several sequences, the rows of a batch, are read side by side. Their tokens go through the linear layers as one long
sequence, however many each row has, and are spread into rows of one length, n, to meet their own row's keys.
`TensorScatter` writes new keys and values into the buffers it is given, in place. The query heads that share a key head
are rows of one product, so keys are read once: `GroupQueryAttention`, which reads them once for every query head, takes
twice as long.

    input            shape           what
    embedded         (1, N, D)       embeddings of the tokens to read, fp16, row after row
    wanted           (keep,)         of which of them the logits are wanted
    positions        (1, N)          where they stand
    spread           (B n,)          which of them is at each place of the rows; any, where a row is shorter than n
    places           (N,)            and at which place each of them is
    first            (B,)            the slot of each row's first one
    batch            (1,)            B
    mask             (B, 1, n g, T)  added to the scores: 0 where a query may look; g query heads share a key head
    cosines, sines   (P, d/2)        rotation tables, one row per position
    keys.i values.i  (B, H, T, d)    storage of layer i, read and written in place
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from surtitle.sinks.blocks import JOINED

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
        group = s.heads // s.kv_heads
        # for Reshape: 0 keeps a dimension, -1 is what is left
        self._shape_constant("heads", [0, 0, -1, s.head_size])
        self._shape_constant("joined", [0, 0, -1])
        self._shape_constant("flat", [1, -1, s.heads * s.head_size])
        self._shape_constant("grouped", [0, 0, -1, s.head_size])
        self._shape_constant("parted", [0, 0, -1, group, s.head_size])
        self._shape_constant("query key value", [heads * s.head_size for heads in (s.heads, s.kv_heads, s.kv_heads)])
        self._shape_constant("key rest", [-1, s.kv_heads, s.head_size])
        self._shape_constant("query rest", [-1, s.kv_heads, group, s.head_size])
        self._by_row = {kind: self._node("Concat", ["batch", f"{kind} rest"], axis=0) for kind in ("key", "query")}
        for index in range(s.layers):
            prefix = f"model.layers.{index}."
            x, h = self._normed(x, f"{prefix}input_layernorm.weight")  # (1, N, D) each
            attended = self._attend(index, h, f"{prefix}self_attn.")
            x, h = self._normed(x, f"{prefix}post_attention_layernorm.weight", attended)
            x = self._node("Add", [x, self._feed(index, h)])
        _, h = self._normed(x, "model.norm.weight")
        last = self._node("Gather", [h, "wanted"], axis=1)  # (1, keep, D)
        self._product(last, "lm_head", "logits")  # (1, keep, V)
        opsets = [helper.make_opsetid("", 24), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(self._graph(), opset_imports=opsets, ir_version=11)

    def _attend(self, index: int, h: str, prefix: str) -> str:
        s = self._shape
        query, key, value = self._products(h, index, "self_attn.qkv_proj")  # (1, N, H d) each
        if f"{prefix}q_norm.weight" in self._stored:
            query = self._head_normed(query, f"{prefix}q_norm.weight")
            key = self._head_normed(key, f"{prefix}k_norm.weight")
        query = self._spread(self._rotated(query, s.heads), "query")  # (B, n, H, g, d)
        query = self._node("Transpose", [query], perm=[0, 2, 1, 3, 4])  # (B, H, n, g, d)
        query = self._node("Reshape", [query, "grouped"])  # (B, H, n g, d)
        keys = self._stored_with(f"keys.{index}", self._rotated(key, s.kv_heads))  # (B, H, T, d)
        values = self._stored_with(f"values.{index}", value)
        scores = self._node("FusedMatMul", [query, keys], _CONTRIB, transB=1, alpha=s.head_size**-0.5)
        weights = self._node("Softmax", [self._node("Add", [scores, "mask"])], axis=-1)  # (B, H, n g, T)
        attended = self._node("Reshape", [self._node("MatMul", [weights, values]), "parted"])  # (B, H, n, g, d)
        attended = self._node("Transpose", [attended], perm=[0, 2, 1, 3, 4])  # (B, n, H, g, d)
        attended = self._node("Reshape", [attended, "flat"])  # (1, B n, H g d)
        attended = self._node("Gather", [attended, "places"], axis=1)  # (1, N, H g d)
        return self._product(attended, f"{prefix}o_proj")

    def _rotated(self, x: str, heads: int) -> str:
        return self._node("RotaryEmbedding", [x, "positions", "cosines", "sines"], _CONTRIB, num_heads=heads)

    def _spread(self, x: str, kind: str) -> str:
        """`x` (1, N, H d) in rows of one length: (B, n, H, d) for keys and values, (B, n, H, g, d) for queries."""
        return self._node("Reshape", [self._node("Gather", [x, "spread"], axis=1), self._by_row[kind]])

    def _stored_with(self, storage: str, fresh: str) -> str:
        """`storage` once `fresh` (1, N, H d) is written into it."""
        moved = self._node("Transpose", [self._spread(fresh, "key")], perm=[0, 2, 1, 3])  # (B, H, n, d)
        return self._node("TensorScatter", [storage, moved, "first"], output=f"{storage}.out", axis=2)

    def _feed(self, index: int, h: str) -> str:
        gate, up = self._products(h, index, "mlp.gate_up_proj")
        gate = self._node("QuickGelu", [gate], _CONTRIB, alpha=1.0)  # SiLU
        return self._product(self._node("Mul", [gate, up]), f"model.layers.{index}.mlp.down_proj")

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
        heads = self._node("Reshape", [x, "heads"])  # (1, N, H, d)
        return self._node("Reshape", [self._normed(heads, weight)[1], "joined"])

    def _products(self, x: str, index: int, joined: str) -> list[str]:
        """Linear layers of the same input: one product where the file has them as one, as older conversions do not."""
        prefix, parts = f"model.layers.{index}.", JOINED[joined]
        if f"{prefix}{joined}.weight" not in self._stored:
            return [self._product(x, f"{prefix}{part}") for part in parts]
        whole = self._product(x, f"{prefix}{joined}")
        names = [f"{whole}.{part}" for part in range(len(parts))]
        if len(parts) == 3:
            self._nodes.append(helper.make_node("Split", [whole, "query key value"], names, axis=-1))
        else:
            self._nodes.append(helper.make_node("Split", [whole], names, axis=-1, num_outputs=len(parts)))
        return names

    def _product(self, x: str, name: str, output: str | None = None) -> str:
        """A linear layer: (1, M, K) to (1, M, N)."""
        stored = self._stored[f"{name}.weight"]
        inputs = [x, self._weight(f"{name}.weight"), self._weight(f"{name}.scale")]
        if f"{name}.bias" in self._stored:
            inputs += ["", "", self._weight(f"{name}.bias")]
        n, blocks, block = stored.shape
        sizes = {"K": blocks * block, "N": n, "bits": 8, "block_size": block}
        return self._node("MatMulNBits", inputs, _CONTRIB, output, **sizes, accuracy_level=self._accuracy)

    def _shape_constant(self, name: str, dims: list[int]) -> None:
        self._constants.append(helper.make_tensor(name, TensorProto.INT64, [len(dims)], dims))

    def _node(
        self,
        kind: str,
        inputs: list[str],
        domain: str = "",
        output: str | None = None,
        **attributes: float | list[int],
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
        store_dims: list[int | str] = ["B", s.kv_heads, "T", s.head_size]
        inputs = [
            _value("embedded", TensorProto.FLOAT16, [1, "N", "D"]),
            _value("wanted", TensorProto.INT64, ["keep"]),
            _value("positions", TensorProto.INT64, [1, "N"]),
            _value("spread", TensorProto.INT64, ["B n"]),
            _value("places", TensorProto.INT64, ["N"]),
            _value("first", TensorProto.INT64, ["B"]),
            _value("batch", TensorProto.INT64, [1]),
            _value("mask", TensorProto.FLOAT, ["B", 1, "n g", "T"]),
            *(_value(name, TensorProto.FLOAT, ["P", s.head_size // 2]) for name in ("cosines", "sines")),
            *(_value(name, TensorProto.FLOAT, store_dims) for name in stores),
        ]
        outputs = [
            _value("logits", TensorProto.FLOAT, [1, "keep", s.vocabulary]),
            *(_value(f"{name}.out", TensorProto.FLOAT, store_dims) for name in stores),
        ]
        return helper.make_graph(self._nodes, "decoder", inputs, outputs, [*self._constants, *self._weights.values()])


def _value(name: str, kind: int, dims: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)
