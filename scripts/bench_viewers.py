"""What a caption's way to a thousand viewers costs, without any model, beside a bare broadcast in the same run.

In: how many viewers, how many captions a second. Out: a server of its own process publishes, and this process watches:

- *delivery*: milliseconds from `publish` to the viewer's socket, of every caption at every viewer;
- *CPU*: microseconds of the server's time for each delivery, by surtitle's server and by `websockets.broadcast` alone,
  a caption in turns, so that what else the machine does counts for both; their ratio is the figure;
- the same with a viewer that never reads and one that reads slowly among the others;
- *resume*: seconds from the first connection attempt of viewers that were cut off until all have what they missed.

Viewers are sockets and a parser of frames, so that they take little of the machine. Knows no model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from time import monotonic, process_time

import bench_common as common
import numpy as np
from bench_common import Row
from websockets.asyncio.server import ServerConnection, broadcast, serve

from surtitle.pipeline.events import Caption
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.protocol import encode, to_message
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

_TEXT = "A caption of the length that captions have when somebody speaks in whole sentences, two lines of it."
_HANDSHAKE = (
    "GET /captions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_WAYS = ("surtitle", "bare")
_TROUBLED = "surtitle, with one stuck and one slow"
_PATIENCE = 5.0
"""Seconds that viewers have for the last caption of a round."""


# --- the server's process ---


def captioned(number: int) -> Caption:
    """Two drafts, then a final, and so on; it says when it was made."""
    cue, revision = divmod(number, 3)
    now = monotonic()
    return Caption(cue, revision, "es", "target", f"{number} {_TEXT}", cue, cue + 1, revision == 2, 0, now, now)


async def publish(
    ways: Sequence[str], count: int, rate: float, hub: Hub, bare: set[ServerConnection]
) -> tuple[list[float], list[int]]:
    """Send `count` captions, `rate` a second, each in the next of `ways`.

    Returns for each way the seconds of work that it took, and the number of its newest caption.
    """
    worked, newest, began = [0.0] * len(ways), [0] * len(ways), monotonic()
    before = process_time()
    for number in range(count):
        way = number % len(ways)
        if ways[way] == "surtitle":
            hub.publish(captioned(number))
            newest[way] = hub.seq
        else:
            broadcast(bare, encode(to_message(captioned(number), number + 1)), text=True)
            newest[way] = number + 1
        await asyncio.sleep(max(0.0, began + (number + 1) / rate - monotonic()))
        worked[way] += (now := process_time()) - before
        before = now
    await asyncio.sleep(0.5)
    return worked, newest


async def answer(orders: Connection) -> None:
    """Serve both ways, and publish as `orders` say, until they end."""
    hub, bare = Hub("bench"), set[ServerConnection]()

    async def keep(connection: ServerConnection) -> None:
        await connection.recv()
        bare.add(connection)
        await connection.wait_closed()
        bare.discard(connection)

    async with (
        CaptionServer(Rooms(lambda: hub), port=0, max_viewers=100_000) as server,
        serve(keep, "127.0.0.1", 0, compression=None, ping_timeout=300) as other,
    ):
        orders.send((server.port, other.sockets[0].getsockname()[1]))
        while (order := await asyncio.to_thread(orders.recv)) is not None:
            ways, count, rate = order
            orders.send(await publish(ways, count, rate, hub, bare))


def run_server(orders: Connection) -> None:
    asyncio.run(answer(orders))


# --- the viewers ---


@dataclass(slots=True)
class Arrivals:
    """What viewers saw in a round."""

    late_ms: list[float] = field(default_factory=list)


class View(asyncio.Protocol):
    """One viewer: it takes frames apart and looks at the time in captions."""

    def __init__(self, port: int, arrivals: Arrivals, since: int | None, wanted: int) -> None:
        self.seq = 0
        """Of the newest caption."""
        self.complete = asyncio.Event()
        """Set when the caption numbered `wanted` has come."""
        self.transport: asyncio.Transport
        self._port = port
        self._arrivals = arrivals
        self._since = since
        self._wanted = wanted
        self._bytes = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        hello: Row = {"type": "hello", "v": 1}
        if self._since is not None:
            hello["since"] = {"epoch": "bench", "seq": self._since}
        transport.write(_HANDSHAKE.format(port=self._port).encode() + masked(json.dumps(hello).encode()))

    def data_received(self, data: bytes) -> None:
        now = 1000 * monotonic()
        self._bytes += data
        if not self._upgraded:
            head, found, rest = bytes(self._bytes).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._upgraded, self._bytes = True, bytearray(rest)
        while (frame := self._frame()) is not None:
            if frame.startswith(b'{"type":"caption"'):
                self._look(frame, now)

    def _look(self, frame: bytes, now: float) -> None:
        self.seq = int(frame[24 : frame.index(b",", 24)])
        elapsed = frame.rindex(b'"elapsed_ms":') + 13
        self._arrivals.late_ms.append(now - int(frame[elapsed : frame.index(b"}", elapsed)]))
        if self.seq >= self._wanted:
            self.complete.set()

    def _frame(self) -> bytes | None:
        """The next whole frame's payload; pings are answered."""
        buffer = self._bytes
        if len(buffer) < 2:
            return None
        length, start = buffer[1], 2
        if length == 126:
            length, start = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < start + length:
            return None
        payload, opcode = bytes(buffer[start : start + length]), buffer[0] & 15
        del buffer[: start + length]
        if opcode == 9:
            self.transport.write(masked(payload, opcode=10))
        return payload


