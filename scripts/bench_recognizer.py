"""The recogniser alone: how right, how late, how restless and how costly what it commits is, by policy.

In: the recordings of a suite. Out: for each recording and policy word error rate beside that of the same model over
the whole recording at once (30 s windows, greedy), the delay from the end of a word to its commit without and with
computation, words that were shown and taken back, seconds of computing for a second of audio; with `--noise` the words
it makes of what is no speech. Computation is counted as if each update waited for the one before it, on the audio's
clock: nothing waits for real. With a glossary also what its terms change, told to the recogniser as hot words. Knows
no translator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import bench_common as common
import numpy as np
import score_quality
import score_segments
import sounds
import suite_plan
import text_files
from bench_common import Row
from score_quality import Errors
from suite_plan import Case

from surtitle.pipeline.agreement import CommitPolicy, LocalAgreement
from surtitle.pipeline.alignment import Alignment
from surtitle.pipeline.assembly import HOT_CHARACTERS
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Device, Samples, Word
from surtitle.pipeline.files import decode
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.glossary import parse as parse_glossary
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.recognizer import Recognizer, RecognizerSettings
from surtitle.pipeline.silero import SileroModel, SpeechProbability
from surtitle.pipeline.text import bare, joined, shared
from surtitle.pipeline.whisper import BEAMS, PADDING, Whisper

SUITE = Path(__file__).with_name("suites") / "full.toml"
CHUNK = 0.1
"""Seconds that are pushed at a time."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to recognise: a policy, and how the model is asked."""

    policy: Callable[[], CommitPolicy]
    shortest: float = 0.0
    """Seconds that the encoder reads at least."""
    padding: float = PADDING
    """Seconds of silence behind the audio."""
    beams: int = BEAMS
    """Beginnings that the decoder keeps."""
    settings: RecognizerSettings = field(default_factory=RecognizerSettings)


def way(name: str) -> Way:
    """Such as `agreement`, `agreement:1.5` (settled after 1.5 s), `alignment:0.8`, `agreement:2.0@30` (30 s windows).

    Behind all this, `~` and a number is the seconds of silence behind the audio, then `*` and a number that of beams:
    `alignment@30~1.5*1`. `+` and a name of `RecognizerSettings` sets that: `alignment+window=8+kept=2`. Raises
    ValueError for any other.
    """
    policy, *changes = name.split("+")
    policy, _, beams = policy.partition("*")
    policy, _, padding = policy.partition("~")
    policy, _, shortest = policy.partition("@")
    kind, _, seconds = policy.partition(":")
    made: dict[str, Callable[[], CommitPolicy]] = {
        "agreement": lambda: LocalAgreement(float(seconds)) if seconds else LocalAgreement(),
        "alignment": lambda: Alignment(float(seconds)) if seconds else Alignment(),
    }
    if kind not in made:
        raise ValueError(f"no policy is called {kind}: expected agreement or alignment")
    made[kind]()  # a bad number is told now, not after an hour
    count = float(beams or BEAMS)
    if count < 1 or count % 1:
        raise ValueError(f"{beams} beams, expected a whole number from 1")
    return Way(made[kind], float(shortest or 0), float(padding or PADDING), int(count), _settings(changes))


@dataclass(frozen=True, slots=True)
class Ears:
    """What every recogniser of a way shares."""

    whisper: Whisper
    silero: SileroModel
    glossary: Glossary
    """Terms to expect."""

    def called(self, name: str) -> str:
        """The way of this name, with its glossary."""
        return f"{name}, glossary" if self.glossary.terms else name

    def fresh(self, each: Way, language: str) -> Recognizer:
        """A recogniser that heard nothing yet."""
        return Recognizer(
            self.whisper.transcribe,
            SpeechProbability(self.silero).push,
            languages=[language],
            hot_words=lambda spoken: self.glossary.hot_words(spoken, HOT_CHARACTERS),
            settings=each.settings,
            policy=each.policy(),
        )


def _settings(changes: Sequence[str]) -> RecognizerSettings:
    kinds = {name: type(value) for name, value in asdict(RecognizerSettings()).items()}
    values: dict[str, Any] = {}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in kinds:
            raise ValueError(f"no setting is called {name}: expected one of {', '.join(kinds)}")
        values[name] = kinds[name](float(value))
    return RecognizerSettings(**values)


@dataclass
class Heard:
    """What a recogniser committed of one recording, and what that took."""

    words: list[Word] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """Seconds from the end of each word to its commit, without computation."""
    late: list[float] = field(default_factory=list)
    """The same with it."""
    computed: float = 0.0
    """Seconds."""
    audio: float = 0.0
    """Seconds."""
    updates: int = 0
    erased: int = 0
    """Words that were shown, and then not."""

    def add(self, other: Heard) -> None:
        """What was committed of another part, and what that took."""
        self.words += other.words
        self.waited += other.waited
        self.late += other.late
        self.computed += other.computed
        self.audio += other.audio
        self.updates += other.updates
        self.erased += other.erased


