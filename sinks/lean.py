"""The forward of Llama-shaped models, in one call that holds no lock.

In: token ids and a sink cache. Out: logits for the next token. The graph (`graph.py`) runs in ONNX Runtime, on
the cache's own storage: nothing is copied between steps, and Python waits in one place, outside the
interpreter's lock, so that a recogniser beside it runs on. Embeddings are read from their file row by row: mapped
into memory they would fill it, slowly, for as long as new words come. Knows no text and no turns; it keeps no state
between calls but which storage belongs to which cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from weakref import WeakKeyDictionary, finalize

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession, OrtValue, SessionOptions
from torch import Tensor

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.graph import Shape
from surtitle.sinks.rope import Rotation


class LeanDecoder:
    """Weights and shape; shared by any number of streams, used from one thread at a time."""

    def __init__(self, shape: Shape, session: InferenceSession, embedding: Embedding) -> None:
        """`session` runs a graph of `graph.build_graph(shape, ...)`."""
        self.shape = shape
        self._session = session
        self._embedding = embedding
        exponent = torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
        self.rotations = (Rotation(shape.rope_base**-exponent),) * shape.layers
        self._bound: WeakKeyDictionary[SinkCache, _Binding] = WeakKeyDictionary()

    def cache(self, capacity: int) -> SinkCache:
        """An empty cache for this model."""
        return SinkCache(capacity=capacity, rotations=self.rotations)

    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them.

        Raises CacheFull before anything is written, ValueError for a cache that is anchored or has several rows.
        """
        cache.require(len(ids))
        if cache.anchored or cache.rows > 1:
            raise ValueError(
                f"a cache of {cache.rows} rows, anchored: {cache.anchored}; the engine reads one row whose slots are "
                f"its positions: expected such a cache, or a StockDecoder"
            )
        if cache not in self._bound:
            self._bound[cache] = _Binding(self._session, self.shape, self.rotations[0], cache)
        logits = self._bound[cache].run(self._embedding.rows(ids), cache.length, keep)
        cache.extend(len(ids))
        cache.record(torch.tensor([list(ids)]))
        return logits


class Embedding:
    """The rows of a matrix (V, D) in fp16, in a file."""

    def __init__(self, path: Path, *, offset: int, shape: tuple[int, ...]) -> None:
        """`offset` in bytes. Raises OSError for a file that can't be read."""
        self._file = path.open("rb", buffering=0)
        finalize(self, self._file.close)
        self._offset = offset
        self._count, self._size = shape

    def rows(self, ids: Sequence[int]) -> NDArray[np.float16]:
        """Of `ids`, (n, D). Raises ValueError for an id that the model does not have."""
        if not all(0 <= token < self._count for token in ids):
            raise ValueError(f"token ids from {min(ids)} to {max(ids)}, expected 0 to {self._count - 1}")
        width = 2 * self._size
        rows = np.empty((len(ids), self._size), np.float16)
        for row, token in zip(rows, ids, strict=True):
            self._file.seek(self._offset + token * width)
            self._file.readinto(row.data.cast("B"))
        return rows


class _Binding:
    """A cache's storage as the session's inputs and outputs."""

    def __init__(self, session: InferenceSession, shape: Shape, rotation: Rotation, cache: SinkCache) -> None:
        self._session = session
        self._vocabulary = shape.vocabulary
        self._binding = session.io_binding()
        self._values: list[OrtValue] = []  # views of the storage: they must live as long as the binding
        angles = rotation.angles(cache.capacity)  # (T, d/2), fp64
        self._bind_input("cosines", angles.cos().float())
        self._bind_input("sines", angles.sin().float())
        for index, layer in enumerate(cache.layers):
            stores = layer.reserve(shape.kv_heads, shape.head_size)  # (1, H, T, d) each
            for name, store in zip((f"keys.{index}", f"values.{index}"), stores, strict=True):
                self._binding.bind_ortvalue_output(f"{name}.out", self._bind_input(name, store))

    def run(self, embedded: NDArray[np.float16], held: int, keep: int) -> Tensor:
        n = len(embedded)
        logits = torch.empty(1, keep, self._vocabulary)
        bind = self._binding.bind_cpu_input
        bind("embedded", embedded[None])
        bind("rows", np.arange(n - keep, n, dtype=np.int64))
        bind("last", np.array([held + n - 1], np.int32))
        bind("total", np.array(held + n, np.int32))
        self._binding.bind_ortvalue_output("logits", OrtValue.ortvalue_from_numpy(logits.numpy()))
        self._session.run_with_iobinding(self._binding)
        return logits[0]

    def _bind_input(self, name: str, tensor: Tensor) -> OrtValue:
        value = OrtValue.ortvalue_from_numpy(tensor.numpy())
        self._values.append(value)
        self._binding.bind_ortvalue_input(name, value)
        return value


def open_session(graph: bytes, folder: str, *, threads: int) -> InferenceSession:
    """A session for `graph`, whose weights lie in `folder`, on `threads` cores."""
    options = SessionOptions()
    options.intra_op_num_threads = threads
    # a thread that waits by spinning takes the core from the recogniser
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    options.log_severity_level = 3  # errors: what it warns of is how graphs could be written for other devices
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
