"""The product's own log, as a record that can be scored.

In: the lines of a log of `--log` (PROTOCOL.md). Out: a `Record` of one language. A log that is cut, has lost lines,
holds several sessions or another version is refused: it would give a figure that looks right and is not. Knows no
other format and no metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NoReturn, get_args

import msgspec
from msgspec import UNSET
from score_record import Change, Record, Revision, Shown, settle, spaceless, together

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.messages import (
    VERSION,
    CaptionMessage,
    EndMessage,
    EventMessage,
    GapMessage,
    SessionMessage,
    TargetsMessage,
)


class Unknown(msgspec.Struct):
    """An event that came into the protocol later, which is to be ignored but for its number."""

    type: str
    seq: int


_decoder: msgspec.json.Decoder[EventMessage] = msgspec.json.Decoder(EventMessage)
_any: msgspec.json.Decoder[Unknown] = msgspec.json.Decoder(Unknown)
_KNOWN = {each.__struct_config__.tag for each in get_args(EventMessage)}


@dataclass(slots=True)
class Log:
    """A whole session, checked."""

    session: SessionMessage
    end: EndMessage
    captions: list[CaptionMessage] = field(default_factory=list)
    gaps: list[GapMessage] = field(default_factory=list)
    changes: list[TargetsMessage] = field(default_factory=list)


def read_log(lines: Iterable[str]) -> Log:
    """Check and sort the lines of a log.

    Raises:
        UserError: it is not one whole session of this version.
    """
    messages = [_message(number, line) for number, line in enumerate(lines, 1)]
    if not messages:
        raise UserError("the log is empty, expected a session, captions and an end")
    first, last = messages[0], messages[-1]
    if not isinstance(first, SessionMessage):
        _refuse(1, f"saw a {_kind(first)}, expected the session: the log's beginning is missing")
    if not isinstance(last, EndMessage):
        _refuse(len(messages), f"saw a {_kind(last)}, expected the end: the log is cut, or its session still runs")
    for number, (before, after) in enumerate(pairwise(messages), 2):
        if isinstance(after, SessionMessage) or isinstance(before, EndMessage):
            _refuse(
                number,
                "another session begins, expected one in a log: cut it in two here or, if `surtitle serve` wrote it, "
                f"take each session's lines by themselves (`grep {first.session}` finds those of the first)",
            )
        if after.seq != before.seq + 1:
            _refuse(number, f"seq is {after.seq} after {before.seq}, expected {before.seq + 1}: lines are missing")
    captions = [message for message in messages if isinstance(message, CaptionMessage)]
    changes = [message for message in messages if isinstance(message, TargetsMessage)]
    _check_captions(first, captions, changes)
    gaps = [message for message in messages if isinstance(message, GapMessage)]
    return Log(first, last, captions, gaps, changes)


def record_of(log: Log, name: str, language: str) -> Record:
    """What the session said in `language`, which may be that of the speech: then it is recognition that is scored.

    Raises:
        UserError: the session had no such language.
    """
    spoken = (*log.session.targets, *log.session.spoken)
    if language not in (*spoken, *(each.lang for each in log.captions)):
        raise UserError(f"--language {language}: the session has {', '.join(spoken)}")
    real = log.session.clock == "real"
    said = _said(log)
    cues = _cues(log, language)
    finals = _finals(log, language)
    characters = spaceless(language)
    return Record(
        name=name,
        settled=together(
            settle((_revision(each, real=real) for each in revisions), characters=characters)
            for revisions in cues.values()
        ),
        audio=float(log.end.audio_ms),
        source=_spoken(log.session, said.values()),
        transcript=" ".join(caption.text for caption in said.values()),
        clock=log.session.clock,
        shown=tuple(_shown(cues[cue], said.get(cue), real=real) for cue in finals),
        changes=tuple(Change(each.cue, _revision(each, real=real)) for each in log.captions if each.lang == language),
        promises_broken=sum(_broken(revisions) for revisions in cues.values()),
        untranslated=len((said.keys() & _wanted(log, language)) - finals.keys())
        + sum(each.untranslated is True for each in finals.values()),
        skipped=float(sum(gap.end_ms - gap.start_ms for gap in log.gaps)),
        stats=tuple((name, float(value)) for name, value in log.end.stats.items()),
        models=tuple(log.session.models.items()),
    )


def _message(number: int, line: str) -> EventMessage | Unknown:
    message: EventMessage | Unknown
    try:
        try:
            message = _decoder.decode(line)
        except msgspec.ValidationError:  # an event of a later version, or none
            message = _any.decode(line)
            if message.type in _KNOWN:
                raise
    except (msgspec.DecodeError, UnicodeError) as error:
        _refuse(number, f"saw {line[:60]!r} ({error}), expected a session, caption, gap, targets, status or end")
    if isinstance(message, SessionMessage) and message.v != VERSION:
        _refuse(number, f"the log's version is {message.v}, expected {VERSION}")
    return message


def _check_captions(
    session: SessionMessage, captions: Sequence[CaptionMessage], changes: Sequence[TargetsMessage]
) -> None:
    spoken = {*session.spoken, *session.targets, *(target for change in changes for target in change.targets)}
    last: dict[tuple[int, str], CaptionMessage] = {}
    for caption in captions:
        before = last.get((caption.cue, caption.lang))
        if caption.lang not in spoken:
            raise UserError(f"seq {caption.seq}: a caption in {caption.lang}, expected {', '.join(sorted(spoken))}")
        if before is not None and before.final:
            raise UserError(f"seq {caption.seq}: cue {caption.cue} changes after its final, expected none")
        if before is not None and caption.rev <= before.rev:
            raise UserError(f"seq {caption.seq}: rev {caption.rev} after {before.rev}, expected a higher one")
        last[caption.cue, caption.lang] = caption
    for caption in last.values():
        later = [each.targets for each in changes if each.seq > caption.seq]
        is_dropped = caption.role == "target" and any(caption.lang not in targets for targets in later)
        if not caption.final and caption.text and not is_dropped:  # an empty draft takes a guess back
            raise UserError(f"cue {caption.cue} has no final in {caption.lang}: lines are missing, or a draft was left")


def _cues(log: Log, language: str) -> dict[int, list[CaptionMessage]]:
    """Revisions by cue, in the cues' order."""
    found: dict[int, list[CaptionMessage]] = {}
    for caption in log.captions:
        if caption.lang == language:
            found.setdefault(caption.cue, []).append(caption)
    return dict(sorted(found.items()))


