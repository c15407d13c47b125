"""`surtitle.pipeline.stamps`: when a caption passed each stage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.stamps import SLACK, Reach, Written

TIMES = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), max_size=30)


def test_words_are_recognised_when_a_guess_first_reached_their_end() -> None:
    reach = Reach()
    for end, now in ((1.0, 1.5), (2.0, 2.5), (1.8, 3.5), (3.0, 4.5)):
        reach.push(end, now)
    assert [reach.first(end) for end in (0.9, 1.9, 2.9)] == [1.5, 2.5, 4.5]
    assert reach.first(3.0 + 2 * SLACK) is None


def test_a_word_that_wandered_a_little_was_reached_all_the_same() -> None:
    reach = Reach()
    reach.push(1.9, 2.0)
    reach.push(5.0, 6.0)
    assert reach.first(2.0) == 2.0


@given(TIMES, st.lists(st.floats(0, 100), max_size=10))
def test_asked_in_order_it_answers_as_if_nothing_were_forgotten(
    guesses: list[tuple[float, float]], asked: list[float]
) -> None:
    reach, now, log = Reach(), 0.0, []
    for end, later in guesses:
        now += later
        reach.push(end, now)
        log.append((end, now))
    for end in sorted(asked):
        assert reach.first(end) == next((at for reached, at in log if reached >= end - SLACK), None)


def test_the_first_and_the_last_token_are_those_of_the_last_attempt() -> None:
    times = iter([1.0, 2.0, 5.0, 6.0])
    wrote = Written(lambda: next(times))
    assert (wrote.first, wrote.last) == (None, None)
    for tokens in (1, 2, 1, 2):
        wrote(tokens)
    assert (wrote.first, wrote.last) == (5.0, 6.0)
