"""Plain HTTP on the port of the websockets: a thin shell of timeouts around `wire.py`.

In: connections, and a table of routes. Out: answers; a connection that asks for a websocket is handed on. It may ask
so after other requests, since proxies use their connections again. Knows no route, caption or room; who may ask is
in `access.py`, what an answer says is its handler's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

from websockets.asyncio.server import ServerConnection

from surtitle.pipeline.access import Access
from surtitle.pipeline.connection import WRITE_LIMIT, limit_kernel_buffer, peer
from surtitle.pipeline.door import Door, Pipe
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.http import (
    Answer,
    Body,
    Head,
    Headers,
    HttpError,
    Request,
    Routes,
    Stream,
    plain,
    refusal,
)
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.wire import Wire


@dataclass(frozen=True, slots=True)
class HttpPatience:
    """How long to wait for clients that speak plain HTTP."""

    head: float = 10.0
    """Seconds that the first request, or one that has begun, may take until its head is there."""
    idle: float = 60.0
    """Seconds that a connection may stay open between two requests."""
    body: float = 20.0
    """Seconds that we wait for a body, in all, and more by `body_rate`; but no more than these at once."""
    body_rate: float = 4096.0
    """How many bytes give a body's sender a second more."""
    write: float = 60.0
    """Seconds that a client may take until it reads on."""
    linger: float = 1.0
    """Seconds that a client is listened to at the end: closing before the rest of its body came would take the answer
    back."""


HTTP_PATIENCE = HttpPatience()
PIECE_BYTES = 64 * 1024
"""How much of an answer is written at once."""
SPARE = 100
"""Connections beyond the limit that are told so, or how the server fares; those beyond these are cut at once."""
HANDSHAKE = 10.0
"""Seconds that `websockets` gives a client for TLS."""
PLENTY = 0.25
"""The part of all places that must be left for connections to be kept between two requests."""


class Web:
    """Answers plain HTTP beside a websocket server."""

    def __init__(
        self,
        routes: Routes,
        access: Callable[[], Access],
        *,
        sockets: Mapping[str, int],
        headers: Headers,
        operations: Operations,
        most: int,
        left: Callable[[], int],
        patience: HttpPatience = HTTP_PATIENCE,
    ) -> None:
        """Make what answers.

        Args:
            routes: What is there for plain requests.
            access: Returns who may ask; the port is known only when the server listens.
            sockets: Paths of websockets, and the largest message that each takes, in bytes.
            headers: Sent with every answer that has not such headers of its own.
            operations: Where connections' bytes are counted, and answers written down.
            most: How many connections there may be, websockets too.
            left: How many more are taken.
            patience: How long to wait for clients.
        """
        self.routes = routes
        self.access = access
        self.sockets = sockets
        self.headers = headers
        self.operations = operations
        self.most = most
        self.left = left
        self.patience = patience
        self.stopping = False
        self.idle: dict[HttpConnection, None] = {}
        """Those between two requests, the longest idle one first."""
        self._connections: set[HttpConnection] = set()
        self._knocking: set[asyncio.TimerHandle] = set()

    @property
    def door(self) -> type[ServerConnection]:
        """What websockets' `serve` takes as `create_connection`."""
        # Documented as a factory, typed as a class.
        return cast(type[ServerConnection], self._open)

    async def drain(self) -> None:
        """Answer what was asked, wait until streams have ended, and take no further request."""
        self.stopping = True
        for connection in self._connections:
            connection.hurry()
        await self._ended()

    async def close(self) -> None:
        """Cut every connection."""
        self.stopping = True
        for connection in self._connections:
            connection.cut()
        await self._ended()

    @property
    def connections(self) -> int:
        """How many connections speak plain HTTP."""
        return len(self._connections)

    async def _ended(self) -> None:
        if self._connections:
            await asyncio.wait([connection.task for connection in self._connections])

    def _open(self, *args: Any, **kwargs: Any) -> Door:
        """Somebody has connected, who may have to speak TLS first: until then nothing else counts it.

        Raises ConnectionAbortedError where there are too many: asyncio lets go of that one without a word.
        """
        if len(self._knocking) > max(0, self.left() + SPARE):
            raise ConnectionAbortedError("there are too many connections already")
        loop = asyncio.get_running_loop()
        late: asyncio.TimerHandle = loop.call_later(HANDSHAKE, lambda: self._knocking.discard(late))
        self._knocking.add(late)

        def enter(pipe: Pipe) -> None:
            self._knocking.discard(late)
            late.cancel()
            self._serve(pipe)

        return Door(enter, self.operations.traffic, *args, **kwargs)

    def _serve(self, pipe: Pipe) -> None:
        if self.stopping or self.left() < -SPARE:
            pipe.transport.abort()
            return
        if self.left() <= 0 and self.idle:
            next(iter(self.idle)).cut()
        connection = HttpConnection(self, pipe)
        self._connections.add(connection)
        connection.task.add_done_callback(lambda _: self._forget(connection))

    def _forget(self, connection: HttpConnection) -> None:
        """It is over; nobody else would hear of the bug that ended it, perhaps in the midst of a stream."""
        self._connections.discard(connection)
        if not connection.task.cancelled() and (bug := connection.task.exception()) is not None:
            logging.getLogger("surtitle.server").error("a stream failed", exc_info=bug)


