"""Beam search behind a stream: several beginnings of what comes next, kept side by side.

In: a stream that has just read, and how much may be written. Out: what could be written, the likeliest first, by the
mean log-probability of a token (Graves 2012; Wu et al. 2016, equation 14 with alpha 1). The stream is left as it was:
who wants one of them reads it. Knows no text.

Each beginning is a row of its own, and all rows go through the model in one forward. Where one beginning has two good
ends, its newest slots are copied to the row of one that has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surtitle.sinks.decoder import Decoder, Read
from surtitle.sinks.lockstep import ruled_out
from surtitle.sinks.stream import TokenStream


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that could be written."""

    tokens: tuple[int, ...]
    """Without what ends it."""
    score: float
    """Mean log-probability of a token, in nats, that of its end included."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A beginning."""

    tokens: tuple[int, ...]
    total: float
    """Log-probability, in nats."""
    parent: int
    """The row that held all of it but the last token."""

    @property
    def score(self) -> float:
        return self.total / len(self.tokens)


class Beams:
    """Room to try `width` beginnings in, for one stream after the other."""

    def __init__(self, decoder: Decoder, *, width: int, capacity: int) -> None:
        """`capacity` tokens are held at most, as in the streams. Raises ValueError for fewer than 2 beginnings."""
        if width < 2:
            raise ValueError(f"a width of {width}, expected at least 2 beginnings side by side")
        self._decoder = decoder
        self._width = width
        self._caches = decoder.caches(width, capacity)

    def search(
        self, stream: TokenStream, *, stop: Collection[int], limit: int, never: Tensor | None = None
    ) -> list[Candidate]:
        """What could be written behind `stream` without any of `never` (n,), likeliest first, at most twice the width.

        Each ends before one of `stop`; where none does within `limit` tokens, they are what is likeliest until there.
        Ends when no beginning is as likely any more as the `width`th of what has ended. Raises ValueError for a stream
        that has read nothing and for a limit below 1, CacheFull where `limit` tokens have no room.
        """
        if limit < 1:
            raise ValueError(f"a limit of {limit} tokens, expected at least 1 to write")
        rows, logits = [_Begun((), 0.0, 0)], stream.logits[None]  # (1, V)
        stream.cache.require(limit)
        for cache in self._caches:
            cache.take(stream.cache)
        ended: list[Candidate] = []
        for count in range(limit):
            further = _further(rows, logits if never is None else ruled_out(logits, never), 2 * self._width)
            ended += [
                Candidate(each.tokens[:-1], each.score) for each in further[: self._width] if each.tokens[-1] in stop
            ]
            ended = sorted(ended, key=lambda each: -each.score)[: 2 * self._width]
            rows = [each for each in further if each.tokens[-1] not in stop][: self._width]
            if not rows or (len(ended) >= self._width and rows[0].score < ended[self._width - 1].score):
                return ended
            if count + 1 < limit:
                logits = self._read(rows, stream.cache.length)
        return ended or [Candidate(each.tokens, each.score) for each in rows]

    def _read(self, rows: Sequence[_Begun], slot: int) -> Tensor:
        """Logits (B, V) behind each of `rows`, which part from each other at `slot`."""
        moved = [(row, begun.parent) for row, begun in enumerate(rows) if begun.parent != row]
        tails = {parent: self._caches[parent].tail(slot) for _, parent in moved}
        for row, parent in moved:
            self._caches[row].graft(slot, tails[parent])
        reads = [Read(begun.tokens[-1:], cache, keep=1) for begun, cache in zip(rows, self._caches, strict=False)]
        return torch.cat(self._decoder.decode_rows(reads))


def _further(rows: Sequence[_Begun], logits: Tensor, count: int) -> list[_Begun]:
    """The `count` likeliest ways to go on from `rows` by a token, whose `logits` (B, V) are given."""
    likely = logits.float().log_softmax(-1).topk(min(count, logits.shape[-1]))  # (B, count) each

    def ways() -> Iterator[_Begun]:
        for row, (begun, values, tokens) in enumerate(
            zip(rows, likely.values.tolist(), likely.indices.tolist(), strict=True)
        ):
            for value, token in zip(values, tokens, strict=True):
                yield _Begun((*begun.tokens, token), begun.total + value, row)

    return sorted(ways(), key=lambda each: -each.total)[:count]
