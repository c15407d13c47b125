"""`surtitle.pipeline.answers`: which of several translations is taken, and when another is made."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from surtitle.pipeline.answers import Answer, best_of, made_again
from surtitle.pipeline.guards import Fault


def answer(text: str, *, fault: Fault | None = None, missed: int = 0, is_opposite: bool = False) -> Answer:
    return Answer([], text, fault, missed, is_opposite=is_opposite)


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


def test_what_says_the_opposite_is_not_taken_while_another_has_the_not_that_was_said() -> None:
    assert best_of([answer(NINE, is_opposite=True), answer(ONE, is_opposite=True), answer(RAIL, missed=1)]).text == RAIL


def test_where_none_is_a_translation_the_likeliest_is_taken_to_be_made_again() -> None:
    assert best_of([answer("1", fault="loop"), answer("2", fault="echo")]).text == "1"


def test_no_answers_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        best_of([])


def made(
    first: Answer, *others: Answer, in_time: Callable[[], bool] = lambda: True
) -> tuple[Answer, list[tuple[int, bool]]]:
    """What is taken where `others` can be made, by two prompts, and how they were asked for: by which of the prompts,
    and whether with the words that are wanted."""
    waiting = list(others)

    def again(prompt: int, with_words: bool) -> Generator[tuple[int, bool], None, Answer]:
        yield prompt, with_words
        return waiting.pop(0)

    steps, asked = made_again(first, again, prompts=2, in_time=in_time), list[tuple[int, bool]]()
    try:
        while True:
            asked.append(next(steps))
    except StopIteration as end:
        taken: Answer = end.value
        return taken, asked


ECHO, LOOP, EMPTY = answer("echo", fault="echo"), answer("loop", fault="loop"), answer("", fault="empty")


def test_what_is_no_translation_is_made_by_one_prompt_after_the_other_until_one_makes_a_translation() -> None:
    assert made(ECHO, answer(NINE)) == (answer(NINE), [(0, False)])
    assert made(ECHO, LOOP, answer(NINE, missed=1)) == (answer(NINE, missed=1), [(0, False), (1, False)])
    assert made(ECHO, LOOP, EMPTY) == (EMPTY, [(0, False), (1, False)])


def test_when_time_is_up_no_further_prompt_is_tried() -> None:
    assert made(ECHO, LOOP, answer(NINE), in_time=lambda: False) == (LOOP, [(0, False)])


def test_what_lacks_words_is_made_once_with_those_words_put_in() -> None:
    assert made(answer(NINE, missed=2), answer(ONE, missed=1)) == (answer(ONE, missed=1), [(0, True)])


@pytest.mark.parametrize("other", [answer(ONE, missed=1), answer(ONE, missed=2), ECHO])
def test_what_lacks_words_stays_where_the_other_is_no_better(other: Answer) -> None:
    assert made(answer(NINE, missed=1), other) == (answer(NINE, missed=1), [(0, True)])


def test_what_lost_a_not_is_made_once_more_and_taken_if_it_has_it_then() -> None:
    lost = answer(NINE, is_opposite=True)
    assert made(lost, answer(ONE)) == (answer(ONE), [(0, True)])
    assert made(lost, answer(ONE, is_opposite=True)) == (lost, [(0, True)])


def test_a_not_is_not_had_for_a_term_of_the_glossary() -> None:
    lost = answer(NINE, is_opposite=True)
    assert made(lost, answer(ONE, missed=1)) == (lost, [(0, True)])
