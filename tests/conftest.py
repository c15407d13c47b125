"""Settings of every test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sound_card import ASOUND, Card

from surtitle.pipeline.devices import restart

# The machines that run these tests are shared: how long one example takes says nothing. Forty examples instead
# of a hundred keep the tests without weights under a minute.
settings.register_profile("surtitle", deadline=None, max_examples=40)
settings.load_profile("surtitle")


def pytest_configure() -> None:
    # what is imported is a million objects: looking through them again and again took a tenth of the time
    gc.set_threshold(20_000, 20, 100)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    """A room whose sound a microphone named surtitle-room hears; also for processes that the test starts."""
    config = tmp_path / "asound.conf"
    config.write_text(ASOUND)
    card = Card(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{card.socket}")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    card.plug()
    restart()
    yield card
    card.unplug()