@dataclass(frozen=True, slots=True)
class Crowd:
    """All who watch one way."""

    views: Sequence[View]
    arrivals: Arrivals

    def begin(self) -> None:
        """Forget what was seen in the round before."""
        self.arrivals.late_ms.clear()
        for view in self.views:
            view.seq = 0

    async def have(self, newest: int) -> None:
        """Wait until all have the caption numbered `newest`, for `_PATIENCE` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while any(view.seq < newest for view in self.views):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """A client's frame of less than 126 bytes, its mask all zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


async def join(port: int, arrivals: Arrivals, since: Sequence[int | None], wanted: int = 0) -> list[View]:
    """A viewer for each of `since`: the number that it saw last, or None."""
    loop = asyncio.get_running_loop()
    views = [View(port, arrivals, at, wanted) for at in since]
    for view in views:
        await loop.create_connection(partial(_same, view), "127.0.0.1", port)
    return views


def _same(view: View) -> View:
    return view


async def stuck(port: int) -> socket.socket:
    """A viewer that says hello and never reads."""
    asleep = socket.socket()
    asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asleep.connect(("127.0.0.1", port))
    asleep.sendall(_HANDSHAKE.format(port=port).encode() + masked(b'{"type":"hello","v":1}'))
    return asleep


async def dawdle(port: int) -> None:
    """A viewer that reads a hundred bytes ten times a second, a quarter of what comes."""
    asleep = await stuck(port)
    asleep.setblocking(False)
    with suppress(OSError):
        while True:
            await asyncio.get_running_loop().sock_recv(asleep, 100)
            await asyncio.sleep(0.1)


@asynccontextmanager
async def trouble(port: int) -> AsyncIterator[None]:
    """One of each among the viewers."""
    asleep, dawdling = await stuck(port), asyncio.create_task(dawdle(port))
    yield
    dawdling.cancel()
    asleep.close()


# --- rounds ---


@dataclass(frozen=True, slots=True)
class Round:
    """One way, measured once."""

    p50_ms: float
    p99_ms: float
    most_ms: float
    arrived: float
    """Of what was sent to all, the share that came: drafts may give way to newer ones."""


