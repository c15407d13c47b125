"""Keys and values of one layer, in buffers that are allocated once.

In: keys and values as a model makes them. Out: all that are held, in slots without gaps. Knows neither why something is
dropped nor what it was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from surtitle.sinks.rope import Rotation


class CacheFull(RuntimeError):
    """A forward was about to write past the end of the cache: call `make_room` before it."""

    def __init__(self, *, held: int, coming: int, capacity: int) -> None:
        super().__init__(
            f"the cache holds {held} tokens and {coming} are coming, expected at most {capacity} in all: "
            f"call make_room({coming}) before the forward"
        )


class SinkLayer:
    """Slots of one layer; rows of a batch are in lock-step."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self._stores: tuple[Tensor, Tensor] | None = None  # (B, H, capacity, d) each, from the first update on

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, H, n, d) keys and values; return all that are held. Raises CacheFull before writing anything,
        ValueError for another shape or dtype than before, but for n, and for B of an empty one. No gradient flows
        through the cache.
        """
        end = self.length + keys.shape[-2]
        if end > self.capacity:
            raise CacheFull(held=self.length, coming=keys.shape[-2], capacity=self.capacity)
        if self._stores is None or (not self.length and self.rows != len(keys)):
            self._stores = (self._allocate(keys), self._allocate(values))
        for store, fresh in zip(self._stores, (keys, values), strict=True):
            _require_alike(store, fresh)
        # an engine's may not have grown yet; what was loaded may lie on another of several GPUs
        if end > self._stores[0].shape[2] or self._stores[0].device != keys.device:
            self.move_to(self._allocate(keys), self._allocate(values))
        for store, fresh in zip(self._stores, (keys, values), strict=True):
            store[:, :, self.length : end] = fresh.detach()
        self.length = end
        return self.held()

    def _allocate(self, like: Tensor) -> Tensor:
        b, h, _, d = like.shape
        with torch.inference_mode(False):  # a tensor of inference mode could be written in no other
            return torch.zeros(b, h, self.capacity, d, dtype=like.dtype, device=like.device)

    def move_to(self, keys: Tensor, values: Tensor) -> None:
        """Hold what is held in other storage, (B, H, T, d) each with T of at least what is held: an engine's own,
        which it writes into and then calls `extend`. Raises ValueError for other B, H, d or dtype than before.
        """
        for old, new in zip(self._stores or (), (keys, values), strict=False):
            _require_alike(old, new)
            new[:, :, : self.length] = old[:, :, : self.length]
        self._stores = (keys, values)

    def uses(self, keys: Tensor) -> bool:
        """Whether the keys are in that storage."""
        return self._stores is not None and self._stores[0].data_ptr() == keys.data_ptr()

    def extend(self, tokens: int) -> None:
        """`tokens` more slots were written in place."""
        self.length += tokens

    @property
    def rows(self) -> int:
        """Sequences held side by side (0 before the first update)."""
        return 0 if self._stores is None else len(self._stores[0])

    def held(self) -> tuple[Tensor, Tensor]:
        """Views of the keys and values in the cache: (B, H, T, d) each. Raises ValueError before the first update."""
        if self._stores is None:
            raise ValueError("the layer holds nothing yet: no forward has run")
        keys, values = self._stores
        return keys[:, :, : self.length], values[:, :, : self.length]

    def truncate(self, length: int) -> None:
        """Forget everything from slot `length` on. What stays is untouched, bit for bit."""
        if self._stores is not None:  # a model that exits early reads nothing into its last layers
            self.length = length

    @torch.no_grad()
    def remove(self, start: int, end: int) -> None:
        """Close the hole [start, end): what follows moves down. Its keys keep the positions that they had."""
        tail = self.length - end
        for store in self._stores or ():
            store[:, :, start : start + tail] = store[:, :, end : self.length].clone()
        self.truncate(start + tail)

    @torch.no_grad()
    def rotate(self, start: int, rotation: Rotation, delta: int) -> None:
        """Move the keys from slot `start` on by `delta` positions."""
        if self.length > start:
            rotation.rotate_(self.held()[0][:, :, start:], delta)

    @torch.no_grad()
    def replace(self, keys: Tensor) -> None:
        """Write other `keys` (B, H, n, d) into the first n slots."""
        self.held()[0][:, :, : keys.shape[-2]] = keys

    @torch.no_grad()
    def select(self, rows: Tensor) -> None:
        """Hold these `rows` (of indices, repeats allowed), as beam search and batch selection want it."""
        if self._stores is None:
            return
        rows = rows.to(self._stores[0].device)  # a model's layers may be on several GPUs
        if len(rows) != self.rows:
            with torch.inference_mode(False):
                self._stores = tuple(store[rows.clone()] for store in self._stores)  # type: ignore[assignment]
            return
        for held in self.held():
            held.copy_(held[rows])

    @torch.no_grad()
    def adopt(self, rows: Tensor) -> None:
        """Let every row's last token be that of `rows` (an index for each row); what came before is the rows' own."""
        for held in self.held():
            held[:, :, -1] = held[rows.to(held.device), :, -1]

    def nbytes(self) -> int:
        """Bytes of storage (0 before the first update)."""
        return sum(store.element_size() * store.nelement() for store in self._stores or ())


def _require_alike(held: Tensor, coming: Tensor) -> None:
    (b, h, _, d), (rows, heads, _, size) = held.shape, coming.shape
    if (rows, heads, size, coming.dtype) != (b, h, d, held.dtype):
        raise ValueError(
            f"{rows} rows of {heads} heads of {size} in {coming.dtype} are coming, expected {b} of {h} of {d} in "
            f"{held.dtype}: those of one model, in lock-step"
        )
