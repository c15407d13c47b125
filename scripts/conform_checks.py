"""What PROTOCOL.md promises, as sentences that are true or false of what was heard.

In: the connections of one evening (`conform_record.py`). Out: for each sentence what was seen instead, or None. Knows
no socket: whether a server is right is told by what it said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from conform_record import EVENTS, Evening, Heard, Message

SHOWN = 20
"""Finals of a language that a late viewer is shown."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Judge = Callable[[Evening], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """A sentence, and how to find out whether it is so."""

    sentence: str
    judge: Judge
    """Returns what was seen that should not be."""
    published: bool = False
    """Whether it can be told only of audio that we send ourselves."""


def _first(complaints: Iterator[str]) -> str | None:
    return next(complaints, None)


def valid(evening: Evening) -> str | None:
    heard = [*evening.viewers.values(), evening.region, evening.elsewhere, evening.publisher, evening.second]
    return _first(wrong for each in heard if each is not None for wrong in each.misfits)


def welcomed(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            kinds = [message["type"] for message in heard.messages[:2]]
            if kinds[:1] != ["welcome"]:
                yield f"{who} heard {kinds[:1]} first"
            elif not heard.welcome["recovered"] and kinds[1:] != ["snapshot"]:
                yield f"after a welcome that is not recovered {who} heard {kinds[1:]}, expected a snapshot"

    return _first(complaints())


def numbered(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            newest = heard.begins
            greeted = True
            for message in heard.messages:
                if message["type"] not in EVENTS:
                    greeted = message["type"] in ("welcome", "snapshot")
                elif message["type"] == "status" and greeted:
                    # The newest status is told to those who come late, with the number that it had.
                    greeted = False
                elif message["seq"] <= newest:
                    yield f"{who} heard {message['type']} number {message['seq']} after number {newest}"
                else:
                    newest, greeted = message["seq"], False

    return _first(complaints())


def once(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            for run in heard.runs():
                finals = Counter((each["cue"], each["lang"]) for each in run if each.get("final"))
                yield from (f"{who} got cue {c} in {lang} {n} times" for (c, lang), n in finals.items() if n > 1)

    return _first(complaints())


def same_for_all(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            if heard is evening.changer:
                continue
            until = min(heard.newest, evening.everything.newest)
            for lang in heard.langs or (evening.source, evening.target):
                got, said = (
                    [(each["seq"], each["text"]) for each in who.finals(lang) if heard.begins < each["seq"] <= until]
                    for who in (heard, evening.everything)
                )
                if got != said:
                    yield f"{who} got the {lang} finals {got}, expected {said}"

    return _first(complaints())


def replaced(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            for before, caption in _revisions(heard):
                if before["final"]:
                    yield f"{who} got rev {caption['rev']} of cue {caption['cue']} after its final"
                elif caption["rev"] <= before["rev"]:
                    yield f"{who} got rev {caption['rev']} of cue {caption['cue']} after rev {before['rev']}"

    return _first(complaints())


def stable(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            for before, caption in _revisions(heard):
                promised = before["text"][: before["stable"]]
                if caption["stable"] < before["stable"] or not caption["text"].startswith(promised):
                    yield f"{who} got {caption['text']!r} after {promised!r} had been stable"
            for caption in heard.shown:
                if caption["stable"] > len(caption["text"]) or (
                    caption["final"] and caption["stable"] < len(caption["text"])
                ):
                    yield f"{who} got {caption['text']!r} with {caption['stable']} stable code points"

    return _first(complaints())


def _revisions(heard: Heard) -> Iterator[tuple[Message, Message]]:
    """Each caption with the one before it of the same cue and language."""
    for run in heard.runs():
        newest: dict[tuple[int, str], Message] = {}
        for caption in (each for each in run if each["type"] == "caption"):
            key = (caption["cue"], caption["lang"])
            if key in newest:
                yield newest[key], caption
            newest[key] = caption


def asked_for(evening: Evening) -> str | None:
    def complaints() -> Iterator[str]:
        for who, heard in evening.viewers.items():
            if heard.langs and heard is not evening.changer:
                others = {caption["lang"] for caption in heard.shown} - set(heard.langs)
                if others:
                    yield f"{who} asked for {', '.join(heard.langs)} and got {', '.join(others)}"

    return _first(complaints())


def without_region(evening: Evening) -> str | None:
    seen = {caption["lang"] for caption in evening.region.shown}
    return None if seen == {evening.target} else f"saw captions in {', '.join(seen) or 'no language'}"


def clean(evening: Evening) -> str | None:
    found = (
        caption for heard in evening.viewers.values() for caption in heard.shown if CONTROLS.search(caption["text"])
    )
    return _first(f"saw the text {caption['text']!r}" for caption in found)


def timed(evening: Evening) -> str | None:
    found = (c for heard in evening.viewers.values() for c in heard.shown if not 0 <= c["start_ms"] <= c["end_ms"])
    return _first(f"saw words from {each['start_ms']} to {each['end_ms']} ms" for each in found)


def caught_up(evening: Evening) -> str | None:
    late, said = evening.late, evening.everything
    seqs = [caption["seq"] for caption in late.snapshot]
    if seqs != sorted(seqs):
        return f"saw a snapshot with the numbers {seqs}"
    # What was said in a session before this one is over.
    begun = max((each["seq"] for each in said.of("session") if each["seq"] <= late.begins), default=0)
    for lang in late.langs or (evening.source, evening.target):
        shown = [caption["text"] for caption in late.snapshot if caption["final"] and caption["lang"] == lang]
        heard = [caption["text"] for caption in said.finals(lang) if begun < caption["seq"] <= late.begins][-SHOWN:]
        # Others may have spoken before we watched.
        if (heard and shown[-len(heard) :] != heard) or len(shown) > SHOWN:
            return f"saw {shown} in the snapshot, expected the {lang} finals {heard}"
    return None


def named(evening: Evening) -> str | None:
    session = evening.late.welcome.get("session")
    if session is None:
        return "saw no session in the welcome of a viewer that came while one was running"
    begun = evening.everything.of("session") or [evening.everything.welcome.get("session", {})]
    seen, expected = session["session"], begun[-1].get("session")
    return None if seen == expected else f"saw session {seen!r} in its welcome, expected {expected!r}"


def resumed(evening: Evening) -> str | None:
    if evening.back.welcome.get("recovered") is not True:
        return f"saw {evening.back.welcome.get('recovered')} in the welcome of a viewer that was away for moments"
    if evening.back.of("snapshot"):
        return "saw a snapshot, expected what was missed alone"
    missing = {each["seq"] for each in evening.everything.finals(evening.target) if each["seq"] > evening.back.begins}
    missing -= {each["seq"] for each in evening.back.finals(evening.target)}
    missing = {seq for seq in missing if seq <= evening.back.newest}
    return f"the finals numbered {sorted(missing)} never came" if missing else None


def changed(evening: Evening) -> str | None:
    heard = evening.changer.messages
    again = [index for index, message in enumerate(heard) if message["type"] == "welcome"][1:]
    if not again:
        return "saw no second welcome"
    welcome, *after = heard[again[0] :]
    if welcome["recovered"] or [message["type"] for message in after[:1]] != ["snapshot"]:
        return f"saw recovered {welcome['recovered']}, expected false and a snapshot"
    shown = after[0]["captions"] + [message for message in after if message["type"] == "caption"]
    others = {caption["lang"] for caption in shown} - {evening.target}
    if others or not shown:
        return f"saw captions in {', '.join(others) or 'no language'}, expected {evening.target}"
    return None


def apart(evening: Evening) -> str | None:
    if evening.elsewhere.error:
        return None  # A token of one session alone; that is for another check.
    shown = evening.elsewhere.shown
    return f"saw {shown[0]['text']!r} in a session where nobody speaks" if shown else None


def beaten(evening: Evening) -> str | None:
    if evening.elsewhere.error or evening.elsewhere.of("beat"):
        return None
    return "heard no beat where nobody spoke"


def framed(evening: Evening) -> str | None:
    events = [message for message in evening.everything.messages if message["type"] in EVENTS]
    kinds = [message["type"] for message in events if message["type"] != "status"]
    if kinds[:1] != ["session"] or kinds[-1:] != ["end"] or {"session", "end"} & set(kinds[1:-1]):
        return f"saw {kinds[:1]} first and {kinds[-1:]} last, expected session and end, and nothing outside of them"
    for lang in (evening.source, evening.target):
        cues = [caption["cue"] for caption in evening.everything.finals(lang)]
        if sorted(cues) != list(range(len(cues))):
            return f"saw the cues {cues} in {lang}, expected all from 0"
    return None


def ready(evening: Evening) -> str | None:
    assert evening.publisher is not None, "somebody else published"
    return None if evening.publisher.of("ready") else "saw no ready before the audio"


def busy(evening: Evening) -> str | None:
    assert evening.second is not None, "somebody else published"
    return refused(evening.second, "busy", 4409)


def complete(evening: Evening) -> str | None:
    assert evening.publisher is not None, "somebody else published"
    code = evening.publisher.close_code
    return None if code == 1000 else f"saw close code {code} after stop, expected 1000"


def refused(heard: Heard, name: str, code: int) -> str | None:
    """Return how a refusal differs from what is promised: an `error` that explains it, then its close code."""
    if heard.close_code != code:
        return f"saw close code {heard.close_code}, expected {code}"
    if not name:
        return None
    expected: Message = {"code": name, "retry": code < 4500}
    seen: dict[str, Any] = {field: heard.error.get(field) for field in expected}
    return None if seen == expected else f"saw {seen} in the error message, expected {expected}"


CHECKS = (
    Check("every message is valid by the schema", valid),
    Check("a viewer is welcomed, and shown a snapshot unless it resumes", welcomed),
    Check("numbers grow on every connection", numbered),
    Check("no final comes twice", once),
    Check("all viewers get the same finals in the same order", same_for_all),
    Check("a higher rev replaces a lower one, and nothing follows a final", replaced),
    Check("what was stable stays, and finals are stable to their end", stable),
    Check("captions come in the languages that were asked for", asked_for),
    Check("who asks for a language of a region gets the language without it", without_region),
    Check("text is one line without control characters and bidi overrides", clean),
    Check("words begin before they end", timed),
    Check("a viewer that comes late is shown the last finals of each language", caught_up),
    Check("a viewer that comes late is told which session is running", named),
    Check("a viewer that was cut off is recovered and has missed nothing", resumed),
    Check("a viewer that subscribes to another language is welcomed anew and gets it", changed),
    Check("a viewer of another session sees nothing of this one", apart),
    Check("a viewer that hears nothing else hears a beat", beaten),
    Check("a session begins with session, ends with end, and has all its cues", framed, published=True),
    Check("a publisher is told when its audio is heard", ready, published=True),
    Check("a second publisher is told that the session is busy", busy, published=True),
    Check("after stop the connection is closed with 1000", complete, published=True),
)
