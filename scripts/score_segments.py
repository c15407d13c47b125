"""Which sentences a recording is scored against, and which recording a log is of.

In: the text of a YAML (OmniSTEval's: wav, offset, duration in seconds) or TSV file (talk, offset_s, duration_s, and a
column for each language), lines of references. Out: `Segment`s, in milliseconds. Whatever does not fit together is
refused. Knows no metric.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, NoReturn

import yaml
from score_latency import Segment
from score_record import Record

from surtitle.pipeline.errors import UserError

SLACK = 1000.0
"""Milliseconds by which segments may reach beyond the audio of their log."""
SLACK_OF_OTHERS = 3000.0
"""The same for the logs of others: simulstream's knows whole steps alone."""
_TIMES = ("talk", "offset_s", "duration_s")


def from_yaml(text: str) -> list[Segment]:
    """Segments without references.

    Raises:
        UserError: it is not a list of wav, offset and duration.
    """
    try:
        entries = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"saw no YAML ({' '.join(str(error).split())}), expected a list of segments") from error
    if not isinstance(entries, list):
        raise UserError(f"saw {type(entries).__name__}, expected a list of segments")
    return [
        _segment(number, entry, "wav", "offset", "duration", PurePosixPath(str(entry.get("wav"))).stem)
        if isinstance(entry, dict)
        else _refuse(number, f"saw {entry!r}, expected wav, offset and duration")
        for number, entry in enumerate(entries, 1)
    ]


def from_tsv(text: str, language: str) -> list[Segment]:
    """Segments, with references if there is a column of `language`.

    Raises:
        UserError: a column is missing, or a row is short.
    """
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        replace(
            _segment(number, row, *_TIMES, str(row.get("talk"))),
            reference=_cell(number, row, language) if language in row else "",
        )
        for number, row in enumerate(rows, 1)
    ]


def column(text: str, language: str) -> list[str] | None:
    """What a TSV file has in the column of `language`; None if it has no such column."""
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or language not in rows[0]:
        return None
    return [_cell(number, row, language) for number, row in enumerate(rows, 1)]


def with_references(segments: Sequence[Segment], lines: Sequence[str] | None) -> list[Segment]:
    """Give each segment its line; without lines, every segment must have a reference of its own.

    Raises:
        UserError: there are more or fewer lines than segments, or one is empty.
    """
    cure = "expected --reference, or a TSV file with a column of that language"
    if lines is not None:
        cure = "its line of the reference is empty, expected a line a segment"
        _check_count(segments, lines, "reference")
        segments = [replace(segment, reference=line) for segment, line in zip(segments, lines, strict=True)]
    for number, segment in enumerate(segments, 1):
        if not segment.reference.strip():
            _refuse(number, f"has no reference: {cure}")
    return list(segments)


def with_transcripts(segments: Sequence[Segment], lines: Sequence[str]) -> list[Segment]:
    """Give each segment the line that was said.

    Raises:
        UserError: there are more or fewer lines than segments.
    """
    _check_count(segments, lines, "transcript")
    return [replace(segment, transcript=line) for segment, line in zip(segments, lines, strict=True)]


def by_record(records: Sequence[Record], segments: Sequence[Segment]) -> list[list[Segment]]:
    """For each record the segments of its recording.

    A recording is known by its name, which must be the log's or stand in it as a word of its own (`a.TALK.en.jsonl`);
    a single log and a single recording belong together whatever their names.

    Raises:
        UserError: a log's recording can't be told, two logs are of one, or the segments outlast the log's audio.
    """
    recordings = list(dict.fromkeys(segment.recording for segment in segments))
    names = [_recording(record.name, recordings, alone=len(records) == len(recordings) == 1) for record in records]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two logs are of {name}, expected one")
    found = [[segment for segment in segments if segment.recording == name] for name in names]
    for record, own in zip(records, found, strict=True):
        end = max(segment.offset + segment.duration for segment in own)
        slack = SLACK_OF_OTHERS if record.clock is None else SLACK
        if record.audio is not None and end > record.audio + slack:
            raise UserError(
                f"{record.name}: the segments end at {end / 1000:.1f} s, the log's audio at "
                f"{record.audio / 1000:.1f} s: is it cut, or of another recording?"
            )
    return found


def _recording(name: str, recordings: Sequence[str], *, alone: bool) -> str:
    inside = [each for each in recordings if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", name)]
    if name in recordings:
        return name
    if alone:
        return recordings[0]
    if len(inside) == 1:
        return inside[0]
    shown = ", ".join(recordings[:5]) + (", …" if len(recordings) > 5 else "")
    raise UserError(f"can't tell which recording the log {name} is of: name it, as in {recordings[0]}=LOG (of {shown})")


def _segment(number: int, entry: Mapping[str, Any], name: str, start: str, length: str, recording: str) -> Segment:
    missing = [key for key in (name, start, length) if entry.get(key) is None]
    if missing:
        _refuse(number, f"has no {' and no '.join(missing)}, expected {name}, {start} and {length}")
    try:
        offset, duration = float(entry[start]) * 1000, float(entry[length]) * 1000
    except ValueError as error:
        raise UserError(f"segment {number}: {error}, expected seconds") from error
    if not (offset >= 0 and 0 < duration < float("inf")):
        _refuse(number, f"begins at {entry[start]} s and lasts {entry[length]} s, expected times that can be")
    return Segment(recording, offset, duration, "")


def _cell(number: int, row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        _refuse(number, f"has no {name}: the row is short")
    return str(row[name]).strip()


def _check_count(segments: Sequence[Segment], lines: Sequence[str], what: str) -> None:
    if len(lines) != len(segments):
        raise UserError(f"saw {len(lines)} lines of {what} for {len(segments)} segments, expected a line a segment")


def _refuse(number: int, why: str) -> NoReturn:
    raise UserError(f"segment {number}: {why}")
