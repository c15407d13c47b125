from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnisteval.alignment import Word, align_sequences
from score_align import align, mwer_segments, soft_segments
from score_record import Unit, joined

WORDS = st.lists(st.sampled_from(["ab", "abc", "b", "ca", ".", ",", "xy", ""]), max_size=9)
SPOKEN = st.lists(st.sampled_from(["haus", "maus", "boot", "rot", "gehen", "wir"]), min_size=1, max_size=12)


def units(words: list[str]) -> list[Unit]:
    return [Unit(word, 10.0 * place, None) for place, word in enumerate(words)]


def theirs(reference: list[str], hypothesis: list[str], *, characters: bool) -> list[tuple[int | None, int | None]]:
    """OmniSTEval's own alignment. `seq_id` tells equal words apart."""
    said = [Word(text, seq_id=place) for place, text in enumerate(reference)]
    heard = [Word(text, seq_id=place) for place, text in enumerate(hypothesis)]
    first, second = align_sequences(said, heard, characters)
    pairs = zip(first, second, strict=True)
    return [(None if one is None else one.seq_id, None if two is None else two.seq_id) for one, two in pairs]


@given(WORDS, WORDS, st.booleans())
def test_the_alignment_is_omnistevals_cell_by_cell(reference: list[str], hypothesis: list[str], letters: bool) -> None:
    ours = align(reference, hypothesis, characters=letters)
    assert ours == theirs(reference, hypothesis, characters=letters)


@given(SPOKEN, st.lists(SPOKEN, min_size=1, max_size=4))
def test_both_cuts_keep_every_word_once_and_in_order(said: list[str], references: list[list[str]]) -> None:
    lines, own = [" ".join(words) for words in references], units(said)
    for found in (
        soft_segments(own, lines, "zh", characters=False),
        mwer_segments(own, lines, characters=False),
    ):
        assert len(found) == len(lines)
        assert [unit for segment in found for unit in segment] == own


def test_a_translation_that_is_the_reference_is_cut_as_the_reference_is() -> None:
    lines = ["Guten Morgen, liebe Leute.", "Wir reden über z. B. Katzen.", "Danke!"]
    own = units(" ".join(lines).split())
    for found in (
        soft_segments(own, lines, "de", characters=False),
        mwer_segments(own, lines, characters=False),
    ):
        assert [joined(segment, characters=False) for segment in found] == lines


def test_characters_are_cut_between_characters() -> None:
    lines = ["今天她看起很好，", "我们一起去公园散步吧。"]
    own = units(list("今天她很漂亮，我们一起去花园跑步吧。"))
    for found in (
        soft_segments(own, lines, "zh", characters=True),
        mwer_segments(own, lines, characters=True),
    ):
        assert [joined(segment, characters=True) for segment in found] == [
            "今天她很漂亮，",
            "我们一起去花园跑步吧。",
        ]


@pytest.mark.parametrize("cut", [soft_segments, mwer_segments])
def test_silence_leaves_every_segment_empty(cut) -> None:
    language = {"language": "de"} if cut is soft_segments else {}
    assert cut([], ["eins", "zwei"], characters=False, **language) == [[], []]


@pytest.mark.slow
def test_what_other_libraries_note_stays_off_the_terminal_of_whoever_scores() -> None:
    program = "import score_align, logging; logging.getLogger('matplotlib').info('generated new fontManager')"
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
