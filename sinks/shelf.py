"""Key-value storage of caches that are read side by side, as ONNX Runtime's inputs and outputs.

In: tokens for some of a shelf's caches. Out: their logits; the new keys and values stand in the caches' own storage,
which is one tensor a layer, a row a cache. Knows no stream and no weights.

To meet their keys, the rows of a forward are as long as the longest. What is copied into the rest, behind what a cache
holds, nobody looks at. Storage doubles until it holds the caches' capacity, for attention takes time for every slot
there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import ref

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession, OrtValue
from torch import Tensor

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import Read
from surtitle.sinks.graph import Shape
from surtitle.sinks.rope import Rotation

SIDE_BY_SIDE = 64
"""Tokens of a row that one forward reads at most, where it reads several rows."""
_FIRST = 256
"""Slots of a row at first."""

Embed = Callable[[Sequence[int]], NDArray[np.float16]]
"""Embeddings (n, D) of n ids."""


class Shelf:
    """Storage for `caches`, and the calls that read into it."""

    def __init__(
        self, session: InferenceSession, shape: Shape, rotation: Rotation, caches: Sequence[SinkCache]
    ) -> None:
        """All caches have one capacity and hold nothing; `rotation` turns the keys of every layer."""
        self._session = session
        self._shape = shape
        self._rotation = rotation
        self._caches = tuple(ref(cache) for cache in caches)
        self._most = caches[0].capacity + (SIDE_BY_SIDE if len(caches) > 1 else 0)
        self._stores: list[Tensor] = []  # (rows, H, T, d) each: keys and values of the first layer, of the second, ...
        self._bindings: dict[tuple[int, int], _Binding] = {}  # by first row and behind the last
        self._provide(min(_FIRST, self._most))

    def run(self, reads: Sequence[Read], embed: Embed) -> list[Tensor]:
        """Logits (keep, V) of each read. Raises ValueError for a cache that holds several rows, or another model's."""
        rows = [self._row(read.cache) for read in reads]
        first, end = min(rows), max(rows) + 1
        n = max(len(read.ids) for read in reads)
        if end - first > 1 and n > SIDE_BY_SIDE:
            raise ValueError(f"{n} tokens for one of several rows, expected at most {SIDE_BY_SIDE}: read in slices")
        lengths = [0 if cache is None else cache.length for cache in (made() for made in self._caches)]
        held = lengths[first:end]
        needed = max(max(held) + n, *lengths)  # a cache that was restored may hold more than there is room for
        slots = self._slots
        while slots < needed:
            slots *= 2
        if slots > self._slots:
            self._provide(min(self._most, slots))
        elif not all(read.cache.layers[0].uses(self._stores[0][row]) for row, read in zip(rows, reads, strict=True)):
            self._provide(self._slots)  # something was restored, into storage of its own
        if (first, end) not in self._bindings:
            self._bindings[first, end] = self._bind(first, end)
        by_row = {row - first: read for row, read in zip(rows, reads, strict=True)}
        ids = [token for row in sorted(by_row) for token in by_row[row].ids]
        counts = np.array([len(by_row[row].ids) if row in by_row else 0 for row in range(end - first)])
        ends = counts.cumsum()
        wanted = [ends[row - first] - back for row, read in zip(rows, reads, strict=True) for back in _back(read.keep)]
        batch = _Batch(embed(ids), np.array(held), counts, np.array(wanted))
        logits = self._bindings[first, end].run(self._session, self._shape, batch)  # (all kept, V)
        return list(torch.split(logits, [read.keep for read in reads]))

    @property
    def _slots(self) -> int:
        return self._stores[0].shape[2]

    def _row(self, cache: SinkCache) -> int:
        return next(row for row, made in enumerate(self._caches) if made() is cache)

    def _provide(self, slots: int) -> None:
        """Storage of `slots` a row; what the caches hold moves there."""
        s = self._shape
        self._bindings.clear()
        self._stores = [torch.zeros(len(self._caches), s.kv_heads, slots, s.head_size) for _ in range(2 * s.layers)]
        for row, cache in enumerate(made() for made in self._caches):
            if cache is not None:
                for layer, keys, values in zip(cache.layers, self._stores[::2], self._stores[1::2], strict=True):
                    layer.move_to(keys[row : row + 1], values[row : row + 1])

    def _bind(self, first: int, end: int) -> _Binding:
        # a row a position; and at least as many as a forward reads tokens, all rows together: so the kernel wants it
        angles = self._rotation.angles(max(self._slots, (end - first) * SIDE_BY_SIDE))  # (P, d/2), fp64
        return _Binding(self._session, [store[first:end] for store in self._stores], angles)


def _back(keep: int) -> range:
    """How far before the end the last `keep` tokens are."""
    return range(keep, 0, -1)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a forward reads: N tokens, of B rows."""

    embedded: NDArray[np.float16]
    """(N, D), row after row."""
    held: NDArray[np.int64]
    """(B,): tokens before them."""
    counts: NDArray[np.int64]
    """(B,): how many of them are each row's."""
    wanted: NDArray[np.int64]
    """(keep,): of which the logits are wanted."""


class _Binding:
    """Some adjacent rows of a shelf as the session's inputs and outputs."""

    def __init__(self, session: InferenceSession, stores: Sequence[Tensor], angles: Tensor) -> None:
        self._binding = session.io_binding()
        self._values: list[OrtValue] = []  # views of the storage: they must live as long as the binding
        self._slots = np.arange(stores[0].shape[2])
        self._bind_input("cosines", angles.cos().float())
        self._bind_input("sines", angles.sin().float())
        for index, store in enumerate(stores):
            name = f"{('keys', 'values')[index % 2]}.{index // 2}"
            self._binding.bind_ortvalue_output(f"{name}.out", self._bind_input(name, store))

    def run(self, session: InferenceSession, shape: Shape, batch: _Batch) -> Tensor:
        bind = self._binding.bind_cpu_input
        along = np.arange(batch.counts.max())  # (n,)
        real = along < batch.counts[:, None]  # (B, n)
        before = batch.counts.cumsum() - batch.counts  # (B,): tokens of the rows before
        positions = batch.held[:, None] + along  # (B, n)
        hidden = np.where(self._slots <= positions[..., None], np.float32(0), np.float32(-np.inf))  # (B, n, T)
        mask = hidden.repeat(shape.heads // shape.kv_heads, axis=1)  # (B, n g, T)
        logits = torch.empty(1, len(batch.wanted), shape.vocabulary)
        bind("embedded", batch.embedded[None])
        bind("wanted", batch.wanted)
        bind("positions", positions[real][None])
        bind("spread", np.where(real, before[:, None] + along, 0).reshape(-1))
        bind("places", np.flatnonzero(real))
        bind("first", batch.held)
        bind("batch", np.array([len(batch.held)]))
        bind("mask", mask[:, None])
        self._binding.bind_ortvalue_output("logits", OrtValue.ortvalue_from_numpy(logits.numpy()))
        session.run_with_iobinding(self._binding)
        return logits[0]

    def _bind_input(self, name: str, tensor: Tensor) -> OrtValue:
        value = OrtValue.ortvalue_from_numpy(tensor.numpy())
        self._values.append(value)
        self._binding.bind_ortvalue_input(name, value)
        return value