class Bench:
    """The server's process, and what it is told to do."""

    def __init__(self, orders: Connection, crowds: Mapping[str, Crowd], rate: float, seconds: float) -> None:
        self._orders = orders
        self._crowds = crowds
        self._rate = rate
        self._count = round(rate * seconds)

    async def round(self, way: str) -> Round:
        """Let the server publish, and say how it went."""
        await self._seen(way)
        crowd = self._crowds[way]
        late, sent = np.array(crowd.arrivals.late_ms), self._count * len(crowd.views)
        p50, p99, most = (round(float(np.percentile(late, which)), 2) for which in (50, 99, 100))
        return Round(p50, p99, most, round(len(late) / sent, 4))

    async def cost(self) -> dict[str, float]:
        """Microseconds of the server's time for each caption that came, by way."""
        worked = await self._seen(*_WAYS)
        came = [len(self._crowds[way].arrivals.late_ms) for way in _WAYS]
        return {way: round(1e6 * each / count, 2) for way, each, count in zip(_WAYS, worked, came, strict=True)}

    async def resume(self, port: int, views: Sequence[View]) -> float:
        """Cut `views` off, go on without them, let all come back at once; seconds until all have everything."""
        for view in views:
            view.transport.abort()
        _, (newest,) = await self._publish("surtitle")
        began = monotonic()
        back = await join(port, Arrivals(), [view.seq for view in views], wanted=newest)
        async with asyncio.timeout(60):
            await asyncio.gather(*(view.complete.wait() for view in back))
        return monotonic() - began

    async def _seen(self, *ways: str) -> list[float]:
        """Publish, and wait for what comes late; the server's seconds of work, by way."""
        for way in ways:
            self._crowds[way].begin()
        worked, newest = await self._publish(*ways)
        for way, number in zip(ways, newest, strict=True):
            await self._crowds[way].have(number)
        return worked

    async def _publish(self, *ways: str) -> tuple[list[float], list[int]]:
        """The server's seconds of work and the newest number, by way."""
        self._orders.send((ways, self._count, self._rate))
        worked, newest = await asyncio.to_thread(self._orders.recv)
        return worked, newest


async def measure(orders: Connection, arguments: argparse.Namespace) -> Row:
    """All rounds."""
    port, bare = await asyncio.to_thread(orders.recv)
    crowds = dict[str, Crowd]()
    for way, at in zip(_WAYS, (port, bare), strict=True):
        arrivals = Arrivals()
        crowds[way] = Crowd(await join(at, arrivals, [None] * arguments.viewers), arrivals)
    bench = Bench(orders, crowds, arguments.rate, arguments.seconds)
    await bench.round("surtitle")  # to warm up
    rounds: dict[str, list[Round]] = {way: [] for way in (*_WAYS, _TROUBLED)}
    costs = list[dict[str, float]]()
    for _ in range(arguments.rounds):
        for way in _WAYS:
            rounds[way].append(await bench.round(way))
        async with trouble(port):
            rounds[_TROUBLED].append(await bench.round("surtitle"))
        costs.append(await bench.cost())
        common.say(f"{costs[-1]}")
    seconds = await bench.resume(port, crowds["surtitle"].views[: arguments.cut])
    orders.send(None)
    return figures_of(rounds, costs) | {"resume_s": round(seconds, 3)}


def figures_of(rounds: Mapping[str, Sequence[Round]], costs: Sequence[Mapping[str, float]]) -> Row:
    """Medians of the rounds."""
    delivery = {
        way: {name: statistics.median(getattr(each, name) for each in found) for name in Round.__slots__}
        for way, found in rounds.items()
    }
    cpu = {way: round(statistics.median(cost[way] for cost in costs), 2) for way in _WAYS}
    ratio = statistics.median(cost["surtitle"] / cost["bare"] for cost in costs)
    return {"delivery": delivery, "cpu_us": cpu, "cpu_ratio": round(ratio, 3)}


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench viewers", description="What a caption's way to many viewers costs, without models."
    )
    add = parser.add_argument
    add("--viewers", type=common.positive, default=1000, help="how many watch (default 1000)")
    add("--rate", type=float, default=10.0, help="captions a second (default 10)")
    add("--seconds", type=float, default=10.0, help="seconds that a round takes (default 10)")
    add("--rounds", type=common.positive, default=3, help="rounds of each way (default 3)")
    add("--cut", type=common.positive, default=100, help="viewers that are cut off and come back (default 100)")
    return parser.parse_args(words)


def main() -> None:
    arguments = parse(sys.argv[1:])
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=run_server, args=(theirs,), daemon=True)
    server.start()
    figures = asyncio.run(measure(ours, arguments))
    server.join(10)
    rows = [["", "p50 ms", "p99 ms", "most ms", "arrived"]]
    for way, found in figures["delivery"].items():
        late = (common.shown(found[name]) for name in ("p50_ms", "p99_ms", "most_ms"))
        rows.append([way, *late, common.shown(found["arrived"], 4)])
    print(common.table(rows))
    cpu = figures["cpu_us"]
    print(f"CPU for each delivery: {cpu['surtitle']} us, bare {cpu['bare']} us: {figures['cpu_ratio']} times")
    print(f"{arguments.cut} viewers that were cut off had everything after {figures['resume_s']} s")
    common.conclude("viewers", {**vars(arguments), **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench viewers", main))
