"""`surtitle.pipeline.wrap`: lines that a reader takes in at once, broken where one would pause."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from said import LANGUAGES, SPOKEN, visible

from surtitle.pipeline.wrap import blocks, reading, width


def test_what_fits_a_line_is_not_broken() -> None:
    assert blocks("Hola, ¿qué tal estás?", "es") == [("Hola, ¿qué tal estás?",)]


def test_lines_are_balanced_and_end_after_punctuation_rather_than_where_they_are_full() -> None:
    text = "Gestern fragte mich mein Nachbar: „Wann kommt der nächste Zug?“"
    assert blocks(text, "de") == [("Gestern fragte mich mein Nachbar:", "„Wann kommt der nächste Zug?“")]


def test_a_line_ends_before_a_conjunction_rather_than_after_it() -> None:
    assert blocks("The window moves on all the time and nothing is lost", "en") == [
        ("The window moves on all the time", "and nothing is lost")
    ]


def test_a_long_text_is_cut_into_as_few_blocks_as_hold_it_and_between_sentences() -> None:
    text = "We looked at the cache for a long time, all of us. Then we found out what had to stay, and why it had to."
    assert blocks(text, "en") == [
        ("We looked at the cache", "for a long time, all of us."),
        ("Then we found out what had to stay,", "and why it had to."),
    ]


def test_an_abbreviation_is_no_end_of_a_sentence() -> None:
    first, _ = blocks("I would like to introduce you all to Dr. Bekele, who came from afar", "en")[0]
    assert not first.endswith("Dr.")


def test_japanese_breaks_between_phrases_and_no_line_begins_with_a_mark() -> None:
    assert blocks("昨日、隣の人に「次の電車はいつ来ますか」と聞かれました。", "ja") == [
        ("昨日、隣の人に「次の電車は",),
        ("いつ来ますか」と", "聞かれました。"),
    ]


def test_chinese_and_thai_words_stay_whole() -> None:
    assert blocks("昨天我的邻居问我：“下一班火车什么时候到？”", "zh") == [
        ("昨天我的邻居问我：", "“下一班火车什么时候到？”")
    ]
    (lines,) = blocks('เมื่อวานเพื่อนบ้านถามฉันว่า "รถไฟขบวนต่อไปจะมาถึงเมื่อไหร่"', "th")
    assert lines == ("เมื่อวานเพื่อนบ้านถามฉันว่า", '"รถไฟขบวนต่อไปจะมาถึงเมื่อไหร่"')


def test_a_name_of_other_letters_is_not_broken_where_a_phrase_ends_as_near() -> None:
    assert blocks("我们今天用Google Cloud来训练这个新模型和系统", "zh") == [
        ("我们今天用Google Cloud", "来训练这个新模型和系统")
    ]
    thai = "เขาเรียนที่ New York University ในสาขาคณิตศาสตร์"
    assert blocks(thai, "th") == [("เขาเรียนที่ New York University", "ในสาขาคณิตศาสตร์")]


def test_french_marks_stay_with_their_words_though_spaces_are_between() -> None:
    text = "Alors il nous a demandé tout simplement « est-ce que vous viendrez\N{NO-BREAK SPACE}? » et puis : oui"
    assert blocks(text, "fr") == [
        ("Alors il nous a demandé tout simplement", "« est-ce que vous viendrez ? »"),
        ("et puis : oui",),
    ]


@given(st.lists(st.sampled_from(["«", "Nous", "?", "oui", ":", "»", "peut-être", "!"]), min_size=12))
def test_no_french_line_begins_with_a_mark_or_ends_with_a_quote_that_opens(words: list[str]) -> None:
    lines = [line for block in blocks(" ".join(["Voici", *words, "fin"]), "fr") for line in block]
    assert not [line for line in lines if line[0] in "?:»;!" or line[-1] == "«"]


@pytest.mark.parametrize("count", ["20 000", "20\N{NARROW NO-BREAK SPACE}000 %", "0800 555 111"])
def test_a_number_stays_whole_though_spaces_are_in_it(count: str) -> None:
    shown = " ".join(count.split())
    for before in range(1, 40):
        lines = [
            line for block in blocks(f"{'a' * before} {count} personnes sont venues hier soir", "fr") for line in block
        ]
        assert any(shown in line for line in lines)


def test_what_is_wider_than_a_line_is_not_cut_before_a_mark_or_in_a_word_of_other_letters() -> None:
    assert blocks("関わっていなかったのである。", "ja") == [("関わっていなかったのであ", "る。")]
    lines = [line for block in blocks("约翰·霍华德·约翰逊·琼斯·德拉克鲁瓦·冯·（Johnson）", "zh") for line in block]
    assert not [line for line in lines if line[-1] == "（" or line[0] in "）·"]
    assert any("Johnson" in line for line in lines)


def test_a_dash_and_a_straight_quote_may_begin_a_line() -> None:
    text = "— Здравствуйте, как у вас сегодня дела. — Спасибо, сегодня хорошо."
    assert blocks(text, "ru") == [("— Здравствуйте, как у вас сегодня дела.", "— Спасибо, сегодня хорошо.")]


LATIN = ["OpenAI", "COVID-19", "iPhone15", "2024", "10:30", "100,000", "Wi-Fi", "café"]
AROUND = {
    "ja": ["を使って", "のモデルが", "、", "開発しました"],
    "zh": ["我们用", "和", "，", "研究了"],
    "th": ["เราใช้", "และ"],
}


@given(st.sampled_from(sorted(AROUND)), st.data())
def test_words_of_other_letters_stay_whole_among_those_without_spaces(language: str, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(AROUND[language]), st.sampled_from(LATIN)), min_size=8))
    lines = [line for block in blocks("".join(a + b for a, b in pairs), language) for line in block]
    found = [each for line in lines for each in regex.findall(r"[-\p{Latin}\d:,.]+", line)]
    assert found == [latin for _, latin in pairs]


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\n\n"])
def test_what_can_not_be_seen_is_no_block(text: str) -> None:
    assert blocks(text, "en") == []


def test_a_word_wider_than_a_line_is_cut_and_no_other() -> None:
    assert blocks("see " + "x" * 50, "en") == [("see",), ("x" * 42, "x" * 8)]


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("ñ", 1), ("n\u0303", 1), ("字", 2), ("👩‍👩‍👧‍👦", 2), ("한", 2)]
)
def test_width_counts_wide_characters_twice_and_marks_not_at_all(text: str, cells: int) -> None:
    assert width(text) == cells


@given(SPOKEN, LANGUAGES)
def test_no_line_is_too_wide_none_is_empty_and_nothing_is_lost_or_cut_inside_a_character(
    text: str, language: str
) -> None:
    made = blocks(text, language)
    lines = [line for block in made for line in block]
    assert all(1 <= len(block) <= 2 for block in made)
    assert all(line and line == line.strip() and width(line) <= reading(language).line for line in lines)
    assert visible("".join(lines)) == visible(text)
    clusters = [cluster for line in lines for cluster in regex.findall(r"\X", line) if not cluster.isspace()]
    assert clusters == [cluster for cluster in regex.findall(r"\X", " ".join(lines)) if not cluster.isspace()]


@given(SPOKEN)
def test_in_a_language_with_spaces_lines_end_at_them_where_words_are_no_wider_than_a_line(text: str) -> None:
    words = [word for word in text.split() if word.isalnum() and width(word) <= 42]
    lines = [line for block in blocks(" ".join(words), "en") for line in block]
    assert " ".join(lines).split() == words