def listen(recognizer: Recognizer, audio: Samples) -> Heard:
    """Give `audio` to the recogniser as it would come, and note when what comes out."""
    heard, shown = Heard(audio=len(audio) / SAMPLE_RATE), list[str]()
    ready, count = 0.0, int(CHUNK * SAMPLE_RATE)
    for start in range(0, len(audio) + 1, count):
        chunk, updates = audio[start : start + count], recognizer.updates
        came = (start + len(chunk)) / SAMPLE_RATE
        began = perf_counter()
        found = (
            recognizer.push(chunk) if start + count <= len(audio) else [*recognizer.push(chunk), *recognizer.flush()]
        )
        spent = perf_counter() - began
        heard.computed += spent
        ready = max(ready, came) + spent
        words = [each for each in found if isinstance(each, Word)]
        heard.words += words
        heard.waited += [came - word.end for word in words]
        heard.late += [ready - word.end for word in words]
        if words or recognizer.updates > updates:  # a pause commits what was held, without another look
            shown = _note_erased(heard, shown, [*words, *recognizer.pending])
            shown = shown[len(words) :]
    heard.updates = recognizer.updates
    return heard


def _note_erased(heard: Heard, before: Sequence[str], now: Sequence[Word]) -> list[str]:
    """Count the words behind what stayed. A word's case and marks may change: it is still read as the same."""
    texts = [word.text for word in now]
    heard.erased += len(before) - shared([bare(text) for text in before], [bare(text) for text in texts])
    return texts


def recordings(plan: suite_plan.Plan, only: str) -> list[Case]:
    """One case for each recording and language spoken. Raises UserError where none is called so."""
    found = {(case.recording, case.source): case for case in plan.cases if only in f"{case.recording}.{case.source}"}
    if not found:
        case = plan.cases[0]
        raise UserError(
            f"--only {only}: no recording is called so, expected part of a name such as {case.recording}.{case.source}"
        )
    return list(found.values())


def said(case: Case, data: Path) -> str:
    """What is said in a recording."""
    if case.segments:
        segments = score_segments.from_tsv(text_files.read(data / case.segments), case.source)
        mine = [each for each in segments if each.recording == case.recording]
        return " ".join(each.reference for each in mine)
    return " ".join(text_files.read(data / clip.transcript).strip() for clip in case.clips)


def offline(whisper: Whisper, audio: Samples, language: str) -> tuple[str, float]:
    """What the same model hears of the whole recording, greedily and in windows of 30 s; and the seconds it takes."""
    began = perf_counter()
    segments, _ = whisper.stock.transcribe(
        audio, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=False, vad_filter=False
    )
    return " ".join(segment.text.strip() for segment in segments), perf_counter() - began


def run(case: Case, data: Path, name: str, ears: Ears) -> Row:
    """One recording, one way."""
    each, total = way(name), Heard()
    texts: list[str] = []
    for audio in _clips(case, data):
        found = listen(ears.fresh(each, case.source), audio)
        texts.append(joined((word.text for word in found.words), case.source))
        total.add(found)
    errors = score_quality.errors(" ".join(texts), said(case, data), case.source)
    return {
        "recording": f"{case.recording}.{case.source}",
        "way": ears.called(name),
        "wer": word_error_rate(errors, case),
        "wrong": errors.wrong,
        "units": errors.units,
        "words": len(total.words),
        **delays(total),
        "erasure": _rounded(total.erased / max(1, len(total.words))),
        "updates": total.updates,
        "rtf": _rounded(total.computed / total.audio),
        "computed_s": _rounded(total.computed),
        "audio_s": _rounded(total.audio),
        "text": " ".join(texts),
    }


def word_error_rate(errors: Errors, case: Case) -> float:
    """In percent. Raises UserError where it is not known what is said."""
    if errors.rate is None:
        raise UserError(f"the transcript of {case.recording}.{case.source} is empty, expected what is said in it")
    return round(errors.rate, 2)


def delays(heard: Heard) -> Row:
    """Seconds from the end of a word to its commit, without and with computation; None where no word was heard."""
    found: Row = {}
    for name, values in (("delay", heard.waited), ("delay_ca", heard.late)):
        found[f"{name}_mean_s"] = _rounded(np.mean(values)) if values else None
        found[f"{name}_p95_s"] = _rounded(np.percentile(values, 95)) if values else None
    return found


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 3)


def _clips(case: Case, data: Path) -> Iterator[Samples]:
    for clip in case.clips:
        yield np.concatenate(list(decode(data / clip.audio)))


def run_sound(sound: str, seconds: float, name: str, ears: Ears) -> Row:
    """What is heard where nobody speaks."""
    audio = sounds.SOUNDS[sound](seconds, np.random.default_rng(1))
    found = listen(ears.fresh(way(name), "en"), audio)
    words = " ".join(word.text for word in found.words)
    return {"sound": sound, "way": ears.called(name), "seconds": seconds, "words": len(found.words),
            "updates": found.updates, "text": words}  # fmt: skip


