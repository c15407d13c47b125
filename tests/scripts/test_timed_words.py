"""Words at their times, and the ears that hear them, held against the product's own recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, cycle, pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_latency import Segment
from timed_words import ReferenceEars, from_table, of_talk, spread

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.recognizer import Heard, Recognizer

HEADER = "start_s\tend_s\tword\n"
SECONDS = 12
MILLISECONDS = st.integers(0, 1000 * (SECONDS - 1))
CUTS = st.lists(st.integers(200, 40_000), min_size=1, max_size=12)


@st.composite
def speech(draw: st.DrawFn) -> list[Word]:
    """Words that follow one another, some of them after pauses."""
    times = sorted(draw(st.lists(MILLISECONDS, min_size=2, max_size=24).filter(lambda all: len(all) % 2 == 0)))
    pairs = zip(times[::2], times[1::2], strict=True)
    return [word(f"w{place}", start / 1000, end / 1000) for place, (start, end) in enumerate(pairs)]


def word(text: str, start: float, end: float) -> Word:
    return Word(text, start, end, 1.0)


def chunk_ends(cuts: Sequence[int]) -> list[int]:
    """Where chunks of these lengths end, taken again and again; the last one ends with the audio."""
    whole = SECONDS * SAMPLE_RATE
    return [*takewhile(lambda end: end < whole, accumulate(cycle(cuts))), whole]


def heard(words: Sequence[Word], cuts: Sequence[int]) -> list[tuple[int, Heard]]:
    """All that comes out of silence that is cut so, each with the samples pushed until then."""
    ears = ReferenceEars(words)
    ends = chunk_ends(cuts)
    out = [(end, item) for start, end in pairwise([0, *ends]) for item in ears.push(np.zeros(end - start, np.float32))]
    return out + [(ends[-1], item) for item in ears.flush()]


@given(speech(), CUTS)
def test_each_word_comes_once_in_order_with_the_first_chunk_that_passes_its_end(
    words: list[Word], cuts: list[int]
) -> None:
    found = [(end, item) for end, item in heard(words, cuts) if isinstance(item, Word)]
    assert [item for _, item in found] == words
    ends = chunk_ends(cuts)
    assert [end for end, _ in found] == [
        next(end for end in ends if end >= round(each.end * SAMPLE_RATE)) for each in words
    ]


@given(speech(), CUTS, CUTS)
def test_words_and_pauses_are_the_same_however_the_audio_is_cut(
    words: list[Word], one: list[int], other: list[int]
) -> None:
    first, second = ([item for _, item in heard(words, cuts)] for cuts in (one, other))
    assert first == second


@given(speech(), CUTS)
def test_pauses_are_those_that_the_products_recogniser_hears(words: list[Word], cuts: list[int]) -> None:
    # a word is long enough to be speech to a gate that takes less for a click
    spans = [(round(1000 * each.start), round(1000 * max(each.end, each.start + 0.096))) for each in words]
    frames = [
        float(any(start < 32 * (at + 1) and end > 32 * at for start, end in spans))
        for at in range(SECONDS * SAMPLE_RATE // 512)
    ]
    probabilities = iter(frames)

    def nothing(
        samples: Samples, *, language: str, before: str = "", committed: str = "", last: bool = False, **_: object
    ) -> list[Word]:
        return []

    real = Recognizer(nothing, lambda frame: [next(probabilities)], languages=["en"])
    expected = real.push(np.zeros(SECONDS * SAMPLE_RATE, np.float32)) + real.flush()
    assert [item for _, item in heard(words, cuts) if not isinstance(item, Word)] == expected


def test_a_pause_closes_and_a_long_one_is_quiet() -> None:
    found = heard([word("one", 0.0, 1.0), word("two", 2.0, 2.5), word("three", 2.6, 3.0)], [1600])
    assert [type(item).__name__ for _, item in found] == ["Word", "Closed", "Word", "Word", "Closed", "Quiet"]
    closed = [pushed / SAMPLE_RATE for pushed, item in found if isinstance(item, Closed)]
    assert closed == pytest.approx([1.8, 3.8], abs=0.1)
    assert [pushed / SAMPLE_RATE for pushed, item in found if isinstance(item, Quiet)] == pytest.approx([4.9], abs=0.1)


def test_the_shortest_word_alone_is_speech_that_ends() -> None:
    found = [item for _, item in heard([word("I", 5.0, 5.04)], [1600])]
    assert [type(item).__name__ for item in found] == ["Word", "Closed", "Quiet"]


def test_what_was_not_said_before_the_audio_ended_is_never_heard() -> None:
    ears = ReferenceEars([word("one", 0.0, 0.5), word("two", 0.5, 1.0)])
    out = ears.push(np.zeros(12_000, np.float32)) + ears.flush()
    assert [item.text for item in out if isinstance(item, Word)] == ["one"]
    assert isinstance(out[-1], Quiet)


def test_a_word_that_ends_early_waits_for_those_before_it() -> None:
    found = heard([word("long", 0.0, 2.0), word("short", 1.0, 1.2)], [1600])
    assert [(item.text, pushed) for pushed, item in found if isinstance(item, Word)] == [
        ("long", 32_000),
        ("short", 32_000),
    ]


def test_words_are_spread_over_their_segment_by_their_length() -> None:
    assert spread([Segment("a", 2000.0, 1000.0, "abc d"), Segment("a", 4000.0, 500.0, "e")], "en") == [
        word("abc", 2.0, 2.75),
        word("d", 2.75, 3.0),
        word("e", 4.0, 4.5),
    ]


def test_a_segment_in_which_nothing_was_said_has_no_words() -> None:
    assert spread([Segment("a", 0.0, 1000.0, "")], "en") == []


def test_a_language_without_spaces_is_spoken_by_the_character() -> None:
    found = spread([Segment("a", 0.0, 1000.0, "我是 Sara Papi，你好")], "zh")
    assert [each.text for each in found] == ["我", "是", "Sara", "Papi", "，", "你", "好"]


@given(st.text(st.sampled_from("ab 。我"), max_size=30), st.sampled_from(["en", "zh"]))
def test_no_letter_is_lost_and_no_word_outlasts_its_segment(text: str, language: str) -> None:
    words = spread([Segment("a", 1000.0, 3000.0, text)], language)
    assert "".join(each.text for each in words) == "".join(text.split())
    times = [time for each in words for time in (each.start, each.end)]
    assert times == sorted(times)
    assert all(1.0 <= time <= 4.0 for time in times)


def test_a_table_has_words_in_order_of_time() -> None:
    assert from_table(f"word\t{HEADER.strip()}\n".replace("\tword\n", "\n") + 'b"\t2\t3\na\t0.5\t1\n') == [
        word("a", 0.5, 1.0),
        word('b"', 2.0, 3.0),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column start_s and no end_s and no word, expected start_s, end_s, word"),
        ("start_s\tword\n", "has no column end_s,"),
        (HEADER, "the table has no word"),
        (HEADER + "1\t2\n", "word 1: saw '' from 1 to 2 s"),
        (HEADER + "0\t1\ta\nx\t2\tb\n", "word 2: could not convert string to float: 'x', expected seconds"),
        (HEADER + "2\t1\ta\n", "word 1: saw 'a' from 2 to 1 s, expected a word and times that can be"),
        (HEADER + "-1\t1\ta\n", "from -1 to 1 s"),
        (HEADER + "1\tinf\ta\n", "from 1 to inf s"),
        (HEADER + "nan\t1\ta\n", "from nan to 1 s"),
    ],
)
def test_a_wrong_table_of_words_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        from_table(text)
    assert message in str(refused.value)


def test_a_talk_is_its_own_segments_in_order_of_time() -> None:
    late, other, early = (Segment(name, offset, 9.0, "x") for name, offset in (("a", 50.0), ("b", 1.0), ("a", 20.0)))
    assert of_talk([late, other, early], "a") == [early, late]
    assert of_talk([late, early], None) == [early, late]


def test_a_talk_that_can_not_be_told_is_refused() -> None:
    segments = [Segment("a", 0.0, 1.0, "x"), Segment("b", 0.0, 1.0, "x")]
    with pytest.raises(UsageError, match="no --talk: expected one of a, b"):
        of_talk(segments, None)
    with pytest.raises(UsageError, match="--talk c: expected one of a, b"):
        of_talk(segments, "c")
    with pytest.raises(UserError, match="the table has no segment"):
        of_talk([], None)
