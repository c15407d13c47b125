"""`surtitle.pipeline.aligned`: words, from what an alignment has."""

from __future__ import annotations

from typing import Any

from surtitle.pipeline.aligned import words_of
from surtitle.pipeline.events import Word


def aligned(*pieces: tuple[str, ...]) -> list[dict[str, Any]]:
    """A word a tuple, a token a text: half a second each."""
    return [
        {"word": "".join(tokens), "tokens": list(tokens), "start": at / 2, "end": at / 2 + 0.5, "probability": 0.9}
        for at, tokens in enumerate(pieces)
    ]


def texts(*pieces: tuple[str, ...], known: int = 0, language: str = "en") -> list[str]:
    found = words_of(aligned(*pieces), known=known, language=language, decode="".join)  # type: ignore[arg-type]
    return [word.text for word in found]


def test_words_have_their_times_and_no_spaces() -> None:
    found = words_of(aligned((" We",), (" will",)), known=1, language="en", decode=str)
    assert found == [Word("will", 0.5, 1.0, 0.9)]


def test_what_comes_without_a_space_belongs_to_the_word_before() -> None:
    assert texts(
        (" a",),
        (" cross",),
        (
            "-att",
            "ention",
        ),
        (" layer",),
    ) == ["a", "cross-attention", "layer"]
    assert texts((" It",), (" ends",), (".",)) == ["It", "ends."]


def test_where_words_have_no_spaces_each_stays_its_own_whatever_is_known() -> None:
    assert texts(("今",), ("天",), ("很",), ("好",), known=2, language="zh") == ["很", "好"]
    assert texts((" 今",), ("天",), ("很",), ("好",), known=2, language="zh") == ["很", "好"]
    assert texts(("用",), (" use",), ("很",), ("好",), language="zh") == ["用", "use", "很", "好"]


def test_what_is_no_letter_of_its_own_belongs_to_the_piece_before() -> None:
    pieces = ["เม", "ื่", "อ", "ว", "าน", "เพ", "ื่", "อน", "บ", "้", "าน"]
    assert texts(*((piece,) for piece in pieces), language="th") == ["เมื่", "อ", "วาน", "เพื่", "อน", "บ้าน"]
    assert texts(("แ",), ("ม่",), ("น",), ("้",), ("ำ",), language="th") == ["แม่", "น้ำ"]


def test_latin_words_are_whole_there_too() -> None:
    assert texts(("用",), (" mach",), ("ine",), (" learning",), ("做",), language="zh") == [
        "用", "machine", "learning", "做",
    ]  # fmt: skip


def test_of_a_word_that_is_known_in_part_there_is_what_clings_to_that() -> None:
    assert texts((" that", "'s"), (" it",), known=1) == ["'s", "it"]
    assert texts((" that", "'s"), (" it",), known=2) == ["it"]
    assert texts((" that", "'s"), known=3) == []


def test_of_a_word_of_which_a_mark_alone_is_known_there_is_the_rest() -> None:
    assert texts((" 1",), (",", "000"), (" people",), known=2) == ["000", "people"]
    assert texts((" example",), (".", "com"), known=2) == ["com"]
    assert texts((" dit",), (" «", "Oui"), known=2, language="fr") == ["Oui"]
    assert texts((" 3",), (".", "5"), known=1) == [".5"]


def test_a_word_whose_marks_come_later_is_not_said_again_with_them() -> None:
    assert texts((" है", "।"), (" हम",), known=1, language="hi") == ["।", "हम"]
    assert texts((" حالك", "؟"), (" أنا",), known=1, language="ar") == ["؟", "أنا"]
    assert texts((" here", '."'), (" She",), known=1) == ['."', "She"]
    assert texts((" well", "..."), (" what",), known=1) == ["...", "what"]


def test_a_vowel_that_comes_later_has_its_word() -> None:
    assert texts((" क", "ि"), known=1, language="hi") == ["कि"]


def test_of_another_word_that_is_known_in_part_there_is_all_of_it() -> None:
    assert texts((" Hong", "kong"), (" und",), known=1, language="de") == ["Hongkong", "und"]


def test_a_mark_behind_a_space_belongs_to_the_word_before_and_takes_no_time() -> None:
    found = words_of(aligned((" va",), (" ?",), (" Oui",)), known=0, language="fr", decode="".join)  # type: ignore[arg-type]
    assert found == [Word("va?", 0.0, 0.5, 0.9), Word("Oui", 1.0, 1.5, 0.9)]
    assert texts((" dit",), (" «",), (" Oui",), (".",), (" »",), language="fr") == ["dit", "«", "Oui.»"]
    assert texts((" вот",), (" —",), (" да",), language="ru") == ["вот", "—", "да"]


def test_what_closes_a_quote_belongs_to_its_last_word() -> None:
    assert texts(("行",), ("こう",), ("。",), ("」",), ("と",), language="ja") == ["行", "こう。」", "と"]
    assert texts(("《",), ("红",), ("楼梦",), ("》",), ("。",), language="zh") == ["《", "红", "楼梦》。"]


def test_a_space_that_does_not_break_is_one() -> None:
    assert texts((" 20",), ("\N{NO-BREAK SPACE}", "ans"), language="fr") == ["20", "ans"]


def test_a_number_is_whole_where_words_have_no_spaces() -> None:
    assert texts(("了",), ("100",), (".",), ("5",), ("%",), language="zh") == ["了", "100.5", "%"]
    assert texts(("午後",), ("1",), ("0",), (":",), ("30",), ("に",), language="ja") == ["午後", "10:30", "に"]
    assert texts(("今年",), (".",), ("5",), language="zh") == ["今年.", "5"]
