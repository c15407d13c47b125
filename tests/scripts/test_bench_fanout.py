from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bench_fanout
import pytest

SCRIPT = Path(bench_fanout.__file__)


def test_a_delay_is_counted_from_the_quickest_arrival() -> None:
    seen = bench_fanout.Seen(late_ms=[1003.0, 1000.0, 1050.0], finals=[4, 4, 3], pings_ms=[1.0, 3.0])
    figures = bench_fanout.figures_of(seen)
    assert figures["delay_ms"]["p50"] == 3
    assert figures["delay_ms"]["p100"] == 50
    assert figures["ping_ms"]["p50"] == 2
    assert (figures["finals"], figures["viewers_with_all_finals"]) == (4, 2)


def test_a_recording_without_captions_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="no caption came"):
        bench_fanout.figures_of(bench_fanout.Seen())


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
