"""The server: websockets for viewers and publishers, plain HTTP beside them; a thin shell around the rooms.

In: connections, and the messages of the rooms' hubs. Out: captions to every viewer; publishers go to `publishing.py`.
One task a connection, all on one event loop. Knows no model and no audio; what the messages mean is in
`protocol.py`, who may connect in `access.py` and `tokens.py`, how captions reach many viewers in `fanout.py`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.access import Access, netloc
from surtitle.pipeline.admissions import Admissions
from surtitle.pipeline.connection import (
    PATIENCE,
    WRITE_LIMIT,
    Patience,
    as_refused,
    code_of,
    find_out,
    first_message,
    hear_goodbye,
    hear_viewer,
    limit_kernel_buffer,
    path_of,
    peer,
    refuse,
)
from surtitle.pipeline.errors import UserError, first_error
from surtitle.pipeline.fanout import Fanout
from surtitle.pipeline.http import Handler, Routes
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.operations import Operations, Visit
from surtitle.pipeline.pages import HEADERS
from surtitle.pipeline.protocol import parse_hello
from surtitle.pipeline.publishing import GUESTS, Publishers, writer
from surtitle.pipeline.rooms import OnPublish, Room, Rooms
from surtitle.pipeline.site import Site, websocket_only
from surtitle.pipeline.tokens import Tokens
from surtitle.pipeline.web import Web

VIEWER_MAX_BYTES = 64 * 1024
"""The largest message a viewer may send."""
PUBLISHER_MAX_BYTES = 1024 * 1024
"""The largest message a publisher may send: 32 s of 16 kHz audio."""
MAX_VIEWERS = 2000
"""How many connections there may be, unless told otherwise."""
PUBLISHERS = 16
"""Connections beyond those that are for them alone: a speaker who comes back is not refused because of the audience."""
RATES_SECONDS = 60.0
"""How often the access log says how much goes through."""
INTERNAL_ERROR = 1011
"""What `websockets` closes a connection with whose handler fails."""
NO_ROUTES: Mapping[tuple[str, str], Handler] = {}
LEFT = frozenset({"socket.send() raised exception.", "SSL connection is closed"})
"""What asyncio would say on the operator's terminal: of clients that left while several things were written to them."""

logging.getLogger("asyncio").addFilter(lambda record: record.msg not in LEFT)


