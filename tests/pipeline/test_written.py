"""`surtitle.pipeline.written`: what a recogniser is shown before all else."""

from __future__ import annotations

import re

import pytest

from surtitle.pipeline.events import Word
from surtitle.pipeline.written import CONTEXT, echoes, shown_before


class Letters:
    """A token a letter."""

    sot_prev = -1

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]


def shown(before: str, language: str, expected: str = "") -> str:
    mark, *tokens = shown_before(before, language, Letters(), expected=expected) or [-1]
    assert mark == Letters.sot_prev
    return "".join(map(chr, tokens))


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_languages_whose_marks_would_be_left_out_are_shown_with_marks(language: str) -> None:
    assert shown("", language).endswith("。")
    assert shown("电车", language).endswith("。 电车")


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_much_text_before_leaves_the_example_whole(language: str) -> None:
    long = shown("山" * 400, language)
    assert len(long) == CONTEXT
    assert long.startswith(shown("", language))


def test_others_are_shown_what_was_said_before_and_nothing_else() -> None:
    assert shown("and so", "en") == " and so"
    assert not shown_before("", "en", Letters())
    assert shown("b" * 400 + "end", "en") == "b" * (CONTEXT - 3) + "end"


@pytest.mark.parametrize("language", ["hi", "ja"])
def test_the_first_terms_are_shown_whole_before_the_text_however_many_tokens_both_take(language: str) -> None:
    terms = ", ".join(f"term {number}" for number in range(40)) + "."
    assert shown("", "en", "term 0, term 1.") == " term 0, term 1."
    for text in ("", "so", "b" * 300 + "end"):
        told = shown(text, language, terms)
        assert told.startswith(f"{shown('', language)} term 0, term 1, term 2")
        assert told.endswith(text[-60:])
        assert re.search(r"term \d+\. ?(so|b+end)?$", told)
        assert CONTEXT - len(", term 10") < len(told) <= CONTEXT


@pytest.mark.parametrize(
    ("said", "echo"),
    [
        ("天气很好，风景也很美。", True),
        ("我和 朋友去爬山", True),
        ("天气很好", False),
        ("今天天气很好，风景也很美", False),
        ("", False),
    ],
)
def test_an_echo_of_it_is_part_of_it_and_no_more(said: str, echo: bool) -> None:
    assert echoes([Word(each, 0.0, 1.0, 0.9) for each in said.split()], "zh") == echo
    assert not echoes([Word(said, 0.0, 1.0, 0.9)], "en")
