"""`surtitle.pipeline.answers`: which of several translations is taken."""

from __future__ import annotations

import pytest

from surtitle.pipeline.answers import Answer, best_of
from surtitle.pipeline.guards import Fault


def answer(text: str, *, fault: Fault | None = None, missed: int = 0) -> Answer:
    return Answer([], text, fault, missed)


NINE, ABOUT, ONE, RAIL = (
    "Der Zug kommt um neun.",
    "Der Zug kommt gegen neun.",
    "Ein Zug kommt um neun.",
    "Die Bahn ist da.",
)


def test_the_one_that_the_others_agree_with_is_taken() -> None:
    assert best_of([answer(RAIL), answer(ABOUT), answer(NINE), answer(ONE)]).text == NINE


def test_what_is_no_translation_is_not_taken_and_agrees_with_nobody() -> None:
    wrong = [answer(f"The train comes at {time}.", fault="language") for time in ("nine", "noon", "ten")]
    assert best_of([*wrong, answer(RAIL), answer(ABOUT), answer(NINE), answer(ONE)]).text == NINE


def test_the_glossarys_terms_come_first() -> None:
    assert best_of([answer(NINE, missed=1), answer(ONE, missed=1), answer(RAIL)]).text == RAIL


def test_where_none_is_a_translation_the_likeliest_is_taken_to_be_made_again() -> None:
    assert best_of([answer("1", fault="loop"), answer("2", fault="echo")]).text == "1"


def test_no_answers_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        best_of([])
