"""One websocket: its first message, a publisher's audio, how it is refused.

In: what a client sends. Out: checked messages, samples, and the error a client is told before it is closed.
Knows no hub and no page.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Samples
from surtitle.pipeline.messages import CloseCode, ErrorMessage, Refused
from surtitle.pipeline.protocol import encode, parse_painted, parse_pcm, parse_stop

CLOSE_SECONDS = 5.0
"""How long a closing connection may take to say goodbye."""
SOCKET_BYTES = 64 * 1024
"""What the kernel may hold for a viewer that does not read, beside our own small buffer."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for clients."""

    hello: float = 5.0
    """Seconds a client may take to say what it wants."""
    beat: float = 20.0
    """Seconds a viewer hears nothing before it hears a `beat`: browsers cannot see pings."""


PATIENCE = Patience()


class Audio:
    """A publisher's audio as it comes; reading slowly makes TCP hold the publisher back."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.refused: Refused | None = None
        """Why the audio ended, when it was the publisher's mistake: the session still says what it heard."""

    async def chunks(self) -> AsyncIterator[Samples]:
        """Yield float32 samples until the publisher stops, leaves or sends nonsense."""
        while True:
            try:
                message = await self._connection.recv()
                if isinstance(message, str):
                    parse_stop(message)
                    return
                samples = parse_pcm(message)
            except ConnectionClosed:
                return
            except Refused as refused:
                self.refused = refused
                return
            yield samples


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


async def hear_painted(connection: ServerConnection, painted: Callable[[int], None]) -> None:
    """Tell `painted` which captions the viewer has on its screen, until the connection ends: it says nothing else."""
    while True:
        painted(parse_painted(await connection.recv()).seq)


async def refuse(connection: ServerConnection, error: UserError) -> None:
    """Tell the client why, then close; one that does not listen is closed all the same."""
    refused = error if isinstance(error, Refused) else Refused(CloseCode.SESSION_REFUSED, str(error))
    message = encode(ErrorMessage(refused.code, str(refused), refused.retry))
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.send(message, text=True)
    except (TimeoutError, ConnectionClosed):
        return
    finally:
        await connection.close(refused.close_code, refused.code)


def first_error(group: BaseExceptionGroup[UserError]) -> UserError:
    """Return the first leaf of nested groups: several tasks of one session may have failed of one cause."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, UserError), "except* UserError gathers nothing else"
    return error


def limit_kernel_buffer(connection: ServerConnection) -> None:
    """Keep the kernel from storing megabytes of stale drafts for a viewer that does not read."""
    raw: socket.socket = connection.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
