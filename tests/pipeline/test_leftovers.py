"""`surtitle.pipeline.leftovers`: words that a translation into another script would leave as they are."""

from __future__ import annotations

import string

import pytest

from surtitle.pipeline.languages import find_language
from surtitle.pipeline.leftovers import Leftovers, shows_leftovers

WORDS = (
    "spectrum",
    "spectra",
    "special",
    "Spectrum",
    "open",
    "minded",
    "rivers",
    "river",
    "River",
    "side",
    "xylo",
    "phone",
)
TEXTS = [*string.printable, *WORDS, *(f" {word}" for word in WORDS), "-minded", "xyl", " xyl", "oph"]
"""What the tokens of a small vocabulary say."""


def encode(text: str) -> list[int]:
    """The longest token first."""
    ids = list[int]()
    while text:
        ids.append(
            max((index for index, piece in enumerate(TEXTS) if text.startswith(piece)), key=lambda i: len(TEXTS[i]))
        )
        text = text[len(TEXTS[ids[-1]]) :]
    return ids


def left_over(said: str, *kept: str) -> set[str]:
    return {TEXTS[token] for token in Leftovers(TEXTS, encode).tokens(said, kept)}


def test_a_common_word_is_left_in_no_form_with_or_without_a_space_before() -> None:
    forms = {"spectrum", "spectra", "Spectrum"}
    assert left_over("the spectrum") == forms | {f" {form}" for form in forms}


def test_what_has_no_token_of_its_own_does_not_begin() -> None:
    assert left_over("l'xylophone") == left_over("'xylophone'") == {"xylo", " xylo"}


@pytest.mark.parametrize("said", ["A to B", "alpha", "mp3", "open2.com", "open/path", "me@open", "open's", "unknown"])
def test_names_symbols_codes_and_addresses_may_be(said: str) -> None:
    assert left_over(said) == set()


def test_a_word_with_a_capital_may_be_a_name_and_has_one_then() -> None:
    assert left_over("Rivers") == {"river", " river", "rivers", " rivers"}
    assert left_over("SPECTRUM") == {"spectrum", " spectrum", "spectra", " spectra"}


def test_parts_of_a_word_with_a_hyphen_are_words() -> None:
    assert left_over("open-minded.") == {"open", " open", "minded", " minded", "-minded"}


def test_what_a_name_or_a_term_is_made_of_may_be() -> None:
    assert left_over("rivers") == {"river", " river", "rivers", " rivers", "River", " River"}
    assert left_over("Riverside rivers") == {"river", " river", "rivers", " rivers"}
    assert left_over("open rivers", "rivers and open") == {"river", " river", "River", " River"}


@pytest.mark.parametrize(("source", "target", "shows"), [("en", "zh", True), ("de", "ru", True), ("en", "vi", False)])
def test_leftovers_are_told_by_the_script(source: str, target: str, shows: bool) -> None:
    assert shows_leftovers(find_language(source), find_language(target)) is shows


def test_of_another_script_nothing_is_left_over_that_could_be_told() -> None:
    assert not shows_leftovers(find_language("ru"), find_language("zh"))
