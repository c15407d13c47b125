"""`surtitle.pipeline.soundcheck`: what is told of a microphone, and after how much audio."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples
from surtitle.pipeline.soundcheck import FRAME, NOTHING, WITHIN, Soundcheck

SILENT = (
    "nothing but silence from 'USB mixer' for 20 s: is it muted, is it the right one (see `surtitle devices`), and "
    "may this terminal use the microphone?"
)
LOST = "microphone 'USB mixer' is gone: waiting until it is back. Check its cable and power, or stop with Ctrl-C"
BACK = "microphone 'USB mixer' is back"


def checked(*items: Samples | Gap) -> tuple[list[str], list[float]]:
    """What is told, and the levels."""
    told, levels = list[str](), list[float]()
    check = Soundcheck("USB mixer", told.append)
    for item in items:
        levels += check.push(item if isinstance(item, Gap) else AudioChunk(item, 0.0))
    return told, levels


def sound(decibels: float, seconds: float) -> Samples:
    """As loud as that."""
    whole = np.resize(np.array([1, -1], np.float32), round(seconds * SAMPLE_RATE))
    return whole * np.float32(10 ** (decibels / 20))


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


@pytest.mark.parametrize("nothing", [-math.inf, NOTHING - 1])
def test_silence_is_told_once_when_there_was_nothing_else_for_so_long(nothing: float) -> None:
    assert checked(sound(nothing, WITHIN - 0.1))[0] == []
    assert checked(sound(nothing, WITHIN))[0] == [SILENT]
    assert checked(sound(nothing, 10 * WITHIN))[0] == [SILENT]


def test_a_constant_is_no_sound_and_hides_none() -> None:
    constant = np.float32(0.01)
    assert checked(silence(WITHIN) + constant)[0] == [SILENT]
    assert checked(*[silence(WITHIN - 1) + constant, sound(-60, 0.3) + constant] * 9)[0] == []


def test_speech_from_afar_is_sound() -> None:
    assert checked(*[silence(WITHIN - 1), sound(-60, 0.3)] * 9)[0] == []


def test_a_microphone_that_falls_silent_later_is_told_again() -> None:
    assert checked(sound(-30, 60), silence(WITHIN + 1), sound(-30, 60), silence(60))[0] == [SILENT, SILENT]


def test_samples_that_are_no_numbers_are_no_sound() -> None:
    told, levels = checked(np.full(WITHIN * SAMPLE_RATE, np.nan, np.float32))
    assert told == [SILENT]
    assert set(levels) == {-math.inf}


def test_a_lost_microphone_is_told_once_and_its_return() -> None:
    gaps = Gap(1.0, 3.0, "device"), Gap(3.0, 90.0, "device")
    told, levels = checked(sound(-30, 1), *gaps, sound(-30, 1), gaps[0])
    assert told == [LOST, BACK, LOST]
    assert levels[-1] == -math.inf  # it does not look as if it was heard


def test_silence_before_a_loss_does_not_count_after_it() -> None:
    gap = Gap(10.0, 13.0, "device")
    assert checked(silence(WITHIN - 1), gap, silence(WITHIN - 1))[0] == [LOST, BACK]
    assert checked(silence(WITHIN), gap, silence(WITHIN))[0] == [SILENT, LOST, BACK, SILENT]


def test_audio_that_a_slow_machine_left_out_is_no_loss_of_the_microphone() -> None:
    assert checked(sound(-30, 1), Gap(1.0, 2.0, "overload"), sound(-30, 1))[0] == []


def test_the_level_is_that_of_a_fifth_of_a_second() -> None:
    assert checked(sound(-20, 0.2), sound(-40, 0.3))[1] == pytest.approx([-20, -40], abs=0.01)


def pieces(whole: Samples, cuts: Iterable[int]) -> Sequence[Samples]:
    return np.split(whole, sorted(cuts))


@given(
    st.lists(st.tuples(st.sampled_from([-math.inf, -90.0, -60.0, -20.0]), st.integers(1, 25)), min_size=1, max_size=5),
    st.lists(st.integers(0, 60 * SAMPLE_RATE), max_size=20),
    st.booleans(),
)
@settings(max_examples=15)
def test_however_the_sound_is_cut_the_same_is_told(
    stretches: list[tuple[float, int]], cuts: list[int], lost: bool
) -> None:
    whole = np.concatenate([sound(level, seconds) for level, seconds in stretches])
    whole = whole[: len(whole) - FRAME // 3]
    loss = [Gap(0.0, 2.0, "device")] * lost
    assert checked(*pieces(whole, cuts), *loss, *pieces(whole, cuts)) == checked(whole, *loss, whole)
