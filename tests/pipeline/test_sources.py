"""`surtitle.pipeline.sources`: audio until somebody says stop, on the session's clock and rate."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples, Skipped, Sound, Targets
from surtitle.pipeline.pacing import RealClock
from surtitle.pipeline.soundcheck import Soundcheck
from surtitle.pipeline.sources import begun, checked, resampled, until_stopped


async def counted(end: int, closed: list[bool] | None = None) -> AsyncIterator[int]:
    """1, 2, ... `end`; tells when it is closed or cancelled."""
    try:
        for number in range(1, end + 1):
            yield number
            await asyncio.sleep(0)
    finally:
        if closed is not None:
            closed.append(True)


async def test_a_microphone_is_checked_while_it_is_listened_to() -> None:
    async def heard() -> AsyncIterator[AudioChunk | Gap]:
        for item in items:
            yield item

    items: list[AudioChunk | Gap] = [AudioChunk(np.ones(SAMPLE_RATE, np.float32), 0.0), Gap(1.0, 3.0, "device")]
    told, levels = list[str](), list[float]()
    check = Soundcheck("usb", told.append)
    assert [item async for item in checked(heard(), check, levels.append)] == items
    assert levels == [0.0] * 5 + [-math.inf]
    assert len(told) == 1


async def test_all_items_come_when_nobody_stops_them() -> None:
    assert [item async for item in until_stopped(counted(5), asyncio.Event())] == [1, 2, 3, 4, 5]


async def test_no_item_comes_after_the_stop() -> None:
    stop, seen, closed = asyncio.Event(), list[int](), list[bool]()
    async for item in until_stopped(counted(1_000_000, closed), stop):
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

    async for _ in until_stopped(silent(), stop):
        asyncio.get_running_loop().call_soon(stop.set)
    assert cancelled == [True]


async def test_what_a_source_raises_is_raised() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        _ = [item async for item in until_stopped(broken(), asyncio.Event())]


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

    chunks = [chunk async for chunk in resampled(published(), rate, ["en"]) if isinstance(chunk, AudioChunk)]
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(2 * SAMPLE_RATE, abs=2)
    assert all(b.start == pytest.approx(a.end) for a, b in pairwise(chunks))
    assert all(len(chunk.samples) for chunk in chunks)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
async def test_sound_that_a_publisher_could_not_send_is_a_gap_and_the_rest_keeps_its_time(rate: int) -> None:
    async def published() -> AsyncIterator[Sound]:
        yield np.zeros(rate, np.float32)
        yield Skipped(rate)
        yield Skipped(2 * rate)
        yield np.zeros(rate, np.float32)

    items = [item async for item in resampled(published(), rate, ["en"])]
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(gap.start, gap.end, gap.why) for gap in gaps] == [
        (pytest.approx(1, abs=1e-3), pytest.approx(2, abs=1e-3), "network"),
        (pytest.approx(2, abs=1e-3), pytest.approx(4, abs=1e-3), "network"),
    ]
    assert all(b.start == pytest.approx(a.end) for a, b in pairwise(items))
    assert items[-1].end == pytest.approx(5, abs=1e-3)


async def test_other_translations_are_wanted_between_two_chunks_and_only_such_as_there_can_be() -> None:
    async def published() -> AsyncIterator[Sound]:
        yield np.zeros(1600, np.float32)
        yield Targets(("fr",))
        yield np.zeros(1600, np.float32)
        yield Targets(("fr", "xx"))

    items = resampled(published(), SAMPLE_RATE, ["en"])
    assert [type(await anext(items)) for _ in range(3)] == [AudioChunk, Targets, AudioChunk]
    with pytest.raises(UserError, match="xx"):
        await anext(items)
