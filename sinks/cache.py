"""The attention-sink cache: a pinned prefix and a rolling window, in constant memory.

In: keys and values as a model makes them, and the caller's word on what is pinned and where turns end. Out: the keys
and values to attend to, whose slot index is the position the model sees (StreamingLLM, Xiao et al. 2023, section 3.2).
Knows no text, no tokenizer, no audio.

Eviction happens between forwards, never inside `update()`. A key that arrives was already rotated for the length that
the model saw, so moving its neighbours meanwhile leaves it at a position that no longer exists: the bug of every
predecessor. Attention sees distances only, so there are two ways to close a hole of n slots, equal but for rounding:

- *turn the survivors* back by n, once: keys (T, d) cost T d each time. For fp32.
- *anchored*: leave the survivors, whose positions go on growing, and move the pinned keys up after them, afresh from
  what they were at first. No rounding adds up, and only the prefix is touched. For 16-bit keys. Positions are brought
  back before they pass `horizon`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from surtitle.sinks.layer import CacheFull, SinkLayer
from surtitle.sinks.rope import Rotation

HORIZON = 16_384
"""Positions of an anchored cache stay below this, where its window lets them: an angle in fp32 is then off by a
thousandth of a radian at most."""
LOW_WATER = 0.75
"""Of the window, what an eviction leaves."""


def horizon_of(capacity: int, limit: int | None) -> int:
    """Of a cache of `capacity` tokens, of a model whose positions end at `limit`, if they do: a window that comes near
    HORIZON has as much ahead of it, or every eviction would turn all its keys.
    """
    horizon = max(HORIZON, 2 * capacity)
    return horizon if limit is None else min(horizon, limit)


@dataclass(frozen=True, slots=True)
class Mark:
    """A point to roll back to."""

    length: int
    """Tokens held when the mark was made."""
    evicted: int
    """Tokens evicted up to then: a mark does not outlive an eviction."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Copies of the newest slots of a cache."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values of each layer, (B, H, n, d) each."""
    ids: Tensor | None
    """(B, n): what they were made from, where that is known."""


class SinkCache:
    """A pinned prefix (the attention sinks: four tokens, or a whole system prompt) and whole turns behind it."""

    def __init__(
        self, *, capacity: int, rotations: Sequence[Rotation], anchored: bool = False, horizon: int = HORIZON
    ) -> None:
        """`capacity` tokens in all, pinned prefix included; memory is allocated at the first forward.

        `rotations` says for each layer how its keys turn.
        """
        if capacity < 1:
            raise ValueError(f"capacity is {capacity} tokens, expected at least 1")
        if anchored and horizon < capacity:
            raise ValueError(
                f"positions can't stay below {horizon} with {capacity} tokens held: expected a wider horizon"
            )
        self.layers = tuple(SinkLayer(capacity) for _ in rotations)
        self.capacity = capacity
        self.pinned = 0
        self.evictions = 0
        self.evicted = 0
        self.anchored = anchored
        self._rotations = tuple(rotations)
        self._horizon = horizon
        self._offset = 0  # how far the positions of an anchored cache are ahead of its slots
        self._at_first: tuple[Tensor, ...] = ()  # the pinned keys of an anchored cache at their first positions
        self._turn_ends: list[int] = []
        self._rolling = False  # a turn has ended, or something was evicted
        self._ids: Tensor | None = None  # (B, T): what was read into the slots

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.layers[0].length

    @property
    def position(self) -> int:
        """Of the next token: its slot, but for an anchored cache."""
        return self.length + self._offset

    @property
    def free(self) -> int:
        """Tokens that still fit."""
        return self.capacity - self.length

    @property
    def knows_ids(self) -> bool:
        """Whether nothing came in without its ids."""
        return self._ids is not None and self._ids.shape[1] == self.length

    @property
    def ids(self) -> Tensor:
        """The token ids held, (B, T). Raises ValueError where something came in without its ids."""
        if self._ids is None or not self.knows_ids:
            raise ValueError(f"the ids of the {self.length} tokens held are not known: not all were read as ids")
        return self._ids

    def require(self, tokens: int) -> None:
        """Raises CacheFull if `tokens` more do not fit."""
        if tokens > self.free:
            raise CacheFull(held=self.length, coming=tokens, capacity=self.capacity)

    def extend(self, tokens: int) -> None:
        """`tokens` more slots were written in every layer's storage, in place."""
        for layer in self.layers:
            layer.extend(tokens)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around a forward that writes layer after layer: if it fails, or is interrupted, none of it is held."""
        before = self.length
        try:
            yield
        except BaseException:
            self.layers[0].truncate(before)
            self.forget(0)
            raise

    def record(self, ids: Tensor) -> None:
        """`ids` (B, n) are what the newest n slots were made from: for `rebuild`s, and to know what was read."""
        before = self.length - ids.shape[1]
        if not before:  # as many rows as now are read
            self._ids = ids.clone()
        elif self._ids is not None and self._ids.shape[1] == before:
            self._ids = torch.cat((self._ids, ids.to(self._ids.device)), dim=1)

    def pin(self, tokens: int | None = None) -> None:
        """The first `tokens` held, or all, are the prefix: it is never evicted.

        Raises ValueError once a turn has ended or gone, for more than are held, and where nothing more would fit.
        """
        tokens = self.length if tokens is None else tokens
        if not 0 <= tokens <= self.length or tokens == self.capacity:
            raise ValueError(
                f"{tokens} tokens to pin of {self.length} held and {self.capacity} that fit: expected no more than are "
                f"held, and a window larger than its prefix"
            )
        if self._rolling:
            raise ValueError("the prefix is pinned before the first turn ends, and one already has")
        self.pinned = tokens
        anchors = [layer for layer in self.layers if layer.rows] if self.anchored and tokens else ()
        self._at_first = tuple(layer.held()[0][:, :, :tokens].clone() for layer in anchors)

    def end_turn(self, slot: int | None = None) -> None:
        """Whatever came since the last turn ended, up to `slot` or all, is a turn: it will be evicted whole.

        Raises ValueError for a slot that the last turn or the prefix holds, or beyond what is held.
        """
        end = self.length if slot is None else slot
        begin = self.length - self.open_turn
        if not begin <= end <= self.length:
            raise ValueError(f"a turn that ends at slot {end}, expected {begin} to {self.length}")
        if end > begin:
            self._turn_ends.append(end)
            self._rolling = True

    @property
    def open_turn(self) -> int:
        """Tokens since the last turn ended."""
        return self.length - (self._turn_ends[-1] if self._turn_ends else self.pinned)

    @property
    def turn_ends(self) -> tuple[int, ...]:
        """The slots behind which a turn ended."""
        return tuple(self._turn_ends)

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
        self.forget(self.length - mark.length)

    def forget(self, tokens: int) -> None:
        """Drop the newest `tokens`. Raises ValueError where they reach into the prefix."""
        length = self.length - tokens
        if tokens < 0 or length < self.pinned:
            raise ValueError(
                f"{tokens} tokens to forget of {self.length} with {self.pinned} pinned: expected at most what is not"
            )
        for layer in self.layers:
            layer.truncate(length)
        self._turn_ends = [end for end in self._turn_ends if end <= length]
        if self._ids is not None:
            self._ids = self._ids[:, :length]

    def clear(self) -> None:
        """Hold nothing and pin nothing, as at first; what was held counts as evicted."""
        self.evicted += self.length
        for layer in self.layers:
            layer.truncate(0)
        self.pinned = self._offset = 0
        self._rolling = False
        self._at_first, self._turn_ends, self._ids = (), [], None

    def make_room(self, tokens: int, *, low_water: float = LOW_WATER, whole_turns: bool = True) -> int:
        """Evict the oldest turns until `tokens` more fit; return how many tokens went.

        Once it must evict, it goes on until at most `low_water` of the window is used (hysteresis): evictions are
        then rare, and each key is moved few times. With `whole_turns` false, the oldest tokens go wherever turns
        end. Raises ValueError if `tokens` can't fit beside the pinned prefix and the open turn.
        """
        if tokens <= self.free:
            return 0
        wanted = max(tokens, round((1 - low_water) * (self.capacity - self.pinned)))
        if whole_turns:
            count = self._turns_of(wanted - self.free)
        else:
            count = min(wanted - self.free, self.length - self.pinned)
        if self.free + count < tokens:
            raise ValueError(
                f"{tokens} tokens can't fit: of {self.capacity}, {self.pinned} are pinned and "
                f"{self.length - self.pinned - count} belong to the open turn; expected a larger window or a shorter "
                f"turn"
            )
        return self.evict(count)

    def _turns_of(self, tokens: int) -> int:
        """Tokens of the oldest turns that have `tokens` together, or of all turns that ended."""
        ends = [end - self.pinned for end in self._turn_ends]
        return next((end for end in ends if end >= tokens), max(ends, default=0))

    def evict(self, tokens: int) -> int:
        """Drop the oldest `tokens` behind the prefix, and close the hole; return `tokens`.

        Raises ValueError if there are not as many.
        """
        end = self.pinned + tokens
        if tokens < 1 or end > self.length:
            raise ValueError(f"{tokens} tokens to evict, expected 1 to {self.length - self.pinned}")
        for layer in self.layers:
            layer.remove(self.pinned, end)
        if self.anchored:
            self._follow(tokens)
        else:
            self._rotate_survivors(-tokens)
        self._turn_ends = [later - tokens for later in self._turn_ends if later > end]
        if self._ids is not None:
            self._ids = torch.cat((self._ids[:, : self.pinned], self._ids[:, end:]), dim=1)
        self.evictions += 1
        self.evicted += tokens
        self._rolling = True
        return tokens

    def _rotate_survivors(self, delta: int) -> None:
        for layer, rotation in zip(self.layers, self._rotations, strict=True):
            layer.rotate(self.pinned, rotation, delta)

    def _follow(self, tokens: int) -> None:
        """The survivors stay where they are; the prefix comes after them."""
        self._offset += tokens
        self._settle()

    def _settle(self) -> None:
        """Bring positions back that would pass the horizon, and the prefix to where the others are."""
        if self._offset and self._offset + self.capacity > self._horizon:
            self._rotate_survivors(-self._offset)
            self._offset = 0
        for layer, rotation, keys in zip(self.layers, self._rotations, self._at_first, strict=False):
            moved = keys.clone()
            rotation.rotate_(moved, self._offset)
            layer.replace(moved)

    @property
    def rows(self) -> int:
        """Sequences held side by side (0 before the first forward)."""
        return self.layers[0].rows

    def select(self, rows: Tensor) -> None:
        """Hold these `rows` (indices, repeats allowed), as beam search and batch selection want it."""
        for layer in self.layers:
            layer.select(rows)
        self._at_first = tuple(keys[rows.to(keys.device)] for keys in self._at_first)
        if self._ids is not None:
            self._ids = self._ids[rows.to(self._ids.device)]

    def adopt(self, rows: Tensor) -> None:
        """Let every row's last token be that of `rows` (an index each): all rows tried another, and one was chosen."""
        for layer in self.layers:
            layer.adopt(rows)
        if self.length == self.pinned:  # it is a sink, just pinned
            for keys in self._at_first:
                keys[:, :, -1] = keys[rows.to(keys.device), :, -1]
        if self._ids is not None and self.knows_ids:
            self._ids[:, -1] = self._ids[rows.to(self._ids.device), -1]

    def state(self) -> dict[str, Tensor]:
        """All that is held, for `restore`: copies, by name."""
        state = {
            # what was cleared is of another text: a prefix may still be pinned, unless this one has begun to roll
            "counts": torch.tensor([self.pinned, self.evictions, self.evicted if self._rolling else 0, self._offset]),
            "turn_ends": torch.tensor(self._turn_ends, dtype=torch.int64),
        }
        for index, layer in enumerate(self.layers):
            keys, values = layer.held()  # (B, H, T, d) each
            state |= {f"keys.{index}": keys.clone(), f"values.{index}": values.clone()}
        state |= {f"at_first.{index}": keys.clone() for index, keys in enumerate(self._at_first)}
        if self._ids is not None:
            state["ids"] = self._ids.clone()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Hold what another cache held, bit for bit, but where its positions are too far on for this window.

        Raises ValueError if something is held already, or `state` is of another model or does not fit.
        """
        stores = {f"{kind}.{index}" for kind in ("keys", "values") for index in range(len(self.layers))}
        pinned = "counts" in state and bool(state["counts"][0])
        at_first = [f"at_first.{index}" for index in range(len(self.layers)) if self.anchored and pinned]
        needed = {"counts", "turn_ends", *stores, *at_first}
        if self.length or state.keys() - {"ids"} != needed:
            raise ValueError(
                f"a state of {len(state)} tensors for a cache that holds {self.length} tokens, expected the "
                f"{len(needed)} tensors of a cache of {len(self.layers)} layers, and an empty cache"
            )
        lengths = {state[name].shape[-2] for name in stores}
        if len(lengths) > 1 or max(lengths) > self.capacity:
            raise ValueError(
                f"a state of {max(lengths)} tokens for a window of {self.capacity}: expected no more than fit"
            )
        for index, layer in enumerate(self.layers):
            layer.update(state[f"keys.{index}"], state[f"values.{index}"])
        self.pinned, self.evictions, self.evicted, self._offset = state["counts"].tolist()
        self._turn_ends = state["turn_ends"].tolist()
        self._rolling = bool(self._turn_ends or self.evicted)
        self._at_first = tuple(state[name] for name in at_first)
        self._ids = state.get("ids")
        self._settle()  # a wider window passes the horizon sooner

    def take(self, other: SinkCache) -> None:
        """Hold what `other` holds, as `restore` does, in the storage that is here; what was held counts as evicted.

        Raises ValueError, before anything is forgotten, for a cache of another kind and for more than fit.
        """
        if (other.anchored, len(other.layers)) != (self.anchored, len(self.layers)) or other.length > self.capacity:
            raise ValueError(
                f"a cache of {len(other.layers)} layers with {other.length} tokens, expected one of the same model, "
                f"and at most {self.capacity} tokens"
            )
        self.clear()
        for layer, theirs in zip(self.layers, other.layers, strict=True):
            layer.update(*theirs.held())
        self.pinned, self._offset, self._rolling = other.pinned, other._offset, other._rolling
        self._at_first = tuple(keys.clone() for keys in other._at_first)
        self._turn_ends = list(other._turn_ends)
        self._ids = None if other._ids is None else other._ids.clone()
        self._settle()

    def tail(self, slot: int) -> Tail:
        """What is held from `slot` on."""
        held = [layer.held() for layer in self.layers]
        layers = tuple((keys[:, :, slot:].clone(), values[:, :, slot:].clone()) for keys, values in held)
        return Tail(layers, None if self._ids is None else self._ids[:, slot:].clone())

    def graft(self, slot: int, tail: Tail) -> None:
        """Hold `tail` from `slot` on, instead of what is there: that of a cache that holds the same before `slot`.

        Raises ValueError where `slot` is in the prefix or beyond what is held.
        """
        self.forget(self.length - slot)
        for layer, fresh in zip(self.layers, tail.layers, strict=True):
            layer.update(*fresh)
        if tail.ids is not None:
            self.record(tail.ids)

    def nbytes(self) -> int:
        """Bytes of key and value storage (0 before the first forward)."""
        return sum(layer.nbytes() for layer in self.layers)
