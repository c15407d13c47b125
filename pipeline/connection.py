"""One websocket: its first message, a publisher's audio, how it is refused.

In: what a client sends. Out: checked messages, samples, and the error a client is told before it is closed.
Knows no room, no token and no page.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Skipped, Sound, Targets
from surtitle.pipeline.hub import Viewer
from surtitle.pipeline.limits import AUDIO_PACE, MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Bucket, Pace
from surtitle.pipeline.messages import CloseCode, ErrorMessage, Painted, PublishSkipped, PublishTargets, Refused
from surtitle.pipeline.protocol import encode, parse_pcm, parse_publisher, parse_viewer

CLOSE_SECONDS = 5.0
"""How long a closing connection may take to say goodbye."""
SOCKET_BYTES = 64 * 1024
"""What the kernel may hold for a viewer that does not read, beside our own small buffer."""
WRITE_LIMIT = 8 * 1024
"""Bytes that we may hold for a viewer that does not read; beyond that drafts give way to newer ones."""
LAST_MESSAGES = 1000
"""What a client that is being refused may still have on its way."""
NORMAL, OWN_CODES = 1000, 3000
"""Close codes: of who has said all, and those from which on programs have their own (RFC 6455, 7.4.2), as we do."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for clients."""

    hello: float = 5.0
    """Seconds a client may take to say what it wants."""
    beat: float = 20.0
    """Seconds a viewer hears nothing before it hears a `beat`: browsers cannot see pings."""
    silence: float = 5.0
    """Seconds a publisher may send nothing before it is asked whether it is there: a laptop that changes its network
    says no goodbye, and nobody else may speak in its place."""
    answer: float = 10.0
    """Seconds it may then take to answer, or to send something; and a viewer, where there is no place for others."""
    stall: float = 300.0
    """Seconds a viewer may take nothing of what is sent to it: it costs its socket's buffers, no more, and TCP may be
    slow."""
    goodbye: float = CLOSE_SECONDS
    """Seconds a connection that is closed may take to say goodbye."""


PATIENCE = Patience()


class Audio:
    """A publisher's audio as it comes; reading slowly makes TCP hold the publisher back."""

    def __init__(self, connection: ServerConnection, rate: int, patience: Patience = PATIENCE) -> None:
        """`rate` is the samples' in hertz."""
        self._connection = connection
        self._patience = patience
        self._began = asyncio.get_running_loop().time()
        self._pace = Pace(rate, self._began)
        self.refused: Refused | None = None
        """Why the audio ended, when it was the publisher's mistake: the session still says what it heard."""

    async def chunks(self) -> AsyncIterator[Sound]:
        """Yield float32 samples, and what is said between them, until the publisher stops, leaves, is there no more or
        sends nonsense."""
        clock = asyncio.get_running_loop().time
        listened_at = self._began
        while True:
            self._pace.waited(clock() - listened_at)
            try:
                message = await next_message(self._connection, self._patience)
                sound = _sound(message)
                if sound is None:
                    return
                if isinstance(sound, Skipped) and not self._pace.skip(sound.samples, clock()):
                    raise Refused(CloseCode.FLOOD, "saw more audio skipped than there has been time to speak")
                if not self._pace.take(0 if isinstance(sound, Skipped | Targets) else len(sound), clock()):
                    raise Refused(
                        CloseCode.FLOOD,
                        f"saw audio at more than {AUDIO_PACE:g} times the pace of speech, expected it as it is spoken",
                    )
            except ConnectionClosed:
                return
            except Refused as refused:
                self.refused = refused
                return
            listened_at = clock()
            yield sound


async def next_message(connection: ServerConnection, patience: Patience) -> str | bytes:
    """A publisher's next message. Raises ConnectionClosed, also when it neither sends nor answers."""
    coming = asyncio.ensure_future(connection.recv())
    try:
        while not (await asyncio.wait([coming], timeout=patience.silence))[0]:
            answer = asyncio.ensure_future(await connection.ping())
            # what is sent meanwhile will do: behind much of it the answer is not read
            here, _ = await asyncio.wait([coming, answer], timeout=patience.answer, return_when=asyncio.FIRST_COMPLETED)
            if not here:
                connection.transport.abort()
        return coming.result()
    finally:
        coming.cancel()
        await asyncio.wait([coming])  # only one may receive: who says goodbye is next
        if not coming.cancelled():
            coming.exception()  # known already: the connection is closed


