"""`surtitle.pipeline.runner`: audio until somebody says stop, on the session's clock and rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples
from surtitle.pipeline.pacing import RealClock
from surtitle.pipeline.runner import begun, resampled, until


async def counted(end: int, closed: list[bool] | None = None) -> AsyncIterator[int]:
    """1, 2, ... `end`; tells when it is closed or cancelled."""
    try:
        for number in range(1, end + 1):
            yield number
            await asyncio.sleep(0)
    finally:
        if closed is not None:
            closed.append(True)


async def test_all_items_come_when_nobody_stops_them() -> None:
    assert [item async for item in until(counted(5), asyncio.Event())] == [1, 2, 3, 4, 5]


async def test_no_item_comes_after_the_stop() -> None:
    stop, seen, closed = asyncio.Event(), list[int](), list[bool]()
    async for item in until(counted(1_000_000, closed), stop):
        seen.append(item)
        if item == 3:
            stop.set()
    assert seen[:3] == [1, 2, 3]
    assert len(seen) <= 4


async def test_a_stop_ends_a_source_that_is_silent() -> None:
    stop, cancelled = asyncio.Event(), list[bool]()

    async def silent() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async for _ in until(silent(), stop):
        asyncio.get_running_loop().call_soon(stop.set)
    assert cancelled == [True]


async def test_what_a_source_raises_is_raised() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        _ = [item async for item in until(broken(), asyncio.Event())]


async def test_the_clock_begins_with_the_first_item() -> None:
    clock = RealClock()

    async def late() -> AsyncIterator[AudioChunk | Gap]:
        await asyncio.sleep(0.01)
        assert clock.now() == 0.0
        yield Gap(0.0, 1.0, "device")

    assert len([item async for item in begun(late(), clock)]) == 1
    assert clock.now() > 0.0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_a_publishers_samples_become_chunks_of_the_sessions_rate_end_to_end(rate: int) -> None:
    async def published() -> AsyncIterator[Samples]:
        for _ in range(20):
            yield np.zeros(rate // 10, np.float32)

    chunks = [chunk async for chunk in resampled(published(), rate) if isinstance(chunk, AudioChunk)]
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(2 * SAMPLE_RATE, abs=2)
    assert all(b.start == pytest.approx(a.end) for a, b in pairwise(chunks))
    assert all(len(chunk.samples) for chunk in chunks)
