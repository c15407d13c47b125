"""`surtitle.pipeline.leftovers`: words that a translation into another script would leave as they are."""

from __future__ import annotations

import re

import pytest

from surtitle.pipeline.languages import find_language
from surtitle.pipeline.leftovers import leftovers, shows_leftovers


class Pieces:
    """A tokenizer of words' halves, a space before being part of the first, and of marks."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        halves = re.findall(r" ?[^\W_]{1,5}|[^\w]", text)
        return [self._ids.setdefault(half, len(self._ids)) for half in halves]

    def decode(self, ids: list[int]) -> str:
        return "".join(list(self._ids)[token] for token in ids)


def left_over(said: str, *kept: str) -> set[str]:
    pieces = Pieces()
    return {pieces.decode([token]) for token in leftovers(said, kept, pieces.encode, pieces.decode)}


def test_common_words_are_not_left_as_they_are_with_or_without_a_space_before() -> None:
    assert left_over("the spectrum") == {"spect", " spect"}


@pytest.mark.parametrize(
    "said", ["A to B", "alpha", "mp3", "example.com", "a/path", "me@home", "don't", "it’s Paris", "«Das»"]
)
def test_names_codes_addresses_and_short_words_may_be(said: str) -> None:
    assert left_over(said) == set()


def test_parts_of_a_word_with_a_hyphen_are_words() -> None:
    assert left_over("open-minded.") == {"open", " open", "minde", " minde"}


def test_what_a_name_or_a_term_is_made_of_may_be() -> None:
    assert left_over("Mountain rivers of an open source") == {"river", " river", "open", " open", "sourc", " sourc"}
    assert left_over("Riverside river", "open") == {"river", " river"}
    assert left_over("open river", "open") == {"river", " river"}


@pytest.mark.parametrize(("source", "target", "shows"), [("en", "zh", True), ("de", "ru", True), ("en", "vi", False)])
def test_leftovers_are_told_by_the_script(source: str, target: str, shows: bool) -> None:
    assert shows_leftovers(find_language(source), find_language(target)) is shows


def test_of_another_script_nothing_is_left_over_that_could_be_told() -> None:
    assert not shows_leftovers(find_language("ru"), find_language("zh"))
