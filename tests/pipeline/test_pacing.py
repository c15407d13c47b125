"""`surtitle.pipeline.pacing`: audio by the clock, and the clocks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hand_clock import HandClock
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Samples
from surtitle.pipeline.pacing import RealClock, VirtualClock, paced, recut


def blocks(*lengths: int) -> list[Samples]:
    count = itertools.count()
    return [np.fromiter(itertools.islice(count, length), np.float32, length) for length in lengths]


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 40))
def test_however_the_blocks_lie_the_pieces_are_the_same(lengths: list[int], length: int) -> None:
    pieces = list(recut(blocks(*lengths), length))
    assert [len(piece) for piece in pieces[:-1]] == [length] * (len(pieces) - 1)
    assert all(0 < len(piece) <= length for piece in pieces)
    joined = np.concatenate([np.empty(0, np.float32), *pieces])
    np.testing.assert_array_equal(joined, np.arange(sum(lengths), dtype=np.float32))


async def test_on_the_virtual_clock_an_hour_passes_without_waiting() -> None:
    clock = VirtualClock()
    hour = itertools.repeat(np.zeros(10 * SAMPLE_RATE, np.float32), 360)
    ends = [(chunk.end, clock.now()) async for chunk in paced(hour, clock, step=10.0)]
    assert ends == [(10.0 * k, 10.0 * k) for k in range(1, 361)]


class Reader:
    """Takes all that a clock lets through."""

    def __init__(self, clock: HandClock, seconds: float) -> None:
        self.clock = clock
        self.chunks: list[AudioChunk] = []
        self._blocks = [np.zeros(round(seconds * SAMPLE_RATE), np.float32)]

    async def run(self) -> None:
        async for chunk in paced(self._blocks, self.clock):
            self.chunks.append(chunk)

    async def settle(self, count: int) -> None:
        """Give it many turns to read more than `count` chunks, if it would."""
        for _ in range(200):
            await asyncio.sleep(0)
            await asyncio.to_thread(int)
        assert len(self.chunks) == count


async def test_no_chunk_comes_before_its_last_sample_was_spoken() -> None:
    clock = HandClock()
    reader = Reader(clock, 0.35)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        await reader.settle(0)
        clock.advance(0.0999)
        await reader.settle(0)
        clock.advance(0.0001)
        await reader.settle(1)
        clock.advance(1.0)
    assert [chunk.start for chunk in reader.chunks] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert reader.chunks[-1].end == pytest.approx(0.35)


async def test_a_reader_that_fell_behind_gets_what_is_due_and_no_more() -> None:
    clock = HandClock()
    reader = Reader(clock, 2.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        await reader.settle(0)
        clock.advance(0.75)
        await reader.settle(7)
        clock.advance(2.0)


async def test_a_program_that_was_stopped_for_minutes_goes_on_where_it_was() -> None:
    clock = HandClock()
    reader = Reader(clock, 0.3)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        await reader.settle(0)
        clock.advance(300.0)
        await reader.settle(1)
        clock.advance(0.1)
        await reader.settle(2)
        clock.advance(0.1)
    assert clock.now() == pytest.approx(0.3)


async def test_nor_does_it_matter_whether_it_was_decoding_then() -> None:
    clock = VirtualClock()

    def decoded() -> Iterator[Samples]:
        yield np.zeros(1600, np.float32)
        clock.begin(ago=300.0)
        yield np.zeros(1600, np.float32)

    ends = [(chunk.end, clock.now()) async for chunk in paced(decoded(), clock)]
    assert ends == [(0.1, 0.1), (0.2, 0.2)]


async def test_the_clock_begins_when_the_first_audio_is_decoded() -> None:
    clock = RealClock()
    assert clock.now() == 0.0
    chunk = await anext(paced([np.zeros(160, np.float32)], clock, step=0.01))
    assert chunk.end == 0.01
    assert 0.01 <= clock.now() < 5.0


async def test_on_the_real_clock_audio_takes_its_time() -> None:
    clock = RealClock()
    late = [clock.now() - chunk.end async for chunk in paced(blocks(1600, 1600), clock, step=0.02)]
    assert len(late) == 10
    assert all(lateness >= 0.0 for lateness in late)


async def test_a_recording_without_samples_ends_at_once() -> None:
    assert [chunk async for chunk in paced([], VirtualClock())] == []


async def test_an_error_of_the_decoder_reaches_the_reader() -> None:
    def broken() -> Iterator[Samples]:
        yield np.zeros(1600, np.float32)
        raise UserError("damaged")

    with pytest.raises(UserError, match="damaged"):
        async for _ in paced(broken(), VirtualClock()):
            pass
