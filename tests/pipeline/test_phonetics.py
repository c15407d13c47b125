"""`surtitle.pipeline.phonetics`: how alike words of two scripts sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.phonetics import consonants, hear, hear_whole, sound_alike, sounds


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Marenko", "MVLVNKV"),
        ("Philipp", "FVLVP"),
        ("Schmidt", "SMVT"),
        ("Cecil", "SVSVL"),
        ("Max", "MVKS"),
        ("Иванов", "VFVNVF"),
        ("404", ""),
    ],
)
def test_letters_have_the_sound_of_their_class(name: str, expected: str) -> None:
    assert sounds(name) == expected
    assert consonants(name) == sum(sound != "V" for sound in expected)


@pytest.mark.parametrize(
    ("name", "word", "other"),
    [("Kessler", "ケスラー", "スピーチ"), ("Marenko", "马伦科", "星期一"), ("Marenko", "마렌코", "생각하는지")],
)
def test_a_word_that_transcribes_the_name_is_more_like_it_than_another(name: str, word: str, other: str) -> None:
    assert sound_alike(name, word) > 0.8 > 0.6 > sound_alike(name, other)


def test_what_has_no_sound_is_like_nothing() -> None:
    assert sound_alike("", "ケスラー") == sound_alike("404", "ケスラー") == 0.0


names = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=10).filter(sounds)
han = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=8)


@given(names, han, han.filter(bool), han)
def test_a_name_is_heard_as_well_among_others_as_alone(name: str, before: str, word: str, after: str) -> None:
    found = hear(name, before + word + after)
    assert found.likeness >= hear_whole(name, word).likeness - 1e-9
    assert 0 <= found.start <= found.end <= len(before + word + after)
