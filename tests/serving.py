"""A caption server over real sockets, and clients that say what a test has them say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.events import Caption, SessionStart, Skipped, Sound, Targets
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room
from surtitle.pipeline.server import CaptionServer

SESSION = SessionStart("night-1", ("en",), ("es",), {}, "real")
START = '{"type":"start","v":1,"from":"en","to":["es"],"sample_rate":16000}'


def caption(cue: int, language: str = "es", *, text: str = "", rev: int = 0, final: bool = True) -> Caption:
    said = text or f"{language} {cue}.{rev}"
    return Caption(cue, rev, language, "target", said, cue, cue + 1, final, 0, cue + 1, cue + 1)


def at(server: CaptionServer, path: str = "/captions", **kwargs: Any) -> connect:
    return connect(server.url.replace("http", "ws", 1) + path, proxy=None, **kwargs)


async def hello(connection: ClientConnection, **fields: Any) -> list[dict[str, Any]]:
    """Say hello and return the welcome and, unless it resumed, the snapshot."""
    await connection.send(json.dumps({"type": "hello", "v": 1, **fields}))
    welcome = await receive(connection)
    return [welcome] if welcome["recovered"] else [welcome, await receive(connection)]


async def receive(connection: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        message: dict[str, Any] = json.loads(await connection.recv())
    return message


async def closing(connection: ClientConnection) -> tuple[list[dict[str, Any]], int, str]:
    """Return what still came, and the close code and reason."""
    messages = []
    while True:
        try:
            messages.append(await receive(connection))
        except ConnectionClosed:
            return messages, connection.close_code or 0, connection.close_reason or ""


class Listener:
    """An `on_publish` that keeps what it is given."""

    def __init__(self, error: Exception | None = None) -> None:
        self.starts: list[PublishStart] = []
        self.heard: list[float] = []
        self.skipped: list[int] = []
        self.wanted: list[tuple[str, ...]] = []
        self.ended = asyncio.Event()
        self._error = error

    async def __call__(self, start: PublishStart, audio: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
        self.starts.append(start)
        await ready()
        async for sound in audio:
            if isinstance(sound, Skipped):
                self.skipped.append(sound.samples)
                continue
            if isinstance(sound, Targets):
                self.wanted.append(sound.targets)
                continue
            self.heard += sound.tolist()
            if self._error is not None:
                raise self._error
        self.ended.set()


@asynccontextmanager
async def wire(server: CaptionServer, cuts: Sequence[int]) -> AsyncIterator[str]:
    """The address of a wire to `server` that breaks after so many bytes: on each connection in turn, then never."""
    left = list(cuts)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remaining = left.pop(0) if left else 10**9
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server.port)
        upward = asyncio.create_task(_copy(reader, server_writer))
        while remaining > 0 and (data := await server_reader.read(min(remaining, 4096))):
            remaining -= len(data)
            writer.write(data)
        upward.cancel()
        for end in (server_writer, writer):
            end.transport.abort()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


@asynccontextmanager
async def answering(status: str, *headers: str, port: int = 0) -> AsyncIterator[str]:
    """The address of what answers everybody like this, as proxies do that have no server behind them, or want https."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write("\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
