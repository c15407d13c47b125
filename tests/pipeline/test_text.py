"""`surtitle.pipeline.text`: spaces, sentences and clauses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.text import ends_clause, ends_sentence, is_punctuation, joined


def test_words_are_joined_with_spaces_and_marks_cling() -> None:
    assert joined(["Well", ",", "that", "is", "it", "."], "en") == "Well, that is it."


def test_the_rest_of_a_hyphenated_word_clings_and_a_dash_or_number_does_not() -> None:
    assert joined(["a", "cross", "-attention", "layer", "-", "at", "-5"], "en") == "a cross-attention layer - at -5"


def test_languages_without_spaces_are_joined_without() -> None:
    assert joined(["下一班", "火车", "。"], "zh") == "下一班火车。"


def test_joining_nothing_is_empty() -> None:
    assert joined([], "en") == joined([], "zh") == ""


@given(st.lists(st.text("abc.,é", min_size=1), max_size=8), st.sampled_from(["en", "ja"]))
def test_joining_loses_and_adds_nothing_but_spaces(words: list[str], language: str) -> None:
    assert joined(words, language).replace(" ", "") == "".join(words)


@pytest.mark.parametrize(
    "word",
    [
        "end.",
        "end?",
        "end!",
        "end…",
        "end...",
        '"end."',
        "end.)",
        "你好。",
        "لماذا؟",
        "1984.",
        "is.",
        "I.",
        ".",
        "“Fine.”",
    ],
)
def test_these_end_a_sentence(word: str) -> None:
    assert ends_sentence(word)


@pytest.mark.parametrize(
    "word", ["end", "end,", "Mr.", "e.g.", "(Dr.", "J.", "U.S.", "3.", "21.", "3.5", "etc.", "z.B.", "", ")", "núm."]
)
def test_these_do_not_end_a_sentence(word: str) -> None:
    assert not ends_sentence(word)


@pytest.mark.parametrize(
    ("word", "expected"), [("so,", True), ("so;", True), ("是，", True), ('so,"', True), ("so", False)]
)
def test_a_clause_ends_at_a_mark(word: str, expected: bool) -> None:
    assert ends_clause(word) is expected


@pytest.mark.parametrize(("word", "expected"), [(".", True), ('?"', True), ("a.", False), ("", False), ("'s", False)])
def test_marks_alone_are_punctuation(word: str, expected: bool) -> None:
    assert is_punctuation(word) is expected
