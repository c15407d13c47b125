"""Several streams in step: what they want to read next is read in one forward.

In: steps, which are generators that yield what they want read and are sent its logits. Out: what they return, as each
is done. A forward's time goes into reading the weights, so four streams in step take little longer than one. Knows
no stream.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from surtitle.sinks.decoder import Decoder, Read

T = TypeVar("T")
Steps = Generator[Read, Tensor, T]
"""Work that needs a model: yields a `Read`, is sent logits (keep, V), and returns its result."""


def alone(decoder: Decoder, steps: Steps[T]) -> T:
    """What `steps` return."""
    try:
        read = next(steps)
        while True:
            read = steps.send(decoder.decode(read.ids, read.cache, keep=read.keep))
    except StopIteration as end:
        result: T = end.value
        return result


def together(decoder: Decoder, steps: Sequence[Steps[T]]) -> Iterator[tuple[int, T]]:
    """Which of `steps` is done, and what it returned, as they finish. Their caches must be different ones.

    Not asked for more, it reads no more. Where one fails, all end.
    """
    going: dict[int, Read] = {}
    replies: dict[int, Tensor | None] = dict.fromkeys(range(len(steps)))
    try:
        while replies:
            for index, reply in replies.items():
                try:
                    # a generator's first value is None, which its type does not tell
                    going[index] = next(steps[index]) if reply is None else steps[index].send(reply)
                except StopIteration as end:
                    going.pop(index, None)
                    yield index, end.value
            logits = decoder.decode_rows(list(going.values())) if going else []
            replies = dict(zip(going, logits, strict=True))
    finally:
        for each in steps:
            each.close()


def ruled_out(logits: Tensor, tokens: Tensor) -> Tensor:
    """`logits` (B, V), by which none of `tokens` (n,) is ever likely."""
    return logits.index_fill(-1, tokens.to(logits.device), float("-inf"))


def without(steps: Steps[T], tokens: Tensor) -> Steps[T]:
    """`steps`, for which none of `tokens` (n,) is ever likely to come next."""
    try:
        read = next(steps)
        while True:
            logits = yield read  # (keep, V)
            read = steps.send(ruled_out(logits, tokens))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        steps.close()


def until(steps: Steps[None], stop: Callable[[], bool]) -> Steps[bool]:
    """`steps` until they end, or `stop` says so between two of them. Whether they ended."""
    try:
        read = next(steps)
        while True:
            read = steps.send((yield read))
            if stop():
                steps.close()
                return False
    except StopIteration:
        return True
