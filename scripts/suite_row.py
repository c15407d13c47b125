"""One case of a benchmark, as it stands in its file of results: numbers and how they came about, and no text.

In: a line of JSON. Out: a `Row`, and back. A file of rows is what changes are held against, for as long as the names
of its figures live. Knows no suite, no run and no report.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from surtitle.pipeline.errors import UserError


class Statistics(msgspec.Struct, frozen=True, omit_defaults=True):
    """What quality is made of, a list for each segment: corpus scores of any choice of segments follow from their sums.

    `score_quality.py` makes them and scores sums of them.
    """

    bleu: list[list[int]] = []
    """Lengths of hypothesis and reference, matches of 1 to 4 words, and how many there were."""
    chrf: list[list[int]] = []
    """For each length of 1 to 6 characters: how many in the hypothesis, in the reference, and in both."""
    wer: list[list[int]] = []
    """For each stretch of the transcript: errors, and words that were said."""


class Series(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened over time, thinned to some hundred points."""

    lag: list[tuple[float, float]] = []
    """Of each final caption: seconds of audio to the end of its words, and seconds from there to the caption."""
    memory: list[tuple[float, float]] = []
    """Seconds since the process began, and megabytes that were resident."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case that was run, or failed."""

    case: str
    """Its name, the same in every run of the suite: `talks en-de virtual default`."""
    recording: str
    source: str
    target: str
    clock: str
    settings: str
    """The name of the flags that it ran with."""
    commands: list[str]
    """That made the log, and that scored it; file names without folders."""
    revision: str
    """Of the product."""
    hardware: str
    versions: dict[str, str]
    error: str = ""
    """Why there is nothing else; empty where it went well."""
    models: dict[str, str] = {}
    figures: dict[str, float | None] = {}
    """By the names of `scripts/evaluate`; None where it says `absent`."""
    stats: dict[str, float] = {}
    """Of the log's last line."""
    statistics: Statistics = Statistics()
    series: Series = Series()


_decoder = msgspec.json.Decoder(Row)


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; of a case that is there more than once the last, in the place of its first.

    Raises:
        UserError: the file can't be read, or a line is no row.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"can't read {path} ({error}), expected results of scripts/benchmark") from error
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise UserError(f"{path}, line {number}: {error}, expected a row of results") from error
        rows[row.case] = row
    return list(rows.values())


def to_lines(rows: Iterable[Row]) -> str:
    """The text of a file of rows."""
    return "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
