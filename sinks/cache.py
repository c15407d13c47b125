"""The attention-sink cache: a pinned prefix and a rolling window, in constant memory.

In: keys and values as a model makes them, and the caller's word on what is pinned and where turns end. Out:
the keys and values to attend to, whose slot index is the position the model sees (StreamingLLM, Xiao et al.
2023, section 3.2).

Eviction happens between forwards, never inside `update()`: a key that arrives has already been rotated for
the length the model saw, so moving its neighbours while it is under way leaves it at a position that no
longer exists (the bug of every predecessor). Keys that stay are moved by the length of the hole, once.
Knows no text, no tokenizer, no audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from surtitle.sinks.rope import Rotation


class SinkLayer:
    """Keys and values of one layer, in buffers that are allocated once. Slot i holds position i."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self._stores: tuple[Tensor, Tensor] | None = None  # (B, H, capacity, d) each, from the first update on

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append (B, H, n, d) keys and values; return all that are held. Raises CacheFull before writing anything."""
        end = self.length + keys.shape[-2]
        if end > self.capacity:
            raise CacheFull(held=self.length, coming=keys.shape[-2], capacity=self.capacity)
        if self._stores is None:
            b, h, _, d = keys.shape
            self._stores = (
                keys.new_zeros(b, h, self.capacity, d),
                values.new_zeros(b, h, self.capacity, values.shape[-1]),
            )
        for store, fresh in zip(self._stores, (keys, values), strict=True):
            store[:, :, self.length : end] = fresh
        self.length = end
        return self.held()

    def reserve(self, heads: int, size: int) -> tuple[Tensor, Tensor]:
        """The storage, (1, H, capacity, d) in fp32 each, for an engine that writes into it and then calls `extend`.

        Raises ValueError if what is held has another shape: it was restored from another model's.
        """
        shape = (1, heads, self.capacity, size)
        if self._stores is None:
            self._stores = (torch.zeros(shape), torch.zeros(shape))
        for store in self._stores:
            if store.shape != shape or store.dtype != torch.float32:
                raise ValueError(f"the layer holds {tuple(store.shape)} in {store.dtype}, expected {shape} in fp32")
        return self._stores

    def extend(self, tokens: int) -> None:
        """`tokens` more slots were written in place."""
        self.length += tokens

    def held(self) -> tuple[Tensor, Tensor]:
        """Views of the keys and values in the cache: (B, H, T, d) each. Raises ValueError before the first update."""
        if self._stores is None:
            raise ValueError("the layer holds nothing yet: no forward has run")
        keys, values = self._stores
        return keys[:, :, : self.length], values[:, :, : self.length]

    def truncate(self, length: int) -> None:
        """Forget everything from slot `length` on. What stays is untouched, bit for bit."""
        self.length = length

    @torch.inference_mode()  # the buffers may have been made by a forward in this mode
    def remove(self, start: int, end: int, rotation: Rotation) -> None:
        """Close the hole [start, end): what follows moves down and its keys turn back by the hole's length."""
        tail = self.length - end
        if tail and self._stores is not None:
            for store in self._stores:
                store[:, :, start : start + tail] = store[:, :, end : self.length].clone()
            rotation.rotate_(self._stores[0][:, :, start : start + tail], start - end)
        self.truncate(start + tail)

    def nbytes(self) -> int:
        """Bytes of storage (0 before the first update)."""
        return sum(store.element_size() * store.nelement() for store in self._stores or ())


