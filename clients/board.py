"""Captions in rows: a row a cue, a column a language.

In: the messages of one session, in the order in which they came. Out: what will not change any more, in the order in
which it is to be read, then what still may, and how the session fares. Knows no terminal, no clock and no connection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Message = dict[str, Any]

MOST_OPEN = 8
"""Rows that may wait for their last language; beyond that the oldest is shown as it is."""
MOMENT_MS = 100
"""Milliseconds; of what is shorter, or of unknown length, no length is said."""
_WHY = {
    "overload": "the computer could not keep up",
    "device": "the microphone was gone",
    "invalid": "the sound was damaged",
    "network": "the speaker's network was too slow",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A caption as it stands now."""

    text: str
    final: bool
    source: bool
    """Whether it is what was said, and no translation."""
    untranslated: bool
    """Whether it is what was said for want of a translation."""


@dataclass(slots=True)
class Row:
    """What was said at one time."""

    cue: int
    cells: dict[str, Cell] = field(default_factory=dict)
    """By language."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What happened between the captions."""

    text: str
    bad: bool = False
    """Whether something was lost."""


@dataclass(frozen=True, slots=True)
class Status:
    """How the session fares."""

    connection: str = "connecting"
    """In words."""
    connected: bool = False
    speaking: bool = False
    """Whether a session is running."""
    lag_ms: int | None = None
    """How late the newest translation was after the end of its words; None before the first."""
    trouble: str = ""
    """What the server says of itself, unless all is well."""


_TROUBLE = {
    "ok": "",
    "behind": "falling behind",
    "overload": "overloaded: speech is being skipped",
    "device": "the microphone is gone",
}


