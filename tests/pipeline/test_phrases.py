"""`surtitle.pipeline.phrases`: which words belong together."""

from __future__ import annotations

import pytest

from surtitle.pipeline.phrases import begins_clause, begins_phrase, is_bound


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


@pytest.mark.parametrize(
    ("before", "word"), [("英語に", "訳"), ("では", "コンピューター"), ("は", "60"), ("を", "「はい")]
)
def test_a_japanese_phrase_begins_with_a_stem_behind_what_tells_the_part_of_the_one_before(
    before: str, word: str
) -> None:
    assert begins_phrase(word, before, "ja")
    assert not begins_phrase(word, before, "zh")


@pytest.mark.parametrize(
    ("before", "word"),
    [
        ("ニ", "ュー"),
        ("理解", "しなければ"),
        ("てい", "ました"),
        ("日本", "語"),
        ("お", "話"),
        ("は", "ー"),
        ("取り", "組み"),
        ("三か", "月"),
        ("この", "人"),
        ("で", "・"),
        ("", "日"),
    ],
)
def test_within_a_phrase_none_begins(before: str, word: str) -> None:
    assert not begins_phrase(word, before, "ja")
