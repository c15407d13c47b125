"""A viewer in Python: captions as an async iterator that survives lost connections.

In: a server's address. Out: the server's messages as dicts, each once and in order, also over reconnects.
Knows the protocol (`PROTOCOL.md`) and nothing of the program that speaks it; needs websockets only, so the
file can be copied.

    async for message in captions("http://127.0.0.1:8765", langs=["es"]):
        if message["type"] == "caption" and message["final"]:
            print(message["text"])
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

VERSION = 1
"""The protocol version this client speaks."""
GOING_AWAY = 1001
"""The close code of a server that stops on purpose."""
PAUSE_SECONDS = 0.2
"""Between the end of a connection and the next attempt."""
LONGEST_PAUSE_SECONDS = 15.0
"""Between failed attempts; it begins with half a second and doubles."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

Message = dict[str, Any]


class ViewerError(Exception):
    """Captions cannot be had from this address: the message says what was seen and what to do."""


async def captions(url: str, langs: Sequence[str] = ()) -> AsyncGenerator[Message, None]:
    """Yield `welcome`, `session`, `caption`, `gap` and `end` messages as they come.

    A `snapshot` is yielded as its captions. After a lost connection the iteration resumes where it was; a
    `welcome` whose `recovered` is false says that something may have been missed. The iteration ends when the
    server stops after the session's `end`.

    Args:
        url: `http://host:port`, `ws://host:port`, or with any page of the server.
        langs: The languages wanted; none means all, the source included.

    Raises:
        ViewerError: there is no server, or it refuses this viewer.
    """
    address = _address(url)
    cursor = _Cursor()
    # Programs send an origin too: a server that is open to the network demands one.
    origin = address.replace("ws", "http", 1).removesuffix("/captions")
    retry = _Retry(url)
    connections = connect(
        address,
        origin=Origin(origin),
        compression=None,
        proxy=None,
        process_exception=retry,
        reconnect_delays=_delays,
    )
    async for connection in connections:
        retry.connected = True
        try:
            await connection.send(json.dumps(_hello(langs, cursor)))
            async for message in _messages(connection):
                for fresh in cursor.fresh(message):
                    yield fresh
        except ConnectionClosed as closed:
            if cursor.ended and _close_code(closed) == GOING_AWAY:
                return
            _raise_if_final(closed, cursor)
        await asyncio.sleep(PAUSE_SECONDS)


class _Cursor:
    """What has been seen: it drops what comes twice and says where to resume."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq = 0
        self.ended = False
        """Whether the newest session is over."""
        self.complaint: str | None = None
        """What the server said was wrong."""

    def fresh(self, message: Message) -> Iterator[Message]:
        """Yield what of `message` has not been seen."""
        match message["type"]:
            case "welcome":
                yield from self._welcome(message)
            case "snapshot":
                for caption in message["captions"]:
                    yield from self._numbered(caption)
            case "caption" | "gap" | "session" | "end":
                yield from self._numbered(message)
            case "error":
                self.complaint = message["message"]

    def _welcome(self, message: Message) -> Iterator[Message]:
        if message["epoch"] != self.epoch:
            self.epoch, self.seq = message["epoch"], 0
        yield message
        # Not while resuming without loss: then the session, if it is new, comes in its place among the rest.
        if "session" in message and not message["recovered"]:
            yield from self._numbered(message["session"])

    def _numbered(self, message: Message) -> Iterator[Message]:
        if message["seq"] <= self.seq:
            return
        self.seq = message["seq"]
        if message["type"] in ("session", "end"):
            self.ended = message["type"] == "end"
        yield message


class _Retry:
    """Decides about a failed connection attempt: the first must succeed, a later one is tried again."""

    def __init__(self, url: str) -> None:
        self.connected = False
        self._url = url

    def __call__(self, error: Exception) -> Exception | None:
        if isinstance(error, InvalidStatus) and error.response.status_code < 500:
            reason = error.response.body.decode("utf-8", "replace").strip() if error.response.body else ""
            return ViewerError(f"{self._url} refuses this viewer: {reason or error}")
        if self.connected:
            return None
        if isinstance(error, (OSError, TimeoutError, EOFError, InvalidHandshake)):
            return ViewerError(
                f"no caption server answers at {self._url} ({error}); start one with `surtitle serve`, "
                "or give its address"
            )
        return error


def _delays() -> Generator[float, None, None]:
    """Yield seconds to wait: longer and longer, and random, or all viewers of a server would come at once."""
    longest = 0.5
    while True:
        yield random.uniform(0, longest)
        longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


async def _messages(connection: ClientConnection) -> AsyncIterator[Message]:
    """Yield messages until the connection closes, which always raises ConnectionClosed."""
    while True:
        message: Message = json.loads(await connection.recv())
        yield message


def _hello(langs: Sequence[str], cursor: _Cursor) -> Message:
    hello: Message = {"type": "hello", "v": VERSION, "langs": list(langs)}
    if cursor.epoch is not None:
        hello["since"] = {"epoch": cursor.epoch, "seq": cursor.seq}
    return hello


def _address(url: str) -> str:
    """Return the websocket address of the server that `url` points at."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        # Reading the port checks it.
        usable = parts.scheme in _SCHEMES and parts.hostname is not None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ViewerError(f"saw address {url!r}, expected one like http://127.0.0.1:8765")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}/captions"


def _close_code(closed: ConnectionClosed) -> int:
    """Return the server's close code; 1006 when the connection broke."""
    return closed.rcvd.code if closed.rcvd is not None else 1006


def _raise_if_final(closed: ConnectionClosed, cursor: _Cursor) -> None:
    """Raise when the server says not to come back (4500-4999)."""
    code = _close_code(closed)
    if 4500 <= code < 5000:
        raise ViewerError(cursor.complaint or f"the server refuses this viewer ({code})") from closed
