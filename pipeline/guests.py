"""Publishers that speak another program's protocol, and get the captions of their own speech back.

In: a websocket, the codec of its protocol (see `foreign.py`), and a stop. Out: a session in a room, as any publisher
has; and the room's events, as the codec writes them. What is sent faster than it is spoken waits in the socket. Knows
no message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.connection import Patience, close, hear_goodbye, in_time, next_message
from surtitle.pipeline.events import Samples
from surtitle.pipeline.foreign import Guest
from surtitle.pipeline.hub import Viewer
from surtitle.pipeline.messages import Refused
from surtitle.pipeline.protocol import parse_event
from surtitle.pipeline.rooms import OnPublish, Room
from surtitle.pipeline.sources import until_stopped

AHEAD = 30.0
"""Seconds of audio that may come at once; from there on it is taken at the pace of speech."""
COMPLETE = 1000
"""The close code of a session that was said to its end."""


class GuestConnection:
    """One guest's connection."""

    def __init__(self, connection: ServerConnection, guest: Guest, patience: Patience, stop: asyncio.Event) -> None:
        """Once `stop` is set it is heard no more; what it said before is still told to it."""
        # behind audio that is held back lie answers to pings; `next_message` finds out whether it is there
        connection.ping_timeout = None
        self._connection = connection
        self._patience = patience
        self._guest = guest
        self._stop = stop
        self._due = 0.0
        self._refused: Refused | None = None
        self._news = asyncio.Event()
        self._said_all = False

    async def run(self, room: Room, speak: OnPublish) -> None:
        """Have what the guest says captioned in `room`, and tell it.

        Raises:
            Refused: it made a mistake, and what was heard before is captioned; or it reads so slowly that captions
                are gone, which ends its session.
        """
        await self._send(self._guest.greet())
        async with aclosing(self._heard()) as said, aclosing(until_stopped(said, self._stop)) as heard:
            first = await anext(heard, None)
            if first is not None:
                await self._speak(_chain(first, heard), room, speak)
        if self._refused is not None:
            raise self._refused

    async def end(self) -> None:
        """Say that this was all, and goodbye. Whoever is told so may speak again in the room at once."""
        await self._send(self._guest.bye())
        # one that was stopped may speak on: its answer comes behind that
        await asyncio.gather(close(self._connection, COMPLETE), hear_goodbye(self._connection))

    async def _speak(self, heard: AsyncIterator[Samples], room: Room, speak: OnPublish) -> None:
        viewer = room.hub.join((), None, self._news.set)
        try:
            _pass_over(viewer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell(viewer))
                await speak(self._guest.start, heard, room, _nothing)
                self._said_all = True
                self._news.set()
        finally:
            viewer.leave()

    async def _heard(self) -> AsyncGenerator[Samples]:
        """What the guest says, at the pace of speech, until it stops, leaves or makes a mistake."""
        while not self._guest.over:
            try:
                items = self._guest.receive(await next_message(self._connection, self._patience))
            except ConnectionClosed:
                return
            except Refused as refused:
                self._refused = refused
                return
            for item in items:
                if isinstance(item, str):
                    await self._send([item])
                elif len(item):
                    await self._hold(len(item) / self._guest.start.sample_rate)
                    yield item

    async def _hold(self, seconds: float) -> None:
        """Wait, before so many seconds of audio are taken, until they are not too far ahead of their time."""
        now = asyncio.get_running_loop().time()
        self._due = max(self._due, now) + seconds
        if self._due - now > AHEAD:
            await asyncio.sleep(self._due - now - AHEAD)

    async def _tell(self, viewer: Viewer) -> None:
        while True:
            self._news.clear()
            while (message := viewer.next()) is not None:
                event, _ = parse_event(message)
                await self._send(self._guest.tell(event))
            if self._said_all:
                return
            await self._news.wait()

    async def _send(self, messages: list[str]) -> None:
        # Who has left has viewers perhaps: its speech is captioned to its end.
        with suppress(ConnectionClosed):
            for message in messages:
                if not await in_time(self._connection, self._patience.stall, self._connection.send(message)):
                    return


def _pass_over(viewer: Viewer) -> None:
    """Take what was said in the room before."""
    while viewer.next() is not None:
        pass


async def _chain(first: Samples, rest: AsyncIterator[Samples]) -> AsyncIterator[Samples]:
    yield first
    async for samples in rest:
        yield samples


async def _nothing() -> None:
    """A guest is not told when it is heard."""
