"""The command itself: with a toy for a translator, and once with a real one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Literal

import pytest
import simulate
from evaluate import main as evaluate
from rich.console import Console
from score_log import Log, read_log
from simulate import EARS, Talk, main, play, read_talk, silence
from timed_words import ReferenceEars

from surtitle.pipeline.assembly import ModelNames
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.events import Drafted, Samples, Translated
from surtitle.pipeline.languages import Pair
from surtitle.pipeline.process import LIBRARY_SETTINGS
from surtitle.pipeline.runner import Run
from surtitle.pipeline.workers import Workers

ROWS = [
    (0.5, 2.0, "The train arrives at nine.", "Der Zug kommt um neun."),
    (3.5, 2.0, "The children are playing in the garden.", "Die Kinder spielen im Garten."),
    (8.0, 1.5, "We will meet again.", "Wir sehen uns wieder."),
]


class Shouts:
    """A toy translator."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self._targets = targets

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        for target in self._targets:
            yield target, Translated(text.upper())

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        yield from ()

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """Nothing to put in order."""

    def figures(self) -> dict[str, int]:
        return dict.fromkeys(("retries", "evictions", "cache_tokens", "cache_tokens_max"), 0)


class ToyModels:
    """What `assembly.Models` offers to a run."""

    names = ModelNames(EARS, "shouts")

    def __init__(self, talk: Talk, workers: Workers) -> None:
        self.workers = workers
        self._talk = talk

    def recognizer(self, languages: tuple[str, ...], glossary: object) -> ReferenceEars:
        return ReferenceEars(self._talk.words)

    def interpreter(
        self,
        sources: tuple[str, ...],
        targets: tuple[str, ...],
        window: int,
        *,
        beams: int,
        promises: bool,
        budget: object,
        glossary: object,
        state: object,
        tell: object,
    ) -> Shouts:
        return Shouts(targets)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARY_SETTINGS:
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what the program sets is taken back


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(1) as asr, ThreadPoolExecutor(1) as llm:
        yield Workers(asr, llm)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "segments.tsv"
    rows = [("talk", "offset_s", "duration_s", "en", "de"), *(("eins", *row) for row in ROWS)]
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def captioned(talk: Talk, workers: Workers, log: Path, clock: Literal["real", "virtual"] = "virtual") -> Log:
    run = Run(ToyModels(talk, workers), window=1024, console=Console())
    assert asyncio.run(play(run, talk, Pair(("en",), ("de",)), clock=clock, log=log))
    return read_log(log.read_text(encoding="utf-8").splitlines())


def test_a_talk_becomes_a_log_of_the_products_own(table: Path, workers: Workers, tmp_path: Path) -> None:
    talk = read_talk(table, "en", name=None, words=None)
    log = captioned(talk, workers, tmp_path / "eins.jsonl")
    assert log.session.models == {"asr": "reference words", "llm": "shouts"}
    assert (log.session.clock, log.end.audio_ms) == ("virtual", 9500)
    sources = [caption for caption in log.captions if caption.lang == "en"]
    assert [(each.start_ms, each.end_ms, each.text) for each in sources] == [
        (500, 2500, ROWS[0][2]),
        (3500, 5500, ROWS[1][2]),
        (8000, 9500, ROWS[2][2]),
    ]
    # whole sentences are due with the chunk of a tenth of a second in which they end
    assert [each.audio_ms for each in sources] == [2500, 5500, 9500]
    assert [caption.text for caption in log.captions if caption.lang == "de"] == [row[2].upper() for row in ROWS]


