"""Which clock a session runs on, and audio delivered by that clock.

In: blocks of samples from a recording. Out: chunks of one length, each delivered when its last sample would have been
spoken. Knows nothing of files or devices. A session's time is read from the system here, in `RealClock`, and nowhere
else; those that need it are given a `Clock`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Protocol

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Samples

STOPPED = 30.0
"""Seconds for which no chunk is waited in vain: the program was stopped (Ctrl-Z, a frozen container)."""


class Clock(Protocol):
    """Time since the audio began."""

    def begin(self, *, ago: float = 0.0) -> None:
        """The audio began so many seconds ago: `now` counts from there."""

    def now(self) -> float:
        """Seconds since the audio began; 0.0 before that."""

    async def sleep_until(self, when: float) -> None:
        """Return once `now()` is at least `when` seconds."""


class RealClock:
    """Monotonic wall time: steps of the system's date do not move captions."""

    def __init__(self) -> None:
        self._began: float | None = None

    def begin(self, *, ago: float = 0.0) -> None:
        self._began = time.monotonic() - ago

    def now(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    async def sleep_until(self, when: float) -> None:
        # More than one turn: the event loop may wake by its clock's resolution too early.
        while (left := when - self.now()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)


class VirtualClock:
    """Advances only with the audio and never waits: the same captions on every run, however slow the
    machine."""

    def __init__(self) -> None:
        self._now = 0.0

    def begin(self, *, ago: float = 0.0) -> None:
        self._now = ago

    def now(self) -> float:
        return self._now

    async def sleep_until(self, when: float) -> None:
        self._now = max(self._now, when)
        await asyncio.sleep(0)  # Others get a turn, as they would on the real clock.


async def paced(blocks: Iterable[Samples], clock: Clock, step: float = 0.1) -> AsyncIterator[AudioChunk]:
    """Deliver `blocks` joined and cut anew into chunks of `step` seconds, none before its last sample was
    spoken.

    The clock begins when the first chunk is decoded, so opening the file costs no lag, and every chunk is
    due by its place in the audio, so lateness never adds up: a consumer that fell behind gets the next
    chunks at once. A program that was stopped goes on where it was, and nothing is skipped. `blocks` is run
    in a thread; what it raises is raised here.
    """
    chunks = recut(blocks, round(step * SAMPLE_RATE))
    position = 0  # Samples delivered.
    # A thread can not raise StopIteration into a coroutine, so the end is a value.
    samples = await asyncio.to_thread(next, chunks, None)
    clock.begin()
    asked = clock.now()
    while samples is not None:
        chunk = AudioChunk(samples=samples, start=position / SAMPLE_RATE)
        position += len(samples)
        await clock.sleep_until(chunk.end)
        if clock.now() - max(asked, chunk.end) > STOPPED:
            clock.begin(ago=chunk.end)
        yield chunk
        asked = clock.now()
        samples = await asyncio.to_thread(next, chunks, None)


def recut(blocks: Iterable[Samples], length: int) -> Iterator[Samples]:
    """Join `blocks` and cut them into pieces of `length` samples; the last may be shorter, none is empty."""
    assert length > 0, f"pieces of {length} samples, expected at least 1"
    held: list[Samples] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= length:
            joined = np.concatenate(held)
            whole = count - count % length
            for first in range(0, whole, length):
                yield joined[first : first + length]
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)
