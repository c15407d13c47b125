"""A microphone in a room where a recording is played, and somebody who reads along in a terminal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import jiwer
import numpy as np
import pytest
from e2e_running import SPOKEN, finals, free_port, jfk, read_log, started
from sound_card import Card
from whisper_normalizer.english import EnglishTextNormalizer

from surtitle.pipeline.events import SAMPLE_RATE
from surtitle.pipeline.store import open_store

pytestmark = [pytest.mark.weights, pytest.mark.soundcard]


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models stay where they are when the sound card moves the home folder."""
    monkeypatch.setenv("SURTITLE_HOME", str(open_store(os.environ).root))


def test_what_is_said_into_the_microphone_is_read_in_a_terminal(models: None, card: Card, tmp_path: Path) -> None:
    port, log = str(free_port()), tmp_path / "log.jsonl"
    speaking = ["live", "--device", "surtitle-room", "--from", "en", "--to", "es", "--port", port, "--log", str(log)]
    reading = ["watch", f"http://127.0.0.1:{port}", "--lang", "es"]
    with started(*speaking) as live:
        assert any("listening" in line for line in live.stdout or ())
        with started(*reading) as watch:
            pcm, rate = jfk()
            assert rate == SAMPLE_RATE
            speech = np.frombuffer(pcm, np.int16) / np.float32(2**15)
            card.play(np.concatenate((speech, np.zeros(2 * rate, np.float32))))
            assert any("for your country" in line for line in live.stdout or ())  # how the speech ends
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
