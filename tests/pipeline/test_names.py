"""`surtitle.pipeline.names`: which words look like names, and which two are the same name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.languages import LANGUAGES, find_language
from surtitle.pipeline.names import common_words, names, same_name


def found(text: str, code: str) -> dict[str, bool]:
    return {name.text: name.sure for name in names(text, find_language(code))}


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("en", "Yesterday Marenko flew to Vandovia.", {"Yesterday": False, "Marenko": True, "Vandovia": True}),
        ("en", "It rained. Marenko stayed.", {"Marenko": False}),
        ("en", "He said: “Marenko stayed.”", {"Marenko": False}),
        ("en", "we saw Marenko's dog, and I left", {"Marenko": True}),
        ("en", "we saw O'Brien at NATO with an F-16", {"O'Brien": True, "NATO": True, "F-16": True}),
        ("en", "WE SAW MARENKO", {"SAW": False, "MARENKO": False, "WE": False}),
        ("en", "in 1950 there were 30", {}),
        ("fr", "le chien d'Andorin dort", {"Andorin": True}),
        ("fr", "L'Andorin dort. Il a vu L’Oréal.", {"Andorin": True, "L’Oréal": True}),
        ("it", "Dell'acqua, per favore.", {}),
        ("en", "O'Brien left.", {"O'Brien": False}),
        ("tr", "Dün Marenko'dan Ankara’ya gitti.", {"Dün": False, "Marenko": True, "Ankara": True}),
        ("hu", "Tegnap a NATO-ban volt.", {"Tegnap": False, "NATO": True}),
        ("de", "gestern flog Marenko nach Wandowien", {"Marenko": False, "Wandowien": False}),
        ("ru", "вчера Маренко уехал", {"Маренко": True}),
        ("ja", "昨日ケスラーはBMWで来た", {"ケスラー": False, "BMW": True}),
        ("zh", "昨天Kessler来了", {"Kessler": True}),
        ("ko", "어제 BMW는 왔다", {"BMW": True}),
    ],
)
def test_words_look_like_names_by_the_ways_of_their_script(code: str, text: str, expected: dict[str, bool]) -> None:
    assert found(text, code) == expected


def test_words_without_a_capital_are_common() -> None:
    assert common_words("The train to Vandovia was late", find_language("en")) == {"train", "to", "was", "late"}


@pytest.mark.parametrize(
    ("name", "others", "same"),
    [
        ("Kessler", ["Kesslers", "Kessler"], "Kessler"),
        ("Vandovia", ["Ayer", "Wandovia"], "Wandovia"),
        ("Vandovia", ["Vandowien"], None),
        ("Kessler", ["Кесслер", "Вчера"], "Кесслер"),
        ("Маренко", ["Marenko"], "Marenko"),
        ("Kessler", ["ケスラー", "ホテル"], "ケスラー"),
        ("Marenko", ["マレンコ"], "マレンコ"),
        ("Cologne", ["Köln"], None),
        ("Smith", ["スピーチ"], None),
        ("Marina", ["Marine", "Marima"], None),  # either could be meant
        ("Ann", ["Ana"], None),
        ("Marenko", [], None),
    ],
)
def test_names_are_the_same_where_their_spelling_says_so(name: str, others: list[str], same: str | None) -> None:
    assert same_name(name, others) == same


@given(st.text(), st.sampled_from(sorted(LANGUAGES)))
def test_names_are_words_of_the_text(text: str, code: str) -> None:
    language = find_language(code)
    assert all(name.text in text for name in names(text, language))
    assert all(word in text for word in common_words(text, language))
