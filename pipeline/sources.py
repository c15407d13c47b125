"""What drives a session, made of what comes from outside.

In: a publisher's sound, any items, a stop. Out: items at the session's rate, from when its clock begins, until the
stop. Knows no device and no socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TypeVar

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Item, Skipped, Sound, Targets
from surtitle.pipeline.languages import pair_of_codes
from surtitle.pipeline.pacing import Clock
from surtitle.pipeline.resample import Resampler
from surtitle.pipeline.soundcheck import Soundcheck

T = TypeVar("T")


async def until_stopped(items: AsyncIterator[T], stop: asyncio.Event) -> AsyncGenerator[T]:
    """`items` until they end or `stop` is set, whichever is first."""
    stopped = asyncio.ensure_future(stop.wait())
    coming: asyncio.Future[T | None] | None = None
    try:
        # asked each time: a source that always has an item ready would never let `stopped` win
        while not stop.is_set():
            coming = asyncio.ensure_future(anext(items, None))
            await asyncio.wait((coming, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            item = coming.result()
            if item is None:
                return
            yield item
    finally:
        stopped.cancel()
        if coming is not None:  # nobody waits for it any more
            coming.cancel()
            await asyncio.wait((coming,))


async def checked(
    heard: AsyncIterator[AudioChunk | Gap], check: Soundcheck, show: Callable[[float], object]
) -> AsyncIterator[Item]:
    """What a microphone gives, and meanwhile what `check` says of it; `show` is called with its level."""
    async for item in heard:
        for level in check.push(item):
            show(level)
        yield item


async def begun(items: AsyncIterator[Item], clock: Clock) -> AsyncIterator[Item]:
    """Start the clock with the first audio of `items`: it began when that did."""
    is_begun = False
    async for item in items:
        if not (is_begun or isinstance(item, Targets)):
            clock.begin(ago=item.end - item.start)
            is_begun = True
        yield item


async def resampled(sound: AsyncIterator[Sound], rate: int, sources: Sequence[str]) -> AsyncIterator[Item]:
    """A publisher's sound, at `rate` hertz, as chunks of the session's, and gaps where there is none.

    Raises UserError where other translations are wanted that there can't be of what is spoken in `sources`.
    """
    resampler = Resampler(rate)
    position = 0
    async for block in sound:
        if isinstance(block, Targets):
            yield Targets(pair_of_codes(sources, block.targets).targets)
            continue
        samples = resampler.flush() if isinstance(block, Skipped) else resampler.push(block)
        if len(samples):
            yield AudioChunk(samples, position / SAMPLE_RATE)
            position += len(samples)
        if isinstance(block, Skipped):
            end = position + round(block.samples * SAMPLE_RATE / rate)
            yield Gap(position / SAMPLE_RATE, end / SAMPLE_RATE, "network")
            position = end
    rest = resampler.flush()
    if len(rest):
        yield AudioChunk(rest, position / SAMPLE_RATE)
