"""A microphone in a room where a recording is played, and somebody who reads along in a terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import jiwer
import numpy as np
import pytest
from e2e_running import SPOKEN, Line, finals, free_port, jfk, read_log, started
from sound_card import Card
from whisper_normalizer.english import EnglishTextNormalizer

from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.store import open_store

LAST_WORDS = "for your country"
"""How the speech ends, in English."""
pytestmark = [pytest.mark.weights, pytest.mark.soundcard]


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models stay where they are when the sound card moves the home folder."""
    monkeypatch.setenv("SURTITLE_HOME", str(open_store(os.environ).root))


def speech() -> Samples:
    pcm, rate = jfk()
    assert rate == SAMPLE_RATE
    return np.concatenate((np.frombuffer(pcm, np.int16) / np.float32(2**15), np.zeros(2 * rate, np.float32)))


def test_what_is_said_into_the_microphone_is_read_in_a_terminal(models: None, card: Card, tmp_path: Path) -> None:
    port, log = str(free_port()), tmp_path / "log.jsonl"
    speaking = ["live", "--device", "surtitle-room", "--from", "en", "--to", "es", "--port", port, "--log", str(log)]
    reading = ["watch", f"http://127.0.0.1:{port}", "--lang", "es"]
    with started(*speaking) as live:
        assert any("listening" in line for line in live.stdout or ())
        with started(*reading) as watch:
            card.play(speech())
            assert any(LAST_WORDS in line for line in live.stdout or ())
            live.send_signal(signal.SIGINT)
            assert live.wait(timeout=60) == 0
            read, _ = watch.communicate(timeout=30)
    lines = read_log(log)
    normal = EnglishTextNormalizer()
    assert jiwer.wer(normal(SPOKEN), normal(" ".join(finals(lines, "en")))) <= 0.1
    assert lines[-1]["type"] == "end"
    spanish = finals(lines, "es")
    assert spanish
    assert [line for line in read.splitlines() if line in spanish] == spanish


def test_a_microphone_that_vanishes_and_returns_is_heard_again_and_the_gap_is_told(
    models: None, card: Card, tmp_path: Path
) -> None:
    port, log = str(free_port()), tmp_path / "log.jsonl"
    arguments = ["--device", "surtitle-room", "--from", "en", "--to", "es", "--port", port, "--log", str(log)]
    with started("live", *arguments) as live:
        output = live.stdout or ()
        assert any("listening" in line for line in output)
        card.play(speech())
        assert any(LAST_WORDS in line for line in output)
        card.remove()
        assert any("not recognised: the microphone was gone" in line for line in output)  # while it is away
        card.put_back()
        assert any("not recognised: the microphone was gone" in line for line in output)  # and how long it was
        card.play(speech())
        assert any(LAST_WORDS in line for line in output)
        live.send_signal(signal.SIGINT)
        assert live.wait(timeout=60) == 0
    lines = read_log(log)
    gaps = [(line["start_ms"], line["end_ms"]) for line in lines if line["type"] == "gap" and line["why"] == "device"]
    assert [end for _, end in gaps[:-1]] == [start for start, _ in gaps[1:]]  # one stretch, told as it went on
    states = [line["state"] for line in lines if line["type"] == "status"]
    assert "ok" in states[states.index("device") :]
    normal = EnglishTextNormalizer()
    before = [line["text"] for line in lines if captioned(line) and line["end_ms"] <= gaps[0][0]]
    after = [line["text"] for line in lines if captioned(line) and line["start_ms"] >= gaps[-1][1]]
    assert len(before) + len(after) == len(finals(lines, "en"))
    for texts in (before, after):
        assert jiwer.wer(normal(SPOKEN), normal(" ".join(texts))) <= 0.2


def captioned(line: Line) -> bool:
    return line["type"] == "caption" and line["lang"] == "en"
