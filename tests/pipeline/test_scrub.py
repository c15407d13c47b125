"""`surtitle.pipeline.scrub`: nothing but finite samples gets past, and nothing is muted in silence."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples
from surtitle.pipeline.scrub import LONGEST, MERGE, PAUSE, Scrubber, silence

GOOD, BAD = st.sampled_from([0.5, 3.0, -7.0]), st.sampled_from([np.nan, np.inf, -np.inf])
SHORT, LONG = st.sampled_from([1, 2, MERGE - 1, MERGE, MERGE + 1]), st.sampled_from([1, 5_000, LONGEST, 170_000])
Runs = tuple[tuple[float, int], ...]
"""Values, and how many samples have them."""
RUNS = st.lists(st.tuples(st.tuples(BAD, LONG), st.tuples(GOOD, SHORT)), max_size=4).map(lambda runs: sum(runs, ()))


def samples_of(runs: Runs) -> Samples:
    return np.concatenate([np.empty(0, np.float32), *(np.full(length, value, np.float32) for value, length in runs)])


def scrubbed(samples: Samples, cuts: list[int]) -> tuple[Samples, list[Gap]]:
    scrubber, mended, gaps, position = Scrubber(), [np.empty(0, np.float32)], [], 0
    for piece in np.split(samples, sorted(cut for cut in cuts if cut < len(samples))):
        chunk, found = scrubber.push(AudioChunk(samples=piece, start=position / SAMPLE_RATE))
        position += len(piece)
        mended.append(chunk.samples)
        gaps += found
    return np.concatenate(mended), gaps + scrubber.flush()


@given(RUNS, st.integers(-1, 1), st.lists(st.integers(0, 200_000), max_size=4))
def test_however_it_is_cut_the_same_samples_and_gaps_come_out(runs: Runs, beside: int, cuts: list[int]) -> None:
    samples = samples_of(runs)
    whole, gaps = scrubbed(samples, [])
    ends = [max(0, end + beside) for end in accumulate(length for _, length in runs)]
    pieces, gaps_of_pieces = scrubbed(samples, cuts + ends)
    np.testing.assert_array_equal(whole, pieces)
    assert gaps == gaps_of_pieces


@given(RUNS)
def test_what_comes_out_is_finite_in_range_and_as_long_as_what_went_in(runs: Runs) -> None:
    samples = samples_of(runs)
    mended, _ = scrubbed(samples, [])
    assert mended.dtype == np.float32
    assert len(mended) == len(samples)
    assert np.all(np.abs(mended) <= 1.0)


@given(RUNS)
def test_every_muted_sample_lies_in_a_gap(runs: Runs) -> None:
    samples = samples_of(runs)
    _, gaps = scrubbed(samples, [])
    covered = np.zeros(len(samples), bool)
    for gap in gaps:
        assert gap.start < gap.end
        covered[round(gap.start * SAMPLE_RATE) : round(gap.end * SAMPLE_RATE)] = True
    assert np.all(covered[~np.isfinite(samples)])


def test_good_audio_passes_untouched() -> None:
    samples = np.linspace(-1, 1, 1600, dtype=np.float32)
    mended, gaps = scrubbed(samples, [])
    np.testing.assert_array_equal(mended, samples)
    assert gaps == []


def test_scattered_bad_samples_are_one_gap_and_not_thousands() -> None:
    samples = np.tile(np.array([0.1, np.nan], np.float32), 8_000)
    assert scrubbed(samples, [])[1] == [Gap(start=1 / SAMPLE_RATE, end=1.0, why="invalid")]


def test_bad_audio_that_never_ends_is_reported_every_ten_seconds() -> None:
    samples = np.full(25 * SAMPLE_RATE, np.nan, np.float32)
    assert [(gap.start, gap.end) for gap in scrubbed(samples, [])[1]] == [(0, 10), (10, 20), (20, 25)]


def test_a_chunk_without_samples_is_no_harm() -> None:
    chunk, gaps = Scrubber().push(AudioChunk(samples=np.empty(0, np.float32), start=0.0))
    assert len(chunk.samples) == 0
    assert gaps == []


@pytest.mark.parametrize("why", ["device", "network"])
@pytest.mark.parametrize(("end", "heard"), [(3.0, []), (3.5, [(3.0, 3.5)]), (60.0, [(3.0, 3.0 + PAUSE)])])
def test_where_a_source_is_lost_silence_is_heard_but_not_for_long(
    end: float, heard: list[tuple[float, float]], why: str
) -> None:
    chunks = silence(Gap(3.0, end, why))
    assert [(chunk.start, chunk.end) for chunk in chunks] == heard
    assert not any(chunk.samples.any() for chunk in chunks)


@pytest.mark.parametrize("why", ["overload", "invalid"])
def test_what_was_skipped_or_muted_is_no_pause_of_the_speaker(why: str) -> None:
    assert silence(Gap(3.0, 60.0, why)) == []
