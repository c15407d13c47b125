"""`surtitle.pipeline.level`: what is made louder, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.level import EVERYDAY, MOST, NOTHING, Level

FRAME = 512
A_SECOND = SAMPLE_RATE // FRAME


def sound(decibels: float) -> Samples:
    """A frame as loud as that."""
    return np.resize(np.array([1, -1], np.float32), FRAME) * np.float32(10 ** (decibels / 20))


def loudness(frame: Samples) -> float:
    return float(10 * np.log10(np.square(frame, dtype=np.float64).mean()))


def after(level: Level, decibels: float, seconds: float) -> float:
    """How loud the last frame comes out of `seconds` at `decibels`."""
    for _ in range(round(seconds * A_SECOND)):
        out = level.push(sound(decibels))
    return loudness(out)


@given(st.lists(st.floats(EVERYDAY + 0.01, 0), min_size=1, max_size=50))
def test_what_is_as_loud_as_usual_is_left_as_it_is(levels: list[float]) -> None:
    level = Level()
    for decibels in levels:
        frame = sound(decibels)
        assert level.push(frame) is frame


def test_the_first_words_are_raised_at_once() -> None:
    np.testing.assert_allclose(after(Level(), -65, 1 / A_SECOND), EVERYDAY, atol=0.01)


def test_quiet_speech_after_loud_is_raised_within_seconds() -> None:
    level = Level()
    after(level, -25, 1.0)
    np.testing.assert_allclose(after(level, -65, 1.5), -65, atol=0.1)
    np.testing.assert_allclose(after(level, -65, 2.0), EVERYDAY, atol=0.1)


def test_nothing_is_raised_by_more_than_the_most() -> None:
    np.testing.assert_allclose(after(Level(), -90, 20.0), -90 + MOST, atol=0.1)


def test_a_short_pause_in_speech_is_left_quiet() -> None:
    level = Level()
    after(level, -25, 1.0)
    np.testing.assert_allclose(after(level, -70, 1.5), -70, atol=0.1)


def test_what_is_loud_after_quiet_is_left_as_it_is_from_its_first_frame() -> None:
    level = Level()
    after(level, -80, 20.0)
    np.testing.assert_allclose(after(level, -20, 1 / A_SECOND), -20, atol=0.01)


@settings(max_examples=25)
@given(st.integers(1, 400))
def test_silence_raises_nothing_however_long_it_is(frames: int) -> None:
    level = Level()
    level.push(sound(EVERYDAY))
    for _ in range(frames):
        level.push(np.zeros(FRAME, np.float32))
        level.push(sound(NOTHING - 1))
    np.testing.assert_allclose(loudness(level.push(sound(-60))), -60, atol=0.5)


@pytest.mark.parametrize("constant", [0.0003, 0.003, -0.03])
def test_a_constant_beside_quiet_speech_does_not_keep_it_quiet(constant: float) -> None:
    level = Level()
    for _ in range(2 * A_SECOND):
        out = level.push(sound(-65) + np.float32(constant))
    np.testing.assert_allclose(loudness(out), EVERYDAY, atol=0.1)
    assert abs(out.mean()) < 1e-4


@pytest.mark.parametrize("constant", [0.01, -0.02, 0.2])
def test_a_constant_as_loud_as_speech_that_is_not_quiet_is_taken_away_in_its_pauses_too(constant: float) -> None:
    level = Level()
    for decibels in (-40, -60, -40):
        for _ in range(A_SECOND // 2):
            out = level.push(sound(decibels) + np.float32(constant))
            assert abs(out.mean()) < 1e-4
    np.testing.assert_allclose(loudness(out), -40, atol=0.1)


def test_where_a_source_with_a_constant_is_muted_nothing_is_heard() -> None:
    level = Level()
    after(level, -65, 1.0)
    level.push(sound(-65) + np.float32(0.01))
    for _ in range(3 * A_SECOND):
        assert not level.push(np.zeros(FRAME, np.float32)).any()


def test_no_samples_are_no_samples() -> None:
    assert not len(Level().push(np.zeros(0, np.float32)))