def _sound(message: str | bytes) -> Sound | None:
    """What a publisher's `message` brings; None if it is the last one."""
    if isinstance(message, bytes):
        return parse_pcm(message)
    match parse_publisher(message):
        case PublishSkipped(samples=samples):
            return Skipped(samples)
        case PublishTargets(targets=targets):
            return Targets(targets)
        case _:
            return None


async def first_message(connection: ServerConnection, seconds: float) -> str | bytes:
    """Return the first message; raises `Refused` when it does not come within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await connection.recv()
    except TimeoutError as error:
        raise Refused(
            CloseCode.NO_HELLO,
            f"saw no message for {seconds:g} s, expected a first message (hello or start) at once",
        ) from error


async def hear_viewer(connection: ServerConnection, viewer: Viewer, greeted: Callable[[], None]) -> None:
    """Let `viewer` know what its client says, until the connection ends; `greeted` when it has to be sent a greeting.

    Raises:
        Refused: the client says what it may not, or too much of it.
    """
    limit = Bucket(rate=MESSAGES_PER_SECOND, burst=MESSAGES_AT_ONCE)
    clock = asyncio.get_running_loop().time
    while True:
        message = parse_viewer(await connection.recv())
        # each caption once: that is limit enough
        if isinstance(message, Painted) and viewer.painted(message.seq):
            continue
        if not limit.take(1, clock()):
            raise Refused(CloseCode.FLOOD, f"saw more than {MESSAGES_PER_SECOND} messages a second, expected fewer")
        if not isinstance(message, Painted):
            viewer.subscribe(message.langs)
            greeted()


def error_message(refused: Refused) -> str:
    """Return the message that says why the connection is about to be closed."""
    return encode(ErrorMessage(refused.code, str(refused), refused.retry)).decode()


async def refuse(
    connection: ServerConnection, refused: Refused, write: Callable[[Refused], str], patience: float = CLOSE_SECONDS
) -> None:
    """Tell the client why, then close; one that does not listen for `patience` seconds is closed all the same.

    `write` says it in the client's protocol.
    """
    try:
        async with asyncio.timeout(patience):
            await connection.send(write(refused))
    except (TimeoutError, ConnectionClosed):
        return
    finally:
        await close(connection, refused.close_code, refused.code)


async def close(connection: ServerConnection, code: int, reason: str = "") -> None:
    """Close a connection, one that takes nothing any more too: `websockets` waits for it before it says goodbye."""
    await in_time(connection, 2 * CLOSE_SECONDS, connection.close(code, reason))


async def in_time(connection: ServerConnection, seconds: float, work: Awaitable[None]) -> bool:
    """Whether `work`, which waits until `connection` takes what it is given, was done within `seconds`; where it was
    not, the connection is cut: its pings wait behind what it does not take, so nobody else finds out.
    """
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        connection.transport.abort()
        return False
    return True


async def find_out(connection: ServerConnection, seconds: float) -> None:
    """Ask whether its client is there: where it does not answer within `seconds`, the connection is cut."""

    async def answer() -> None:
        await (await connection.ping())

    with suppress(ConnectionClosed):
        await in_time(connection, seconds, answer())


async def hear_goodbye(connection: ServerConnection) -> None:
    """Pass over what a client that is being refused still says: behind it comes its answer to our goodbye.

    Not without end, or who floods us would go on; it is cut off then, when its time is over.
    """
    with suppress(ConnectionClosed):
        for _ in range(LAST_MESSAGES):
            await connection.recv()


def as_refused(error: UserError) -> Refused:
    """Return `error` with a close code: a session that can't run is refused."""
    return error if isinstance(error, Refused) else Refused(CloseCode.SESSION_REFUSED, str(error))


def code_of(connection: ServerConnection) -> int | None:
    """Return what `connection` was closed with, if it is. A client that says a code of ours was not refused with it."""
    ours, theirs = connection.protocol.close_sent, connection.close_code
    if ours is not None and not connection.protocol.close_rcvd_then_sent and ours.code >= OWN_CODES:
        return ours.code
    return theirs if theirs is None or theirs < OWN_CODES else NORMAL


def path_of(connection: ServerConnection) -> str:
    """Return the path that its client asked for, without the query."""
    assert connection.request is not None, "the handshake isn't done yet"
    return urlsplit(connection.request.path).path


def peer(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other side; empty where it has none."""
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) else ""


def limit_kernel_buffer(transport: asyncio.Transport) -> None:
    """Keep the kernel from storing megabytes of stale drafts for a viewer that does not read."""
    raw: socket.socket = transport.get_extra_info("socket")
    with suppress(OSError):  # its client has left already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
