"""`surtitle.pipeline.listener`: audio in, segments out, whatever the recogniser does with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import SAID, ScriptedEars

from surtitle.pipeline import assembly
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Samples, Segment, Word
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.listener import Listener
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.resample import Resampler
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.store import open_store


class Ears:
    """What they hear at each push is written down before."""

    def __init__(self, heard: Sequence[Sequence[Heard]], pending: Sequence[str] = ()) -> None:
        self._heard = iter(heard)
        self.got: list[Samples] = []
        self.skipped: list[int] = []
        self.pending = tuple(word(text, index) for index, text in enumerate(pending))

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.got.append(samples)
        return list(next(self._heard, ()))

    def pause(self) -> list[Heard]:
        return list(next(self._heard, ()))

    def skip(self, samples: int) -> list[Heard]:
        self.skipped.append(samples)
        return list(next(self._heard, ()))

    def flush(self) -> list[Heard]:
        return []


def word(text: str, start: float) -> Word:
    return Word(text, start, start + 0.4, 0.9)


def chunk(seconds: float, start: float = 0.0) -> AudioChunk:
    return AudioChunk(np.ones(round(seconds * SAMPLE_RATE), np.float32), start)


def listener_of(ears: Ears | ScriptedEars, now: float = 9.0) -> Listener:
    return Listener(ears, "en", now=lambda: now)


def texts(segments: Sequence[Segment]) -> list[str]:
    return [segment.text for segment in segments]


@given(st.lists(st.floats(0.01, 2.0), min_size=1, max_size=12))
def test_however_the_audio_is_cut_the_segments_are_the_same(cuts: list[float]) -> None:
    said = np.zeros(8 * SAMPLE_RATE, np.float32)
    whole, parts = listener_of(ScriptedEars()), listener_of(ScriptedEars())
    expected = whole.push(AudioChunk(said, 0.0)) + whole.flush()
    places = [min(len(said), round(sum(cuts[:n]) * SAMPLE_RATE)) for n in range(len(cuts) + 1)]
    found: list[Segment] = []
    for begin, end in pairwise([*places, len(said)]):
        found += parts.push(AudioChunk(said[begin:end], begin / SAMPLE_RATE))
    found += parts.flush()
    assert found == expected
    assert texts(found) == [SAID] * 4


def test_audio_that_is_missing_becomes_silence() -> None:
    ears = Ears([])
    listener = listener_of(ears)
    listener.push(chunk(1.0))
    listener.push(chunk(0.5, start=3.0))
    assert listener.heard == 3.5
    assert len(ears.got[1]) == 2.5 * SAMPLE_RATE
    assert not ears.got[1][: 2 * SAMPLE_RATE].any()
    assert ears.got[1][2 * SAMPLE_RATE :].all()


def test_much_audio_that_is_missing_takes_no_time_and_ends_what_was_said() -> None:
    ears = Ears([[word("Well", 0)], [Quiet(1.0)], [word("then", 7200)]])
    listener = listener_of(ears)
    assert listener.push(chunk(1.0)) == []
    assert texts(listener.push(chunk(0.5, start=7200.0))) == ["Well"]
    assert listener.heard == 7200.5
    assert (ears.skipped, sum(map(len, ears.got))) == ([7199 * SAMPLE_RATE], 1.5 * SAMPLE_RATE)


def test_audio_that_comes_early_by_a_rounding_is_not_cut() -> None:
    ears = Ears([])
    listener = listener_of(ears)
    listener.push(chunk(1.0))
    listener.push(chunk(1.0, start=0.9999))
    assert [len(samples) for samples in ears.got] == [SAMPLE_RATE, SAMPLE_RATE]


def test_a_pause_begins_when_speech_is_over_and_ends_with_a_word() -> None:
    listener = listener_of(Ears([[], [word("Well", 0), Closed(1.0)], [Quiet(1.0)], [word("then", 4)], [Closed(5.0)]]))
    states = []
    for second in range(5):
        listener.push(chunk(1.0, start=second))
        states.append((listener.silent, listener.pauses))
    assert states == [(False, 0), (True, 1), (True, 2), (False, 2), (True, 3)]


def test_a_guess_ends_a_pause_too() -> None:
    ears = Ears([[Closed(1.0)]])
    listener = listener_of(ears)
    listener.push(chunk(1.0))
    assert listener.silent
    ears.pending = (word("Well", 1.0),)
    listener.push(chunk(1.0, start=1.0))
    assert not listener.silent


def test_a_change_of_language_ends_a_segment() -> None:
    listener = listener_of(Ears([[word("Well", 0), Speaks("de"), word("Nun", 1)]]))
    assert [(each.text, each.language) for each in listener.push(chunk(2.0))] == [("Well", "en")]
    assert [(each.text, each.language) for each in listener.flush()] == [("Nun", "de")]


def test_the_opening_has_guesses_only_for_those_who_want_them() -> None:
    listener = listener_of(Ears([[word("We", 0)]], pending=["will", "meet"]))
    listener.push(chunk(2.0))
    plain, guessed = listener.opening(guessing=False), listener.opening(guessing=True)
    assert plain is not None
    assert guessed is not None
    assert (plain.segment.text, plain.committed) == ("We", 2)
    assert (guessed.segment.text, guessed.committed) == ("We will meet", 2)


def test_it_is_known_when_words_were_first_guessed() -> None:
    moments = iter([3.0, 5.0])
    ears = Ears([[], [word("We", 0)]], pending=["We"])
    listener = Listener(ears, "en", now=lambda: next(moments))
    listener.push(chunk(1.0))
    ears.pending = ()
    listener.push(chunk(1.0, start=1.0))
    assert listener.first_reached(0.4) == 3.0
    assert listener.first_reached(7.0) is None


@pytest.mark.weights
def test_japanese_is_written_with_its_marks_and_cut_into_its_sentences() -> None:
    import pyopenjtalk  # it warns of what it could do with more installed

    said = [
        "皆さん、おはようございます。",
        "研究者たちは、五年以内に問題が解決すると考えていました。",
        "ご清聴ありがとうございました。",
    ]
    parts = [part for text in said for part in (pyopenjtalk.tts(text)[0], np.zeros(12_000))]  # 48 kHz
    speech = Resampler(48_000).push(np.concatenate(parts).astype(np.float32) / 2**16)
    ears = assembly.Ears(open_store(os.environ).path("whisper-base"), threads=1)
    listener = Listener(ears.recognizer(["ja"]), "ja", now=lambda: 0.0)
    segments = [
        each
        for start in range(0, len(speech), 1600)
        for each in listener.push(AudioChunk(speech[start : start + 1600], start / SAMPLE_RATE))
    ]
    texts = [segment.text for segment in segments + listener.flush()]
    assert len(texts) == len(said)
    assert all(text.endswith("。") for text in texts)
    assert "、" in texts[1]
    assert texts[1].endswith("と考えていました。")
