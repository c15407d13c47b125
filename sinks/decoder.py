"""What a stream asks of a model.

In: token ids and the caches to read them into. Out: logits. Three models answer: `lean.LeanDecoder`, the engine;
`stock.StockDecoder`, around any transformers model; and `static.StaticDecoder`, the same in CUDA graphs. Knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.rope import Rotation


@dataclass(frozen=True, slots=True)
class Read:
    """Tokens to read at a cache's end."""

    ids: Sequence[int]
    cache: SinkCache
    keep: int
    """Of how many of the last ids the logits are wanted."""


class NoRoom(ValueError):
    """A decoder holds as many caches as it has storage for."""


class Decoder(Protocol):
    """A model, shared by its caches; used from one thread at a time."""

    @property
    def rotations(self) -> tuple[Rotation, ...]:
        """How the keys of each layer turn."""

    def cache(self, capacity: int) -> SinkCache:
        """An empty cache for this model. Raises NoRoom where there is storage for no more."""

    def caches(self, count: int, capacity: int) -> tuple[SinkCache, ...]:
        """Empty caches that will be read into together."""

    def decode(self, ids: Sequence[int], cache: SinkCache, *, keep: int) -> Tensor:
        """Read `ids` at the cache's end; logits (keep, V) of what follows the last `keep` of them."""

    def decode_rows(self, reads: Sequence[Read]) -> list[Tensor]:
        """As `decode`, for several caches, in as few forwards as the model can do it in."""
