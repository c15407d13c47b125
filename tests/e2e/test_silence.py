"""What nobody said is not captioned."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from e2e_running import read_log, surtitle

pytestmark = pytest.mark.weights
RATE = 16_000


def test_ten_minutes_of_silence_ten_of_noise_and_a_tone_give_no_caption(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    seconds = np.arange(40 * RATE) / RATE
    sounds = {
        "silence": np.zeros(600 * RATE),
        "noise": random.normal(0, 0.03, 600 * RATE),
        "tone": 0.2 * np.sin(2 * np.pi * 440 * seconds),
    }
    for name, sound in sounds.items():
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    files = [str(tmp_path / f"{name}.wav") for name in sounds]
    log = tmp_path / "log.jsonl"
    done = surtitle("replay", *files, "--from", "en", "--to", "es", "--clock", "virtual", "--log", str(log))
    assert done.returncode == 0, done.stderr
    assert [line["type"] for line in read_log(log)] == ["session", "end"]
