"""`surtitle.pipeline.resample`: however a stream is cut, the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.resample import Resampler, downmix

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])


def noise(length: int) -> Samples:
    return np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)


def resampled(rate: int, blocks: list[Samples]) -> Samples:
    resampler = Resampler(rate)
    return np.concatenate([*map(resampler.push, blocks), resampler.flush()])


@given(RATES, st.integers(0, 20_000), st.lists(st.integers(0, 20_000), max_size=12))
def test_however_it_is_cut_the_same_samples_come_out(rate: int, length: int, cuts: list[int]) -> None:
    samples = noise(length)
    pieces = np.split(samples, sorted(cut for cut in cuts if cut < length))
    np.testing.assert_allclose(resampled(rate, pieces), resampled(rate, [samples]), atol=1e-6)


@given(RATES, st.integers(0, 20_000))
def test_no_time_is_lost_or_made(rate: int, length: int) -> None:
    assert abs(len(resampled(rate, [noise(length)])) - length * SAMPLE_RATE / rate) <= 1


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_loudness_and_place(rate: int) -> None:
    out = resampled(rate, [np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)])
    expected = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    np.testing.assert_allclose(out[800:-800], expected[800:-800], atol=0.01)


def test_what_is_above_hearing_range_of_the_pipeline_is_removed_and_not_folded_down() -> None:
    whistle = np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(resampled(48_000, [whistle])[800:-800]).max() < 0.001


def test_after_flush_a_new_stream_begins() -> None:
    resampler, sound = Resampler(44_100), noise(9_001)
    sound[5_000] = np.nan
    once = np.concatenate([resampler.push(sound), resampler.flush()])
    for _ in range(9):
        np.testing.assert_array_equal(np.concatenate([resampler.push(sound), resampler.flush()]), once)
    assert not len(resampler.flush())


def test_channels_are_mixed_by_their_mean_so_that_full_scale_does_not_clip() -> None:
    np.testing.assert_array_equal(downmix(np.array([[1, 1], [1, 0], [-1, 1]], np.float32)), [1, 0.5, 0])


def test_channels_that_are_broken_are_mixed_to_no_number_without_a_warning_on_the_terminal() -> None:
    most = np.finfo(np.float32).max
    assert not np.isfinite(downmix(np.array([[np.inf, -np.inf], [most, most], [np.nan, 0]], np.float32))).any()


@pytest.mark.parametrize("rate", [0, -1, 48, 10**7])
def test_a_rate_that_no_device_has_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match=f"sample rate {rate} Hz, expected 4000 to 768000 Hz"):
        Resampler(rate)


@settings(max_examples=25)
@given(
    st.sampled_from([8_000, 44_100, 48_000]),
    st.lists(st.integers(0, 8_000), max_size=6),
    st.lists(st.integers(800, 7_200), min_size=1, max_size=5),
)
def test_what_is_no_number_is_none_where_it_was_and_nowhere_else(rate: int, cuts: list[int], bad: list[int]) -> None:
    sound = np.sin(2 * np.pi * 300 * np.arange(8_000) / rate).astype(np.float32)
    broken = sound.copy()
    broken[bad] = np.inf
    out, clean = resampled(rate, np.split(broken, sorted(cuts))), resampled(rate, [sound])
    places = [at * SAMPLE_RATE // rate for at in bad]
    missing = set(np.flatnonzero(np.isnan(out)).tolist())
    assert set(places) <= missing <= {place + more for place in places for more in range(3)}
    near = np.zeros(len(out), bool)
    for place in places:
        near[max(0, place - 400) : place + 400] = True
    np.testing.assert_allclose(out[~near], clean[~near], atol=1e-3)


@pytest.mark.parametrize("rate", [4_000, 11_025, 16_000, 44_100])
def test_what_comes_sample_by_sample_is_the_same_and_no_number_where_that_is_none(rate: int) -> None:
    sound = noise(600)
    sound[[0, 1, 300, *range(310, 340), 599]] = np.nan
    whole = resampled(rate, [sound])
    np.testing.assert_allclose(resampled(rate, np.split(sound, 600)), whole, atol=1e-6)
    assert np.isnan(whole[[0, -1]]).all()
