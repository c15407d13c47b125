"""`surtitle.pipeline.stats`: the figures of a session's last line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import Stamps
from surtitle.pipeline.stats import LagStats, MemoryStats


@given(st.lists(st.floats(-1.0, 30.0), min_size=1, max_size=200))
def test_percentiles_are_those_of_all_lags_to_ten_milliseconds(lags: list[float]) -> None:
    stats = LagStats()
    for index, lag in enumerate(lags):
        stats.add(float(index), lag)
    for share, name in ((50, "lag_p50_ms"), (95, "lag_p95_ms")):
        expected = 1000 * np.percentile(lags, share, method="inverted_cdf")
        assert stats.figures()[name] == pytest.approx(expected, abs=5.6)


def test_the_first_and_the_last_minute_have_means_of_their_own() -> None:
    stats = LagStats()
    for second in range(0, 600, 10):
        stats.add(second, 1.0 if second <= 60 else 2.0 if second < 530 else 3.0)
    assert stats.figures()["lag_first_minute_ms"] == 1000
    assert stats.figures()["lag_last_minute_ms"] == pytest.approx(3000, abs=200)


def test_a_session_that_began_to_speak_late_has_no_first_minute() -> None:
    stats = LagStats()
    stats.add(100.0, 1.5)
    assert stats.figures() == {"lag_p50_ms": 1500, "lag_p95_ms": 1500, "lag_last_minute_ms": 1500}


def test_every_stage_of_the_way_has_percentiles_and_one_that_nothing_passed_has_none() -> None:
    stats = LagStats()
    for cue in range(100):
        stats.add(cue, 3.0, Stamps(cue + 1.0, cue + 1.5 + cue / 100, None if cue % 2 else cue + 2.0, None))
    figures = stats.figures()
    assert (figures["recognised_p50_ms"], figures["recognised_p95_ms"]) == (1000, 1000)
    assert (figures["committed_p50_ms"], figures["committed_p95_ms"]) == (1990, 2440)
    assert (figures["first_token_p50_ms"], figures["lag_p95_ms"]) == (2000, 3000)
    assert not {name for name in figures if name.startswith(("last_token", "painted", "sent"))}
    stats.painted(3.2)
    assert stats.figures()["painted_p95_ms"] == 3200
    assert list(stats.percentiles()) == ["recognised", "committed", "first_token", "sent", "painted"]


def test_no_lags_are_no_figures() -> None:
    assert LagStats().figures() == {}


def test_hours_of_lags_take_no_more_memory_than_minutes() -> None:
    stats = LagStats()
    for index in range(3_000):
        stats.add(2.0 * index, (index % 100) / 50)
    assert len(stats._last) <= 31
    assert len(stats._stages["sent"]._bins) <= 100


@given(st.floats(-50, 50), st.floats(100, 1000))
def test_the_slope_of_a_line_is_found(mb_per_hour: float, at_start: float) -> None:
    stats = MemoryStats()
    for minute in range(30):
        stats.add(60.0 * minute, at_start + mb_per_hour * minute / 60)
    assert stats.figures()["rss_slope_mb_per_h"] == pytest.approx(mb_per_hour, abs=0.01)


def test_the_warm_up_does_not_count_as_a_slope() -> None:
    stats = MemoryStats()
    for minute in range(40):
        stats.add(60.0 * minute, min(500.0, 100.0 + 60 * minute))
    assert stats.figures()["rss_slope_mb_per_h"] == pytest.approx(0.0, abs=0.01)


def test_the_largest_reading_counts_whenever_it_came() -> None:
    stats = MemoryStats()
    for second, mb in ((0.0, 100.0), (10.0, 900.0), (20.0, 200.0)):
        stats.add(second, mb)
    assert stats.figures() == {"rss_max_mb": 900.0}


def test_no_readings_are_no_figures() -> None:
    assert MemoryStats().figures() == {}
