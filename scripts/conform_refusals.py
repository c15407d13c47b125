"""What PROTOCOL.md says is refused, and how: sentences, and what to say to a server to find out.

In: a stage (`conform_scenes.py`). Out: what the server did instead, or None. Knows nothing of captions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conform_checks import refused
from conform_record import Heard, Message
from conform_scenes import PUBLISHERS, VIEWERS, Client, Stage, greet, knock, provoke

FOREIGN = "https://foreign.example"
Said = Message | str | bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sentence about a close code, and what leads to it."""

    sentence: str
    path: str
    name: str
    """Of the close code; empty for those of the websocket protocol itself, which no `error` explains."""
    code: int
    say: Callable[[Stage], list[Said]]

    async def ask(self, stage: Stage) -> str | None:
        """Return what was seen instead."""
        seconds = stage.patience if self.path == PUBLISHERS else stage.hello + 5
        return refused(await provoke(stage, self.path, *self.say(stage), seconds=seconds), self.name, self.code)


def _bad(sentence: str, path: str, say: Callable[[Stage], list[Said]]) -> Refusal:
    return Refusal(sentence, path, "bad_message", 4500, say)


ALWAYS = (
    Refusal("a viewer that says nothing is sent away in time", VIEWERS, "no_hello", 4407, lambda _: []),
    Refusal("another version is refused", VIEWERS, "wrong_version", 4501, lambda stage: [stage.hello_message(v=2)]),
    _bad("what is no JSON is refused", VIEWERS, lambda _: ["{"]),
    _bad("a binary message from a viewer is refused", VIEWERS, lambda _: [b"\x00\xff"]),
    _bad("brackets without end are refused", VIEWERS, lambda _: ["[" * 50_000]),
    _bad("an unknown field in hello is refused", VIEWERS, lambda stage: [stage.hello_message(lang=["es"])]),
    _bad("a field of the wrong type is refused", VIEWERS, lambda stage: [stage.hello_message(langs="es")]),
    _bad("a viewer that says start is refused", VIEWERS, lambda stage: [stage.start_message()]),
    _bad("a second hello is refused", VIEWERS, lambda stage: [stage.hello_message()] * 2),
    _bad("an unknown type is refused", VIEWERS, lambda stage: [stage.hello_message(), {"type": "sing"}]),
    _bad(
        "painting what was not sent is refused",
        VIEWERS,
        lambda stage: [stage.hello_message(), {"type": "painted", "seq": 2**40}],
    ),
    Refusal("a viewer's message of more than 64 KiB is refused", VIEWERS, "", 1009, lambda _: ["x" * (2**16 + 1)]),
)
"""What holds for viewers."""

PUBLISHING = (
    Refusal("a publisher that says nothing is sent away in time", PUBLISHERS, "no_hello", 4407, lambda _: []),
    Refusal(
        "another version of start is refused",
        PUBLISHERS,
        "wrong_version",
        4501,
        lambda stage: [stage.start_message(v=2)],
    ),
    _bad("an unknown field in start is refused", PUBLISHERS, lambda stage: [stage.start_message(language="en")]),
    _bad("a start without translations is refused", PUBLISHERS, lambda stage: [stage.start_message(to=[])]),
    _bad("audio before start is refused", PUBLISHERS, lambda _: [bytes(320)]),
    Refusal("audio of more than 1 MiB is refused", PUBLISHERS, "", 1009, lambda _: [bytes(2**20 + 2)]),
)
"""What holds for publishers."""

HALF_A_SAMPLE = _bad("half a sample is refused", PUBLISHERS, lambda stage: [stage.start_message(), bytes(321)])
"""What holds for publishers, and takes a session to find out."""

WRONG_SPEAKER = Refusal(
    "a publisher with a wrong token is refused",
    PUBLISHERS,
    "unauthorized",
    4505,
    lambda stage: [stage.start_message(token="wrong")],
)
"""What holds where there are tokens."""

READERS = (
    Refusal(
        "a viewer without a token is refused",
        VIEWERS,
        "unauthorized",
        4505,
        lambda stage: [{"type": "hello", "v": 1, "session": stage.session}],
    ),
    Refusal(
        "a wrong token is refused", VIEWERS, "unauthorized", 4505, lambda stage: [stage.hello_message(token="wrong")]
    ),
    Refusal(
        "a reader that publishes is refused",
        PUBLISHERS,
        "forbidden",
        4506,
        lambda stage: [stage.start_message(token=stage.read_token)],
    ),
)
"""What holds where there is a token for reading alone: elsewhere everybody may read."""


async def flood(stage: Stage) -> str | None:
    """More messages than is taken at once, and then more than is taken in a second."""
    async with Client(stage, VIEWERS, Heard()) as client:
        await client.say(stage.hello_message())
        for _ in range(50):
            await client.say(*[{"type": "subscribe", "langs": [stage.target]}] * 10)
            if await client.until(lambda heard: heard.close_code is not None, 0.02):
                break
        await client.closed(5)
    return refused(client.heard, "flood", 4507)


async def foreign(stage: Stage) -> str | None:
    """A page of another origin is refused before the websocket opens."""
    return await _turned_away(stage, FOREIGN)


async def opaque(stage: Stage) -> str | None:
    """So is one whose origin is `null`: a sandboxed frame, or a file."""
    return await _turned_away(stage, "null")


async def _turned_away(stage: Stage, origin: str) -> str | None:
    for path in (VIEWERS, PUBLISHERS):
        answer = await knock(stage, path, origin)
        if answer != "403":
            return f"saw {answer} at {path} for the origin {origin}, expected 403"
    return None


async def another_epoch(stage: Stage) -> str | None:
    """Numbers of another epoch mean nothing here."""
    return await _anew(stage, {"epoch": "another epoch", "seq": 0})


async def the_future(stage: Stage) -> str | None:
    """A number that was not given yet can't be resumed from."""
    epoch = (await greet(stage)).welcome.get("epoch", "")
    return await _anew(stage, {"epoch": epoch, "seq": 2**40})


async def _anew(stage: Stage, since: Message) -> str | None:
    heard = await greet(stage, since=since)
    if heard.welcome.get("recovered") is not False:
        return f"saw {heard.welcome.get('recovered')} for recovered, expected false"
    return None if heard.of("snapshot") else "saw no snapshot"
