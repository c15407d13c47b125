"""The Python viewer against a real server: it reconnects, resumes, and says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from surtitle.clients.viewer import ViewerError, captions
from surtitle.pipeline.events import Caption, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

SESSION = SessionStart("night-1", ("en",), ("es",), {}, "real")


def caption(cue: int, language: str = "es", *, rev: int = 0, final: bool = True) -> Caption:
    return Caption(cue, rev, language, "target", f"{language} {cue}", cue, cue + 1, final, 0, cue + 1, cue + 1)


async def following(messages: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        return [await anext(messages) for _ in range(count)]


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [message["seq"] for message in messages if message["type"] != "welcome"]


async def test_a_viewer_sees_what_was_and_what_comes() -> None:
    hub = Hub("e")
    hub.publish(SESSION)
    hub.publish(caption(0))
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url, ["es"])
        shown = await following(messages, 3)
        assert [message["type"] for message in shown] == ["welcome", "session", "caption"]
        hub.publish(caption(1, "de"))
        hub.publish(caption(1, "es"))
        assert (await following(messages, 1))[0]["text"] == "es 1"


async def test_a_viewer_resumes_after_the_server_was_gone_and_sees_nothing_twice() -> None:
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
        hub.publish(SESSION)
        hub.publish(caption(0))
        assert numbers(await following(messages, 2)) == [1, 2]
        port = server.port
    hub.publish(caption(1))
    async with CaptionServer(Rooms(lambda: hub), port=port):
        welcome, *rest = await following(messages, 2)
        assert welcome["recovered"] is True
        hub.publish(caption(2))
        assert numbers(rest + await following(messages, 1)) == [3, 4]


class Cutter:
    """A wire to the server that breaks after a number of bytes, on each connection in turn."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self._port = port
        self._cuts = cuts

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._cuts.pop(0) if self._cuts else 10**9
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        upward = asyncio.create_task(self._copy(reader, server_writer))
        while left > 0 and (data := await server_reader.read(min(left, 4096))):
            left -= len(data)
            writer.write(data)
        upward.cancel()
        for end in (server_writer, writer):
            end.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)


async def test_wherever_the_wire_breaks_every_final_comes_once_and_in_order() -> None:
    hub = Hub("e")
    # A handshake's answer is about 130 bytes, a welcome 90, a caption 190: breaks in and between them.
    cuts = [131, 200, 305, 333, 500, 711, 712]
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        wire = await asyncio.start_server(Cutter(server.port, [400, *cuts]), "127.0.0.1", 0)
        async with wire:
            messages = captions(f"127.0.0.1:{wire.sockets[0].getsockname()[1]}")
            shown = await following(messages, 1)
            for cue in range(20):
                hub.publish(caption(cue))
            async with asyncio.timeout(30):
                while not shown or shown[-1].get("cue") != 19:
                    shown += await following(messages, 1)
            await messages.aclose()
    assert numbers(shown) == list(range(1, 21))


async def test_a_viewer_is_told_when_something_may_have_been_missed() -> None:
    async with CaptionServer(Rooms(lambda: Hub("first")), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
        port = server.port
    second = Hub("second")
    second.publish(caption(0))
    async with CaptionServer(Rooms(lambda: second), port=port):
        welcome, shown = await following(messages, 2)
    assert (welcome["epoch"], welcome["recovered"]) == ("second", False)
    assert shown["cue"] == 0


async def test_a_snapshot_does_not_repeat_what_was_seen() -> None:
    hub = Hub("e", ring=2)
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
        hub.publish(caption(0))
        await following(messages, 1)
        port = server.port
    for cue in range(1, 5):
        hub.publish(caption(cue))
    async with CaptionServer(Rooms(lambda: hub), port=port):
        welcome, *shown = await following(messages, 5)
    assert welcome["recovered"] is False
    assert numbers(shown) == [2, 3, 4, 5]


async def test_the_iteration_ends_when_the_server_stops_after_the_end() -> None:
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
        hub.publish(caption(0))
        hub.publish(SessionEnd(1, 1, {}))
        await server.drain(5)
    async with asyncio.timeout(5):
        assert [message["type"] async for message in messages] == ["caption", "end"]


async def test_no_server_is_an_error_that_says_what_to_do() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        url = server.url
    with pytest.raises(ViewerError, match=r"no caption server answers at .*surtitle serve"):
        await anext(captions(url))


async def test_a_refusal_ends_the_iteration_with_the_servers_words() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        with pytest.raises(ViewerError, match="expected"):
            await anext(captions(server.url, ["Spanish!"]))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:99999"])
async def test_a_wrong_address_is_shown(url: str) -> None:
    with pytest.raises(ViewerError, match="saw address"):
        await anext(captions(url))


async def test_any_page_of_the_server_names_it() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        for url in (
            f"127.0.0.1:{server.port}",
            server.url + "/overlay?lang=es",
            f"ws://localhost:{server.port}",
        ):
            assert (await following(captions(url), 1))[0]["type"] == "welcome"


async def test_an_open_server_accepts_a_program_that_names_its_origin() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), host="0.0.0.0", port=0) as server:
        assert (await following(captions(server.url), 1))[0]["type"] == "welcome"
