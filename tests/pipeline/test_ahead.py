"""`surtitle.pipeline.ahead`: what of the open segment is worth a draft."""

from __future__ import annotations

import pytest

from surtitle.pipeline.ahead import STEP, Ahead
from surtitle.pipeline.events import Segment
from surtitle.pipeline.segmenter import Opening


def segment(text: str, cue: int = 0, language: str = "en") -> Segment:
    return Segment(cue, text, 0.0, 1.0, language, ())


def opening(text: str, cue: int = 0, language: str = "en", *, is_whole: bool = False) -> Opening:
    return Opening(segment(text, cue, language), 0, is_whole)


def drafted(text: str) -> Ahead:
    """Who made a draft of `text`, and has heard nothing since."""
    ahead = Ahead()
    ahead.push([], opening(text))
    ahead.begin(opening(text))
    return ahead


def test_what_opens_is_due_and_when_it_is_drafted_no_more() -> None:
    ahead = Ahead()
    assert ahead.due is None
    ahead.push([], opening("We"))
    assert ahead.due is None
    ahead.push([], opening("We will meet"))
    assert ahead.due == opening("We will meet")
    ahead.begin(opening("We will meet"))
    assert ahead.due is None


def test_it_is_due_again_when_it_has_grown_enough_or_was_guessed_otherwise() -> None:
    ahead = drafted("We will meet")
    ahead.push([], opening("We will meet" + "x" * (STEP - 1)))
    assert ahead.due is None
    ahead.push([], opening("We will meet" + "x" * STEP))
    assert ahead.due is not None
    ahead.push([], opening("We shall"))
    assert ahead.due is not None


@pytest.mark.parametrize("said", ["我们明天", "今日は雨だ", "오늘은 비가와", "we meet them"])
def test_what_says_as_much_is_due_in_any_script(said: str) -> None:
    ahead = drafted("")
    ahead.push([], opening(said))
    assert ahead.due is not None
    ahead.push([], opening(said[:-2]))
    assert ahead.due is None


def test_it_is_due_once_more_where_it_seems_to_end_however_little_it_has_grown() -> None:
    ahead = drafted("We will meet")
    ends = opening("We will meet.", is_whole=True)
    ahead.push([], ends)
    assert ahead.due == ends
    ahead.begin(ends)
    assert ahead.due is None


def test_when_the_segment_ends_the_next_one_is_due_whatever_was_drafted() -> None:
    ahead = drafted("We will meet")
    assert ahead.push([segment("We will meet.")], opening("We will meet", 1)) is None
    assert ahead.due == opening("We will meet", 1)
    assert not ahead.is_current(opening("We will meet", 1))


def test_a_draft_that_is_made_once_more_is_no_second_opinion() -> None:
    ahead = drafted("We will meet")
    ahead.again()
    assert ahead.due == opening("We will meet")
    assert not ahead.binds(Opening(segment("We will meet"), committed=7, is_whole=False))
    assert ahead.binds(Opening(segment("We will meet again"), committed=7, is_whole=False))
    assert not ahead.binds(opening("We will meet again"))  # which is a guess


def test_a_segment_that_begins_as_the_one_before_did_is_a_second_opinion_of_nothing() -> None:
    ahead = drafted("We will meet")
    ahead.again()
    ahead.push([segment("We will meet.")], None)
    assert ahead.binds(Opening(segment("We will meet", 1), committed=7, is_whole=False))


def test_a_guess_that_is_gone_is_told_once_and_its_draft_is_of_no_use() -> None:
    ahead = drafted("We will")
    assert ahead.push([], None) == segment("We will")
    assert not ahead.is_current(opening("We will"))
    assert ahead.push([], None) is None
    assert ahead.due is None


def test_a_guess_that_becomes_a_segment_or_goes_on_is_not_gone() -> None:
    assert drafted("We will").push([segment("We will.")], None) is None
    assert drafted("We will").push([], opening("We will meet")) is None


def test_a_guess_in_another_language_is_gone_though_its_number_is_taken_again() -> None:
    assert drafted("We will").push([], opening("Wir werden", language="de")) == segment("We will")
