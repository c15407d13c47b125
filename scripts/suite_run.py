"""One case of a benchmark, run and scored.

In: a `Case`, and the folders of data and results. Out: a `Row`, or one that says why there are no figures. The product
is a process of its own, started as its users start it; its memory is read from outside, once a second. Knows no suite
and no other row.
"""

from __future__ import annotations

import csv
import io
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from bench_common import hardware, versions
from evaluate import Evaluation, evaluate, parse
from msgspec.structs import replace
from score_latency import Segment
from score_record import Record
from score_segments import column, from_tsv
from suite_plan import Case
from suite_row import Row, Series, Statistics
from text_files import read

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE
from surtitle.pipeline.files import decode_all

PRODUCT = (sys.executable, "-m", "surtitle.pipeline.cli")
POINTS = 200
"""Of a series at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are, and what made them."""

    data: Path
    """What a suite's paths are relative to."""
    out: Path
    """Folder for logs and for what is made for scoring."""
    revision: str
    """Of the product."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A process that ended."""

    status: int
    said: str
    """On stderr."""
    memory: list[tuple[float, float]]
    """Seconds since it began, and megabytes that were resident."""


def run_case(case: Case, place: Place) -> Row:
    """Run and score `case`. What a user could mend is the row's `error`."""
    log = log_of(case, place)
    log.parent.mkdir(parents=True, exist_ok=True)
    replay = replay_of(case, place)
    commands = [without_folders(replay)]
    try:
        against = texts_for(case, place.data, log.parent)  # first: a session may take hours
        ran = watched([*PRODUCT, *replay[1:]], log.parent / "stderr.txt")
        if ran.status:
            raise UserError(f"surtitle ended with {ran.status}: {' '.join(ran.said.split()[-40:])}")
        scored = [f"{case.clips[0].name}={log}", "--language", case.target, *against]
        commands.append(without_folders(["scripts/evaluate", *scored]))
        return row_of(case, place, commands, evaluate(parse(scored)), ran.memory)
    except UserError as error:
        return replace(begun(case, place), commands=commands, error=str(error))


def log_of(case: Case, place: Place) -> Path:
    """Where the log of `case` goes, in a folder of its own."""
    return place.out / re.sub(r"[^\w.-]+", "_", case.name) / f"{case.clips[0].name}.jsonl"


def replay_of(case: Case, place: Place) -> list[str]:
    """The command that plays `case`."""
    recordings = [str(place.data / clip.audio) for clip in case.clips]
    flags = ["--clock", case.clock, "--log", str(log_of(case, place)), *case.flags]
    return ["surtitle", "replay", *recordings, "--from", case.source, "--to", case.target, *flags]


def watched(command: Sequence[str], said: Path) -> Ran:
    """Run `command` to its end, and read its memory once a second; what it says on stderr is kept in a file."""
    memory: list[tuple[float, float]] = []
    began = time.monotonic()
    with (
        said.open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            while process.poll() is None:
                memory.append((round(time.monotonic() - began, 1), resident_mb(process.pid)))
                try:
                    process.wait(1.0)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()  # nothing where it has ended
    return Ran(process.returncode, said.read_text(encoding="utf-8", errors="replace"), memory)


def resident_mb(pid: int) -> float:
    """Megabytes; 0 of a process that has just ended."""
    try:
        return float(round(psutil.Process(pid).memory_info().rss / 1e6, 1))
    except psutil.NoSuchProcess:
        return 0.0


def texts_for(case: Case, data: Path, folder: Path) -> list[str]:
    """The flags of `scripts/evaluate` that name what `case` is scored against; makes the files that are not there.

    Raises:
        UserError: a file can't be read, or lacks something.
    """
    if case.segments:
        table = data / case.segments
        if column(read(table), case.target) is not None:
            return ["--segments", str(table)]
        said = [segment.reference for segment in _of_clip(from_tsv(read(table), case.source), case)]
    elif case.references is not None:
        rows = _segments_of_clips(case, data)
        made = folder / "segments.tsv"
        made.write_text(to_tsv(["talk", "offset_s", "duration_s", case.source, case.target], rows), encoding="utf-8")
        return ["--segments", str(made)]
    else:
        said = [_line(data / clip.transcript) for clip in case.clips if clip.transcript]
    if not said:
        return []
    transcript = folder / "transcript.txt"
    transcript.write_text("".join(f"{line}\n" for line in said), encoding="utf-8")
    return ["--transcript", str(transcript)]


def row_of(
    case: Case, place: Place, commands: list[str], evaluation: Evaluation, memory: list[tuple[float, float]]
) -> Row:
    """The row of a case that went well."""
    (record,) = evaluation.records
    return replace(
        begun(case, place),
        commands=commands,
        models=dict(record.models),
        figures={name: evaluation.report[name] for name in evaluation.names},
        stats=dict(record.stats),
        statistics=Statistics(**evaluation.counts),
        series=Series(lag=thinned(lags(record)), memory=thinned(memory)),
    )


def begun(case: Case, place: Place) -> Row:
    """What is known of a case before it is run."""
    return Row(
        case=case.name,
        recording=case.recording,
        source=case.source,
        target=case.target,
        clock=case.clock,
        settings=case.settings,
        commands=[],
        revision=place.revision,
        hardware=hardware(),
        versions=versions(),
    )


def lags(record: Record) -> list[tuple[float, float]]:
    """Of each final caption: seconds of audio to the end of its words, and seconds from there to the caption."""
    return [(caption.end / 1000, round((caption.final - caption.end) / 1000, 3)) for caption in record.shown]


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` of them: the highest of each of as many stretches, so that no peak is lost."""
    stretch = -(-len(points) // POINTS) or 1
    return [max(points[at : at + stretch], key=lambda point: point[1]) for at in range(0, len(points), stretch)]


def without_folders(command: Sequence[str]) -> str:
    """A command for people: of every path its name alone."""
    return shlex.join(re.sub(r"(^|=)[^=]*/(?=[^/]+$)", r"\1", word) for word in command)


def to_tsv(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as `score_segments.from_tsv` reads it."""
    return "".join("\t".join(" ".join(cell.split()) for cell in row) + "\n" for row in (heads, *rows))


def _of_clip(segments: Sequence[Segment], case: Case) -> list[Segment]:
    own = [segment for segment in segments if segment.recording == case.clips[0].name]
    if not own:
        raise UserError(f"{case.segments} has no segment of {case.clips[0].name}")
    return own


def _segments_of_clips(case: Case, data: Path) -> list[list[str]]:
    """A row for each clip: they are played one after the other, as one recording."""
    assert case.references is not None, "asked for references that there are none of"
    table = data / case.references.file
    rows = list(csv.reader(io.StringIO(read(table)), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or case.references.column not in rows[0]:
        raise UserError(f"{table} has no column {case.references.column}")
    place = rows[0].index(case.references.column)
    wanted = {row[0]: row[place] for row in rows[1:] if len(row) > place}
    found, offset = [], 0.0
    for clip in case.clips:
        if clip.key not in wanted:
            raise UserError(f"{table} has no row {clip.key}")
        length = seconds(data / clip.audio)
        said = _line(data / clip.transcript)
        found.append([case.clips[0].name, f"{offset:.3f}", f"{length:.3f}", said, wanted[clip.key]])
        offset += length
    return found


def seconds(path: Path) -> float:
    """How long a recording lasts. Raises UserError if it can't be read."""
    return sum(len(block) for block in decode_all([path])) / SAMPLE_RATE


def _line(path: Path) -> str:
    return " ".join(read(path).split())
