"""What was heard on one connection, and what can be asked of it. Values only: `conform_scenes.py` fills them.

In: messages as they came. Out: those that are valid by the schema, and answers to questions that several checks ask of
them. Knows no socket and no rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Message = dict[str, Any]

EVENTS = frozenset({"caption", "gap", "session", "targets", "status", "end"})
"""The types that are numbered."""
SCHEMA: Message = json.loads((Path(__file__).parent.parent / "clients" / "protocol.schema.json").read_text("utf-8"))
_VALIDATORS = {
    kind: Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}) for kind in SCHEMA["$defs"]
}


def misfit(message: Any) -> str | None:
    """Return how a message differs from the schema, if it does; types that are not in it are free."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return f"saw {message!r:.80}, expected an object with a type"
    if message["type"] not in _VALIDATORS:
        return None
    error = next(iter(_VALIDATORS[message["type"]].iter_errors(message)), None)
    return None if error is None else f"{'.'.join(map(str, [message['type'], *error.path]))}: {error.message}"


@dataclass(slots=True)
class Heard:
    """One connection, from its first message to its end."""

    langs: tuple[str, ...] = ()
    """What was asked for; none means all."""
    since: int | None = None
    """The number after which it was to go on."""
    messages: list[Message] = field(default_factory=list)
    """Those that are valid by the schema."""
    misfits: list[str] = field(default_factory=list)
    """What is wrong with the others."""
    close_code: int | None = None
    """None while it is open."""

    def hear(self, text: str | bytes) -> None:
        """Take in a message as it came."""
        try:
            message: Any = json.loads(text) if isinstance(text, str) else repr(text[:20])
        except ValueError:
            message = text
        wrong = misfit(message)
        if wrong is None:
            self.messages.append(message)
        else:
            self.misfits.append(wrong)

    def of(self, kind: str) -> list[Message]:
        """The messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def welcome(self) -> Message:
        """The first answer; empty if there was none."""
        return next(iter(self.of("welcome")), {})

    @property
    def error(self) -> Message:
        """Why it was closed; empty if nothing was said."""
        return next(iter(self.of("error")), {})

    @property
    def snapshot(self) -> list[Message]:
        """The captions that it was shown at first."""
        return [caption for message in self.of("snapshot")[:1] for caption in message["captions"]]

    @property
    def shown(self) -> list[Message]:
        """Every caption, those of snapshots included."""
        shown = [caption for snapshot in self.of("snapshot") for caption in snapshot["captions"]]
        return shown + self.of("caption")

    def finals(self, lang: str) -> list[Message]:
        """The final captions of a language that came as they were made."""
        return [caption for caption in self.of("caption") if caption["final"] and caption["lang"] == lang]

    @property
    def begins(self) -> int:
        """The number after which this connection is told everything."""
        return self.since if self.since is not None else int(self.welcome.get("seq", 0))

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return max((message["seq"] for message in self.messages if message["type"] in EVENTS), default=0)

    def runs(self) -> Iterator[list[Message]]:
        """The events between one `welcome` or `session` and the next."""
        run: list[Message] = []
        for message in self.messages:
            if message["type"] in ("welcome", "session"):
                yield run
                run = []
            if message["type"] in EVENTS:
                run.append(message)
        yield run


@dataclass(slots=True)
class Evening:
    """A session that was watched by several."""

    source: str
    target: str
    everything: Heard = field(default_factory=Heard)
    """Watched all languages, from before the first word."""
    one: Heard = field(default_factory=Heard)
    """Watched the target language alone."""
    late: Heard = field(default_factory=Heard)
    """Came when there were captions already."""
    cut: Heard = field(default_factory=Heard)
    """Lost its connection in the middle."""
    back: Heard = field(default_factory=Heard)
    """The same, when it came back."""
    changer: Heard = field(default_factory=Heard)
    """Watched the source language, then asked for the target."""
    region: Heard = field(default_factory=Heard)
    """Asked for the target language as some region speaks it."""
    elsewhere: Heard = field(default_factory=Heard)
    """Watched another session, where nobody spoke."""
    publisher: Heard | None = None
    """Sent the audio; None where somebody else did."""
    second: Heard | None = None
    """Wanted to send audio at the same time."""

    @property
    def viewers(self) -> dict[str, Heard]:
        """All who watched this session, by what they did."""
        return {
            "the viewer of all languages": self.everything,
            "the viewer of one language": self.one,
            "the late viewer": self.late,
            "the viewer that was cut off": self.cut,
            "the viewer that came back": self.back,
            "the viewer that changed languages": self.changer,
        }
