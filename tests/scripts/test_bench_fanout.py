from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import bench_fanout
import pytest

SCRIPT = Path(bench_fanout.__file__)


def test_a_delay_is_counted_from_the_quickest_arrival() -> None:
    seen = bench_fanout.Seen(late_ms=[1003.0, 1000.0, 1050.0], finals=[4, 4, 3], pings_ms=[1.0, 3.0])
    figures = bench_fanout.figures_of(seen, 2)
    assert figures["delay_ms"]["p50"] == 3
    assert figures["delay_ms"]["p100"] == 50
    assert figures["ping_ms"]["p50"] == 2
    assert (figures["finals"], figures["viewers_with_all_finals"]) == (4, 2)


def test_a_final_that_no_viewer_got_is_missed_where_the_session_counts_its_segments() -> None:
    stats = {"segments": 3, "lag_p50_ms": 900, "untranslated": 1}
    seen = bench_fanout.Seen(late_ms=[1000.0], finals=[5, 5], pings_ms=[1.0], stats=stats)
    figures = bench_fanout.figures_of(seen, 2)
    assert (figures["finals"], figures["viewers_with_all_finals"]) == (6, 0)
    assert (figures["lag_p50_ms"], figures["stats"]) == (900, stats)
    assert bench_fanout.figures_of(seen, None)["viewers_with_all_finals"] == 2


@pytest.mark.parametrize(
    ("source", "targets", "count"), [("en", "es", 2), ("en", "en,es", 2), ("en,es", "de", None), ("auto", "de", None)]
)
def test_a_segment_has_a_final_in_each_language_once(source: str, targets: str, count: int | None) -> None:
    assert bench_fanout.finals_a_segment(source, targets) == count


SERVER = """
import asyncio, os, sys
from websockets.asyncio.server import serve

there = []

async def answer(connection):
    async for hello in connection:
        there.insert(len(there) if "xx" in hello else 0, connection)  # viewers first, then what asks for pongs

async def main(port, what):
    async with serve(answer, "127.0.0.1", port):
        while len(there) < 3:
            await asyncio.sleep(0.01)
        if what == "die":
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(3)
        there[0].transport.abort()
        for connection in there[1:]:
            await connection.send('{"type": "caption", "elapsed_ms": 0, "final": true}')
            await connection.send('{"type": "end", "stats": {"segments": 1}}')

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""
"""Stands in for the product: waits for two viewers and the one that pings, then dies or loses the first."""


async def watched(what: str, folder: Path) -> bench_fanout.Seen:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, str(port), what]
    return await bench_fanout.watch(command, f"ws://127.0.0.1:{port}/captions", 2, folder / "stderr.txt")


async def test_a_viewer_that_is_lost_lacks_finals_and_the_others_go_on(tmp_path: Path) -> None:
    seen = await watched("lose", tmp_path)
    assert sorted(seen.finals) == [0, 1]
    assert seen.stats == {"segments": 1}


async def test_a_product_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="surtitle ended with 3: out of memory"):
        await watched("die", tmp_path)


def test_a_recording_without_captions_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="no caption came"):
        bench_fanout.figures_of(bench_fanout.Seen(), 2)


def test_what_stands_behind_two_dashes_is_the_products() -> None:
    arguments, flags = bench_fanout.parse(["a.wav", "b.wav", "--viewers", "3", "--", "--log", "x"])
    assert (arguments.recordings, arguments.viewers, flags) == (["a.wav", "b.wav"], 3, ["--log", "x"])
    assert bench_fanout.parse(["a.wav"])[1] == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)


@pytest.mark.weights  # it needs none, but takes the product's start
def test_a_product_that_does_not_start_is_shown_with_its_reason() -> None:
    done = run("nowhere.wav")
    assert done.returncode == 1
    assert "scripts/bench: surtitle" in done.stderr
    assert "nowhere.wav" in done.stderr


@pytest.mark.weights
def test_every_viewer_gets_every_final_while_both_models_work() -> None:
    done = run("sample:jfk", "--viewers", "30")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["bench"] == "fanout"
    assert figures["viewers_with_all_finals"] == 30
    assert figures["finals"] >= 4
    assert figures["pings"] > 20
    assert 0 < figures["ping_ms"]["p50"] < 500
