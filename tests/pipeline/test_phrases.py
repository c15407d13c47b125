"""`surtitle.pipeline.phrases`: which words belong together."""

from __future__ import annotations

from itertools import accumulate

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
    assert not begins_phrase(word, before, "ko")


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


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "今天 我 想 和 大家 谈 一 谈 关于 机器 翻译 的 一些 问题"),
        ("th", "เมื่อวาน เพื่อน บ้าน ถาม ฉัน ว่า รถไฟ ขบวน ต่อ ไป จะ มา ถึง เมื่อ ไหร่"),
    ],
)
def test_most_chinese_and_thai_words_are_known_by_their_first_letter(language: str, said: str) -> None:
    text = said.replace(" ", "")
    found = [at for at in range(len(text)) if begins_phrase(text[at], text[:at], language)]
    begin = set(accumulate(map(len, said.split()[:-1])))
    assert len(begin.intersection(found)) >= 0.7 * len(begin)
    assert len(set(found) - begin) <= 1  # train is a word of two


def test_a_number_or_a_word_of_other_letters_is_whole_among_them() -> None:
    assert not begins_phrase("AI", "我们用Open", "zh")
    assert not begins_phrase("%", "增长了100", "zh")
    assert not begins_phrase("ำ", "ดื่มน้", "th")
