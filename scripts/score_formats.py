"""The logs of others: SimulEval's and OmniSTEval's JSONL, and simulstream's.

In: lines of either. Out: `Record`s, scored by the same code as the product's own log; and a record as lines of
either, so that the field's tools score ours. Knows no metric.

Three traps. SimulEval's `elapsed` adds the running time of *all* steps so far to each delay: tell `cumulative`, and
it is undone as OmniSTEval does. simulstream's `computation_time` is one step's alone: in its logs time with
computation knows no queueing. And simulstream counts seconds, where all others count milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import isfinite
from pathlib import PurePosixPath
from typing import Annotated, Any, TypeVar

import msgspec
from omnisteval.alignment import Word
from omnisteval.data import fix_emission_ca
from score_record import Record, Revision, Settled, Unit, joined, settle, split

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.text import shared

Json = Mapping[str, Any]


class _Instance(msgspec.Struct, frozen=True):
    """One object of SimulEval. Times are milliseconds."""

    source: str | Annotated[list[str], msgspec.Meta(min_length=1)]
    prediction: str
    delays: list[float]
    elapsed: list[float] | None = None
    source_length: float | None = None


class _Metadata(msgspec.Struct, frozen=True):
    wav_name: str


class _Named(msgspec.Struct, frozen=True):
    """simulstream names a recording."""

    id: str | int
    metadata: _Metadata


class _Step(msgspec.Struct, frozen=True):
    """One step of simulstream. Times are seconds."""

    id: str | int
    total_audio_processed: float
    computation_time: float
    generated_tokens: list[str]
    deleted_tokens: list[str]


_Kind = TypeVar("_Kind", bound=msgspec.Struct)


def objects(lines: Iterable[str]) -> list[Json]:
    """The JSON object of each line that is not blank.

    Raises:
        UserError: a line holds none.
    """
    found: list[Json] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"line {number}: saw {line[:60]!r} ({error}), expected a JSON object: is it cut?"
            ) from error
        if not isinstance(value, dict):
            raise UserError(f"line {number}: saw {line[:60]!r}, expected a JSON object")
        found.append(value)
    return found


def format_of(first: Json) -> str:
    """`surtitle`, `simuleval` or `simulstream`, told from a log's first object.

    Raises:
        UserError: it is none of these.
    """
    if "type" in first:
        return "surtitle"
    if "prediction" in first:
        return "simuleval"
    if "metadata" in first or "model_loading_time" in first or "total_audio_processed" in first:
        return "simulstream"
    raise UserError(
        f"saw an object with {', '.join(map(str, first)) or 'nothing'}, expected a log of surtitle (type), "
        f"SimulEval or OmniSTEval (prediction, delays) or simulstream (metadata)"
    )


def from_simuleval(lines: Sequence[Json], *, characters: bool, cumulative: bool) -> list[Record]:
    """Records of a SimulEval or OmniSTEval log: one object a recording.

    Raises:
        UserError: an object lacks a field, or has not as many times as units.
    """
    return _distinct([_simuleval(number, line, characters, cumulative) for number, line in enumerate(lines, 1)])


def _simuleval(number: int, line: Json, characters: bool, cumulative: bool) -> Record:
    whole = _convert(line, _Instance, f"object {number}")
    parts = list(whole.prediction) if characters else whole.prediction.split()
    elapsed: Sequence[float | None] = [None] * len(whole.delays) if whole.elapsed is None else whole.elapsed
    if not len(parts) == len(whole.delays) == len(elapsed):
        raise UserError(
            f"object {number} has {len(parts)} {'characters' if characters else 'words'}, {len(whole.delays)} delays "
            f"and {len(elapsed)} elapsed, expected as many of each"
        )
    if not all(isfinite(time) for time in (*whole.delays, *(whole.elapsed or ()))):
        raise UserError(f"object {number} has a time that is no number, expected milliseconds")
    words = [
        Word(part, emission_cu=delay, emission_ca=wall)
        for part, delay, wall in zip(parts, whole.delays, elapsed, strict=True)
    ]
    if cumulative and whole.elapsed is not None:
        words = fix_emission_ca(words)
    units = tuple(Unit(word.text, word.emission_cu, word.emission_ca) for word in words)
    source = whole.source if isinstance(whole.source, str) else whole.source[0]
    return Record(PurePosixPath(source).stem, Settled(units, 0, 0), whole.source_length, revised=False)


def to_simuleval(record: Record, index: int, *, characters: bool) -> Json:
    """One object of a SimulEval or OmniSTEval log. What was erased is lost: the format can't say it.

    `elapsed` is wall time, so it is scored as it is, without the correction for SimulEval's sums.
    """
    units = record.settled.units
    elapsed = [unit.elapsed for unit in units]
    timed: Json = {} if None in elapsed else {"elapsed": elapsed}
    return {
        "index": index,
        "prediction": joined(units, characters=characters),
        "delays": [unit.audio for unit in units],
        **timed,
        "prediction_length": len(units),
        "source": [_file(record)],
        "source_length": record.audio,
    }


def from_simulstream(lines: Sequence[Json], *, characters: bool) -> list[Record]:
    """Records of a simulstream log: an object names each recording, others tell what each step added and deleted.

    Tokens are put together by what they show of themselves: with ▁ or leading spaces as they are, else as words.

    Raises:
        UserError: a step belongs to no recording, or deletes what was not there.
    """
    found: list[tuple[str, list[_Step]]] = []
    steps: dict[str | int, list[_Step]] = {}  # of the newest with this id: its server uses ids again
    for number, line in enumerate(lines, 1):
        what = f"object {number}"
        if "metadata" in line:
            named = _convert(line, _Named, what)
            steps[named.id] = []
            found.append((PurePosixPath(named.metadata.wav_name).stem, steps[named.id]))
        elif "model_loading_time" not in line:
            step = _convert(line, _Step, what)
            if step.id not in steps:
                raise UserError(f"{what} belongs to no recording: expected one with metadata before it")
            steps[step.id].append(step)
    tokens = [token for _, own in found for step in own for token in step.generated_tokens]
    marked = any("▁" in token or token.startswith(" ") for token in tokens)
    between = "" if marked or characters else " "
    return _distinct([_simulstream(name, own, between, characters=characters) for name, own in found])


def _simulstream(name: str, steps: Sequence[_Step], between: str, *, characters: bool) -> Record:
    tokens: list[str] = []
    revisions = []
    for step in steps:
        gone, audio = step.deleted_tokens, 1000 * step.total_audio_processed
        if gone and tokens[-len(gone) :] != gone:
            raise UserError(f"{name}, at {audio:.0f} ms: deleted tokens are not the last ones: lines are missing")
        tokens = tokens[: len(tokens) - len(gone)] + step.generated_tokens
        text = between.join(tokens).replace("▁", " ")
        revisions.append(Revision(text, audio, audio + 1000 * step.computation_time))
    return Record(
        name,
        settle(revisions, characters=characters),
        1000 * steps[-1].total_audio_processed if steps else None,
        stats=(("compute_s", sum(step.computation_time for step in steps)),),
    )


def to_simulstream(record: Record, index: int, *, characters: bool) -> list[Json]:
    """The lines of one recording in a simulstream log.

    `computation_time` is the wall time behind the audio, 0 where no wall clock ran. The format knows one text that
    changes at its end: to change an earlier stretch is to delete and write again all that follows. Of a record that
    does not know its changes each unit is written when it stood for good. A last step tells how long the audio was.
    """
    lines: list[Json] = [{"id": index, "metadata": {"wav_name": _file(record)}}]
    text: list[str] = []
    for revision, new in _texts(record, characters=characters):
        same = shared(text, new)
        wall = revision.audio if revision.elapsed is None else revision.elapsed
        step = {"total_audio_processed": revision.audio / 1000, "computation_time": (wall - revision.audio) / 1000}
        gone, more = (_tokens(units[same:], characters=characters) for units in (text, new))
        lines.append({"id": index, **step, "generated_tokens": more, "deleted_tokens": gone})
        text = new
    if record.audio is not None:
        step = {"total_audio_processed": record.audio / 1000, "computation_time": 0.0}
        lines.append({"id": index, **step, "generated_tokens": [], "deleted_tokens": []})
    return lines


def _texts(record: Record, *, characters: bool) -> Iterator[tuple[Revision, list[str]]]:
    """The units of the whole text after each change, and the change."""
    if record.changes:
        cues: dict[int, list[str]] = {}
        for change in record.changes:
            cues[change.cue] = split(change.revision.text, characters=characters)
            yield change.revision, [unit for _, units in sorted(cues.items()) for unit in units]
    else:
        texts = [unit.text for unit in record.settled.units]
        moments = groupby(enumerate(record.settled.units, 1), lambda item: (item[1].audio, item[1].elapsed))
        for (audio, elapsed), own in moments:
            yield Revision("", audio, elapsed), texts[: max(end for end, _ in own)]


def _tokens(units: Sequence[str], *, characters: bool) -> list[str]:
    return list(units) if characters else [f"▁{unit}" for unit in units]


def _file(record: Record) -> str:
    """A name that readers may take an ending from, as they all do."""
    return f"{record.name}.wav"


def _convert(line: Json, kind: type[_Kind], what: str) -> _Kind:
    try:
        return msgspec.convert(line, kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(kind.__struct_fields__)
        raise UserError(f"{what}: {error}, expected {fields}") from error


def _distinct(records: list[Record]) -> list[Record]:
    names = [record.name for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"recording {twice[0]} is there twice, expected each once")
    if not records:
        raise UserError("the log has no recording")
    return records
