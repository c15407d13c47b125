"""A conversation's context read afresh beside the one in use, to take its place.

In: a prefix and turns, as token ids. Out: a cache that holds them as if nothing else had ever been read: without the
traces that evicted text leaves in the keys and values of what came after it, and with corrected turns as they are now.
Knows no text.

It is read in slices, so the work can be left between any two, and taken up again as far as the turns are still the
same. It costs the memory of one cache, from the first slice until it is let go.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain

from surtitle.sinks.decoder import Decoder
from surtitle.sinks.lockstep import Steps
from surtitle.sinks.stream import TokenStream

SLICE = 32
"""Tokens read in one forward: as long as this, whoever needs the model has to wait."""


class Shadow:
    """One context, whole or on its way."""

    def __init__(self, decoder: Decoder, capacity: int) -> None:
        """`capacity` tokens are held at most, as in the cache whose place it takes."""
        self._stream = TokenStream(decoder, capacity=capacity)

    def reading(self, prefix: Sequence[int], turns: Sequence[Sequence[int]]) -> Steps[None]:
        """Read of `prefix` and `turns` what was not read yet; where they are others than before, begin anew."""
        cache = self._stream.cache
        ids = [*prefix, *chain.from_iterable(turns)]
        if cache.length and cache.ids[0].tolist() != ids[: cache.length]:
            cache.clear()
        for start in range(cache.length, len(ids), SLICE):
            yield from self._stream.reading(ids[start : start + SLICE])
        cache.pin(len(prefix))
        for end in accumulate(map(len, turns), initial=len(prefix)):
            cache.end_turn(end)

    def replace(self, stream: TokenStream) -> None:
        """Have `stream` go on from what was read, in whole: once `reading` has ended."""
        stream.take(self._stream)
