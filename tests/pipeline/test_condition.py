"""How a session fares: told when it changes, and now and then."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.condition import EVERY, FRESH, LATE, SKIPPED, Condition
from surtitle.pipeline.events import Gap, SessionState


def state(condition: Condition, now: float, waiting: float = 0.0) -> SessionState | None:
    status = condition.status(audio=now, now=now, waiting=waiting)
    return status and status.state


def test_a_session_that_begins_is_well_and_has_no_lag_yet() -> None:
    status = Condition().status(audio=0.1, now=0.2, waiting=0.0)
    assert status is not None
    assert (status.state, status.lag, status.audio, status.elapsed) == ("ok", None, 0.1, 0.2)


def test_the_same_state_is_told_again_after_a_while_only() -> None:
    condition = Condition()
    told = [now for now in range(13) if state(condition, now)]
    assert told == [0, EVERY, 2 * EVERY]


def test_a_change_is_told_at_once() -> None:
    condition = Condition()
    assert state(condition, 0.0) == "ok"
    condition.captioned(LATE + 0.1)
    assert state(condition, 0.1) == "behind"
    condition.captioned(2.0)
    assert state(condition, 0.2) == "ok"


def test_a_translation_that_does_not_come_is_late_before_it_is_there() -> None:
    condition = Condition()
    condition.captioned(2.0)
    assert state(condition, 10.0, waiting=LATE + 0.1) == "behind"


def test_a_caption_that_was_late_before_a_break_is_old_news_in_it() -> None:
    condition = Condition()
    condition.captioned(LATE + 1)
    assert state(condition, 10.0) == "behind"
    assert state(condition, 10.0 + FRESH) == "ok"
    assert state(condition, 11.0 + FRESH, waiting=1.0) is None  # as well as before, and told not long ago
    condition.captioned(LATE + 1)
    assert state(condition, 12.0 + FRESH) == "behind"


def test_while_words_wait_a_late_caption_before_them_is_no_old_news() -> None:
    condition = Condition()
    condition.captioned(LATE + 1)
    told = [state(condition, 10.0 + second, waiting=1.0) for second in range(0, 2 * int(FRESH), 2)]
    assert set(filter(None, told)) == {"behind"}


def test_skipped_audio_is_told_long_enough_to_be_read() -> None:
    condition = Condition()
    condition.missed(Gap(0.0, 30.0, "overload"), 60.0)
    assert state(condition, 60.0) == "overload"
    assert state(condition, 60.0 + SKIPPED) == "ok"


def test_one_loss_of_unknown_length_is_no_overload_but_a_second_one_soon_after_is() -> None:
    condition = Condition()
    told = []
    for now in (1.0, 2.0 + SKIPPED, 5.0 + SKIPPED):
        condition.missed(Gap(now, now, "overload"), now)
        told.append(state(condition, now))
    assert told == ["ok", "ok", "overload"]


def test_a_microphone_that_is_gone_is_told_until_it_is_heard_again() -> None:
    condition = Condition()
    condition.heard()
    condition.missed(Gap(1.0, 3.0, "device"), 3.0)
    assert state(condition, 3.0) == "device"
    assert state(condition, 50.0) == "device"
    condition.heard()
    assert state(condition, 50.1) == "ok"


def test_samples_that_are_no_numbers_are_no_condition() -> None:
    condition = Condition()
    condition.missed(Gap(0.0, 1.0, "invalid"), 1.0)
    assert state(condition, 1.0) == "ok"


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 10)), max_size=60))
def test_however_often_it_is_asked_it_tells_each_change_and_no_more_than_one_in_a_while(
    steps: list[tuple[float, float]],
) -> None:
    condition, now, told = Condition(), 0.0, list[tuple[float, SessionState]]()
    for pause, lag in steps:
        now += pause
        condition.captioned(lag)
        expected: SessionState = "behind" if lag > LATE else "ok"
        said = state(condition, now)
        assert said in (None, expected)
        if said:
            told.append((now, said))
        assert told[-1][1] == expected
    for (before, was), (after, is_now) in pairwise(told):
        assert was != is_now or after - before >= EVERY


def test_what_nobody_waited_for_tells_no_lag() -> None:
    condition = Condition()
    condition.captioned(2.0)
    condition.captioned(0.5, awaited=False)
    status = condition.status(audio=1.0, now=1.0, waiting=0.0)
    assert status is not None
    assert status.lag == 2.0
