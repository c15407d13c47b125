"""`surtitle.pipeline.segmenter`: where segments end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import Segment, Word
from surtitle.pipeline.segmenter import Segmenter, SegmentSettings
from surtitle.pipeline.text import is_punctuation

TOKENS = st.sampled_from(["yes", "so", "Mr.", "end.", "what?", "and,", ".", ",", "12.", "J."])


def word(text: str, index: int) -> Word:
    return Word(text, float(index), index + 0.8, 0.9)


def segments_of(text: str, settings: SegmentSettings | None = None) -> list[str]:
    """Texts of all segments of `text`, the last flushed."""
    segmenter = Segmenter("en", settings)
    found = [each for index, token in enumerate(text.split()) for each in segmenter.push(word(token, index))]
    return [segment.text for segment in found + segmenter.flush()]


def letters(text: str) -> str:
    return "".join(mark for mark in text if mark.isalnum())


def test_a_full_stop_that_comes_after_its_segment_ended_is_left_out() -> None:
    assert segments_of("one two three four . Next one comes.", SegmentSettings(9, 4, 3)) == [
        "one two three four",
        "Next one comes.",
    ]


@given(st.lists(st.one_of(TOKENS, st.none()), max_size=60))
def test_segments_are_together_exactly_the_words_in_order(tokens: list[str | None]) -> None:
    segmenter = Segmenter("en")
    found: list[Segment] = []
    for index, token in enumerate(tokens):  # None is a pause
        found += segmenter.pause() if token is None else segmenter.push(word(token, index))
    found += segmenter.flush()
    said = [token for token in tokens if token is not None and not is_punctuation(token)]
    assert "".join(letters(segment.text) for segment in found) == "".join(map(letters, said))
    assert [segment.id for segment in found] == list(range(len(found)))
    assert all(a.start < a.end <= b.start for a, b in pairwise(found))
    assert segmenter.flush() == []
    assert segmenter.open is None


@given(st.lists(TOKENS, max_size=20), st.lists(TOKENS, max_size=20))
def test_the_next_segment_goes_on_as_was_told_if_the_guess_is_right(tokens: list[str], guessed: list[str]) -> None:
    segmenter = Segmenter("en")
    for index, token in enumerate(tokens):
        segmenter.push(word(token, index))
    guess = [word(token, len(tokens) + index) for index, token in enumerate(guessed)]
    begun, opening = segmenter.open, segmenter.opening(guess)
    assert segmenter.open == begun
    assert (opening is None) == (begun is None)
    if begun and opening:
        assert opening.text.startswith(begun.text)
        assert opening == [*(segment for each in guess for segment in segmenter.push(each)), *segmenter.flush()][0]


@given(st.lists(TOKENS, max_size=80))
def test_no_segment_has_more_words_than_the_longest(tokens: list[str]) -> None:
    longest = SegmentSettings().longest_words
    assert all(
        sum(any(c.isalnum() for c in token) for token in s.split()) <= longest for s in segments_of(" ".join(tokens))
    )


def test_a_sentence_is_a_segment_with_the_times_of_its_words() -> None:
    segmenter = Segmenter("en")
    assert segmenter.push(word("That", 3)) + segmenter.push(word("is", 4)) == []
    assert segmenter.open is not None
    assert segmenter.open.text == "That is"
    assert segmenter.push(word("it.", 5)) == [
        Segment(0, "That is it.", 3.0, 5.8, "en", (word("That", 3), word("is", 4), word("it.", 5)))
    ]


def test_a_very_short_sentence_joins_the_next() -> None:
    assert segments_of("Yes. We will come. Bye.") == ["Yes. We will come.", "Bye."]


@pytest.mark.parametrize(
    "text", ["We met Mr. Smith and J. Doe.", "It costs about 12. million now.", "Made in the U.S. by us."]
)
def test_abbreviations_initials_and_numbers_end_no_segment(text: str) -> None:
    assert segments_of(text) == [text]


def test_a_full_stop_that_comes_alone_ends_its_sentence() -> None:
    assert segments_of("That is it . More") == ["That is it.", "More"]
    assert segments_of("I met Mr . Smith") == ["I met Mr. Smith"]


def test_a_long_segment_ends_at_a_clause() -> None:
    assert segments_of("a b, c d e f g h, i j", SegmentSettings(clause_words=8)) == ["a b, c d e f g h,", "i j"]


def test_a_segment_without_marks_ends_at_the_longest() -> None:
    settings = SegmentSettings(longest_words=18)
    assert [len(text.split()) for text in segments_of("word " * 40, settings)] == [18, 18, 4]


def test_a_pause_ends_many_words_and_keeps_few() -> None:
    segmenter = Segmenter("en", SegmentSettings(clause_words=3))
    segmenter.push(word("one", 0))
    segmenter.push(word("two", 1))
    assert segmenter.pause() == []
    segmenter.push(word("three", 2))
    assert [segment.text for segment in segmenter.pause()] == ["one two three"]


def test_no_segment_is_in_two_languages() -> None:
    segmenter = Segmenter("en")
    assert segmenter.push(Word("yes", 0.0, 0.5, 0.9)) == []
    (segment,) = segmenter.speak("ja")
    assert (segment.text, segment.language) == ("yes", "en")
    for text in ("今", "日", "は"):
        segmenter.push(Word(text, 1.0, 1.5, 0.9))
    (segment,) = segmenter.flush()
    assert (segment.text, segment.language) == ("今日は", "ja")
