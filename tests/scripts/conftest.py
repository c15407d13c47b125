from __future__ import annotations

import wave
from pathlib import Path

import pytest


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Half a second of silence, as a recording."""
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    return path
