"""`surtitle.pipeline.consensus`: the text that the others agree with most."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from sacrebleu.metrics.chrf import CHRF
from said import SPOKEN

from surtitle.pipeline.consensus import likeness, most_agreed, pieces


def alike(text: str, other: str) -> float:
    return likeness(pieces(text), pieces(other))


@given(SPOKEN, SPOKEN)
@example("Ein Zug kommt.", "Ein Zug kam.")
@example("火车九点到了", "火车十点到")
@example("a", "abc")
def test_two_texts_are_as_alike_as_the_fields_own_measure_says(text: str, other: str) -> None:
    if "".join(text.split()) and "".join(other.split()):
        assert alike(text, other) == pytest.approx(CHRF().sentence_score(text, [other]).score / 100, abs=1e-9)


def test_a_text_is_wholly_like_itself_and_nothing_is_like_nothing() -> None:
    assert alike("Ein Zug kommt.", "Ein Zug kommt.") == pytest.approx(1.0)
    assert alike("", "Ein Zug kommt.") == alike("", "") == 0.0


def test_the_one_that_most_agree_with_is_taken_though_another_comes_first() -> None:
    texts = ["Die Bahn ist da.", "Der Zug kommt um neun.", "Der Zug kommt gegen neun.", "Ein Zug kommt um neun."]
    assert most_agreed(texts) == 1


def test_what_is_repeated_counts_once() -> None:
    texts = ["Die Bahn ist da."] * 4 + ["Der Zug kommt um neun.", "Der Zug kommt gegen neun.", "Ein Zug kommt um neun."]
    assert most_agreed(texts) == 4


def test_of_texts_that_are_equally_alike_the_first_is_taken() -> None:
    assert most_agreed(["one"]) == 0
    assert most_agreed(["abcdef", "uvwxyz"]) == 0
    assert most_agreed(["", ""]) == 0


def test_one_of_no_texts_can_not_be_taken() -> None:
    with pytest.raises(ValueError, match="empty"):
        most_agreed([])
