"""From a hub to its viewers' sockets: the same bytes to all of them, a slice at a time.

In: a hub that has something new, and the connections of those who watch it. Out: its messages, written straight to
every socket that has room. A viewer whose socket is full gets a task of its own until it has caught up, and delays
nobody. Knows no room and no token.

A task and a queue for each viewer cost two to three times as much as writing to one socket after the other does, and
writing to all in one go holds the event loop: so a slice is written, others get their turn, and then the next. A
message is made a frame once for a slice: without compression a server's frames are the same for all (they are not
masked, RFC 6455, section 5.3).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from surtitle.pipeline.connection import WRITE_LIMIT, Patience, close, in_time
from surtitle.pipeline.hub import Viewer
from surtitle.pipeline.messages import Refused
from surtitle.pipeline.operations import Traffic

SLICE = 200
"""How many viewers are written to before others get their turn: about 4 ms."""
ROUNDS = 8
"""How many messages a viewer is given in one slice."""
GOING_AWAY = 1001


class Lane:
    """One viewer's socket."""

    __slots__ = ("connection", "free", "sent_at", "tasks", "transport", "viewer")

    def __init__(self, connection: ServerConnection, viewer: Viewer, tasks: asyncio.TaskGroup) -> None:
        self.connection = connection
        self.transport = connection.transport
        self.viewer = viewer
        self.tasks = tasks
        self.free = True
        """Whether the fan-out writes to it, and no task does."""
        self.sent_at = 0.0
        """When it was last written to, by the event loop's clock."""

    @property
    def is_open(self) -> bool:
        """Whether the fan-out may write to it."""
        return self.free and self.connection.state is State.OPEN

    @property
    def has_room(self) -> bool:
        """Whether the socket takes what it is given."""
        return self.transport.get_write_buffer_size() <= WRITE_LIMIT


class Fanout:
    """One hub's viewers. All on one event loop."""

    def __init__(self, patience: Patience, traffic: Traffic) -> None:
        self._beat = patience.beat
        self._stall = patience.stall
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[Lane, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = False
        self._finishing = False

    def __len__(self) -> int:
        return len(self._lanes)

    @contextmanager
    def lane(self, connection: ServerConnection, viewer: Viewer, tasks: asyncio.TaskGroup) -> Iterator[Lane]:
        """Serve a viewer while the context is open; what goes wrong with it is raised in `tasks`."""
        lane = Lane(connection, viewer, tasks)
        self._lanes[lane] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self._beat / 4, self._tick)
        self.send([lane])
        try:
            yield lane
        finally:
            lane.free = False  # it may stand in a slice that is still to come
            del self._lanes[lane]

    def wake(self) -> None:
        """The hub has something new."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self._send_all)

    def finish(self) -> None:
        """Close every connection (1001) as soon as its viewer has got everything."""
        self._finishing = True
        self._send_all()

    def send(self, lanes: list[Lane]) -> None:
        """Write what there is for `lanes`: a slice of them now, the rest when others had their turn."""
        sending, now = lanes[:SLICE], self._loop.time()
        for _ in range(ROUNDS):
            batches = self._take(sending)
            for message, batch in batches.items():
                frame = Frame(Opcode.TEXT, message).serialize(mask=False)
                self._traffic.sent += len(message) * len(batch)
                for lane in batch:
                    lane.transport.write(frame)
                    lane.sent_at = now
            sending = [lane for batch in batches.values() for lane in batch if lane.viewer.is_behind]
            if not sending:
                break
        if self._finishing:
            self._close(set(lanes[:SLICE]).difference(sending))
        if rest := sending + lanes[SLICE:]:
            self._loop.call_soon(self.send, rest)

    def _send_all(self) -> None:
        self._due = False
        self.send(list(self._lanes))

    def _take(self, lanes: Iterable[Lane]) -> dict[bytes, list[Lane]]:
        """The next message of each viewer that has one and room for it: most have the same."""
        batches = defaultdict[bytes, list[Lane]](list)
        for lane in lanes:
            if not lane.is_open:
                continue
            if not lane.has_room:
                self._occupy(lane, self._catch_up(lane))
                continue
            try:
                message = lane.viewer.next()
            except Refused as refused:
                self._occupy(lane, _fail(refused))
                continue
            if message is not None:
                batches[message].append(lane)
        return batches

    def _close(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            if lane.free:
                self._occupy(lane, close(lane.connection, GOING_AWAY))

    def _occupy(self, lane: Lane, work: Coroutine[None, None, None]) -> None:
        lane.free = False
        lane.tasks.create_task(work)

    async def _catch_up(self, lane: Lane) -> None:
        # One at a time: while the socket is full, drafts in the ring give way to newer ones.
        while (message := lane.viewer.next()) is not None:
            if not await in_time(lane.connection, self._stall, lane.connection.send(message, text=True)):
                return
            self._traffic.sent += len(message)
        lane.free = True
        self.send([lane])

    def _tick(self) -> None:
        self._timer = self._loop.call_later(self._beat / 4, self._tick) if self._lanes else None
        due = self._loop.time() - self._beat
        quiet = [lane for lane in self._lanes if lane.free and lane.sent_at <= due]
        for lane in quiet:
            lane.viewer.beat()
        self.send(quiet)


async def _fail(refused: Refused) -> None:
    raise refused
