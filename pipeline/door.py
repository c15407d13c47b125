"""A TCP connection before it is known what is spoken on it.

In: asyncio's callbacks. Out: bytes to read and a place to write for whoever speaks plain HTTP, or a connection of
`websockets` that got its request and every byte behind it. Knows no request and no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.limits import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, Bucket
from surtitle.pipeline.operations import Traffic

UNREAD_BYTES = 64 * 1024
"""What we hold of a client that sends faster than it is read."""
PIECE_BYTES = 4 * 1024
"""How much a websocket is given at once: of what follows nothing is looked at once its client is cut off."""


class Pipe(asyncio.Protocol):
    """Bytes in and out, with both ends held back where the other is slower."""

    def __init__(self, serve: Callable[[Pipe], None], upgrade: Callable[[Pipe, int], None], traffic: Traffic) -> None:
        """Make one for asyncio.

        Args:
            serve: Called once the connection is there.
            upgrade: Makes a websocket of it, see `become_websocket`.
            traffic: Where its bytes are counted.
        """
        self.transport: asyncio.Transport
        self.on_eof: Callable[[], None] = ignore
        """Called when the client has said everything: most are gone then."""
        self.on_lost: Callable[[], None] = ignore
        """Called when the connection is gone."""
        self._serve = serve
        self._upgrade = upgrade
        self._traffic = traffic
        self._unread = bytearray()
        self._eof = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def read(self) -> bytes:
        """Return everything that came, once there is something; empty at the end."""
        await self._readable.wait()
        data = bytes(self._unread)
        self._unread.clear()
        if not self._eof:
            self._readable.clear()
            self.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send `data`; returns when the next may be sent. Raises `ConnectionError` where the other side is gone."""
        if self.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._traffic.sent += len(data)
        self.transport.write(data)
        await self._writable.wait()

    async def flush(self) -> None:
        """Wait until everything is on its way."""
        self.transport.set_write_buffer_limits(1, 0)  # at 0, asyncio's TLS holds an empty buffer to be full, for ever
        await self._writable.wait()

    def become_websocket(self, received: bytes, message_bytes: int) -> None:
        """Hand the connection on, with the bytes of its request and those behind it.

        Args:
            received: What has been read from it and is for the websocket.
            message_bytes: The largest message that it takes.
        """
        self._unread[:0] = received
        self._upgrade(self, message_bytes)

    def hand_on(self, protocol: asyncio.Protocol) -> bytes:
        """Make `protocol` the one that is told of this connection; return what it has to be told at first."""
        self.on_eof = self.on_lost = ignore
        self.transport.set_protocol(protocol)
        self.transport.resume_reading()
        return bytes(self._unread)

    # --- asyncio's callbacks ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._serve(self)

    def data_received(self, data: bytes) -> None:
        self._traffic.received += len(data)
        self._unread += data
        self._readable.set()
        if len(self._unread) > UNREAD_BYTES:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        self._readable.set()
        self.on_eof()
        # we close: there may be an answer on its way. With TLS asyncio closes, and complains of any other answer
        return self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._eof = True
        self._readable.set()
        self._writable.set()
        self.on_lost()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


class Door(ServerConnection):
    """Speaks plain HTTP until a request asks for a websocket, and is a connection of `websockets` from then on.

    `websockets.serve` makes one of these for each connection. Until `_upgrade` it is told of nothing, so it has no
    task, no timeout and no place in the server's books.
    """

    def __init__(self, serve: Callable[[Pipe], None], traffic: Traffic, *args: Any, **kwargs: Any) -> None:
        """`serve` is told of the connection; the rest is what `websockets` gives a `ServerConnection`."""
        super().__init__(*args, **kwargs)
        self._serve = serve
        self._traffic = traffic
        self._signs = Bucket(rate=MESSAGES_PER_SECOND, burst=MESSAGES_AT_ONCE)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pipe = Pipe(self._serve, self._upgrade, self._traffic)
        cast(asyncio.Transport, transport).set_protocol(pipe)
        pipe.connection_made(transport)

    def _upgrade(self, pipe: Pipe, message_bytes: int) -> None:
        received = pipe.hand_on(self)
        self.protocol.max_message_size = message_bytes
        super().connection_made(pipe.transport)
        self._feed(received)

    def data_received(self, data: bytes) -> None:
        self._traffic.received += len(data)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        for begin in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[begin : begin + PIECE_BYTES])

    def process_event(self, event: Event) -> None:
        """Cut off who pings without end: each ping is answered, and answers that nobody reads would pile up."""
        is_sign = isinstance(event, Frame) and event.opcode in (Opcode.PING, Opcode.PONG)
        if is_sign and not self._signs.take(1, self.loop.time()):
            self.transport.abort()
        super().process_event(event)
