"""`surtitle.pipeline.arrivals`: what of a delay is the source's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.arrivals import RECENT, STALL, Arrivals


def after(*came: tuple[float, float]) -> Arrivals:
    """Pieces of a tenth of a second: the end of each, and how late it came."""
    arrivals = Arrivals()
    for end, late in came:
        arrivals.push(end - 0.1, end, end + late)
    return arrivals


def test_a_source_that_is_in_time_is_not_late() -> None:
    assert after().late == 0.0
    assert after((0.1, 0.0), (0.2, 0.3), (0.3, -0.1)).late == 0.0


def test_a_device_that_opened_slowly_is_behind_from_the_first_piece_on() -> None:
    arrivals = after((0.1, 2.0), (0.2, 2.0))
    assert arrivals.late == pytest.approx(2.0)
    assert arrivals.lateness(0.2, 2.7) == pytest.approx(0.5)


def test_a_network_that_hiccups_and_catches_up_was_not_behind() -> None:
    assert after((0.1, 0.05), (0.2, 2.5), (0.3, 2.4), (0.4, 0.05)).late == pytest.approx(0.05)


def test_a_short_stall_is_the_sources_when_it_has_not_caught_up_for_a_minute() -> None:
    pieces = [(1.0 + each / 10, 2.5) for each in range(round(RECENT * 10) + 2)]
    assert after((0.5, 0.0), *pieces[:500]).late == 0.0
    assert after((0.5, 0.0), *pieces).late == pytest.approx(2.5)


def test_a_long_stall_is_the_sources_at_once_and_a_burst_behind_it_makes_up_for_it() -> None:
    assert after((0.5, 0.0), (0.6, STALL + 1)).late == pytest.approx(STALL + 1)
    assert after((0.5, 0.0), (0.6, STALL + 1), (0.7, STALL + 0.5), (5.0, 0.0)).late == 0.0


def test_a_device_whose_clock_is_fast_is_not_early_for_ever() -> None:
    week = 7 * 24 * 3600.0
    arrivals = after(*((end, -end * 50e-6) for end in (week - 120 + each / 10 for each in range(1200))))
    assert arrivals.lateness(week, week - 30 + 6) == pytest.approx(6, abs=0.5)
    assert arrivals.stalls(week - 30) == pytest.approx(week - 30 + 0.1 + STALL, abs=0.5)


def test_what_was_sent_ahead_at_once_is_not_late_meanwhile() -> None:
    burst = [(each / 10, -each / 10) for each in range(1, 300)]
    assert after((0.05, 0.0), *burst).lateness(10.0, 9.0) < 0


def test_what_comes_late_of_a_punctual_source_was_held_up_here() -> None:
    arrivals = Arrivals(punctual=True)
    arrivals.push(0.0, 0.1, 30.0)
    assert (arrivals.late, arrivals.lateness(0.1, 30.1)) == (0.0, 30.0)


def test_a_source_stalls_when_the_next_piece_is_overdue() -> None:
    assert after((0.1, 0.0)).stalls(0.1) == pytest.approx(0.2 + STALL)
    long = Arrivals()
    long.push(0.0, 6.0, 6.0)
    assert long.stalls(6.5) == pytest.approx(12.5 + STALL)


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 9.0)), min_size=1))
def test_nothing_is_later_than_the_newest_piece(pieces: list[tuple[float, float]]) -> None:
    arrivals, end, now = Arrivals(), 0.0, 0.0
    for length, late in pieces:
        end += length
        now = max(now, end + late)
        arrivals.push(end - length, end, now)
        assert 0.0 <= arrivals.late <= now - end
        assert arrivals.lateness(end, now) >= 0.0