def parse() -> argparse.Namespace:
    """The flags."""
    parser = common.parser_of(
        "recognizer", "How right, late, restless and costly recognition is.", model="whisper-base"
    )
    add = parser.add_argument
    add("--suite", type=Path, default=SUITE, help="recordings, as scripts/benchmark has them (default full.toml)")
    add("--data", type=Path, help="folder that the suite's paths are relative to; without it no recording is heard")
    add("--only", default="", metavar="TEXT", help="recordings with this in NAME.LANGUAGE")
    add("--ways", type=lambda text: tuple(text.split(",")), default=("alignment",), metavar="WAYS",
        help="agreement or alignment, :SECONDS behind the end, @SECONDS that the encoder reads at least, ~SECONDS of "
        "silence behind the audio, *BEAMS, +NAME=VALUE of the recogniser's settings; several with commas between "
        "(default alignment)")  # fmt: skip
    add("--device", choices=("cpu", "cuda"), default="cpu",
        help="int8 on the cores or float16 on a GPU (default cpu)")  # fmt: skip
    add("--offline", action="store_true", help="also the whole recording at once, greedily, in windows of 30 s")
    add("--glossary", type=Path, metavar="FILE", help="also with the terms of this TOML or CSV file as hot words")
    add(
        "--noise",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="also this many seconds of each sound that is no speech",
    )
    parser.set_defaults(threads=1)
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.noise:
        parser.error("neither --data nor --noise, expected recordings or seconds of sounds to hear")
    try:
        for name in arguments.ways:
            way(name)
    except ValueError as error:
        parser.error(str(error))
    return arguments


def hear_offline(case: Case, data: Path, whisper: Whisper) -> Row:
    """The figures of the same model over whole recordings."""
    heard = [offline(whisper, audio, case.source) for audio in _clips(case, data)]
    errors = score_quality.errors(" ".join(text for text, _ in heard), said(case, data), case.source)
    return {"recording": f"{case.recording}.{case.source}", "way": "offline", "wer": word_error_rate(errors, case),
            "wrong": errors.wrong, "units": errors.units, "computed_s": _rounded(sum(each for _, each in heard)),
            "text": " ".join(text for text, _ in heard)}  # fmt: skip


def report(rows: Sequence[Row]) -> None:
    """A table of what was recognised, and one of what was made of no speech."""
    names = ("recording", "way", "wer", "delay_mean_s", "delay_p95_s", "delay_ca_mean_s", "delay_ca_p95_s",
             "erasure", "updates", "rtf")  # fmt: skip
    heard = [row for row in rows if "recording" in row]
    if heard:
        found = ([row.get(name) for name in names] for row in heard)
        print(common.table([names, *(["-" if value is None else str(value) for value in row] for row in found)]))
    for row in rows:
        if "sound" in row:
            print(f"{row['sound']}, {row['seconds']:.0f} s, {row['way']}: {row['words']} words {row['text']!r}")


def _models(folder: Path, ways: Sequence[str], threads: int, device: Device) -> dict[str, Whisper]:
    """For each way its model; ways that ask it alike share one."""
    models: dict[tuple[float, float, int], Whisper] = {}
    found: dict[str, Whisper] = {}
    for name in ways:
        shortest, padding, beams = asked = way(name).shortest, way(name).padding, way(name).beams
        if asked not in models:
            models[asked] = Whisper(
                folder, threads=threads, device=device, shortest=shortest, padding=padding, beams=beams
            )
        found[name] = models[asked]
    return found


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    cases = recordings(suite_plan.plan(text_files.read(arguments.suite)), arguments.only) if arguments.data else []
    silero = SileroModel()
    whispers = _models(folder, arguments.ways, arguments.threads, arguments.device)
    given = arguments.glossary
    glossaries = [Glossary(), *([parse_glossary(text_files.read(given), given.suffix)] if given else [])]
    path = common.new_rows(arguments.out, "recognizer")
    rows: list[Row] = []

    def note(row: Row) -> None:
        rows.append(row)
        common.add_row(path, row)
        common.say(" ".join(f"{name}={value}" for name, value in row.items() if name != "text"))

    for case in cases:
        if arguments.offline:
            note(hear_offline(case, arguments.data, next(iter(whispers.values()))))
        for name in arguments.ways:
            for glossary in glossaries:
                note(run(case, arguments.data, name, Ears(whispers[name], silero, glossary)))
    if arguments.noise:
        for sound in sounds.SOUNDS:
            for name in arguments.ways:
                for glossary in glossaries:
                    note(run_sound(sound, arguments.noise, name, Ears(whispers[name], silero, glossary)))
    report(rows)
    figures = [{name: value for name, value in row.items() if name != "text"} for row in rows]
    asked = {"model": arguments.model, "device": arguments.device, "threads": arguments.threads}
    common.conclude("recognizer", {**asked, "rows": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench recognizer", main))
