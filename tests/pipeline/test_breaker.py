"""`surtitle.pipeline.breaker`: when what failed is asked again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.breaker import LONGEST_PAUSE, Breaker


def test_a_single_failure_changes_nothing() -> None:
    breaker = Breaker()
    assert not breaker.failed(0.0, began=0.0)
    assert breaker.admits(0.0)
    assert breaker.succeeded(1.0) is None


def test_what_fails_twice_in_a_row_is_left_alone_and_then_tried_in_growing_pauses() -> None:
    breaker = Breaker()
    assert [breaker.failed(0.0, began=0.0), breaker.failed(0.0, began=0.0)] == [False, True]
    now, tries = 0.0, []
    while now < 140:
        now += 0.5
        if breaker.admits(now):
            tries.append(now)
            assert not breaker.failed(now, began=now)
    assert tries == [5.0, 15.0, 35.0, 65.0, 95.0, 125.0]


def test_of_many_that_were_under_way_when_it_failed_one_counts() -> None:
    breaker = Breaker()
    assert not any(breaker.failed(6.0, began=0.1 * room) for room in range(8))
    assert breaker.admits(6.0)
    assert [breaker.failed(12.0, began=6.0 + 0.1 * room) for room in range(8)] == [True] + [False] * 7
    assert [breaker.admits(16.9), breaker.admits(17.0)] == [False, True]
    assert breaker.succeeded(18.0) == 12.0
    assert not breaker.failed(18.1, began=17.0)
    assert breaker.admits(18.1)


def test_of_many_who_ask_one_finds_out() -> None:
    breaker = Breaker()
    breaker.failed(0.0, began=0.0), breaker.failed(0.0, began=0.0)
    assert [breaker.admits(5.0) for _ in range(3)] == [True, False, False]
    breaker.succeeded(6.0)
    assert [breaker.admits(6.0) for _ in range(3)] == [True] * 3


def test_what_may_be_well_again_is_tried_at_once() -> None:
    breaker = Breaker()
    breaker.failed(0.0, began=0.0), breaker.failed(0.0, began=0.0)
    assert not breaker.admits(1.0)
    breaker.try_now(1.0)
    assert [breaker.admits(1.0), breaker.admits(1.0)] == [True, False]


def test_an_answer_ends_it_and_tells_how_long_it_was() -> None:
    breaker = Breaker()
    for now in (1.0, 2.0, 7.0):
        breaker.failed(now, began=now)
    assert breaker.succeeded(18.0) == 17.0
    assert breaker.admits(18.0)
    assert breaker.succeeded(19.0) is None
    assert [breaker.failed(20.0, began=20.0), breaker.failed(21.0, began=21.0)] == [False, True]
    assert breaker.admits(26.0)


@given(st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=60))
def test_whatever_happened_it_is_tried_again_within_the_longest_pause(events: list[tuple[float, bool]]) -> None:
    breaker, now = Breaker(), 0.0
    for wait, works in events:
        now += wait
        if breaker.admits(now):
            breaker.succeeded(now) if works else breaker.failed(now, began=now)
    assert breaker.admits(now + LONGEST_PAUSE)
