"""The open audio: however it comes and is trimmed, it is what a plain list would hold."""

from __future__ import annotations

import numpy as np
import pytest

from surtitle.pipeline.events import Samples
from surtitle.pipeline.window import AudioWindow

PAST = 50


def spoken(seed: int, count: int = 400_000) -> Samples:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_however_it_is_pushed_and_trimmed_it_holds_what_came_behind_its_start_and_just_before(seed: int) -> None:
    audio, chance, window = spoken(seed), np.random.default_rng(seed), AudioWindow(PAST)
    taken = start = 0
    while taken < len(audio):
        count = int(chance.choice([0, 1, 7, 512, 40_000]))
        window.push(audio[taken : taken + count])
        taken = min(len(audio), taken + count)
        wanted = start + int(chance.integers(-100, 60_000))
        window.trim(wanted)
        start = min(max(start, wanted), taken)
        assert (window.start, window.end, len(window)) == (start, taken, taken - start)
        np.testing.assert_array_equal(window.samples, audio[start:taken])
        np.testing.assert_array_equal(window.past, audio[max(0, start - PAST) : start])


def test_what_was_given_out_does_not_change() -> None:
    audio, window = spoken(1), AudioWindow(PAST)
    window.push(audio[:10_000])
    window.trim(100)
    given, before = window.samples, window.past
    for first in range(10_000, 300_000, 10_000):
        window.push(audio[first : first + 10_000])
        window.trim(first)
    np.testing.assert_array_equal(given, audio[100:10_000])
    np.testing.assert_array_equal(before, audio[50:100])


def test_it_is_the_same_array_until_it_changes() -> None:
    window = AudioWindow(PAST)
    window.push(spoken(1, 1000))
    first = window.samples
    window.trim(-5)
    window.trim(0)
    assert window.samples is first
    window.trim(1)
    assert window.samples is not first


@pytest.mark.parametrize("missing", [0, 1, PAST, 10_000_000])
def test_what_is_skipped_is_silence_before_the_window_and_takes_no_room(missing: int) -> None:
    audio, window = spoken(1, 1000), AudioWindow(PAST)
    window.push(audio)
    window.skip(missing)
    assert (window.start, len(window)) == (1000 + missing, 0)
    silent = min(missing, PAST)
    np.testing.assert_array_equal(window.past, np.concatenate((audio[1000 - PAST + silent :], np.zeros(silent))))


def test_no_past_is_kept_where_none_is_wanted() -> None:
    window = AudioWindow(0)
    window.push(spoken(1, 1000))
    window.trim(900)
    assert len(window.past) == 0
