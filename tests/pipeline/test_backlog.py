"""`surtitle.pipeline.backlog`: nothing that waits is lost in silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.backlog import BACKLOG, Backlog
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Samples

BLOCK = SAMPLE_RATE // 10


def chunks_of(samples: Samples, length: int = BLOCK) -> list[AudioChunk]:
    starts = range(0, len(samples), length)
    return [AudioChunk(samples[start : start + length], start / SAMPLE_RATE) for start in starts]


def numbered(seconds: float) -> Samples:
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)


@given(st.lists(st.integers(0, 5 * BLOCK), max_size=10), st.lists(st.floats(0.01, 2.0), max_size=10))
def test_however_much_is_taken_at_a_time_all_of_it_comes_in_order(lengths: list[int], turns: list[float]) -> None:
    backlog, position = Backlog(), 0
    for length in lengths:
        samples = np.arange(position, position + length, dtype=np.float32)
        assert backlog.push([AudioChunk(samples, position / SAMPLE_RATE)]) == []
        position += length
    taken = []
    for turn in [*turns, BACKLOG]:
        before = backlog.seconds
        chunks = backlog.take(turn)
        count = sum(len(chunk.samples) for chunk in chunks)
        assert count == min(round(turn * SAMPLE_RATE), round(before * SAMPLE_RATE))
        taken += chunks
    assert np.concatenate([np.empty(0), *(chunk.samples for chunk in taken)]).tolist() == list(range(position))
    assert all(round(chunk.start * SAMPLE_RATE) == chunk.samples[0] for chunk in taken if len(chunk.samples))
    assert not backlog


def test_what_a_lost_device_did_not_give_is_not_skipped_a_second_time() -> None:
    backlog = Backlog()
    assert backlog.push(chunks_of(numbered(40.0))) == []
    back = [AudioChunk(chunk.samples, chunk.start + 340.0) for chunk in chunks_of(numbered(35.0))]
    before, after = backlog.push(back)
    assert (before.start, before.end) == (0.0, pytest.approx(40.0))
    assert (after.start, after.end) == (340.0, backlog.take(0.1)[0].start)


def test_past_the_bound_the_oldest_half_is_skipped_and_a_gap_says_so() -> None:
    backlog = Backlog()
    (gap,) = backlog.push(chunks_of(numbered(BACKLOG + 0.1)))
    first = backlog.take(0.1)[0]
    assert (gap.start, gap.why) == (0.0, "overload")
    assert gap.end == first.start == pytest.approx(BACKLOG / 2 + 0.1)
