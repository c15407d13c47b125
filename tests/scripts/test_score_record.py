from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from score_record import Revision, Settled, Unit, joined, settle, together

TEXTS = st.lists(st.text("ab ", max_size=12), max_size=8)


def follow(*texts: str, characters: bool = False) -> Settled:
    return settle(
        (Revision(text, 100.0 * (place + 1), None) for place, text in enumerate(texts)), characters=characters
    )


def times(settled: Settled) -> list[tuple[str, float]]:
    return [(unit.text, unit.audio) for unit in settled.units]


def test_a_word_has_the_time_of_its_last_change() -> None:
    settled = follow("the cat", "the cat sat", "the dog sat")
    assert times(settled) == [("the", 100.0), ("dog", 300.0), ("sat", 300.0)]


def test_what_is_shown_and_taken_back_is_erased() -> None:
    settled = follow("the cat sat", "the dog sat", "the dog")
    assert (settled.erased, settled.erasures) == (2 + 1, 2)


def test_a_last_word_that_grows_is_changed_but_not_erased() -> None:
    settled = follow("ein Haus", "ein Hausboot")
    assert times(settled) == [("ein", 100.0), ("Hausboot", 200.0)]
    assert settled.erased == 0


def test_characters_are_units_where_words_have_no_spaces() -> None:
    settled = follow("今天", "今晚好", characters=True)
    assert times(settled) == [("今", 100.0), ("晚", 200.0), ("好", 200.0)]
    assert settled.erased == 1


def test_texts_that_follow_one_another_add_up() -> None:
    both = together([follow("a b", "a c"), follow("d")])
    assert [unit.text for unit in both.units] == ["a", "c", "d"]
    assert (both.erased, both.erasures) == (1, 1)


@given(TEXTS, st.booleans())
def test_what_remains_is_the_last_text_and_every_time_is_that_of_a_revision(texts: list[str], characters: bool) -> None:
    settled = follow(*texts, characters=characters)
    last = texts[-1] if texts else ""
    assert joined(settled.units, characters=characters) == (last.strip() if characters else " ".join(last.split()))
    moments = [unit.audio for unit in settled.units]
    assert moments == sorted(moments)
    assert set(moments) <= {100.0 * (place + 1) for place in range(len(texts))}


@given(st.lists(st.text("ab", min_size=1, max_size=3), max_size=8))
def test_a_text_that_is_only_continued_erases_nothing(words: list[str]) -> None:
    settled = follow(*(" ".join(words[:end]) for end in range(len(words) + 1)))
    assert settled.erased == 0
    assert [unit.audio for unit in settled.units] == [100.0 * (place + 2) for place in range(len(words))]


@given(TEXTS)
def test_a_revision_that_says_the_same_changes_nothing(texts: list[str]) -> None:
    once = follow(*texts)
    twice = settle(
        (Revision(text, 100.0 * (place + 1), None) for place, text in enumerate(texts) for _ in range(2)),
        characters=False,
    )
    assert once == twice


def test_a_unit_knows_both_of_its_times() -> None:
    settled = settle([Revision("a", 10.0, 15.0)], characters=False)
    assert settled.units == (Unit("a", 10.0, 15.0),)