def _said(log: Log) -> dict[int, CaptionMessage]:
    """Finals of what was said, by cue: in a language that is wanted too, they are known by their words."""
    return {each.cue: each for each in log.captions if each.final and (each.role == "source" or each.words)}


def _spoken(session: SessionMessage, said: Iterable[CaptionMessage]) -> str:
    """The language that most was said in: a session that expects several names the first of them."""
    letters: Counter[str] = Counter()
    for each in said:
        letters[each.lang] += len(each.text)
    return max(letters, key=lambda lang: letters[lang], default=session.source)


def _wanted(log: Log, language: str) -> set[int]:
    """Cues that were captioned while `language` was to be translated into. A change is told between two cues: what was
    said of the next one may be there before it, its last caption is not.
    """
    ended = {each.cue: each.seq for each in log.captions if each.final}
    told = [(log.session.seq, log.session.targets), *((each.seq, each.targets) for each in log.changes)]
    return {cue for cue, end in ended.items() if language in [targets for seq, targets in told if seq < end][-1]}


def _finals(log: Log, language: str) -> dict[int, CaptionMessage]:
    return {cue: revisions[-1] for cue, revisions in _cues(log, language).items() if revisions[-1].final}


def _revision(caption: CaptionMessage, *, real: bool) -> Revision:
    return Revision(caption.text, float(caption.audio_ms), float(caption.elapsed_ms) if real else None)


def _shown(revisions: Sequence[CaptionMessage], said: CaptionMessage | None, *, real: bool) -> Shown:
    final = revisions[-1]
    taken_back = max((place for place, each in enumerate(revisions) if not (each.final or each.text)), default=-1)
    first = revisions[taken_back + 1]
    return Shown(
        source="" if said is None else said.text,
        text=final.text,
        start=float(final.start_ms),
        end=float(final.end_ms),
        first=float(first.elapsed_ms if real else first.audio_ms),
        final=float(final.elapsed_ms if real else final.audio_ms),
        words=_timed(said),
    )


def _timed(said: CaptionMessage | None) -> tuple[tuple[str, float, float], ...]:
    words = () if said is None or said.words is UNSET else said.words
    return tuple((each.text, float(each.start_ms), float(each.end_ms)) for each in words)


def _broken(revisions: Sequence[CaptionMessage]) -> int:
    return sum(before.text[: before.stable] != after.text[: before.stable] for before, after in pairwise(revisions))


def _kind(message: EventMessage | Unknown) -> str:
    return type(message).__name__.removesuffix("Message").lower()


def _refuse(number: int, why: str) -> NoReturn:
    raise UserError(f"line {number}: {why}")
