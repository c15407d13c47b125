"""Scores logs: the shell around `score_*.py`.

In: paths on the command line. Out: a table for people, then one JSON object as the last line of stdout; logs in the
formats of others, if asked. Exit status 0 done, 1 a failure said in one line, 2 wrong usage, 130 interrupted. Knows no
metric.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from score_all import Scores, score, word_errors
from score_formats import Json, format_of, from_simuleval, from_simulstream, objects, to_simuleval, to_simulstream
from score_latency import Segment
from score_log import read_log, record_of
from score_quality import Counts
from score_record import Record, spaceless
from score_segments import by_record, column, from_tsv, from_yaml, with_references, with_transcripts
from text_files import read, read_lines

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.process import exit_status

_LIBRARIES = ("sacrebleu", "jiwer", "whisper-normalizer", "OmniSTEval", "mweralign")
_EPILOG = """
LOG is the product's own (--log), or one of SimulEval, OmniSTEval or simulstream. A recording is found by its name,
which must stand in the log's file name; NAME=LOG says it. --segments is a list of wav, offset, duration (YAML) or a
table with columns talk, offset_s, duration_s and one for each language (TSV), which may hold the references itself.
"""


@dataclass(frozen=True, slots=True)
class Texts:
    """What logs are scored against."""

    segments: tuple[Segment, ...]
    """Of all recordings, in the files' order; none without a reference."""
    timed: bool
    """Whether the segments' times are known."""
    transcript: tuple[str, ...] | None
    """Lines of what was said; None if unknown."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of it."""

    report: dict[str, Any]
    """The JSON object."""
    names: list[str]
    """Of its figures."""
    records: list[Record]
    """What was scored."""
    counts: dict[str, Counts]
    """See `score_all.Scores`."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    options = parse(arguments)

    def work() -> None:
        report = evaluate(options).report
        _print_table(report)
        print(json.dumps(report, ensure_ascii=False))

    return exit_status("scripts/evaluate", work)


def evaluate(options: argparse.Namespace) -> Evaluation:
    """Read, score and export what `options` name."""
    language: str = options.language or _only_target(options.log)
    characters = spaceless(language)
    if not characters and shutil.which("perl") is None:
        raise UserError("perl was not found, which the Moses tokenizer is written in: install perl")
    records = [record for given in options.log for record in _records(given, language, options.cumulative_elapsed)]
    texts = _texts(options, records, language)
    segments = by_record(records, texts.segments) if texts.segments else []
    with _quiet():
        scores = score(records, segments, language, timed=texts.timed)
    scored = {segment.recording for own in segments for segment in own}
    _add_wer(scores, records, segments, texts)
    _export(options, records, characters=characters)
    figures = {name: _rounded(value) for name, value in scores.figures.items()}
    report = {
        "wer": figures.pop("wer"),
        **figures,
        "language": language,
        "source": records[0].source,
        "clock": records[0].clock,
        "unit": "character" if characters else "word",
        "recordings": [record.name for record in records],
        "left_out": sorted({segment.recording for segment in texts.segments} - scored),
        "models": dict(records[0].models),
        "absent": scores.absent,
        "signatures": scores.signatures,
        "versions": {name: version(name) for name in _LIBRARIES},
        "command": shlex.join(["scripts/evaluate", *options.given]),
    }
    return Evaluation(report, list(scores.figures), records, scores.counts)


def _only_target(logs: Sequence[str]) -> str:
    """What was translated into, where that is one language in all `logs`; else a UsageError says what to give."""
    targets = sorted({target for given in logs for target in _targets(given)})
    if len(targets) != 1:
        seen = f"the log has {', '.join(targets)}" if targets else "the log does not say what it was translated into"
        raise UsageError(f"{seen}: expected --language LANG, the one that is scored")
    return targets[0]


def _targets(given: str) -> set[str]:
    """The languages that one LOG argument was translated into; none where it is of another program. Messages name the
    file.
    """
    _, path = _named(given)
    try:
        lines, found = _opened(path)
        if format_of(found[0]) != "surtitle":
            return set()
        log = read_log(lines)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return {*log.session.targets, *(each.lang for each in log.captions if each.role == "target")}


def _records(given: str, language: str, cumulative: bool) -> list[Record]:
    """The records of one LOG argument. Messages name the file."""
    name, path = _named(given)
    characters = spaceless(language)
    try:
        lines, found = _opened(path)
        match format_of(found[0]):
            case "surtitle":
                return [record_of(read_log(lines), name or path.stem, language)]
            case "simuleval":
                records = from_simuleval(found, characters=characters, cumulative=cumulative)
            case _:
                records = from_simulstream(found, characters=characters)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if name is None:
        return records
    if len(records) > 1:
        raise UsageError(f"{given}: the log has {len(records)} recordings, expected one to call {name}")
    return [replace(records[0], name=name)]


def _opened(path: Path) -> tuple[list[str], list[Json]]:
    """The lines of a log, and the objects in them: one at least."""
    lines = read_lines(path)
    found = objects(lines)
    if not found:
        raise UserError("the log is empty")
    return lines, found


def _named(given: str) -> tuple[str | None, Path]:
    name, equals, path = given.partition("=")
    return (name, Path(path)) if equals and not Path(given).exists() else (None, Path(given))


def _texts(options: argparse.Namespace, records: Sequence[Record], language: str) -> Texts:
    """Read the references, their times and the transcript. Messages name the file."""
    references = _optional_lines(options.reference)
    said = _optional_lines(options.transcript)
    if options.segments is None:
        return _untimed(references, said, records)
    text = read(options.segments)
    try:
        if options.segments.suffix in (".yaml", ".yml"):
            segments, spoken = from_yaml(text), None
        else:
            segments = from_tsv(text, language)
            spoken = column(text, records[0].source) if records[0].source else None
        if not segments:
            raise UserError("the file has no segment")
        lines = said if said is not None else spoken
        segments = with_references(segments, references)
        if lines is not None and (len(records) > 1 or len(lines) == len(segments)):
            segments = with_transcripts(segments, lines)
    except UserError as error:
        raise UserError(f"{options.segments}: {error}") from error
    return Texts(tuple(segments), True, None if lines is None else tuple(lines))


def _untimed(references: list[str] | None, said: list[str] | None, records: Sequence[Record]) -> Texts:
    if len(records) > 1 and (references is not None or said is not None):
        raise UsageError(f"{len(records)} recordings cannot share one text: give --segments, which tell them apart")
    if references is not None and not references:
        raise UserError("the reference is empty, expected a line a sentence")
    segments = [Segment(records[0].name, 0.0, 1.0, "") for _ in references or ()]
    return Texts(
        tuple(with_references(segments, references) if references else ()),
        False,
        None if said is None else tuple(said),
    )


def _add_wer(scores: Scores, records: Sequence[Record], segments: Sequence[Sequence[Segment]], texts: Texts) -> None:
    source = records[0].source
    if texts.transcript is None or source is None:
        scores.add({"wer": None}, "a transcript is needed" if source else "the log has no transcript")
        return
    told = [segment.transcript for own in segments for segment in own]
    if told and None not in told:
        said = [" ".join(segment.transcript or "" for segment in own) for own in segments]
    else:
        said = [" ".join(texts.transcript)]
    found = word_errors(records, said, source)
    scores.add(found.figures, found.absent.get("wer", ""))
    scores.counts |= found.counts
    scores.signatures |= found.signatures


def _export(options: argparse.Namespace, records: Sequence[Record], *, characters: bool) -> None:
    if options.omnisteval is not None:
        _write(options.omnisteval, (to_simuleval(each, at, characters=characters) for at, each in enumerate(records)))
    if options.simulstream is not None:
        lines = (line for at, each in enumerate(records) for line in to_simulstream(each, at, characters=characters))
        _write(options.simulstream, lines)


def _print_table(report: dict[str, Any]) -> None:
    table = Table(title=f"{', '.join(report['recordings'])} into {report['language']}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in report.items():
        if isinstance(value, int | float):
            table.add_row(name, f"{value:,.4f}".rstrip("0").rstrip("."))
    console = Console()
    console.print(table)
    for why in dict.fromkeys(report["absent"].values()):
        names = [name for name, reason in report["absent"].items() if reason == why]
        console.print(f"absent: {', '.join(names)} ({why})", highlight=False)
    if report["left_out"]:
        console.print(f"left out, for no log is of them: {', '.join(report['left_out'])}", highlight=False)


def _optional_lines(path: Path | None) -> list[str] | None:
    return None if path is None else [line.strip() for line in read_lines(path)]


def _write(path: Path, lines: Iterable[Any]) -> None:
    try:
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the terminal what mweralign's C++ writes to the error stream as it works."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the process where it is wrong."""
    return build_parser().parse_args(arguments, argparse.Namespace(given=list(arguments)))


def build_parser() -> argparse.ArgumentParser:
    """Every flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(prog="scripts/evaluate", description=__doc__, epilog=_EPILOG)
    add = parser.add_argument
    add("log", metavar="LOG", nargs="+", help="a log, or NAME=LOG")
    add("--language", metavar="LANG", help="language of the captions to score (default: the log's only target)")
    add("--reference", type=Path, metavar="TEXT", help="reference translations, one line per segment")
    add("--segments", type=Path, metavar="YAML_OR_TSV", help="when each segment begins and how long it lasts")
    add("--transcript", type=Path, metavar="TEXT", help="what was said (for several recordings: one line per segment)")
    add("--cumulative-elapsed", action="store_true", help="undo SimulEval's sums of running times in `elapsed`")
    add("--omnisteval", type=Path, metavar="OUT", help="write the logs as OmniSTEval's JSONL as well")
    add("--simulstream", type=Path, metavar="OUT", help="write the logs as simulstream's JSONL as well")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
