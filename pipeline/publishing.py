"""Who speaks: publishers' connections, ours and guests' of other protocols, each in a room of its own.

In: websockets, and what runs a session. Out: their sound to it, and to them what became of it. Knows no viewer and no
page; captions that are sent to other services are in `posting.py`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.admissions import Admissions
from surtitle.pipeline.connection import Audio, Patience, close, error_message, first_message, path_of
from surtitle.pipeline.events import Sound
from surtitle.pipeline.fanout import GOING_AWAY
from surtitle.pipeline.foreign import Guest, asked_of
from surtitle.pipeline.guests import GuestConnection
from surtitle.pipeline.http import Head
from surtitle.pipeline.messages import CloseCode, ReadyMessage, Refused
from surtitle.pipeline.operations import Visit
from surtitle.pipeline.protocol import encode, parse_start
from surtitle.pipeline.realtime import Realtime
from surtitle.pipeline.rooms import OnPublish, Room, Rooms
from surtitle.pipeline.simulstream import Simulstream

SESSIONS_SECONDS = 15.0
"""How long publishers' sessions may take to say what they heard when the server stops."""
GUESTS: Mapping[str, type[Guest]] = {"/v1/realtime/translations": Realtime, "/simulstream": Simulstream}
"""Other programs' protocols, by the path of their websockets."""


class Publishers:
    """One server's."""

    def __init__(self, rooms: Rooms, admissions: Admissions, on_publish: OnPublish | None, patience: Patience) -> None:
        """`on_publish` runs their sessions; None refuses them."""
        self._rooms = rooms
        self._admissions = admissions
        self._on_publish = on_publish
        self._patience = patience
        self._speakers: set[ServerConnection] = set()
        self._talking: set[ServerConnection] = set()  # those of ours among them that have not said all
        self._silent = asyncio.Event()
        self._silent.set()
        self._stopping = asyncio.Event()

    def __len__(self) -> int:
        return len(self._speakers)

    async def serve(self, connection: ServerConnection, visit: Visit) -> None:
        """Run the session of one that has connected; raises what it is to be told."""
        if self._on_publish is None:
            raise Refused(
                CloseCode.NO_PUBLISHERS,
                "this server captions its own microphone or recording and takes no publishers; `surtitle serve` does",
            )
        kind = GUESTS.get(path_of(connection))
        if kind is None:
            await self._serve_ours(connection, visit, self._on_publish)
        else:
            await self._serve_guest(connection, visit, self._on_publish, kind)

    async def drain(self) -> None:
        """Take no more of them, and let their sessions say what they heard.

        Ours that still speak are told at once to do so elsewhere (1001). Those that have said all wait for the end of
        their captions, and so do guests, whose captions come back to them: they are heard no more.
        """
        self._stopping.set()
        closing = [asyncio.create_task(close(each, GOING_AWAY, "the server is stopping")) for each in self._talking]
        try:
            async with asyncio.timeout(SESSIONS_SECONDS):
                await self._silent.wait()
        except TimeoutError:  # what is said later is in the log alone
            for speaker in self._speakers:
                if speaker.transport.get_write_buffer_size():  # who takes nothing any more is not waited for
                    speaker.transport.abort()
        for goodbye in closing:  # one that is not there any more says none
            goodbye.cancel()

    async def _serve_ours(self, connection: ServerConnection, visit: Visit, on_publish: OnPublish) -> None:
        start = parse_start(await first_message(connection, self._patience.hello))
        audio = Audio(connection, start.sample_rate, self._patience)

        async def ready() -> None:
            with suppress(ConnectionClosed):  # what it had to say before it left is captioned
                await connection.send(encode(ReadyMessage(start.session)), text=True)

        async def heard() -> AsyncIterator[Sound]:
            async for sound in audio.chunks():
                yield sound
            self._talking.discard(connection)

        with self._speaking(connection, visit, start.token, start.session) as room:
            self._talking.add(connection)
            await on_publish(start, heard(), room, ready)
            if audio.refused is not None:
                raise audio.refused

    async def _serve_guest(
        self, connection: ServerConnection, visit: Visit, on_publish: OnPublish, kind: type[Guest]
    ) -> None:
        assert connection.request is not None, "the handshake isn't done yet"
        headers = tuple((name.lower(), value) for name, value in connection.request.headers.raw_items())
        head = Head.of("GET", connection.request.path, headers)
        asked = asked_of(head)
        guest = GuestConnection(connection, kind(asked, secrets.token_hex(8)), self._patience, self._stopping)
        with self._speaking(connection, visit, head.secret, asked.session) as room:
            await guest.run(room, on_publish)
        await guest.end()

    @contextmanager
    def _speaking(self, connection: ServerConnection, visit: Visit, token: str | None, session: str) -> Iterator[Room]:
        """The room in which this publisher alone may speak; raises `Refused`."""
        self._admissions.admit(connection, visit, token, "publish", session)
        if self._stopping.is_set():
            raise Refused(CloseCode.FULL, "the server is stopping; try again when it is back")
        room = self._rooms.speak(session)
        self._speakers.add(connection)
        self._silent.clear()
        try:
            yield room
        finally:
            self._rooms.hush(room)
            self._speakers.discard(connection)
            self._talking.discard(connection)
            if not self._speakers:
                self._silent.set()


def writer(connection: ServerConnection) -> Callable[[Refused], str]:
    """How its client is told why it is refused."""
    guest = GUESTS.get(path_of(connection))
    return error_message if guest is None else guest.refuse
