"""`scripts/bench recognizer`: what it counts, with ears whose guesses are written down."""

from __future__ import annotations

from pathlib import Path

import bench_recognizer
import numpy as np
import pytest
import sounds
import suite_plan
from bench_recognizer import delays, listen, recordings, report, said, way, word_error_rate
from score_quality import errors

from surtitle.pipeline.agreement import LocalAgreement
from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.recognizer import Heard, Recognizer, RecognizerSettings
from surtitle.pipeline.whisper import BEAMS


class Ears(Recognizer):
    """Looks once a second: guesses from a script, of which the first words are committed."""

    def __init__(self, *looks: tuple[str, int]) -> None:
        self._looks = looks
        self._samples = 0
        self._guess: list[Word] = []
        self.updates = 0

    @property
    def pending(self) -> tuple[Word, ...]:
        return tuple(self._guess)

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self._samples += len(samples)
        if self._samples // SAMPLE_RATE == self.updates or self.updates == len(self._looks):
            return []
        text, count = self._looks[self.updates]
        self.updates += 1
        words = [Word(each, self.updates - 1, self.updates - 0.5, 0.9) for each in text.split()]
        self._guess = words[count:]
        return list(words[:count])

    def flush(self) -> list[Heard]:
        words, self._guess = self._guess, []
        return list(words)


def audio(seconds: int) -> Samples:
    return np.zeros(seconds * SAMPLE_RATE, np.float32)


def test_words_are_late_by_the_audio_between_their_end_and_their_commit() -> None:
    heard = listen(Ears(("good", 1), ("evening all", 1)), audio(3))
    assert [word.text for word in heard.words] == ["good", "evening", "all"]
    assert heard.waited == pytest.approx([0.5, 0.5, 1.5])
    assert all(late >= waited for late, waited in zip(heard.late, heard.waited, strict=True))
    assert (heard.audio, heard.updates) == (3.0, 2)


def test_words_that_were_shown_and_then_not_are_erased_whatever_their_case_and_marks() -> None:
    heard = listen(Ears(("good even thing", 0), ("Good, evening all", 1), ("evening all.", 2)), audio(4))
    assert heard.erased == 2


class Holding(Ears):
    """Commits what it has half a second after its first look, as a pause makes a recogniser do."""

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        found = super().push(samples, backlog=backlog)
        return self.flush() if self.updates == 1 and self._samples >= 1.5 * SAMPLE_RATE else found


def test_words_that_a_pause_commits_without_another_look_are_not_erased_by_the_next_one() -> None:
    looks = (("good evening", 0), ("all of you", 0))
    heard = listen(Holding(*looks), audio(4))
    assert [word.text for word in heard.words] == ["good", "evening", "all", "of", "you"]
    assert (heard.updates, heard.erased) == (2, 0)


def test_ways_name_a_policy_its_seconds_and_how_much_is_read() -> None:
    assert isinstance(way("agreement").policy(), LocalAgreement)
    assert isinstance(way("alignment:0.8").policy(), Alignment)
    assert way("agreement:1.5@30").shortest == 30.0
    assert way("alignment").beams == BEAMS
    assert way("alignment~1.5").padding == 1.5
    changed = way("alignment@12~2*1+window=8+kept=4")
    assert (changed.shortest, changed.padding, changed.beams) == (12.0, 2.0, 1)
    assert changed.settings == RecognizerSettings(window=8.0, kept=4)


@pytest.mark.parametrize(
    "name",
    ["", "guessing", "agreement:soon", "alignment@long", "alignment*0", "alignment+size=2", "alignment+kept=few"],
)
def test_other_ways_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"expected|could not convert"):
        way(name)


def test_a_recording_is_heard_once_whatever_it_is_translated_into() -> None:
    plan = suite_plan.plan(bench_recognizer.SUITE.read_text(encoding="utf-8"))
    names = [f"{case.recording}.{case.source}" for case in recordings(plan, "")]
    assert len(names) == len(set(names))
    assert {"ljspeech.en", "sonnet.de"} <= set(names)
    assert [f"{case.recording}.{case.source}" for case in recordings(plan, "jfk")] == ["jfk.en"]
    with pytest.raises(UserError, match=r"--only sonnets: no recording is called so, expected part .* such as jfk\.en"):
        recordings(plan, "sonnets")


def test_what_is_said_comes_from_transcripts_or_from_the_table_of_segments(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Good evening.\n", encoding="utf-8")
    (tmp_path / "table.tsv").write_text(
        "talk\toffset_s\tduration_s\ten\nb\t0\t1\tAll of you.\nc\t0\t1\tNo.\nb\t1\t1\tGood night.\n", encoding="utf-8"
    )
    plan = suite_plan.plan(
        'title = "t"\n[[recording]]\nname = "a"\naudio = "a"\ntranscript = "a.txt"\npairs = ["en-de"]\n'
        '[[recording]]\nname = "b"\naudio = "b"\nsegments = "table.tsv"\npairs = ["en-de"]\n'
    )
    assert [said(case, tmp_path) for case in recordings(plan, "")] == ["Good evening.", "All of you. Good night."]


def test_a_recording_whose_words_are_not_known_has_no_error_rate_of_zero() -> None:
    (case,) = recordings(suite_plan.plan(bench_recognizer.SUITE.read_text(encoding="utf-8")), "jfk")
    assert word_error_rate(errors("ask not", "ask what", "en"), case) == 50
    with pytest.raises(UserError, match=r"the transcript of jfk\.en is empty"):
        word_error_rate(errors("ask not", " ", "en"), case)


def test_where_no_word_was_heard_there_is_no_delay(capsys: pytest.CaptureFixture[str]) -> None:
    silent = delays(listen(Ears(("", 0)), audio(2)))
    assert silent == dict.fromkeys(("delay_mean_s", "delay_p95_s", "delay_ca_mean_s", "delay_ca_p95_s"))
    report([{"recording": "a.en", "way": "alignment", "wer": 100.0, **silent}])
    shown = capsys.readouterr().out
    assert "None" not in shown
    assert "-" in shown.splitlines()[-1]


@pytest.mark.parametrize("name", sounds.SOUNDS)
def test_sounds_are_the_same_every_time_and_never_clip_to_a_buzz(name: str) -> None:
    one, other = (sounds.SOUNDS[name](3.0, np.random.default_rng(5)) for _ in range(2))
    assert len(one) == 3 * SAMPLE_RATE
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, other)
    assert np.mean(np.abs(one) >= 1) < 1e-3