class HttpConnection:
    """One connection's requests, one after the other."""

    def __init__(self, web: Web, pipe: Pipe) -> None:
        self._web = web
        self._pipe = pipe
        self._wire = Wire()
        self._waits_for_body = web.patience.body
        self._answering = False
        self.task = asyncio.get_running_loop().create_task(self._run())
        pipe.on_eof = self._left
        pipe.on_lost = self.cut

    def hurry(self) -> None:
        """Leave, if no request has begun."""
        if not self._wire.began:
            self.cut()

    def cut(self) -> None:
        """Leave at once."""
        self._web.idle.pop(self, None)
        self._pipe.transport.abort()  # a task that has not begun does nothing once it is cancelled
        self.task.cancel()

    def _left(self) -> None:
        """The client has said everything; who waits for a long answer does not do that."""
        if self._answering:
            self.cut()

    async def _run(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # a client that leaves, or does not read on, is no failure
            try:
                await self._serve()
            except BaseException:
                self._pipe.transport.abort()
                raise

    async def _serve(self) -> None:
        patience = self._web.patience
        try:
            head = await self._head(patience.head)
            while head is not None:
                if head.wants_websocket and head.path in self._web.sockets:
                    shown = head.secret is not None
                    why = self._web.access().refuse_upgrade(head.all("host"), head.all("origin"), token=shown)
                    if why is None:
                        return self._pipe.become_websocket(self._wire.websocket_bytes, self._web.sockets[head.path])
                    await self._send(head, plain(HTTPStatus.FORBIDDEN, why))
                else:
                    await self._send(head, await self._answer(head))
                if self._web.stopping or not self._wire.again():
                    break
                self._waits_for_body = patience.body
                if not self._wire.began and not self._pipe.transport.get_write_buffer_size():  # all has left
                    self._web.idle[self] = None
                head = await self._head(patience.idle)
        except HttpError as error:
            # What came was no request, so nobody knows where the next one begins.
            if self._wire.can_answer:
                await self._send(None, refusal(error))
        await self._close()

    async def _head(self, seconds: float) -> Head | None:
        """Return the next request; None when the client has left, or asked nothing for so many `seconds`."""
        await asyncio.sleep(0)  # between requests that came at once, others have their turn
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._web.patience.head if self._wire.began else seconds)
        while (head := self._wire.head()) is None:
            began = self._wire.began
            try:
                async with asyncio.timeout_at(deadline):
                    data = await self._pipe.read()
            except TimeoutError:
                if not began:
                    return None
                raise _too_slow("request") from None
            finally:
                self._web.idle.pop(self, None)
            if not data and not began:
                return None
            if not began:
                deadline = loop.time() + self._web.patience.head
            self._wire.receive(data)
        return head

    async def _receive(self) -> bytes:
        """Return the next piece of the request's body, empty at its end."""
        await asyncio.sleep(0)  # between chunks of a byte each, however many there are, others have their turn
        if self._wire.waits_for_go_on:
            await self._pipe.write(self._wire.go_on())
        while (chunk := self._wire.body()) is None:
            began = time.monotonic()
            try:
                # what came fast before gives nobody the time to say nothing
                async with asyncio.timeout(min(self._waits_for_body, self._web.patience.body)):
                    data = await self._pipe.read()
            except TimeoutError as error:
                raise _too_slow("body") from error
            self._waits_for_body += len(data) / self._web.patience.body_rate - (time.monotonic() - began)
            self._wire.receive(data)
        return chunk

    async def _answer(self, head: Head) -> Answer:
        why = self._web.access().refuse_fetch(head.all("host"), head.all("origin"))
        if why is not None:
            return plain(HTTPStatus.FORBIDDEN, why)
        self._answering = True
        try:
            if head.method == "OPTIONS":
                return self._web.routes.options(head.path)
            handler = self._web.routes.find(head)
            return await handler(Request(head, Body(self._receive, self._wire.declared), peer(self._pipe.transport)))
        except UserError as error:
            return refusal(error)
        except Exception:
            # The boundary of all handlers: a bug in one costs its client this answer, and nobody else anything.
            logging.getLogger("surtitle.server").exception("%s %s failed", head.method, head.path)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says why")
        finally:
            self._answering = False

    async def _send(self, head: Head | None, answer: Answer) -> None:
        """Send `answer` to the request `head`, which is None where there was none."""
        status = HTTPStatus.OK if isinstance(answer, Stream) else answer.status
        known = head is not None and head.path in self._web.routes
        self._web.operations.answered(
            head.method if head else None, head.path if head and known else None, status, peer(self._pipe.transport)
        )
        headers = self._headers(head, answer)
        silent = head is not None and head.method == "HEAD"
        if isinstance(answer, Stream):
            await self._stream(headers, answer, silent=silent)
            return
        if status != HTTPStatus.NO_CONTENT:
            headers += (("content-length", str(len(answer.body))),)
        await self._write(self._wire.begin(status, headers))
        if not silent:
            # in pieces, each with its own time: who reads on, however slowly, gets it all
            for begin in range(0, len(answer.body), PIECE_BYTES):
                await self._write(self._wire.data(answer.body[begin : begin + PIECE_BYTES]))
        await self._write(self._wire.end())

    def _headers(self, head: Head | None, answer: Answer) -> Headers:
        headers: Headers = (*answer.headers, ("date", formatdate(time.time(), usegmt=True)))
        if answer.content_type:
            headers += (("content-type", answer.content_type),)
        if head is None or self._web.stopping or self._web.left() < self._web.most * PLENTY:
            headers += (("connection", "close"),)
        if head and (origin := self._web.access().shares_with(head.all("origin"))) is not None:
            headers += _shared(head, origin)
        names = {name for name, _ in headers}
        return headers + tuple(each for each in self._web.headers if each[0] not in names)

    async def _stream(self, headers: Headers, answer: Stream, *, silent: bool) -> None:
        self._answering = True
        try:
            limit_kernel_buffer(self._pipe.transport)
            self._pipe.transport.set_write_buffer_limits(WRITE_LIMIT)
            await self._write(self._wire.begin(HTTPStatus.OK, headers))
            if not silent:
                async with aclosing(answer.chunks) as chunks:
                    async for chunk in chunks:
                        await self._write(self._wire.data(chunk))
        finally:
            answer.end()
        await self._write(self._wire.end())
        self._answering = False

    async def _write(self, data: bytes) -> None:
        if data:
            async with asyncio.timeout(self._web.patience.write):
                await self._pipe.write(data)

    async def _close(self) -> None:
        """End the connection so that what was answered arrives."""
        transport = self._pipe.transport
        async with asyncio.timeout(self._web.patience.write):
            await self._pipe.flush()
        if transport.can_write_eof():
            with suppress(OSError):  # who has left meanwhile waits for nothing
                transport.write_eof()
        # TLS can't say that only we have ended, so who waits for the end is not kept waiting.
        if transport.can_write_eof() or not self._wire.heard_all:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._web.patience.linger):
                    while await self._pipe.read():
                        pass
        transport.close()


def _shared(head: Head, origin: str) -> Headers:
    """What lets a page of `origin` read our answers (Fetch standard, CORS)."""
    headers = (("access-control-allow-origin", origin), ("vary", "origin"), ("access-control-max-age", "600"))
    # OpenAI's client for browsers sends a dozen of its own, that nobody here reads
    asked = head.header("access-control-request-headers") or ""
    allowed = (("access-control-allow-headers", asked),) if asked and asked.isascii() else ()
    return (*headers, ("cross-origin-resource-policy", "cross-origin"), *allowed)


def _too_slow(what: str) -> HttpError:
    return HttpError(HTTPStatus.REQUEST_TIMEOUT, f"saw only the beginning of a {what}, expected the rest at once")
