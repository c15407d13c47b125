"""`surtitle.pipeline.phrases`: which words belong together."""

from __future__ import annotations

import pytest

from surtitle.pipeline.phrases import begins_clause, is_bound


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("and", "en"),
        ("That's", "en"),
        ("“because", "en"),
        ("weil", "de"),
        ("pero", "es"),
        ("qu’il", "fr"),
        ("che", "it"),
    ],
)
def test_a_clause_often_ends_before_these(word: str, language: str) -> None:
    assert begins_clause(word, language)


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("the", "en"),
        ("They're", "en"),
        ("of", "en"),
        ("zum", "de"),
        ("la", "es"),
        ("avec", "fr"),
        ("pela", "pt"),
        ("het", "nl"),
        ("parce", "fr"),
        ("so", "en"),
    ],
)
def test_these_belong_to_what_follows(word: str, language: str) -> None:
    assert is_bound(word, language)


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("house", "en"),
        ("you", "en"),
        ("the,", "en"),
        ("die", "en"),
        ("l'acqua", "it"),
        ("d'eau", "fr"),
        ("the", "sv"),
        ("", "en"),
        ("'", "en"),
    ],
)
def test_others_stand_alone(word: str, language: str) -> None:
    assert not begins_clause(word, language)
    assert not is_bound(word, language)