class CaptionServer:
    """Serves rooms: `async with CaptionServer(rooms) as server: ...`."""

    def __init__(
        self,
        rooms: Rooms,
        *,
        host: str = "127.0.0.1",
        port: int = 8765,
        allow_origins: Sequence[str] = (),
        tokens: Callable[[], Tokens] = Tokens,
        max_viewers: int = MAX_VIEWERS,
        tls: ssl.SSLContext | None = None,
        on_publish: OnPublish | None = None,
        routes: Mapping[tuple[str, str], Handler] = NO_ROUTES,
        operations: Operations | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        """Make a server that is not yet listening.

        Args:
            rooms: Where captions come from. Publish to their hubs on this event loop only.
            host: The address or name to bind; anything but loopback opens the captions to the network.
            port: The TCP port; 0 picks a free one (`url` names it).
            allow_origins: Origins of web pages that may connect, beside our own, and show some of ours in frames.
            tokens: The tokens as they are now; asked at each first message, and now and then.
            max_viewers: How many connections there may be, a few more of publishers not counted.
            tls: Makes it speak https and wss.
            on_publish: Runs publishers' sessions, one at a time in each room; None refuses publishers.
            routes: What answers plain HTTP beside our own pages: a handler by method and path.
            operations: Where it is counted and written down what happens; None for counts alone.
            patience: How long to wait for clients.
        """
        self._rooms = rooms
        self._host = host
        self._port = port
        self._allow_origins = tuple(allow_origins)
        self._max_viewers = max_viewers
        self._patience = patience
        self._tls = tls
        self._operations = operations or Operations()
        self._operations.connections = self._count
        self._admissions = Admissions(tokens, self._operations, writer)
        self._publishers = Publishers(rooms, self._admissions, on_publish, patience)
        self._access = self._rules()
        self._site = Site(
            rooms,
            tokens,
            self._operations,
            full=lambda: self._left_for_viewers() < 0,
            beat=patience.beat,
            framed_by=self._allow_origins,
        )
        self._web = Web(
            Routes(
                {**dict.fromkeys((("GET", path) for path in GUESTS), websocket_only), **self._site.routes(), **routes}
            ),
            lambda: self._access,
            sockets={"/captions": VIEWER_MAX_BYTES} | dict.fromkeys(("/publish", *GUESTS), PUBLISHER_MAX_BYTES),
            headers=HEADERS,
            operations=self._operations,
            most=max_viewers,
            left=self._left,
        )
        self._server: Server | None = None
        self._fanouts: dict[Room, Fanout] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._connected: set[ServerConnection] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return self._port

    @property
    def url(self) -> str:
        """Where people of this machine find it: `http://127.0.0.1:8765`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self._host, self._host)
        return f"{self._access.scheme}://{netloc(host, self._port)}"

    @property
    def access(self) -> Access:
        """Who may talk to it, and how it is addressed."""
        return self._access

    async def __aenter__(self) -> Self:
        """Bind and listen.

        Raises:
            UserError: the address cannot be bound (in use, not ours, not allowed).
        """
        try:
            self._server = await serve(
                self._handle,
                self._host,
                self._port,
                create_connection=self._web.door,
                ssl=self._tls,
                compression=None,
                max_size=PUBLISHER_MAX_BYTES,
                write_limit=WRITE_LIMIT,
                ping_timeout=self._patience.stall,
                close_timeout=self._patience.goodbye,
                server_header=None,
                logger=logging.getLogger("surtitle.server"),
            )
        except OSError as error:
            raise self._cannot_bind(error) from error
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._access = self._rules()
        self._admissions.start()
        self._tell_rates()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every connection (1001) and stop listening; call `drain` before to let viewers catch up."""
        assert self._server is not None, "the server isn't started yet"
        assert self._telling is not None, "the server isn't started yet"
        self._admissions.stop()
        self._telling.cancel()
        if self._asking is not None:
            self._asking.cancel()
        self._server.close()
        await self._web.close()
        cutting = asyncio.get_running_loop().call_later(self._patience.goodbye, self._cut)
        await self._server.wait_closed()
        cutting.cancel()

    def _make_room(self) -> None:
        """Leave viewers who are there no more: after a hall's network was away all come anew, and have two places."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_viewers())

    async def _ask_viewers(self) -> None:
        # who is slow does not answer: before our question lies what it has not taken yet
        viewers = [each for each in self._connected if path_of(each) == "/captions"]
        quick = [each for each in viewers if not each.transport.get_write_buffer_size()]
        patience = self._patience.answer
        await asyncio.gather(asyncio.sleep(patience), *(find_out(each, patience) for each in quick))

    def _cut(self) -> None:
        """Leave those who take nothing any more: `websockets` waits for them before it says goodbye."""
        for connection in self._connected:
            connection.transport.abort()

    def _rules(self) -> Access:
        return Access(self._host, self._port, self._allow_origins, secure=self._tls is not None)

    def _left(self) -> int:
        """How many connections more are taken."""
        return self._max_viewers - len(self._connected) - self._web.connections

    def _left_for_viewers(self) -> int:
        """How many more of them are taken: the first publishers take no viewer's place."""
        return self._left() + min(len(self._publishers), PUBLISHERS)

    def _count(self) -> dict[str, int]:
        viewers, publishers = sum(room.hub.viewers for room in self._rooms), len(self._publishers)
        return {"viewer": viewers, "publisher": publishers, "all": len(self._connected) + self._web.connections}

    def _tell_rates(self) -> None:
        self._telling = asyncio.get_running_loop().call_later(RATES_SECONDS, self._tell_rates)
        self._operations.rates()

    async def drain(self, seconds: float) -> None:
        """Let the publishers' sessions end and viewers get everything, then close them (1001).

        Args:
            seconds: How long to wait for slow viewers; those that need longer lose the rest.
        """
        self._site.stopping = True
        await self._publishers.drain()
        try:
            async with asyncio.timeout(seconds):
                self._web.stopping = True  # who comes back at once would be waited for again
                for fanout in self._fanouts.values():
                    fanout.finish()
                self._site.drain()
                await self._idle.wait()
                await self._web.drain()
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
        why = error.strerror or error  # newer Pythons tell an address that is not ours in words alone
        return UserError(f"cannot listen on {where} ({why}); choose another --host or --port")

    # --- websockets ---

    async def _handle(self, connection: ServerConnection) -> None:
        """Serve one connection; its mistakes are told to it alone."""
        path = path_of(connection)
        visit = self._operations.opened("viewer" if path == "/captions" else "publisher", peer(connection.transport))
        visit.code = INTERNAL_ERROR
        self._connected.add(connection)
        self._idle.clear()
        try:
            if (self._left_for_viewers() if path == "/captions" else self._left() + PUBLISHERS) < 0:
                self._make_room()
                raise Refused(CloseCode.FULL, f"there are {self._max_viewers} connections already; try again later")
            if path == "/captions":
                await self._serve_viewer(connection, visit)
            else:
                await self._publishers.serve(connection, visit)
            await connection.close()
        except* UserError as group:
            refused = as_refused(first_error(group))
            visit.code = refused.close_code
            refusing = refuse(connection, refused, writer(connection))
            await asyncio.gather(refusing, hear_goodbye(connection))
        except* ConnectionClosed:
            # A client that leaves is no failure.
            pass
        finally:
            visit.code = code_of(connection) or visit.code
            self._operations.closed(visit)
            self._admissions.release(connection)
            self._connected.discard(connection)
            if not self._connected:
                self._idle.set()

    async def _serve_viewer(self, connection: ServerConnection, visit: Visit) -> None:
        limit_kernel_buffer(connection.transport)
        hello = parse_hello(await first_message(connection, self._patience.hello))
        self._admissions.admit(connection, visit, hello.token, "read", hello.session)
        room = self._rooms.watch(hello.session)
        fanout = self._fanout(room)
        viewer = room.hub.join(hello.langs, hello.since, fanout.wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                with fanout.lane(connection, viewer, tasks) as lane:
                    await hear_viewer(connection, viewer, lambda: fanout.send([lane]))
        finally:
            viewer.leave()
            if not fanout:
                self._fanouts.pop(room, None)

    def _fanout(self, room: Room) -> Fanout:
        if room not in self._fanouts:
            self._fanouts[room] = Fanout(self._patience, self._operations.traffic)
            if self._web.stopping:
                self._fanouts[room].finish()
        return self._fanouts[room]
