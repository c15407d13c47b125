"""What scoring knows of one recording, whoever wrote its log.

In: the revisions of a text, each with its time. Out: `Unit`s, each with the time since which it has stood
unchanged, and how much was erased on the way (re-translation, drafts). A unit is a word, or a character in
languages that write without spaces. Knows no file format, no reference and no metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from surtitle.pipeline.text import shared

SPACELESS = frozenset({"zh", "ja", "th", "lo", "km", "my", "yue"})
"""Languages whose unit is the character."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or character of the final text."""

    text: str
    audio: float
    """Milliseconds of audio that had been consumed when it took its place for good: time without computation."""
    elapsed: float | None
    """Milliseconds of wall time since the audio began, at the same moment; None where no wall clock ran."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A text as it stood from some moment on."""

    text: str
    audio: float
    """Milliseconds of audio consumed."""
    elapsed: float | None
    """Milliseconds of wall time; None where no wall clock ran."""


@dataclass(frozen=True, slots=True)
class Change:
    """A revision of one stretch of speech; the text of all is that of each, in their order."""

    cue: int
    revision: Revision


@dataclass(frozen=True, slots=True)
class Settled:
    """A text after its last revision."""

    units: tuple[Unit, ...]
    erased: int
    """Units that were shown and taken back."""
    erasures: int
    """Revisions that took anything back."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One final caption as a viewer met it. Times are milliseconds."""

    source: str
    """What was said; empty if the log does not tell."""
    text: str
    start: float
    """When its words began."""
    end: float
    """When its words ended."""
    first: float
    """When anything of it was first shown."""
    final: float
    """When it was shown as it stayed."""
    words: tuple[tuple[str, float, float], ...] = ()
    """Those of `source`, each with when it began and ended; empty if the log does not tell."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recording as a system captioned it."""

    name: str
    settled: Settled
    audio: float | None
    """Milliseconds of audio; None if the log does not tell."""
    source: str | None = None
    """Language of the speech; of several the one that most was said in."""
    transcript: str | None = None
    """What was recognised, if the log tells."""
    clock: str | None = None
    """`real` or `virtual`, in the product's own logs."""
    shown: tuple[Shown, ...] = ()
    """In order; empty in logs of others."""
    changes: tuple[Change, ...] = ()
    """As they came; empty in logs of others."""
    revised: bool = True
    """Whether the log tells what was taken back."""
    promises_broken: int | None = None
    """Revisions that changed what an earlier one had called stable. It and the next two are None in logs of others."""
    untranslated: int | None = None
    """Cues that were said and have no translation, while the language that is scored was wanted."""
    skipped: float | None = None
    """Milliseconds of audio that the log says were not recognised."""
    stats: tuple[tuple[str, float], ...] = ()
    """The figures of the end line, as they stand there."""
    models: tuple[tuple[str, str], ...] = ()


def spaceless(language: str) -> bool:
    """Whether the unit of `language` is the character."""
    return language.split("-")[0] in SPACELESS


def split(text: str, *, characters: bool) -> list[str]:
    """The units of `text`. Spaces between characters are units, as OmniSTEval and simulstream have it."""
    return list(text.strip()) if characters else text.split()


def joined(units: Iterable[Unit], *, characters: bool) -> str:
    """The text that `units` make: words with spaces between them, characters as they are."""
    return ("" if characters else " ").join(unit.text for unit in units)


def settle(revisions: Iterable[Revision], *, characters: bool) -> Settled:
    """Follow a text through its revisions.

    A unit's time is that of its last change. A last unit that only grows (`Haus`, `Hausboot`) changes but is not
    erased: nobody has to read anything anew.
    """
    units: list[Unit] = []
    erased = erasures = 0
    for revision in revisions:
        new = split(revision.text, characters=characters)
        same = shared([unit.text for unit in units], new)
        gone = len(units) - same
        if gone == 1 and same < len(new) and new[same].startswith(units[same].text):
            gone = 0
        erased += gone
        erasures += gone > 0
        units[same:] = [Unit(text, revision.audio, revision.elapsed) for text in new[same:]]
    return Settled(tuple(units), erased, erasures)


def together(parts: Iterable[Settled]) -> Settled:
    """Texts that follow one another, as one."""
    kept = list(parts)
    return Settled(
        tuple(unit for part in kept for unit in part.units),
        sum(part.erased for part in kept),
        sum(part.erasures for part in kept),
    )