class CacheFull(RuntimeError):
    """A forward was about to write past the end of the cache: call `make_room` before it."""

    def __init__(self, *, held: int, coming: int, capacity: int) -> None:
        super().__init__(
            f"the cache holds {held} tokens and {coming} are coming, expected at most {capacity} in all: "
            f"call make_room({coming}) before the forward"
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """A point to roll back to."""

    length: int
    """Tokens held when the mark was made."""
    evicted: int
    """Tokens evicted up to then: a mark does not outlive an eviction."""


class SinkCache:
    """A pinned prefix (the attention sinks: four tokens, or a whole system prompt) and whole turns behind it."""

    def __init__(self, *, layers: int, capacity: int, rotation: Rotation) -> None:
        """`capacity` tokens in all, pinned prefix included; memory is allocated at the first forward."""
        if capacity < 1:
            raise ValueError(f"capacity is {capacity} tokens, expected at least 1")
        self.layers = tuple(SinkLayer(capacity) for _ in range(layers))
        self.capacity = capacity
        self.pinned = 0
        self.evictions = 0
        self.evicted = 0
        self._rotation = rotation
        self._turn_ends: list[int] = []

    @property
    def length(self) -> int:
        """Tokens held; also the position of the next one."""
        return self.layers[0].length

    @property
    def free(self) -> int:
        """Tokens that still fit."""
        return self.capacity - self.length

    def require(self, tokens: int) -> None:
        """Raises CacheFull if `tokens` more do not fit."""
        if tokens > self.free:
            raise CacheFull(held=self.length, coming=tokens, capacity=self.capacity)

    def extend(self, tokens: int) -> None:
        """`tokens` more slots were written in every layer's storage, in place."""
        for layer in self.layers:
            layer.extend(tokens)

    def pin(self) -> None:
        """Everything held so far is the prefix: it is never evicted."""
        if self._turn_ends or self.evicted:
            raise ValueError("the prefix is pinned before the first turn ends, and one already has")
        self.pinned = self.length

    def end_turn(self) -> None:
        """Whatever came since the last turn ended is a turn: it will be evicted whole."""
        if self.open_turn:
            self._turn_ends.append(self.length)

    @property
    def open_turn(self) -> int:
        """Tokens since the last turn ended."""
        return self.length - (self._turn_ends[-1] if self._turn_ends else self.pinned)

    def state(self) -> dict[str, Tensor]:
        """All that is held, for `restore`: copies, by name."""
        state = {
            "counts": torch.tensor([self.pinned, self.evictions, self.evicted]),
            "turn_ends": torch.tensor(self._turn_ends, dtype=torch.int64),
        }
        for index, layer in enumerate(self.layers):
            keys, values = layer.held()  # (B, H, T, d) each
            state |= {f"keys.{index}": keys.clone(), f"values.{index}": values.clone()}
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Hold what another cache held, bit for bit.

        Raises ValueError if something is held already, or `state` is of another model or does not fit.
        """
        stores = {f"{kind}.{index}" for kind in ("keys", "values") for index in range(len(self.layers))}
        if self.length or state.keys() != {"counts", "turn_ends"} | stores:
            raise ValueError(
                f"a state of {len(state)} tensors for a cache that holds {self.length} tokens, expected the "
                f"{len(stores) + 2} tensors of a cache of {len(self.layers)} layers, and an empty cache"
            )
        lengths = {state[name].shape[-2] for name in stores}
        if len(lengths) > 1 or max(lengths) > self.capacity:
            raise ValueError(
                f"a state of {max(lengths)} tokens for a window of {self.capacity}: expected no more than fit"
            )
        for index, layer in enumerate(self.layers):
            layer.update(state[f"keys.{index}"], state[f"values.{index}"])
        self.pinned, self.evictions, self.evicted = state["counts"].tolist()
        self._turn_ends = state["turn_ends"].tolist()

    def mark(self) -> Mark:
        """Remember this point, to `rollback` to it."""
        return Mark(length=self.length, evicted=self.evicted)

    def rollback(self, mark: Mark) -> None:
        """Forget everything since `mark`; what was there before is unchanged, bit for bit."""
        if mark.evicted != self.evicted or mark.length > self.length:
            raise ValueError(
                f"the mark was made at {mark.length} tokens with {mark.evicted} evicted, and the cache now holds "
                f"{self.length} with {self.evicted} evicted: mark again after an eviction"
            )
        for layer in self.layers:
            layer.truncate(mark.length)
        self._turn_ends = [end for end in self._turn_ends if end <= mark.length]

    def make_room(self, tokens: int, *, low_water: float = 0.75) -> int:
        """Evict the oldest turns until `tokens` more fit; return how many tokens went.

        Once it must evict, it goes on until at most `low_water` of the window is used (hysteresis): evictions are
        then rare, and each key is moved few times. Raises ValueError if `tokens` can't fit beside the pinned prefix
        and the open turn.
        """
        if tokens <= self.free:
            return 0
        wanted = max(tokens, round((1 - low_water) * (self.capacity - self.pinned)))
        end = self.pinned
        turns = 0
        for turns, end in enumerate(self._turn_ends, start=1):  # noqa: B007 - the last values are used below
            if self.free + end - self.pinned >= wanted:
                break
        if self.free + end - self.pinned < tokens:
            raise ValueError(
                f"{tokens} tokens can't fit: of {self.capacity}, {self.pinned} are pinned and "
                f"{self.length - end} belong to the open turn; expected a larger window or a shorter turn"
            )
        return self._evict(turns, end)

    def _evict(self, turns: int, end: int) -> int:
        count = end - self.pinned
        for layer in self.layers:
            layer.remove(self.pinned, end, self._rotation)
        self._turn_ends = [later - count for later in self._turn_ends[turns:]]
        self.evictions += 1
        self.evicted += count
        return count

    def nbytes(self) -> int:
        """Bytes of key and value storage (0 before the first forward)."""
        return sum(layer.nbytes() for layer in self.layers)
