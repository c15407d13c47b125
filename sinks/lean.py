"""The forward of Llama-shaped models, in one call that holds no lock.

In: token ids and sink caches. Out: logits for the next tokens. Knows no text and no turns, and keeps no state between
calls but which storage belongs to which cache.

The graph (`graph.py`) runs in ONNX Runtime, on the caches' own storage (`shelf.py`). Nothing is copied between steps,
and Python waits in one place, outside the interpreter's lock, so a recogniser beside it runs on. Embeddings are read
from their file row by row: mapped into memory they would fill it, slowly, for as long as new words come.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from weakref import WeakKeyDictionary, finalize

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession, SessionOptions
from torch import Tensor

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import Read
from surtitle.sinks.graph import Shape
from surtitle.sinks.rope import Rotation
from surtitle.sinks.shelf import Shelf


class LeanDecoder:
    """Weights and shape; shared by any number of streams, used from one thread at a time."""

    def __init__(self, shape: Shape, session: InferenceSession, embedding: Embedding) -> None:
        """`session` runs a graph of `graph.build_graph(shape, ...)`."""
        self.shape = shape
        self._session = session
        self._embedding = embedding
        exponent = torch.arange(0, shape.head_size, 2, dtype=torch.float64) / shape.head_size
        self.rotations = (Rotation(shape.rope_base**-exponent),) * shape.layers
        self._shelves: WeakKeyDictionary[SinkCache, Shelf] = WeakKeyDictionary()

    def cache(self, capacity: int) -> SinkCache:
        """An empty cache for this model."""
        return self.caches(1, capacity)[0]

    def caches(self, count: int, capacity: int) -> tuple[SinkCache, ...]:
        """Empty caches whose storage lies side by side: `decode_rows` reads into all of them in one forward."""
        made = tuple(SinkCache(capacity=capacity, rotations=self.rotations) for _ in range(count))
        self._put_up(made)
        return made

    def _put_up(self, caches: Sequence[SinkCache]) -> Shelf:
        shelf = Shelf(self._session, self.shape, self.rotations[0], caches)
        for cache in caches:
            self._shelves[cache] = shelf
        return shelf

    def _shelf_of(self, cache: SinkCache) -> Shelf:
        if cache.anchored:
            raise ValueError("an anchored cache; the engine's positions are slots: expected another, or a StockDecoder")
        return self._shelves[cache] if cache in self._shelves else self._put_up([cache])

    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` (n of them) at the cache's end; logits (keep, V) of what follows the last `keep` of them.

        Raises CacheFull before anything is written, ValueError for a cache that is anchored or has several rows.
        """
        return self.decode_rows([Read(ids, cache, keep)])[0]

    def decode_rows(self, reads: Sequence[Read]) -> list[Tensor]:
        """As `decode`, for several caches: one forward, which reads the weights once, for all of one `caches` call.

        Each must have another cache. Where a forward fails, what was read by those before it stays.
        """
        for read in reads:
            read.cache.require(len(read.ids))
        shelves = [self._shelf_of(read.cache) for read in reads]
        logits: dict[int, Tensor] = {}
        for shelf in dict.fromkeys(shelves):
            chosen = [index for index, each in enumerate(shelves) if each is shelf]
            found = shelf.run([reads[index] for index in chosen], self._embedding.rows)
            logits.update(zip(chosen, found, strict=True))
            for index in chosen:
                reads[index].cache.extend(len(reads[index].ids))
                reads[index].cache.record(torch.tensor([list(reads[index].ids)]))
        return [logits[index] for index in range(len(reads))]


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


def open_session(graph: bytes, folder: str, *, threads: int) -> InferenceSession:
    """A session for `graph`, whose weights lie in `folder`, on `threads` cores."""
    options = SessionOptions()
    options.intra_op_num_threads = threads
    # a thread that waits by spinning takes the core from the recogniser
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    options.log_severity_level = 3  # errors: what it warns of is how graphs could be written for other devices
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
