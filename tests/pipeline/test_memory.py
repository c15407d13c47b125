"""`surtitle.pipeline.memory`: which names are remembered, with which words, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.languages import find_language
from surtitle.pipeline.memory import TermMemory


def memory(pair: str = "en-es", capacity: int = 100) -> TermMemory:
    source, target = (find_language(code) for code in pair.split("-"))
    return TermMemory(source, target, capacity=capacity)


def known(held: TermMemory, text: str) -> dict[str, str]:
    return {each.said: each.wanted for each in held.renderings(text)}


@pytest.mark.parametrize(
    ("pair", "source", "translation", "pairs"),
    [
        ("en-es", "then Marenko left", "luego Marenko se fue", {"Marenko": "Marenko"}),
        ("en-es", "Marenko left", "Marenko se fue", {"Marenko": "Marenko"}),
        ("en-de", "we like Vandovia", "wir mögen Wandovia", {"Vandovia": "Wandovia"}),
        ("en-pl", "the house of Kessler", "dom Kesslera", {"Kessler": "Kessler"}),
        ("en-ru", "then Kessler left", "потом Кесслер ушёл", {"Kessler": "Кесслер"}),
        ("en-ja", "then Kessler left", "それからケスラーは去った", {"Kessler": "ケスラー"}),
        ("ja-en", "それからケスラーは去った", "then Kessler left", {"ケスラー": "Kessler"}),
        ("de-en", "dann ging Kessler ins Hotel", "then Kessler went to the hotel", {"Kessler": "Kessler"}),
        ("en-es", "they joined NATO", "se unieron a la OTAN", {}),
        ("en-es", "we met on Monday", "nos vimos el lunes", {}),
        ("en-es", "Once we left", "Nos fuimos", {}),
        ("en-es", "No, not that", "No, eso no", {}),
        ("en-ko", "then Kessler left", "그리고 케슬러는 떠났다", {}),
        ("en-zh", "then Marenko left", "然后马伦科离开了", {"Marenko": "马伦科"}),
        ("en-zh", "we met on Monday", "我们星期一见面", {}),
        ("en-zh", "they joined NATO", "他们加入了北约", {}),
        ("en-ja", "then Kim won the game", "キムがゲームに勝った", {}),
        ("ja-en", "キムがゲームに勝った", "then Kim won the game", {}),
    ],
)
def test_one_translation_tells_a_name_that_is_spelt_alike_and_no_other(
    pair: str, source: str, translation: str, pairs: dict[str, str]
) -> None:
    held = memory(pair)
    held.learn(source, translation)
    assert known(held, source) == pairs


def test_words_that_are_not_alike_must_have_met_three_times_and_no_other_with_them() -> None:
    held = memory()
    turns = [
        ("they joined NATO in Vandovia", "se unieron a la OTAN en Vandovia"),
        ("what NATO does in Madrid", "lo que hace la OTAN en Madrid"),
        ("and NATO said", "y la OTAN dijo"),
    ]
    for source, translation in turns:
        assert "NATO" not in known(held, source)
        held.learn(source, translation)
    assert known(held, "ask NATO") == {"NATO": "OTAN"}


def test_what_was_rendered_in_different_ways_is_not_remembered() -> None:
    held = memory()
    for city in ("Colonia", "Berlín", "Múnich", "Roma"):
        held.learn("he lives in Town", f"vive en {city}")
    assert known(held, "in Town") == {}


def test_a_word_that_is_said_without_a_capital_is_no_name() -> None:
    held = memory()
    held.learn("Hospital beds are rare", "Hospital camas")
    assert known(held, "Hospital") == {"Hospital": "Hospital"}
    held.learn("the hospital is far", "el hospital está lejos")
    assert known(held, "Hospital beds") == {}
    held.learn("Hospital beds are rare", "Hospital camas")
    assert known(held, "Hospital beds") == {}


def test_a_short_name_that_begins_sentences_is_believed_at_the_second_time() -> None:
    held = memory()
    for expected in ({}, {"Orla": "Orla"}):
        held.learn("Orla left.", "Orla se fue.")
        assert known(held, "Orla") == expected


def test_an_inflected_name_is_known() -> None:
    held = memory("de-en")
    held.learn("dann ging Kessler", "then Kessler left")
    assert known(held, "das Haus Kesslers") == {"Kessler": "Kessler"}


def test_a_name_that_translations_do_not_follow_is_forgotten() -> None:
    held = memory()
    held.learn("then Marenko left", "luego Marenko se fue")
    held.learn("then Marenko left", "luego ella se fue")
    assert known(held, "Marenko") == {"Marenko": "Marenko"}
    held.learn("then Marenko left", "luego ella se fue")
    assert known(held, "Marenko") == {}


def test_the_least_recently_heard_is_forgotten_first() -> None:
    held = memory(capacity=2)
    for name in ("Marenko", "Vandovia", "Marenko", "Kessler"):
        held.learn(f"about {name}", f"sobre {name}")
    assert known(held, "Marenko and Vandovia and Kessler") == {"Marenko": "Marenko", "Kessler": "Kessler"}


WORDS = st.lists(st.sampled_from(["Marenko", "Vandovia", "the", "Old", "NATO", "OTAN", "se", "F-16."]), max_size=6)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=12), st.integers(0, 12))
def test_it_is_bounded_and_goes_on_from_what_another_held(turns: list[tuple[list[str], list[str]]], cut: int) -> None:
    whole = memory(capacity=3)
    held = memory(capacity=3)
    for index, (said, made) in enumerate(turns):
        if index == cut:
            restored = memory(capacity=3)
            restored.restore(held.held)
            held = restored
        for each in (whole, held):
            each.learn(" ".join(said), " ".join(made))
    assert held.held == whole.held
    assert max(map(len, (whole.held.known, whole.held.guesses, whole.held.common))) <= 3


def test_a_name_that_sounds_a_little_like_a_word_of_another_script_is_believed_at_the_second_time() -> None:
    held = memory("en-zh")
    held.learn("we work in Grubenthal", "我们在格鲁特海尔工作")
    assert known(held, "in Grubenthal") == {}
    held.learn("the mayor of Grubenthal", "格鲁特海尔市长")
    assert known(held, "in Grubenthal") == {"Grubenthal": "格鲁特海尔"}


def test_the_words_of_a_known_name_are_no_other_name_s() -> None:
    held = memory("en-zh")
    held.learn("then Sterling left", "然后斯特林离开了")
    held.learn("then Sterling met Stirling", "然后斯特林来了")
    assert known(held, "ask Sterling and Stirling") == {"Sterling": "斯特林"}
