"""`surtitle.pipeline.cues`: what is shown can be read, and nothing that was shown is taken back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import LANGUAGES, SPOKEN_AT, caption, captions_of, visible

from surtitle.pipeline.cues import GAP_MS, GRID_MS, HOLD, LATE_MS, MAX_MS, MIN_MS, Cue, Cues, cues
from surtitle.pipeline.events import Caption, Word
from surtitle.pipeline.wrap import reading


def spans(captions: list[Caption]) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in cues(captions)]


def test_a_cue_is_shown_while_its_words_are_said() -> None:
    assert spans([caption("Hola a todos.", 1.2, 3.48)]) == [(1_200, 3_480)]


def test_a_short_word_stays_long_enough_to_be_seen_and_a_long_silence_is_not_captioned() -> None:
    assert spans([caption("Sí.", 1.0, 1.2)]) == [(1_000, 1_000 + MIN_MS)]
    assert spans([caption("Sí.", 1.0, 60.0)]) == [(1_000, 1_000 + MAX_MS)]


def test_a_cue_stays_until_it_can_be_read_where_the_speaker_pauses() -> None:
    fast = caption("x" * 40, 0.0, 1.0)
    assert spans([fast]) == [(0, 2_360)]  # 40 of 17 characters a second
    assert spans([fast, caption("Sí.", 9.0, 10.0)])[0] == (0, 2_360)


def test_it_goes_for_the_next_one_that_may_be_as_late_as_viewers_bear() -> None:
    fast, after = caption("x" * 84, 0.0, 1.0), caption("Bien.", 1.0, 3.0)
    assert spans([fast, after]) == [(0, 1_000 - GAP_MS + LATE_MS), (1_000 + LATE_MS, 3_340)]


def test_the_lines_of_a_caption_are_found_once_for_all_formats_and_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    def lay_out(text: str, language: str) -> list[tuple[str, ...]]:
        found.append(text)
        return [(text,)]

    monkeypatch.setattr("surtitle.pipeline.cues.blocks", lay_out)
    said = [caption(f"Dicho una vez, y leído muchas: {number}.", number, number + 1) for number in range(3)]
    assert list(cues(said)) == list(cues(said))
    assert found == [each.text for each in said]


def test_a_long_caption_shares_its_time_by_length() -> None:
    text = "Al principio miramos todos la memoria, y no vimos nada. Luego vimos lo que se tenía que quedar."
    first, second = cues([caption(text, 0.0, 9.5)])
    assert first.lines == ("Al principio miramos todos la memoria,", "y no vimos nada.")
    assert second.start_ms == 5_580  # 55 of 94 characters, of 9.59 s with the gaps behind
    assert first.end_ms == second.start_ms - GAP_MS
    assert second.end_ms == 9_500


def test_in_the_language_of_the_speech_a_cue_begins_with_its_first_word() -> None:
    text = "At first we all looked at the memory, and saw nothing. Then we saw what had to stay, and also why."
    words = tuple(Word(word, at, at + 0.1, 1.0) for at, word in enumerate(text.split()))
    first, second = cues([caption(text, 0.0, 20.0, language="en", words=words)])
    assert first.lines[-1].endswith("nothing.")
    assert (first.end_ms, second.start_ms) == (MAX_MS, 11_000)


def test_words_that_are_not_those_of_the_text_are_no_guide() -> None:
    text = "At first we all looked at the memory, and saw nothing. Then we saw what had to stay, and also why."
    words = (Word("Other", 5.0, 6.0, 1.0),)
    assert spans([caption(text, 0.0, 20.0, words=words)]) == spans([caption(text, 0.0, 20.0)])


def test_drafts_are_no_cues() -> None:
    assert spans([caption("Ho", 0.0, 1.0, final=False)]) == []


def test_a_caption_is_held_until_the_next_or_until_the_audio_is_well_past_it() -> None:
    stream, one = Cues(), caption("Hola.", 0.0, 1.0)
    assert stream.push(one) == []
    assert stream.advance(1.0 + HOLD - 0.1) == []
    assert stream.advance(1.0 + HOLD) == [Cue(0, 1_000, ("Hola.",), "es")]
    assert stream.advance(99.0) == stream.flush() == []


def test_a_caption_that_comes_too_late_gives_way() -> None:
    stream = Cues()
    stream.push(caption("x" * 84, 0.0, 1.0))
    (shown,) = stream.advance(99.0)
    stream.push(caption("Hola.", 1.0, 2.0))
    assert [cue.start_ms for cue in stream.flush()] == [shown.end_ms + GAP_MS]


def test_late_captions_do_not_push_those_behind_them_ever_later() -> None:
    stream, made = Cues(), list[Cue]()
    said = [caption("x" * 84, start, start + 3.0) for start in range(0, 300, 3)]  # five seconds to read
    for one in said:
        made += stream.advance(one.end + HOLD)
        made += stream.push(one)
    made += stream.flush()
    late = [cue.start_ms - round(1_000 * one.start) for cue, one in zip(made, said, strict=True)]
    assert set(late[2:]) == {LATE_MS}


@given(SPOKEN_AT, LANGUAGES)
def test_cues_are_in_order_apart_and_of_a_length_that_people_can_follow(
    said: list[tuple[str, float, float]], language: str
) -> None:
    made = list(cues(captions_of(said, language)))
    assert all(MIN_MS <= cue.end_ms - cue.start_ms <= MAX_MS for cue in made)
    assert all(before.end_ms + GAP_MS <= after.start_ms for before, after in pairwise(made))
    assert all(ms % GRID_MS == 0 for cue in made for ms in (cue.start_ms, cue.end_ms))
    shown = "".join(visible(line) for cue in made for line in cue.lines)
    assert shown == "".join(map(visible, [said_text(text) for text, _, _ in said]))


def said_text(text: str) -> str:
    return "".join(char for char in text if visible(char))


@given(SPOKEN_AT)
def test_what_has_time_to_be_read_is_never_too_fast(said: list[tuple[str, float, float]]) -> None:
    spaced = [(text, number * 1_000.0, length) for number, (text, _, length) in enumerate(said)]
    for cue in cues(captions_of(spaced, "en")):
        assert cue.speed <= reading("en").speed + 1


@given(SPOKEN_AT, st.data())
def test_however_captions_come_the_cues_are_the_same(said: list[tuple[str, float, float]], data: st.DataObject) -> None:
    """In one piece or many, with the audio looked at between or not: as long as none is later than `HOLD`."""
    ordered = captions_of(sorted(said, key=lambda each: each[1]))
    stream, made = Cues(), list[Cue]()
    for one, after in pairwise([*ordered, None]):
        assert one is not None
        made += stream.push(one)
        latest = one.end + HOLD if after is None else min(one.end + HOLD, after.start)
        for audio in data.draw(st.lists(st.floats(0, 1, exclude_max=True), max_size=2)):
            made += stream.advance(audio * latest)
    assert made + stream.flush() == list(cues(ordered))
