"""What is done to a server to find out whether it keeps to PROTOCOL.md.

In: a server's address, and audio. Out: what was heard on each connection (`conform_record.py`). Knows no verdict: that
is for `conform_checks.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from conform_record import Evening, Heard, Message
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Origin

CHUNK_SECONDS = 0.1
"""Of audio in a message."""
VIEWERS, PUBLISHERS = "/captions", "/publish"


@dataclass(frozen=True, slots=True)
class Stage:
    """A server, and what may be done there."""

    url: str
    """`ws://host:port`."""
    session: str
    source: str
    target: str
    pcm: bytes = b""
    """Signed 16-bit mono speech, said again and again; empty where somebody else publishes."""
    sample_rate: int = 16_000
    publish_token: str | None = None
    read_token: str | None = None
    patience: float = 120.0
    """Seconds that a caption may take, models' loading included."""
    hello: float = 5.0
    """Seconds within which a first message must come."""
    beat: float = 20.0
    """Seconds of silence after which a `beat` comes."""

    @property
    def publishes(self) -> bool:
        """Whether we may send audio."""
        return bool(self.pcm)

    def hello_message(self, **fields: Any) -> Message:
        """A viewer's first message."""
        token = self.read_token or self.publish_token
        return {"type": "hello", "v": 1, "session": self.session, **({"token": token} if token else {}), **fields}

    def start_message(self, **fields: Any) -> Message:
        """A publisher's first message."""
        token = {"token": self.publish_token} if self.publish_token else {}
        pair = {"from": self.source, "to": [self.target], "sample_rate": self.sample_rate}
        return {"type": "start", "v": 1, "session": self.session, **token, **pair, **fields}


