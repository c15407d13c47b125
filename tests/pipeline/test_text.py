"""`surtitle.pipeline.text`: spaces, marks and counts of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.languages import LANGUAGES
from surtitle.pipeline.text import as_spoken, calm, count_of, is_punctuation, joined, letters_in


def test_words_are_joined_with_spaces_and_marks_cling() -> None:
    assert joined(["Well", ",", "that", "is", "it", "."], "en") == "Well, that is it."


def test_the_rest_of_a_hyphenated_word_clings_and_a_dash_or_number_does_not() -> None:
    assert joined(["a", "cross", "-attention", "layer", "-", "at", "-5"], "en") == "a cross-attention layer - at -5"


def test_the_same_sentence_has_about_as_many_letters_in_every_script() -> None:
    counts = {
        code: letters_in(language.example) / letters_in(LANGUAGES["en"].example) for code, language in LANGUAGES.items()
    }
    assert {code: share for code, share in counts.items() if not 0.6 < share < 1.1} == {}


def test_languages_without_spaces_are_joined_without() -> None:
    assert joined(["下一班", "火车", "。"], "zh") == "下一班火车。"


def test_joining_nothing_is_empty() -> None:
    assert joined([], "en") == joined([], "zh") == ""


def test_latin_words_among_them_have_spaces_between_each_other() -> None:
    assert joined(["我们", "用", "machine", "learning", "做"], "zh") == "我们用machine learning做"


def test_what_was_contracted_clings_to_the_word_before() -> None:
    assert joined(["that", "'s", "what", "they", "’ll", "say"], "en") == "that's what they’ll say"
    assert joined(["stay", "'cause"], "en") == "stay 'cause"


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        (["about", "$3", ".5", "million"], "en", "about $3.5 million"),
        (["1", ",000", ",000"], "en", "1,000,000"),
        (["at", "10", ":30"], "en", "at 10:30"),
        (["etwa", "3", ",5%"], "de", "etwa 3,5%"),
        (["a", "margin", "of", ".5", "to", "1,", "2,", "3."], "en", "a margin of .5 to 1, 2, 3."),
    ],
)
def test_a_number_that_was_recognised_in_parts_is_one(words: list[str], language: str, text: str) -> None:
    assert joined(words, language) == text


def test_a_dash_that_was_written_with_spaces_has_them() -> None:
    assert joined(["Это", "—", "моя", "книга."], "ru") == "Это — моя книга."


def test_what_two_people_say_is_apart_though_a_hyphen_begins_it() -> None:
    assert (
        joined(["-Are", "you", "sure?", "-Yes.", "-Well...", "-What?"], "en") == "-Are you sure? -Yes. -Well... -What?"
    )
    assert joined(["the", "U.S.", "-based", "firm"], "en") == "the U.S.-based firm"


def test_dutch_has_words_that_are_what_english_contracts() -> None:
    assert joined(["hij", "komt", "'s", "avonds", "in", "’t", "huis"], "nl") == "hij komt 's avonds in ’t huis"


@given(st.lists(st.text("abc.,é", min_size=1), max_size=8), st.sampled_from(["en", "ja"]))
def test_joining_loses_and_adds_nothing_but_spaces(words: list[str], language: str) -> None:
    assert joined(words, language).replace(" ", "") == "".join(words)


@pytest.mark.parametrize(("word", "expected"), [(".", True), ('?"', True), ("a.", False), ("", False), ("'s", False)])
def test_marks_alone_are_punctuation(word: str, expected: bool) -> None:
    assert is_punctuation(word) is expected


def test_words_are_counted_without_marks_and_by_their_letters_where_they_have_no_spaces() -> None:
    assert count_of(["Well", ",", "that", "is", "it."], "en") == 4
    assert count_of(["我的", "邻居", "问我", "。"], "zh") == pytest.approx(3.75)
    assert count_of(["เมื่อวาน", "เพื่อนบ้าน"], "th") == pytest.approx(3, abs=1)
    assert count_of(["我们", "用", "machine", "learning", "。"], "zh") == pytest.approx(2 + 3 / 1.6)


@given(st.text("ab` \n"), st.data())
def test_what_is_not_said_of_code_goes_however_much_of_it_is_there(text: str, data: st.DataObject) -> None:
    shown = as_spoken(text, "run a b")
    assert not {"`", "\n"} & {*shown}
    assert shown.startswith(as_spoken(text[: data.draw(st.integers(0, len(text)))], "run a b"))


def test_marks_of_code_that_were_written_stay() -> None:
    assert as_spoken("ejecuta `ls`\nahora", "run `ls` now") == "ejecuta `ls` ahora"
    assert as_spoken("ejecuta `ls`", "run ls") == "ejecuta ls"


def test_marks_of_exclamation_that_nobody_meant_are_full_stops() -> None:
    assert calm("¡Hola a todos! ¡Qué tal?", "Hello everyone. How are you?") == "Hola a todos. Qué tal?"
    assert calm("何ですか！？すごい！", "What is it? Great.") == "何ですか？すごい。"
    assert calm("¡No! ¡Alto!", "No! Stop.") == "¡No! ¡Alto!"


@pytest.mark.parametrize(
    ("loud", "quiet"),
    [
        ("¿Qué?! ¿Cómo?!!", "¿Qué? ¿Cómo?"),
        ("C'est vrai ! Il vient !", "C'est vrai. Il vient."),
        ("Ja... ! Ja…!", "Ja... Ja…"),
        ("Ja!, sagte er!!!", "Ja, sagte er."),
        ("真的吗？！是！", "真的吗？是。"),
    ],
)
def test_beside_other_marks_no_full_stop_takes_their_place_and_none_has_a_space_before_it(
    loud: str, quiet: str
) -> None:
    assert calm(loud, "Is it? It is.") == quiet
