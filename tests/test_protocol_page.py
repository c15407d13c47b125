"""PROTOCOL.md is enough: a client that was written from it alone, in thirty lines, shows what was said."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from serving import SESSION, caption, wire
from taken import taken
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage

from surtitle.pipeline.events import SessionEnd, Status
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import Since
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Tokens


class Stranger:
    """A viewer that knows nothing but the page."""

    def __init__(self, host: str, langs: list[str]) -> None:
        self.url, self.langs = f"ws://{host}/captions", langs
        self.shown: dict[tuple[int, str], dict[str, Any]] = {}
        self.finals: list[int] = []
        self.since: dict[str, Any] | None = None
        self.over, self.closed = asyncio.Event(), 0

    async def run(self) -> None:
        while not 4500 <= self.closed < 5000:
            try:
                async with connect(self.url, proxy=None) as socket:
                    since = {"since": self.since} if self.since else {}
                    await socket.send(json.dumps({"type": "hello", "v": 1, "langs": self.langs, **since}))
                    while True:
                        self.take(json.loads(await socket.recv()))
            except (OSError, InvalidMessage, ConnectionClosed) as lost:
                self.closed = lost.rcvd.code if isinstance(lost, ConnectionClosed) and lost.rcvd else 1006
                await asyncio.sleep(random.uniform(0, 0.1))

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "welcome":
            self.welcome = message
        if message["type"] == "session" or (message["type"] == "welcome" and not message["recovered"]):
            self.shown.clear()
        if message["type"] == "snapshot":
            self.since = {"epoch": self.welcome["epoch"], "seq": self.welcome["seq"]}
        if message["type"] in ("caption", "gap", "session", "targets", "status", "end"):
            highest = max(message["seq"], self.since["seq"]) if self.since else message["seq"]
            self.since = {"epoch": self.welcome["epoch"], "seq": highest}
        if message["type"] == "caption" and message["final"]:
            self.finals.append(message["seq"])
        for each in message.get("captions", [message] if message["type"] == "caption" else []):
            self.shown[each["cue"], each["lang"]] = each
        if message["type"] == "end":
            self.over.set()


async def test_a_stranger_shows_every_final_however_often_its_wire_breaks() -> None:
    hub = Hub("e")
    hub.publish(SESSION)
    async with (
        CaptionServer(Rooms(lambda: hub), port=0) as server,
        wire(server, [131, 500, 800, 1201, 1700]) as address,
    ):
        stranger = Stranger(address, ["es"])
        watching = asyncio.create_task(stranger.run())
        for cue in range(20):
            hub.publish(caption(cue, final=False))
            await asyncio.sleep(0.02)
            hub.publish(caption(cue, "de", rev=1))
            hub.publish(caption(cue, rev=1))
        async with asyncio.timeout(10):
            # who comes when all is over is shown it, and hears of no end
            while (19, "es") not in stranger.shown:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            hub.publish(SessionEnd(20, 20, {}))
            await stranger.over.wait()
        watching.cancel()
    assert [(each["cue"], each["text"], each["final"]) for each in stranger.shown.values()] == [
        (cue, f"es {cue}.1", True) for cue in range(20)
    ]


async def test_a_stranger_that_is_cut_off_after_an_old_status_is_given_no_final_twice() -> None:
    hub = Hub("e")
    for event in (SESSION, Status("ok", None, 1, 1), caption(0), caption(1)):
        hub.publish(event)
    stranger = Stranger("", ["es"])
    for message in taken(hub.join(["es"])):
        stranger.take(json.loads(message))
    assert (stranger.since, len(stranger.shown)) == ({"epoch": "e", "seq": 4}, 2)
    assert stranger.since is not None
    hub.publish(caption(2))
    for message in taken(hub.join(["es"], Since(**stranger.since))):
        stranger.take(json.loads(message))
    assert stranger.finals == [5]


async def test_a_stranger_without_a_token_does_not_come_back() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tokens=lambda: Tokens(())) as server:
        stranger = Stranger(f"127.0.0.1:{server.port}", [])
        await asyncio.wait_for(stranger.run(), 10)
    assert stranger.closed == 4505
