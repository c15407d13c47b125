"""`scripts/bench viewers`: frames taken apart wherever they are cut, and figures of rounds."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import bench_viewers
import pytest
from bench_viewers import Arrivals, Round, View, captioned
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from surtitle.pipeline.protocol import encode, to_message

SCRIPT = Path(bench_viewers.__file__)
STREAM = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(
    Frame(Opcode.TEXT, message).serialize(mask=False)
    for message in [b'{"type":"welcome"}', *(encode(to_message(captioned(n), n + 1)) for n in range(4)), b"x" * 70_000]
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_captions_are_seen_wherever_their_bytes_are_cut(cuts: list[int]) -> None:
    async def seen() -> tuple[int, int, bool]:
        arrivals = Arrivals()
        view = View(1, arrivals, None, wanted=4)
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
            view.data_received(STREAM[start:end])
        return view.seq, len(arrivals.late_ms), view.complete.is_set()

    assert asyncio.run(seen()) == (4, 4, True)


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
