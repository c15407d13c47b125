"""`surtitle.pipeline.incoming`: a turn at a time, an empty one where the source stalls, and none behind its end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
from hand_clock import HandClock

from surtitle.pipeline.arrivals import STALL, Arrivals
from surtitle.pipeline.backlog import BACKLOG
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap
from surtitle.pipeline.incoming import Incoming


def piece(start: float, seconds: float) -> AudioChunk:
    return AudioChunk(np.zeros(round(seconds * SAMPLE_RATE), np.float32), start)


class Reader:
    """Takes every turn that there is."""

    def __init__(self, incoming: Incoming) -> None:
        self.turns: list[list[AudioChunk]] = []
        self._incoming = incoming

    async def run(self) -> None:
        async with aclosing(self._incoming.turns(1.0)) as turns:
            async for turn in turns:
                self.turns.append(turn)

    async def settle(self, count: int) -> None:
        """Let it take more than `count` turns, if it would."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(self.turns) == count


async def test_what_waits_comes_a_turn_at_a_time_and_nothing_behind_the_end() -> None:
    incoming = Incoming(Arrivals(), HandClock())
    assert incoming.push([piece(0.0, 2.5)]) == []
    incoming.close()
    turns = [(turn[0].start, turn[-1].end, incoming.seconds) async for turn in incoming.turns(1.0)]
    assert turns == [(0.0, 1.0, 1.5), (1.0, 2.0, 0.5), (2.0, 2.5, 0.0)]


async def test_what_comes_with_the_end_while_a_turn_is_heard_is_heard_too() -> None:
    incoming = Incoming(Arrivals(), HandClock())
    incoming.push([piece(0.0, 1.0)])
    async with aclosing(incoming.turns(1.0)) as turns:
        assert len(await anext(turns)) == 1
        incoming.push([piece(1.0, 0.5)])
        incoming.close()
        assert [(chunk.start, chunk.end) async for turn in turns for chunk in turn] == [(1.0, 1.5)]


async def test_where_the_source_stalls_one_turn_is_empty_and_no_second_one_before_more_comes() -> None:
    clock = HandClock()
    incoming = Incoming(Arrivals(), clock)
    reader = Reader(incoming)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        await reader.settle(0)
        clock.advance(STALL - 0.5)
        await reader.settle(0)
        clock.advance(0.5)
        await reader.settle(1)
        clock.advance(10 * STALL)
        await reader.settle(1)
        incoming.push([piece(0.0, 0.1)])
        await reader.settle(2)
        clock.advance(STALL)
        await reader.settle(3)
        incoming.close()
    assert [len(turn) for turn in reader.turns] == [0, 1, 0]


async def test_what_comes_in_time_is_heard_at_once_and_no_turn_is_empty() -> None:
    clock = HandClock()
    incoming = Incoming(Arrivals(), clock)
    reader = Reader(incoming)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.run())
        for index in range(5):
            await reader.settle(index)
            clock.advance(STALL - 0.5)
            incoming.push([piece(index / 10, 0.1)])
        await reader.settle(5)
        incoming.close()
    assert [len(turn) for turn in reader.turns] == [1] * 5


async def test_what_is_skipped_is_told_as_a_gap() -> None:
    incoming = Incoming(Arrivals(), HandClock())
    assert incoming.push([piece(0.0, BACKLOG), piece(BACKLOG, 1.0)]) == [Gap(0.0, BACKLOG, "overload")]
    assert incoming.seconds == 1.0


async def test_who_waits_no_longer_leaves_nobody_waiting() -> None:
    reader = Reader(Incoming(Arrivals(), HandClock()))
    waiting = asyncio.ensure_future(reader.run())
    await reader.settle(0)
    waiting.cancel()
    await reader.settle(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
