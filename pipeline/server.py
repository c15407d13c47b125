"""The server: websockets for viewers and publishers, plain GETs for the overlay; a thin shell around the hub.

In: connections, and the hub's messages. Out: captions to every viewer, a publisher's audio to a callback. One
task a connection, all on one event loop; a viewer that stops reading fills its own socket and delays nobody.
Knows no model and no audio but bytes; what the messages mean is in `protocol.py`, who may connect in
`access.py`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from surtitle.pipeline.access import Access, netloc
from surtitle.pipeline.connection import (
    CLOSE_SECONDS,
    PATIENCE,
    Audio,
    Patience,
    first_error,
    first_message,
    hear_painted,
    limit_kernel_buffer,
    refuse,
)
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Samples
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.messages import BeatMessage, CloseCode, PublishStart, Refused
from surtitle.pipeline.pages import HEADERS, Page, json_page, load_pages, plain
from surtitle.pipeline.protocol import encode, parse_hello, parse_start

OnPublish = Callable[[PublishStart, AsyncIterator[Samples]], Awaitable[None]]
"""Runs one publisher's session: the samples are at the rate that `PublishStart` names; the iterator ends when
the publisher stops, leaves or sends nonsense. A `UserError` is told to the publisher."""

VIEWER_MAX_BYTES = 64 * 1024
"""The largest message a viewer may send."""
PUBLISHER_MAX_BYTES = 1024 * 1024
"""The largest message a publisher may send: 32 s of 16 kHz audio."""
PING_TIMEOUT_SECONDS = 300.0
"""How long a viewer may stall before it counts as dead. It costs its socket's buffers, no more; TCP may be
slow."""
WRITE_LIMIT = 8 * 1024
"""What we may hold for a viewer that does not read; beyond that drafts give way to newer ones."""


class CaptionServer:
    """Serves one hub: `async with CaptionServer(hub) as server: ...`."""

    def __init__(
        self,
        hub: Hub,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        allow_origins: Sequence[str] = (),
        on_publish: OnPublish | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        """Make a server that is not yet listening.

        Args:
            hub: Where captions come from. Publish to it on this event loop only.
            host: The address or name to bind; anything but loopback opens the captions to the network.
            port: The TCP port; 0 picks a free one (`url` names it).
            allow_origins: Origins of web pages that may connect, beside our own.
            on_publish: Runs publishers' sessions, one at a time; None refuses publishers.
            patience: How long to wait for clients.
        """
        self._hub = hub
        self._host = host
        self._port = port
        self._allow_origins = tuple(allow_origins)
        self._on_publish = on_publish
        self._patience = patience
        self._access = Access(host, port, self._allow_origins)
        self._pages: dict[str, Page] = {}
        self._server: Server | None = None
        self._publisher: ServerConnection | None = None
        self._stopping = False
        self._draining = False
        self._connected = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._silent = asyncio.Event()

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return self._port

    @property
    def url(self) -> str:
        """Where people of this machine find it: `http://127.0.0.1:8765`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)
        return f"http://{netloc(host, self._port)}"

    async def __aenter__(self) -> Self:
        """Bind and listen.

        Raises:
            UserError: the address cannot be bound (in use, not ours, not allowed).
        """
        self._pages = load_pages()
        try:
            self._server = await serve(
                self._handle,
                self._host,
                self._port,
                process_request=self._answer,
                compression=None,
                max_size=PUBLISHER_MAX_BYTES,
                write_limit=WRITE_LIMIT,
                ping_timeout=PING_TIMEOUT_SECONDS,
                close_timeout=CLOSE_SECONDS,
                server_header=None,
                logger=logging.getLogger("surtitle.server"),
            )
        except OSError as error:
            raise self._cannot_bind(error) from error
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._access = Access(self._host, self._port, self._allow_origins)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection (1001) and stop listening; call `drain` before to let viewers catch up."""
        assert self._server is not None, "the server isn't started yet"
        self._server.close()
        await self._server.wait_closed()

    async def drain(self, seconds: float) -> None:
        """Let the publisher's session end and viewers get everything, then close them (1001).

        Args:
            seconds: How long to wait for slow viewers; those that need longer lose the rest.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                if self._publisher is not None:
                    await self._publisher.close(1001, "the server is stopping")
                    await self._silent.wait()
                self._draining = True
                self._hub.wake_all()
                await self._idle.wait()
        except TimeoutError:
            # Slow viewers had their chance; leaving the context closes them.
            return

    def _cannot_bind(self, error: OSError) -> UserError:
        where = netloc(self._host, self._port)
        if error.errno == errno.EADDRINUSE:
            return UserError(
                f"port {self._port} of {self._host} is in use, expected a free one; "
                "stop the program that uses it or choose another with --port"
            )
        return UserError(f"cannot listen on {where} ({error.strerror}); choose another --host or --port")

    # --- plain GETs ---

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return a page, a refusal, or None to go on with the websocket handshake."""
        path = urlsplit(request.path).path
        hosts = request.headers.get_all("Host")
        if path in ("/captions", "/publish") and "Upgrade" in request.headers:
            refusal = self._access.refuse_upgrade(hosts, request.headers.get_all("Origin"))
            if refusal is not None:
                return _response(plain(HTTPStatus.FORBIDDEN, refusal))
            if path == "/captions":
                connection.protocol.max_message_size = VIEWER_MAX_BYTES
            return None
        refusal = self._access.refuse_request(hosts)
        if refusal is not None:
            return _response(plain(HTTPStatus.FORBIDDEN, refusal))
        return _response(self._page(path, request.method))

    def _page(self, path: str, method: str) -> Page:
        if method != "GET":
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, f"saw {method}, expected GET")
        if path == "/health":
            return json_page(self._health())
        if path in ("/captions", "/publish"):
            return plain(HTTPStatus.UPGRADE_REQUIRED, f"{path} is a websocket: connect to it with ws://")
        known = ", ".join(self._pages)
        return self._pages.get(path) or plain(HTTPStatus.NOT_FOUND, f"nothing at {path}; there is {known}, /health")

    def _health(self) -> bytes:
        session = self._hub.session
        return msgspec.json.encode(
            {
                "status": "stopping" if self._stopping else "ok",
                "epoch": self._hub.epoch,
                "seq": self._hub.seq,
                "viewers": self._hub.viewers,
                "session": None if session is None else session.session,
            }
        )

    # --- websockets ---

    async def _handle(self, connection: ServerConnection) -> None:
        """Serve one connection; its mistakes are told to it alone."""
        assert connection.request is not None, "the handshake isn't done yet"
        path = urlsplit(connection.request.path).path
        self._connected += 1
        self._idle.clear()
        try:
            if path == "/captions":
                await self._serve_viewer(connection)
            else:
                await self._serve_publisher(connection)
            await connection.close(1001 if self._draining else 1000)
        except* UserError as group:
            await refuse(connection, first_error(group))
        except* ConnectionClosed:
            # A client that leaves is no failure.
            pass
        finally:
            self._connected -= 1
            if not self._connected:
                self._idle.set()

    async def _serve_viewer(self, connection: ServerConnection) -> None:
        limit_kernel_buffer(connection)
        hello = parse_hello(await first_message(connection, self._patience.hello))
        ready = asyncio.Event()
        viewer = self._hub.join(hello.langs, hello.since, ready.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(hear_painted(connection, viewer.painted))
                await self._write(connection, viewer, ready)
                reader.cancel()
        finally:
            viewer.leave()

    async def _write(self, connection: ServerConnection, viewer: Viewer, ready: asyncio.Event) -> None:
        """Send what the viewer has not seen, until it has left or we drain."""
        while True:
            ready.clear()
            # One at a time: while this viewer's socket is full, drafts in the ring give way to newer ones.
            while messages := viewer.take(1):
                await connection.send(messages[0], text=True)
            if self._draining:
                return
            try:
                async with asyncio.timeout(self._patience.beat):
                    await ready.wait()
            except TimeoutError:
                await connection.send(encode(BeatMessage(self._hub.seq)), text=True)

    async def _serve_publisher(self, connection: ServerConnection) -> None:
        if self._on_publish is None:
            raise Refused(
                CloseCode.NO_PUBLISHERS,
                "this server has its own source of speech and takes no publishers; `surtitle serve` does",
            )
        start = parse_start(await first_message(connection, self._patience.hello))
        if self._publisher is not None or self._stopping:
            raise Refused(CloseCode.BUSY, "another publisher is speaking; try again when it has stopped")
        self._publisher = connection
        self._silent.clear()
        audio = Audio(connection)
        try:
            await self._on_publish(start, audio.chunks())
            if audio.refused is not None:
                raise audio.refused
        finally:
            self._publisher = None
            self._silent.set()


def _response(page: Page) -> Response:
    headers = Headers(HEADERS)
    headers["Content-Type"] = page.content_type
    headers["Content-Length"] = str(len(page.body))
    headers["Connection"] = "close"
    return Response(page.status, page.status.phrase, headers, page.body)
