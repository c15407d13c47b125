"""What a benchmark will run: the cases of a suite.

In: the text of a TOML file. Out: `Case`s, each one session: a recording from one language into another, on one clock,
with one set of flags. Knows no folder and runs nothing: paths are as the suite writes them, relative to the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

import msgspec

from surtitle.pipeline.errors import UserError

Clock = Literal["real", "virtual"]
_Pair = Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2,3}-[a-z]{2,3}\Z")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """References that stand in a column of a TSV file, a row a clip."""

    file: str
    language: str
    """Of the references."""
    key: str
    """The first column's text for a clip, such as `{clip}.{lang}`."""
    column: str


class _Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    audio: str
    pairs: Annotated[tuple[_Pair, ...], msgspec.Meta(min_length=1)]
    """Languages spoken and wanted, such as `en-de`."""
    clips: tuple[str, ...] = ()
    transcript: str = ""
    references: Table | None = None
    segments: str = ""


class _Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    recording: Annotated[tuple[_Recording, ...], msgspec.Meta(min_length=1)]
    clocks: Annotated[tuple[Clock, ...], msgspec.Meta(min_length=1)] = ("virtual", "real")
    settings: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: {"default": ()})


@dataclass(frozen=True, slots=True)
class Clip:
    """One file of a recording."""

    name: str
    audio: str
    transcript: str
    """File with what is said in it; empty where there is none."""
    key: str
    """Of its reference in the table; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One session to run and to score."""

    recording: str
    source: str
    target: str
    clock: Clock
    settings: str
    flags: tuple[str, ...]
    """Of `surtitle replay`, beside what the rest says."""
    clips: tuple[Clip, ...]
    """Played one after the other."""
    segments: str
    """Table of segments with what is said in several languages; empty where there is none."""
    references: Table | None
    """Where the clips' references stand, if they are in the target language."""

    @property
    def name(self) -> str:
        """The same in every run of the suite."""
        return f"{self.recording} {self.source}-{self.target} {self.clock} {self.settings}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A suite."""

    title: str
    cases: tuple[Case, ...]
    """In the order in which they run."""


def plan(text: str) -> Plan:
    """The cases of a suite: recordings in order, each in all its languages, on all clocks, with all settings.

    Raises:
        UserError: it is no TOML, lacks something, has something unknown, or two cases are the same.
    """
    try:
        suite = msgspec.toml.decode(text, type=_Suite)
        cases = tuple(case for recording in suite.recording for case in _cases(suite, recording))
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise UserError(f"{error}, expected a suite of recordings (see scripts/suites)") from error
    names = [case.name for case in cases]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"case {twice[0]} is there twice, expected recordings with names of their own")
    return Plan(suite.title, cases)


def _cases(suite: _Suite, recording: _Recording) -> list[Case]:
    return [
        Case(
            recording=recording.name,
            source=source,
            target=target,
            clock=clock,
            settings=name,
            flags=flags,
            clips=tuple(_clip(recording, clip, source) for clip in recording.clips or (recording.name,)),
            segments=recording.segments,
            references=recording.references
            if recording.references is not None and recording.references.language == target
            else None,
        )
        for pair, clock, (name, flags) in product(recording.pairs, suite.clocks, suite.settings.items())
        for source, target in [pair.split("-")]
    ]


def _clip(recording: _Recording, clip: str, language: str) -> Clip:
    places = {"clip": clip, "lang": language}
    return Clip(
        name=clip,
        audio=recording.audio.format(**places),
        transcript=recording.transcript.format(**places),
        key="" if recording.references is None else recording.references.key.format(**places),
    )
