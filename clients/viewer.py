"""A viewer in Python: captions as an async iterator that survives lost connections.

In: a server's address. Out: the server's messages as dicts, every final once and in order, also over reconnects.
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
import re
import ssl
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Origin

VERSION = 1
"""The protocol version this client speaks."""
GOING_AWAY = 1001
"""The close code of a server that stops on purpose."""
SILENCE_SECONDS = 60.0
"""After which a connection counts as lost: a server says something every 20 s."""
FIRST_PAUSE_SECONDS = 0.5
"""The longest pause before the first attempt to reconnect; it doubles with each further one."""
LONGEST_PAUSE_SECONDS = 15.0
"""The longest pause of all."""
LARGEST_BYTES = 16 * 1024 * 1024
"""Of a message: a snapshot holds twenty captions of each language."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PORTS = {"ws": 80, "wss": 443}
_COME_BACK = frozenset({404, 408, 429})
"""HTTP refusals below 500 that are over soon: 404 is what some proxies say while the server behind them restarts."""
UNREACHED = (OSError, InvalidHandshake, InvalidURI)
"""What connecting raises; the last of these where a server leads elsewhere, as one does that wants https."""

Message = dict[str, Any]


class ViewerError(Exception):
    """The server can't be had, or does not want this client: the message says what was seen and what to do."""

    def __init__(self, message: str, *, code: str = "", retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        """The name of the server's close code (`unauthorized`), if it gave one."""
        self.retry = retry
        """Whether the same may succeed later."""


def captions(url: str, langs: Sequence[str] = (), *, session: str = "main", token: str | None = None) -> Viewer:
    """Follow a session's captions; the iterator yields the server's messages, as PROTOCOL.md has them.

    Every final comes once and in order. A `snapshot` comes as its captions. `lost`, which is not the protocol's,
    says that the connection is gone and is being made again: `message` tells why. A `welcome` follows; if its
    `recovered` is false, finals may be missing here and open drafts are over: what still holds follows.

    The iteration ends when the server stops after the session's `end`.

    Args:
        url: `http://host:port`, `ws://host:port`, or with any page of the server.
        langs: The languages wanted; none means all, the source included.
        session: Which of the server's sessions.
        token: For servers that ask for one.

    Raises:
        ViewerError: in the iteration; there is no server at first, or it says not to come back.
    """
    return Viewer(url, langs, session=session, token=token)


class Viewer:
    """One reader of one session: iterate over it, once."""

    def __init__(self, url: str, langs: Sequence[str], *, session: str, token: str | None) -> None:
        self._url = url
        self._who = introduction(session, token)
        self._place = Place(langs)
        self._connection: ClientConnection | None = None
        self._messages = self._follow()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        return await anext(self._messages)

    async def aclose(self) -> None:
        """Close the connection; the iteration is over. For loops that are left early: `contextlib.aclosing`."""
        if self._connection is not None:
            await self._connection.close()
        await self._messages.aclose()

    async def subscribe(self, langs: Sequence[str]) -> None:
        """From now on get these languages; a `welcome` and their last captions come next."""
        self._place.subscribe(langs)
        if self._connection is not None:
            try:
                await self._connection.send(json.dumps({"type": "subscribe", "langs": list(langs)}))
            except ConnectionClosed:
                # The next connection asks for them from its beginning.
                return

    async def _follow(self) -> AsyncGenerator[Message, None]:
        connecting = connecting_to(self._url, "/captions")
        attempt = 0
        while True:
            try:
                async with connecting as connection:
                    await connection.send(json.dumps(self._hello()))
                    self._connection = connection
                    while True:
                        async with asyncio.timeout(SILENCE_SECONDS):
                            message: Message = json.loads(await connection.recv())
                        if message["type"] == "welcome":
                            attempt = 0
                        for fresh in self._place.take(message):
                            yield fresh
            except ConnectionClosed as closed:
                code = close_code(closed)
                if code == GOING_AWAY and self._place.ended:
                    return
                if 4500 <= code < 5000:
                    raise refusal(code, self._place.complaint) from closed
                why = self._place.complaint.get("message") or f"the connection was closed ({code})"
            except UNREACHED as error:
                if self._place.epoch is None or is_refusal(error):
                    raise unreachable(self._url, error) from error
                why = "the server does not answer"
                if isinstance(error, ssl.SSLCertVerificationError):  # as it is from the day on which it has run out
                    why = f"the server's certificate can't be trusted ({error.verify_message})"
            finally:
                self._connection = None
            yield {"type": "lost", "message": why}
            await asyncio.sleep(pause(attempt))
            attempt += 1

    def _hello(self) -> Message:
        return {"type": "hello", "v": VERSION, **self._who, **self._place.wanted()}


class Place:
    """Where a reader is in the stream: it drops finals that come twice and says where to resume. Has no connection."""

    def __init__(self, langs: Sequence[str]) -> None:
        self.epoch: str | None = None
        self.ended = False
        """Whether the newest session is over."""
        self.complaint: Message = {}
        """The `error` message of this connection, if there was one."""
        self._langs = list(langs)
        self._seq = 0
        self._head = 0
        # From a change of languages until their snapshot there is nothing to resume from.
        self._resumable = False
        self._answered = False
        # The newest final by language, and what else must come but once, by None: snapshots repeat them.
        self._told: dict[str | None, int] = {}

    def subscribe(self, langs: Sequence[str]) -> None:
        """Want other languages."""
        self._langs = list(langs)
        self._resumable = self._answered = False

    def wanted(self) -> Message:
        """Return the fields of a `hello`; a connection begins."""
        self.complaint = {}
        self._answered = False
        since = {"since": {"epoch": self.epoch, "seq": self._seq}} if self._resumable else {}
        return {"langs": self._langs, **since}

    def take(self, message: Message) -> list[Message]:
        """Take in a message and return what of it is to be told."""
        match message["type"]:
            case "welcome":
                return self._welcome(message)
            case "snapshot":
                shown = [caption for caption in message["captions"] if self._is_new(caption)]
                self._seq = max(self._seq, self._head)
                self._resumable = self._answered
                return shown
            case "caption" | "gap" | "session" | "targets" | "status" | "end" if self._is_new(message):
                if message["type"] in ("session", "end"):
                    self.ended = message["type"] == "end"
                return [message]
            case "error":
                self.complaint = message
        return []

    def _welcome(self, message: Message) -> list[Message]:
        # of several changes the server may answer the last alone
        self._answered = message["langs"] == sorted(set(self._langs))
        if message["epoch"] != self.epoch:
            self.epoch, self._seq = message["epoch"], 0
            self._told.clear()
        self._head = message["seq"]
        # Not while resuming without loss: then the session, if it is new, comes in its place among the rest.
        if "session" in message and not message["recovered"]:
            return [message, *self.take(message["session"])]
        return [message]

    def _is_new(self, message: Message) -> bool:
        seq = message["seq"]
        self._seq = max(self._seq, seq)
        if message["type"] == "status" or not message.get("final", True):
            return True
        lang = message.get("lang")
        is_new: bool = seq > self._told.get(lang, 0)
        if is_new:
            self._told[lang] = seq
        return is_new


def connecting_to(url: str, path: str) -> connect:
    """Return what opens websockets to `path` of the server that `url` points at; raises ViewerError."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        # Reading the port checks it.
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError:
        usable = False
    if not usable:
        raise ViewerError(f"saw address {without_secrets(url)!r}, expected one like http://127.0.0.1:8765")
    scheme = _SCHEMES[parts.scheme]
    # Programs send an origin too, as browsers write it: a server that is open to the network demands one.
    origin = scheme.replace("ws", "http") + "://" + (f"[{host}]" if ":" in host else host)
    if parts.port not in (None, _PORTS[scheme]):
        origin += f":{parts.port}"
    server = f"{scheme}://{parts.netloc}"
    return connect(server + path, origin=Origin(origin), compression=None, proxy=None, max_size=LARGEST_BYTES)


def introduction(session: str, token: str | None) -> Message:
    """Return the fields of a first message that say where to and by which right, as far as they need saying."""
    return ({} if session == "main" else {"session": session}) | ({} if token is None else {"token": token})


def pause(attempt: int) -> float:
    """Return seconds to wait before an attempt, counted from 0: random up to the bound ("full jitter"), or all
    viewers of a server that restarts would come at once.
    """
    return random.uniform(0, min(FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10), LONGEST_PAUSE_SECONDS))


def is_refusal(error: Exception) -> bool:
    """Whether a failed attempt would fail again."""
    status = error.response.status_code if isinstance(error, InvalidStatus) else 500
    return status < 500 and status not in _COME_BACK


def without_secrets(url: str) -> str:
    """Return `url` without what is secret in a link: its token, and what a proxy on the way asks for."""
    return re.sub(r"^(\w+://)?[^/?#]*@|[?#].*", r"\1", url, flags=re.DOTALL)


def unreachable(url: str, error: Exception) -> ViewerError:
    """Return what to tell of a failed attempt."""
    if isinstance(error, InvalidURI):  # not `url`, which was read before
        return ViewerError(
            f"{without_secrets(url)} leads to {error.uri}: if that is where the captions are, give that address"
        )
    if isinstance(error, InvalidStatus) and is_refusal(error):
        reason = error.response.body.decode("utf-8", "replace").strip() if error.response.body else ""
        return ViewerError(f"{without_secrets(url)} refuses this client: {reason or error}")
    why = str(error) or "no answer in time"
    return ViewerError(
        f"no caption server answers at {without_secrets(url)} ({why}); start one with `surtitle serve`, or give its "
        "address",
        retry=True,
    )


def close_code(closed: ConnectionClosed) -> int:
    """Return the server's close code; 1006 when the connection broke."""
    return closed.rcvd.code if closed.rcvd is not None else 1006


def refusal(code: int | None, complaint: Message) -> ViewerError:
    """Return the server's words for closing the connection: of its `error` message, or else the close code."""
    return ViewerError(
        complaint.get("message", f"the server closed the connection ({code})"),
        code=complaint.get("code", ""),
        retry=complaint.get("retry", code is None or not 4500 <= code < 5000),
    )
