"""`scripts/bench viewers`: frames taken apart wherever they are cut, and figures of rounds."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import bench_viewers
import pytest
from bench_viewers import Arrivals, Bench, Crowd, Round, View, captioned
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from surtitle.pipeline.protocol import encode, to_message

SCRIPT = Path(bench_viewers.__file__)
CAPTIONS = [encode(to_message(captioned(number), number + 1)) for number in range(4)]


def stream(*messages: bytes) -> bytes:
    frames = (Frame(Opcode.TEXT, message).serialize(mask=False) for message in messages)
    return b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(frames)


STREAM = stream(b'{"type":"welcome"}', *CAPTIONS, b"x" * 70_000)
LAST = stream(CAPTIONS[-1])


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_captions_are_seen_wherever_their_bytes_are_cut(cuts: list[int]) -> None:
    async def seen() -> tuple[int, int, bool]:
        arrivals = Arrivals()
        view = View(1, arrivals, None, wanted=4)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
            view.data_received(STREAM[start:end])
        return view.seq, len(arrivals.late_ms), view.complete.is_set()

    assert asyncio.run(seen()) == (4, 4, True)


def watched() -> Crowd:
    """One viewer of four captions, the last of which is numbered 4."""
    arrivals = Arrivals()
    return Crowd([View(1, arrivals, None, wanted=4)], arrivals)


async def test_captions_that_come_after_the_servers_answer_are_of_the_round() -> None:
    ours, theirs = multiprocessing.Pipe()
    crowd = watched()
    theirs.send(([0.002], [4]))
    asyncio.get_running_loop().call_later(0.05, crowd.views[0].data_received, STREAM)
    assert (await Bench(ours, {"surtitle": crowd}, rate=4, seconds=1).round("surtitle")).arrived == 1.0


async def test_what_a_delivery_costs_is_shared_by_the_captions_that_came() -> None:
    ours, theirs = multiprocessing.Pipe()
    crowds = {"surtitle": watched(), "bare": watched()}
    theirs.send(([0.002, 0.001], [4, 4]))
    for way, sent in (("surtitle", STREAM), ("bare", LAST)):
        asyncio.get_running_loop().call_later(0.05, crowds[way].views[0].data_received, sent)
    assert await Bench(ours, crowds, rate=4, seconds=1).cost() == {"surtitle": 500.0, "bare": 1000.0}


async def test_viewers_that_never_get_the_newest_are_not_waited_for_endlessly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_viewers, "_PATIENCE", 0.01)
    async with asyncio.timeout(2):
        await watched().have(4)


def test_the_ratio_is_that_of_rounds_side_by_side() -> None:
    rounds = {"surtitle": [Round(1, 2, 3, 1.0), Round(3, 4, 5, 0.9)]}
    costs = [{"surtitle": 12, "bare": 10}, {"surtitle": 30, "bare": 20}, {"surtitle": 13, "bare": 10}]
    figures = bench_viewers.figures_of(rounds, costs)
    assert figures["delivery"]["surtitle"]["p99_ms"] == 3
    assert figures["cpu_us"] == {"surtitle": 13, "bare": 10}
    assert figures["cpu_ratio"] == 1.3


@pytest.mark.slow
def test_a_short_run_ends_with_its_figures() -> None:
    flags = ["--viewers", "20", "--seconds", "0.6", "--rounds", "1", "--cut", "5"]
    done = subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["bench"] == "viewers"
    assert all(found["arrived"] > 0.5 for found in figures["delivery"].values())
    assert 0 < figures["resume_s"] < 10
