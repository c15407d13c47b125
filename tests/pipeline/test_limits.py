"""A token bucket: no more than the rate in the long run, no more than the burst at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.limits import AUDIO_AT_ONCE, LEAST_SECONDS, Bucket, Pace

RATE, BURST = 2.0, 30.0
asked = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 40)), max_size=60)


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    bucket = Bucket(rate=RATE, burst=BURST)
    assert bucket.take(30, 100.0)
    assert not bucket.take(0.1, 100.0)
    assert bucket.take(2, 101.0)
    assert not bucket.take(0.1, 101.0)


def test_a_long_pause_saves_up_one_burst_and_no_more() -> None:
    bucket = Bucket(rate=RATE, burst=BURST)
    assert bucket.take(30, 0.0)
    assert not bucket.take(30.1, 1e6)
    assert bucket.take(30, 1e6)


def test_what_is_allowed_besides_outlasts_a_pause() -> None:
    bucket = Bucket(rate=RATE, burst=BURST)
    bucket.allow(10)
    assert not bucket.take(40.1, 5.0)
    assert bucket.take(40, 5.0)


@given(asked)
def test_in_no_stretch_of_time_more_passes_than_the_burst_and_the_rate(asked: list[tuple[float, float]]) -> None:
    bucket, now, passed = Bucket(rate=RATE, burst=BURST), 0.0, list[tuple[float, float]]()
    for pause, amount in asked:
        now += pause
        if bucket.take(amount, now):
            passed.append((now, amount))
    for first in range(len(passed)):
        total = 0.0
        for when, amount in passed[first:]:
            total += amount
            assert total <= BURST + RATE * (when - passed[first][0]) + 1e-6


@given(asked)
def test_who_keeps_to_the_rate_is_never_refused(asked: list[tuple[float, float]]) -> None:
    bucket, now = Bucket(rate=RATE, burst=BURST), 0.0
    for pause, _ in asked:
        now += pause
        assert bucket.take(min(BURST, RATE * pause) * 0.999, now)


@given(st.lists(st.integers(0, 5), max_size=20))
def test_it_does_not_matter_how_an_amount_is_cut(parts: list[int]) -> None:
    whole, cut = Bucket(rate=RATE, burst=BURST), Bucket(rate=RATE, burst=BURST)
    assert whole.take(sum(parts), 1.0) == all([cut.take(part, 1.0) for part in parts])


def test_audio_at_the_pace_of_speech_passes_in_messages_of_any_length() -> None:
    for length in (0.02, 0.2, 10.0):
        pace = Pace(48_000, 0.0)
        assert all(pace.take(round(48_000 * length), number * length) for number in range(round(100 / length)))


@pytest.mark.parametrize(("samples", "counts_as"), [(16_000, 1.0), (160, 0.01), (1, LEAST_SECONDS), (0, LEAST_SECONDS)])
def test_a_message_with_little_audio_counts_as_some(samples: int, counts_as: float) -> None:
    pace, taken = Pace(16_000, 0.0), 0
    while pace.take(samples, 5.0):
        taken += 1
    assert taken == pytest.approx(AUDIO_AT_ONCE / counts_as, abs=1)


def test_audio_that_nobody_listened_to_is_no_flood() -> None:
    pace = Pace(16_000, 0.0)
    pace.waited(600.0)
    assert pace.take(16_000 * 630, 0.0)
    assert not pace.take(160, 0.0)


def test_as_much_may_have_been_skipped_as_there_was_time_for_since_it_began() -> None:
    pace = Pace(16_000, 100.0)
    assert pace.skip(16_000 * 70, 140.0)
    assert not pace.skip(160, 140.0)


def test_a_limit_that_lets_nothing_through_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        Bucket(rate=0, burst=1)