def test_a_talk_that_is_interrupted_was_not_said_to_its_end(
    table: Path, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(samples: int) -> Iterator[Samples]:
        for number, block in enumerate(silence(samples)):
            if number == 3:
                os.kill(os.getpid(), signal.SIGINT)
                sleep(0.1)
            yield block

    signal.signal(signal.SIGINT, ignore)  # or what does not stop would end the tests
    monkeypatch.setattr(simulate, "silence", interrupted)
    talk = read_talk(table, "en", name=None, words=None)
    run = Run(ToyModels(talk, workers), window=1024, console=Console())
    log = tmp_path / "eins.jsonl"
    assert not asyncio.run(play(run, talk, Pair(("en",), ("de",)), clock="virtual", log=log))


@pytest.mark.slow
def test_on_the_real_clock_words_come_when_they_are_spoken(table: Path, workers: Workers, tmp_path: Path) -> None:
    words = tmp_path / "words.tsv"
    words.write_text("start_s\tend_s\tword\n0.1\t0.3\tGood\n0.3\t0.6\tmorning\n0.6\t0.8\tall.\n")
    table.write_text("talk\toffset_s\tduration_s\neins\t0.1\t0.9\n")
    talk = read_talk(table, "en", name="eins", words=words)
    log = captioned(talk, workers, tmp_path / "eins.jsonl", "real")
    (source,) = (caption for caption in log.captions if caption.lang == "en")
    assert (source.text, source.start_ms, source.end_ms) == ("Good morning all.", 100, 800)
    assert source.elapsed_ms >= 800
    assert log.end.audio_ms == 1000


def test_words_in_mid_sentence_are_a_segment_once_the_speaker_is_quiet(
    table: Path, workers: Workers, tmp_path: Path
) -> None:
    table.write_text("talk\toffset_s\tduration_s\ten\neins\t0\t1\tand so\neins\t6\t1\twe went\n")
    talk = read_talk(table, "en", name=None, words=None)
    log = captioned(talk, workers, tmp_path / "eins.jsonl")
    sources = [caption for caption in log.captions if caption.lang == "en"]
    assert [each.text for each in sources] == ["and so", "we went"]
    assert sources[0].audio_ms == pytest.approx(1000 + 1800, abs=100)


def test_silence_is_as_long_as_it_should_be() -> None:
    for samples in (1, 16_000, 40_001):
        assert sum(len(block) for block in silence(samples)) == samples


@pytest.mark.parametrize(
    ("text", "more", "status", "message"),
    [
        (None, [], 1, "can't read segments.tsv: No such file"),
        ("", [], 1, "the table has no segment"),
        ("no table", [], 1, "the table has no segment"),
        ("no\ntable\n", [], 1, "segment 1: has no talk and no offset_s and no duration_s"),
        ("talk\toffset_s\tduration_s\ten\na\tx\t1\thi\n", [], 1, "segment 1: could not convert string to float: 'x'"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\n", [], 1, "segment 1: has no en: the row is short"),
        ("talk\toffset_s\tduration_s\tde\na\t0\t1\tja\n", [], 1, "segments.tsv: has no column en, expected"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\t \n", [], 1, "the column en is empty"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\n", ["--talk", "b"], 2, "--talk b: expected one of a"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\nb\t0\t1\thi\n", [], 2, "no --talk: expected one of a, b"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\n", ["--words", "none"], 1, "can't read none: No such file"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\n", ["--words", "log.jsonl"], 1, "log.jsonl: has no column"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\n", ["--to", "en"], 2, "expected targets other than the source"),
        ("talk\toffset_s\tduration_s\ten\na\t0\t1\thi\n", ["--model", "none"], 2, "no model 'none'"),
    ],
)
def test_what_can_not_be_simulated_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    more: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURTITLE_HOME", str(tmp_path / "models"))
    Path("log.jsonl").touch()
    if text is not None:
        Path("segments.tsv").write_text(text)
    assert main(["segments.tsv", "--from", "en", "--to", "de", "--log", "log.jsonl", *more]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("scripts/simulate: ")
    assert message in err


@pytest.mark.weights
def test_a_real_translator_is_judged_by_the_words_alone(
    table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "eins.jsonl"
    model = ["--model", "qwen2.5-coder-0.5b", "--llm-threads", "1"]
    assert main([str(table), "--from", "en", "--to", "de", "--log", str(log), *model]) == 0
    german = [caption.text for caption in read_log(log.read_text().splitlines()).captions if caption.lang == "de"]
    assert "Zug" in german[0]
    assert "Kinder" in german[1]
    capfd.readouterr()
    assert evaluate([str(log), "--language", "de", "--segments", str(table)]) == 0
    assert '"wer": 0.0' in capfd.readouterr().out