class Client:
    """One websocket that keeps what it hears."""

    def __init__(self, stage: Stage, path: str, heard: Heard) -> None:
        self.heard = heard
        origin = Origin(stage.url.replace("ws", "http", 1))
        self._connecting = connect(
            stage.url + path, origin=origin, compression=None, proxy=None, max_size=2**24, close_timeout=1
        )
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._connection: ClientConnection = await self._connecting
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connection.close()
        await self._reading

    async def say(self, *messages: Message | str | bytes) -> None:
        """Send messages; what a server that has closed the connection doesn't take is lost."""
        try:
            for message in messages:
                await self._connection.send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed:
            return

    async def until(self, done: Callable[[Heard], bool], seconds: float) -> bool:
        """Wait until `done` or closed, `seconds` at most; whether it is done."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: done(self.heard) or self.heard.close_code is not None)
        except TimeoutError:
            pass
        return done(self.heard)

    async def closed(self, seconds: float) -> None:
        """Wait until the server has closed the connection."""
        await self.until(lambda heard: heard.close_code is not None, seconds)

    def vanish(self) -> None:
        """Lose the connection."""
        self._connection.transport.abort()

    async def _read(self) -> None:
        try:
            while True:
                message = await self._connection.recv()
                async with self._news:
                    self.heard.hear(message)
                    self._news.notify_all()
        except ConnectionClosed as closed:
            async with self._news:
                self.heard.close_code = closed.rcvd.code if closed.rcvd is not None else 1006
                self._news.notify_all()


async def knock(stage: Stage, path: str, origin: str) -> str:
    """Return what became of a websocket that a page of `origin` opens: `open`, or the status of the refusal."""
    try:
        async with connect(stage.url + path, origin=Origin(origin), proxy=None, close_timeout=1):
            return "open"
    except InvalidStatus as refusal:
        return str(refusal.response.status_code)
    except InvalidHandshake as refusal:
        return type(refusal).__name__


async def provoke(stage: Stage, path: str, *messages: Message | str | bytes, seconds: float = 5.0) -> Heard:
    """Say what should not be said, and hear what becomes of it."""
    async with Client(stage, path, Heard()) as client:
        await client.say(*messages)
        await client.closed(seconds)
    return client.heard


async def greet(stage: Stage, **fields: Any) -> Heard:
    """Say hello, and hear the answer."""
    async with Client(stage, VIEWERS, Heard()) as client:
        await client.say(stage.hello_message(**fields))
        await client.until(lambda heard: bool(heard.of("welcome") and (heard.of("snapshot") or heard.error)), 5)
    return client.heard


class NoCaptions(Exception):
    """There was nothing to watch: the message says what came instead."""


async def watch(stage: Stage) -> Evening:
    """Watch a session with viewers who come late, go, change languages and come back, while we or others publish.

    Raises:
        NoCaptions: too few captions came in time.
    """
    evening = Evening(stage.source, stage.target)
    nobody = f"{stage.session[:57]}-nobody"
    async with AsyncExitStack() as stack:

        async def join(heard: Heard, *langs: str, **fields: Any) -> Client:
            heard.langs = langs
            client = await stack.enter_async_context(Client(stage, VIEWERS, heard))
            await client.say(stage.hello_message(langs=langs, **fields))
            return client

        elsewhere = await join(evening.elsewhere, session=nobody)
        everything = await join(evening.everything)
        one = await join(evening.one, stage.target)
        cut = await join(evening.cut, stage.target)
        changer = await join(evening.changer, stage.source)
        region = await join(evening.region, f"{stage.target}-ZZ")
        finish = await stack.enter_async_context(_publishing(stage, evening)) if stage.publishes else None

        await _more_finals(stage, everything, 1, cut, region)
        cut.vanish()
        await cut.closed(5)
        evening.back.since = evening.cut.newest
        late = await join(evening.late)
        await changer.say({"type": "subscribe", "langs": [stage.target]})
        painted = {"type": "painted", "seq": evening.everything.finals(stage.target)[0]["seq"]}
        await everything.say(painted, painted)  # the second is passed over
        await _more_finals(stage, everything, 2)
        epoch = evening.cut.welcome.get("epoch")
        back = await join(evening.back, stage.target, since={"epoch": epoch, "seq": evening.back.since})
        await _more_finals(stage, everything, 1, one, late, changer, back)
        if finish is not None:
            await finish()
            for viewer in (everything, one, late, changer, back):
                await viewer.until(lambda heard: bool(heard.of("end")), 5)
        await elsewhere.until(lambda heard: bool(heard.of("beat")), stage.beat + 5)
    return evening


async def _more_finals(stage: Stage, everything: Client, count: int, *others: Client) -> None:
    """Wait for `count` more finals of the target language, then until `others` should have them too."""
    wanted = len(everything.heard.finals(stage.target)) + count
    if not await everything.until(lambda heard: len(heard.finals(stage.target)) >= wanted, stage.patience):
        heard = [message["type"] for message in everything.heard.messages[-5:]]
        raise NoCaptions(
            f"saw {len(everything.heard.finals(stage.target))} final captions in {stage.target} after "
            f"{stage.patience:g} s, expected {wanted}; heard last: {heard}, closed: {everything.heard.close_code}"
        )
    seq = everything.heard.finals(stage.target)[-1]["seq"]
    for other in others:
        await other.until(lambda heard: heard.newest >= seq, 5)


@asynccontextmanager
async def _publishing(stage: Stage, evening: Evening) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Send speech at its own pace, and have another publisher try at the same time; yields what ends it in order."""
    evening.publisher, evening.second = Heard(), Heard()
    async with Client(stage, PUBLISHERS, evening.publisher) as client:
        await client.say(stage.start_message())
        await client.until(lambda heard: bool(heard.of("ready")), stage.patience)
        async with Client(stage, PUBLISHERS, evening.second) as second:
            await second.say(stage.start_message())
            await second.closed(5)
        speaking = asyncio.create_task(_speak(stage, client))

        async def finish() -> None:
            speaking.cancel()
            await client.say({"type": "stop"})
            await client.closed(stage.patience)

        try:
            yield finish
        finally:
            speaking.cancel()


async def _speak(stage: Stage, client: Client) -> None:
    loop = asyncio.get_running_loop()
    size = 2 * round(stage.sample_rate * CHUNK_SECONDS)
    due = loop.time()
    while client.heard.close_code is None:
        for begin in range(0, len(stage.pcm), size):
            await client.say(stage.pcm[begin : begin + size])
            due += CHUNK_SECONDS
            await asyncio.sleep(due - loop.time())
