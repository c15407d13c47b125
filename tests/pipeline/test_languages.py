"""`surtitle.pipeline.languages`: codes as people type them."""

from __future__ import annotations

import re

import pytest

from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.languages import LANGUAGES, Pair, find_language, parse_languages, parse_pair


@pytest.mark.parametrize("code", ["es", "ES", " es "])
def test_a_code_is_found_in_any_case(code: str) -> None:
    assert find_language(code).name == "Spanish"


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("spanish", "es (Spanish)"),
        ("sp", "es (Spanish)"),
        ("Ger", "de (German)"),
        ("Germn", "de (German)"),
        ("eng", "en (English)"),
        ("jp", "ja (Japanese)"),
        ("es-MX", "es (Spanish)"),
        ("pt_BR", "pt (Portuguese)"),
        ("cn", "zh (Chinese)"),
        ("DK", "da (Danish)"),
        ("cz", "cs (Czech)"),
        ("ua", "uk (Ukrainian)"),
    ],
)
def test_an_unknown_code_is_refused_with_the_nearest_and_all_known(seen: str, meant: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"unknown language {seen!r}; did you mean {meant}? Known: ar, ca")):
        find_language(seen)


def test_a_code_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(UsageError, match=r"unknown language 'q9q9q9'\. Known: ar"):
        find_language("q9q9q9")


@pytest.mark.parametrize(("codes", "expected"), [("es", ("es",)), ("es,de", ("es", "de")), ("ES, de,", ("es", "de"))])
def test_several_codes_have_commas_between(codes: str, expected: tuple[str, ...]) -> None:
    assert parse_languages(codes) == expected


@pytest.mark.parametrize("codes", ["", ",", "es,es", "es,ES"])
def test_no_code_and_the_same_twice_are_refused(codes: str) -> None:
    with pytest.raises(UsageError, match="expected codes with commas between, each once"):
        parse_languages(codes)


def test_every_language_has_a_code_a_name_and_an_example_of_its_own() -> None:
    assert all(re.fullmatch("[a-z]{2}", code) and language.code == code for code, language in LANGUAGES.items())
    assert len({language.name for language in LANGUAGES.values()}) == len(LANGUAGES)
    assert len({language.example for language in LANGUAGES.values()}) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("sources", "targets", "pair"),
    [
        ("en", "es,de", Pair(("en",), ("es", "de"))),
        ("en", "en", Pair(("en",), ("en",))),
        ("en", "es,en", Pair(("en",), ("es", "en"))),
        ("en,es", "en,es", Pair(("en", "es"), ("en", "es"))),
        ("auto", "en", Pair(("en", *(code for code in LANGUAGES if code != "en")), ("en",))),
    ],
)
def test_one_language_or_several_may_be_spoken(sources: str, targets: str, pair: Pair) -> None:
    assert parse_pair(sources, targets) == pair


@pytest.mark.parametrize(("sources", "targets"), [("en,en", "es"), ("", "es"), ("xx", "es"), ("en", "")])
def test_a_pair_that_can_not_be_is_refused(sources: str, targets: str) -> None:
    with pytest.raises(UsageError, match=r"expected|unknown"):
        parse_pair(sources, targets)


@pytest.mark.parametrize(
    ("sources", "targets", "translations"),
    [
        ("en", "en", 0),
        ("en", "en,es", 1),
        ("en", "es,de", 2),
        ("en,es", "en", 1),
        ("en,es", "en,es", 1),
        ("auto", "en", 1),
    ],
)
def test_what_is_said_in_a_wanted_language_is_not_translated_into_it(
    sources: str, targets: str, translations: int
) -> None:
    assert parse_pair(sources, targets).translations == translations
