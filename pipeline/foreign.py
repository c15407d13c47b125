"""What a codec of another program's websocket protocol is, and what several of them share. No I/O.

In: the address that was asked for, bytes of audio. Out: what the address says, samples. Knows no message.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from surtitle.pipeline.events import MAIN_ROOM, Event, Samples
from surtitle.pipeline.http import Head, HttpError
from surtitle.pipeline.languages import ANY
from surtitle.pipeline.messages import PublishStart, Refused, RoomName
from surtitle.pipeline.protocol import parse_pcm

Codes = Annotated[str, Meta(max_length=256)]
"""Languages as a client names them: all that there are take less. In a megabyte none that was meant is looked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the websocket says, since these protocols have no word for it."""

    source: str = ANY
    """The language that is spoken, several with commas, or any: `from` in the query."""
    target: str = "en"
    """The language that is wanted, until the client names another: `to` in the query."""
    session: str = MAIN_ROOM
    """The room."""
    model: str = ""
    """What the client wants to be served by; it is served by what there is."""


def asked_of(head: Head) -> Asked:
    """Read the query of `head`; raises `HttpError`."""
    plain = Asked()
    try:
        session = msgspec.convert(head.field("session", plain.session), RoomName)
    except msgspec.ValidationError as error:
        raise HttpError(
            HTTPStatus.BAD_REQUEST, f"session: {error}; expected 1 to 64 of the characters A-Z a-z 0-9 _ -"
        ) from error
    return Asked(head.field("from", plain.source), head.field("to", plain.target), session, head.field("model", ""))


class Guest(Protocol):
    """A codec: one connection's protocol, without I/O."""

    def __init__(self, asked: Asked, session: str) -> None:
        """`session` is an id unique to this connection."""

    @property
    def start(self) -> PublishStart:
        """What a publisher of ours would have said first; known once samples have come."""

    @property
    def over(self) -> bool:
        """Whether the client has said everything."""

    def greet(self) -> list[str]:
        """What is sent before anything is received."""

    def receive(self, message: str | bytes) -> list[Samples | str]:
        """Take a message; return what was heard, and what is to be answered. Raises `Refused`."""

    def tell(self, event: Event) -> list[str]:
        """What is sent of what the session says."""

    def bye(self) -> list[str]:
        """What is sent when the session has said everything."""

    @staticmethod
    def refuse(refused: Refused) -> str:
        """What is sent before the connection is closed for a reason."""


class Pcm:
    """Signed 16-bit little-endian mono PCM, cut anywhere."""

    def __init__(self) -> None:
        self._half = b""

    def push(self, data: bytes) -> Samples:
        """Return the samples that are whole with `data`, perhaps none."""
        data = self._half + data
        whole = len(data) & ~1
        self._half = data[whole:]
        return parse_pcm(data[:whole])
