"""`surtitle.pipeline.sentences`: what a stop means, and what only the next word tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.sentences import ended_after_all, ends_clause, ends_sentence, leads_on


@pytest.mark.parametrize(
    ("word", "language"),
    [
        *((word, "en") for word in ("end.", "end?", "end!", '"end."', "end.)", "1984.", "is.", "I.", ".", "“Fine.”")),
        ("você.”", "pt"),
        ("Ende.“", "de"),
        ("slut.«", "da"),
        ("no.", "es"),
        ("é.", "pt"),
        ("好.", "zh"),
        ("art.", "en"),
        ("你好。", "zh"),
        ("لماذا؟", "ar"),
        ("है।", "hi"),
        ("ώρα;", "el"),
        ("ạ.", "vi"),
        ("я.»", "ru"),
        ("e.", "ro"),
        ("a.", "fr"),
        *((word, "en") for word in ("3.5.", ".5.", "$3.50.", "1.2.3.", "example.com.")),
        ("1.000.", "es"),
        ("1.000.", "de"),
        ("vol.", "fr"),
        ("vol.", "nl"),
        ("prof.", "fr"),
        ("ώρα\N{GREEK QUESTION MARK}»", "el"),
        *((word, "en") for word in ("2.5%.", "$3.5M.", "v2.0.", "Node.js.", "bbc.co.uk.", "rep.", "Al.")),
        *((word, "de") for word in ("example.de.", "2.5%.", "XL.", "CD.", "Sog.")),
        ("II.", "en"),
        ("u.", "nl"),
        ("ý.", "vi"),
        ("ø.", "da"),
    ],
)
def test_these_end_a_sentence(word: str, language: str) -> None:
    assert ends_sentence(word, language)
    assert ends_clause(word, language)


@pytest.mark.parametrize(
    ("word", "language"),
    [
        *((word, "en") for word in ("end", "end,", "Mr.", "e.g.", "(Dr.", "J.", "U.S.", "3.", "3.5", "etc.", "", ")")),
        *((word, "en") for word in ("No.", "well...", "well…", "p.m.", "1,000", "Mt.", "Jan.", "Sept.")),
        *((word, "de") for word in ("21.", "z.B.", "Nr.", "Mio.", "3.")),
        *((word, "es") for word in ("núm.", "EE.", "UU.", "Sra.", "(¿no?", "¿Qué")),
        ("av.", "fr"),
        ("vol.", "en"),
        ("3.5.", "de"),
        ("E.", "ro"),
        ("A.", "fr"),
        ("e.", "en"),
        ("EE.UU.", "es"),
        ("hora;", "es"),
        ("XIV.", "de"),
        ("II.", "hu"),
        ("Rep.", "en"),
        ("al.", "en"),
        ("U.", "nl"),
        ("f.eks.", "da"),
        ("Prof.Dr.", "de"),
        ("dott.ssa.", "it"),
        ("np.", "pl"),
        ("itd.", "pl"),
        ("pl.", "hu"),
        ("např.", "cs"),
        ("डॉ.", "hi"),
        ("Chr.", "de"),
        ("TP.", "vi"),
        ("ex.", "fr"),
        ("د.", "ar"),
        ("млн.", "ru"),
        ("млрд.", "uk"),
    ],
)
def test_these_do_not_end_a_sentence_for_certain(word: str, language: str) -> None:
    assert ends_sentence(word, language) is (word == "(¿no?")


@pytest.mark.parametrize(
    ("word", "following", "language"),
    [
        ("no.", "Then", "en"),
        ("No.", "it", "en"),
        ("Jan.", "He", "en"),
        ("12.", "He", "en"),
        ("etc.", "But", "en"),
        ("U.S.", "My", "en"),
        ("p.m.", "“Then,", "en"),
        ("C.", "It's", "en"),
        ("well...", "Perhaps", "en"),
        ("bien…", "¿Qué", "es"),
        ("bien…", "«Qué", "es"),
        ("UU.", "Hay", "es"),
        ("ex.", "Il", "fr"),
        ("itd.", "Potem", "pl"),
    ],
)
def test_the_next_word_tells_that_a_sentence_had_ended(word: str, following: str, language: str) -> None:
    assert not ends_sentence(word, language)
    assert ended_after_all(word, following, language)


@pytest.mark.parametrize(
    ("word", "following", "language"),
    [
        ("No.", "5", "en"),
        ("Jan.", "5", "en"),
        ("Mt.", "Everest", "en"),
        ("12.", "million", "en"),
        ("etc.", "and", "en"),
        ("well...", "I", "en"),
        ("well...", "I'm", "en"),
        ("well...", "perhaps", "en"),
        ("Dr.", "Smith", "en"),
        ("U.S.", "Congress", "en"),
        ("U.S.", "I", "en"),
        ("a.m.", "and", "en"),
        ("z.B.", "Das", "de"),
        ("J.", "Kennedy", "en"),
        ("3.", "Mai", "de"),
        ("ja...", "Quatsch", "de"),
        ("word", "Word", "en"),
        ("end,", "Word", "en"),
    ],
)
def test_the_next_word_tells_that_the_sentence_goes_on(word: str, following: str, language: str) -> None:
    assert not ended_after_all(word, following, language)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("so,", True), ("so;", True), ("是，", True), ('so,"', True), ("so...", True), ("1984,", True), ("so", False)],
)
def test_a_clause_ends_at_a_mark(word: str, expected: bool) -> None:
    assert ends_clause(word, "en") is expected


def test_a_comma_within_a_number_ends_no_clause() -> None:
    assert not ends_clause("1,", "en")
    assert not ends_clause("200,", "en")


@pytest.mark.parametrize("word", ["Mr.", "12.", "12", "1,", "3.5", "No.", "U.S.", "$5", "«", "“"])
def test_numbers_and_abbreviations_lead_on(word: str) -> None:
    assert leads_on(word, "en")


def test_so_does_it_at_an_arabic_one() -> None:
    assert ends_clause("ذلك؛", "ar")


@pytest.mark.parametrize("word", ["word", "word.", "word,", "1984.", "well...", "5%"])
def test_other_words_do_not_lead_on(word: str) -> None:
    assert not leads_on(word, "en")


@given(st.text(max_size=8), st.text(max_size=8), st.sampled_from(["en", "de", "zh", "xx"]))
def test_whatever_is_written_a_certain_end_is_a_clause_and_leads_nowhere(
    word: str, following: str, language: str
) -> None:
    if ends_sentence(word, language):
        assert ends_clause(word, language)
        assert not ended_after_all(word, following, language)
        assert not leads_on(word, language)