class Board:
    """Gathers captions in rows, and lets a row go when nothing of it can change."""

    def __init__(self, langs: Sequence[str] = ()) -> None:
        """Start empty; no `langs` means all that the session has."""
        self.columns: tuple[str, ...] = tuple(langs)
        """The languages, in the order in which they are shown."""
        self.open: list[Row] = []
        """Rows that may still change, oldest first."""
        self.status = Status()
        self._all = not langs
        self._real = False
        self._welcomed = False
        self._sources: Sequence[str] = ()
        self._missing: set[str] = set()  # columns in which nothing will come
        self._either: set[str | None] = set()  # columns of the languages of which each cue is said in one
        # The newest cue that is final in each language: for an older one nothing comes after it.
        self._finals: dict[str, int] = {}

    def push(self, message: Message) -> list[Row | Notice]:
        """Take in one message; return what can be shown for good, in the order in which it is read."""
        match message["type"]:
            case "caption":
                return list(self._caption(message))
            case "session":
                notice = self._session(message)  # first: what is open still has its columns
                return [*self._close(), notice]
            case "targets":
                return [self._targets(message["targets"]), *self._settle()]
            case "gap":
                milliseconds = message["end_ms"] - message["start_ms"]
                lost = f"{milliseconds / 1000:.1f} s" if milliseconds >= MOMENT_MS else "a moment"
                return [Notice(f"{lost} missing: {_WHY.get(message['why'], message['why'])}", bad=True)]
            case "end":
                self._say(speaking=False, trouble="")
                return [*self._close(), Notice("the session is over")]
            case "welcome":
                return list(self._welcome(message))
            case "status":
                trouble = _TROUBLE.get(message["state"], message["state"])
                self._say(lag_ms=message.get("lag_ms", self.status.lag_ms), trouble=trouble)
            case "lost":
                self._say(connection=f"reconnecting: {message['message']}", connected=False)
        return []

    def _say(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)

    def _welcome(self, message: Message) -> Iterator[Row | Notice]:
        speaking = "session" in message
        is_hole = self._welcomed and not message["recovered"]
        self._welcomed = True
        self._say(connection="connected", connected=True, speaking=speaking)
        if not (speaking or message["recovered"]):  # else the end comes in its place among the rest
            yield from self._close()
        elif is_hole:
            # Open drafts come again, finals do not.
            self.open = _finals_of(self.open)
            if self._sources:  # in which session nothing of that was missed
                self._targets(message["session"]["targets"])
        if is_hole:
            yield Notice("captions may be missing here", bad=True)

    def _session(self, message: Message) -> Notice:
        self._sources = message.get("sources", [message["source"]])
        self._real = message["clock"] == "real"
        self._say(speaking=True, lag_ms=None, trouble="")
        return self._targets(message["targets"])

    def _targets(self, targets: Sequence[str]) -> Notice:
        """What is translated into from here on: nothing is waited for in other languages."""
        there = (*self._sources, *(lang for lang in targets if lang not in self._sources))
        if self._all:
            held = {lang for row in self.open for lang, cell in row.cells.items() if cell.final}
            self.columns = (*there, *(lang for lang in self.columns if lang in held and lang not in there))
        missing = [lang for lang in self.columns if lang not in map(self._column, there)]
        self._missing = set(missing)
        stay = {*map(self._column, targets)}
        self._either = {*map(self._column, self._sources)} - stay if len(self._sources) > 1 else set()
        for row in [*self.open]:
            gone = [lang for lang, cell in row.cells.items() if not (cell.final or cell.source or lang in stay)]
            for lang in gone:
                self._take_back(row, lang)
        nothing = f"; nothing in {', '.join(missing)}" if missing and not self._all else ""
        return Notice(f"{' or '.join(self._sources)} → {', '.join(targets)}{nothing}")

    def _column(self, lang: str) -> str | None:
        """Where captions in `lang` stand: those in `pt` are for who chose `pt-BR`, too."""
        if lang in self.columns or self._all:
            return lang
        return next((column for column in self.columns if column.startswith(f"{lang}-")), None)

    def _caption(self, message: Message) -> Iterator[Row]:
        lang, cue = self._column(message["lang"]), message["cue"]
        if lang is None:
            return
        if lang not in self.columns:
            self.columns += (lang,)
        row = self._row(cue)
        row.cells[lang] = Cell(
            text=message["text"],
            final=message["final"],
            source=message["role"] == "source",
            untranslated=message.get("untranslated", False),
        )
        if not (message["final"] or message["text"]):
            self._take_back(row, lang)
        if message["final"]:
            self._finals[lang] = max(cue, self._finals.get(lang, cue))
            # only at first: from then on the server tells it, without what its source was late
            if self._real and message["role"] == "target" and self.status.lag_ms is None:
                self._say(lag_ms=message["elapsed_ms"] - message["end_ms"])
        yield from self._settle()

    def _settle(self) -> Iterator[Row]:
        """What can be shown for good."""
        while self.open and (self._settled(self.open[0]) or len(self.open) > MOST_OPEN):
            yield from _finals_of([self.open.pop(0)])

    def _take_back(self, row: Row, lang: str) -> None:
        """What `row` has in `lang` was a guess."""
        del row.cells[lang]
        if not row.cells:
            self.open.remove(row)

    def _row(self, cue: int) -> Row:
        index = bisect_left(self.open, cue, key=lambda row: row.cue)
        if index == len(self.open) or self.open[index].cue != cue:
            self.open.insert(index, Row(cue))
        return self.open[index]

    def _settled(self, row: Row) -> bool:
        return all(self._settled_in(lang, row) for lang in self.columns if lang not in self._missing)

    def _settled_in(self, lang: str, row: Row) -> bool:
        if lang in row.cells:
            return row.cells[lang].final
        # what was said comes before its translations
        is_said = lang in self._either and any(cell.final for cell in row.cells.values())
        return is_said or row.cue < self._finals.get(lang, -1)

    def _close(self) -> list[Row]:
        """Return what is final of the open rows: their session is over."""
        rows = _finals_of(self.open)
        self.open = []
        self._finals = {}
        return rows


def _finals_of(rows: Sequence[Row]) -> list[Row]:
    """Return `rows` without their drafts, and without those that have nothing else."""
    finals = [Row(row.cue, {lang: cell for lang, cell in row.cells.items() if cell.final}) for row in rows]
    return [row for row in finals if row.cells]
