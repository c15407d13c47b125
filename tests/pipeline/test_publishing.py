"""Publishers over real sockets: one in each room, heard to the end, and told what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from serving import START, Listener, at, caption, closing, hello, receive
from websockets.asyncio.client import ClientConnection

from surtitle.pipeline.connection import Audio, Patience
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Samples
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.limits import AUDIO_AT_ONCE, LEAST_SECONDS
from surtitle.pipeline.messages import CloseCode, PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer


@pytest.fixture
def hub() -> Hub:
    return Hub("epoch-1")


@asynccontextmanager
async def publishing(hub: Hub, listener: Listener) -> AsyncIterator[ClientConnection]:
    """A publisher that has begun, to a server of its own."""
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        yield publisher


async def test_a_publishers_audio_reaches_the_session_and_stop_ends_it(hub: Hub) -> None:
    listener = Listener()
    async with publishing(hub, listener) as publisher:
        await publisher.send(b"\x00\x40\x00\xc0")
        await publisher.send('{"type":"stop"}')
        assert (await closing(publisher))[:2] == ([{"type": "ready", "session": "main"}], 1000)
    assert listener.heard == [0.5, -0.5]
    assert (listener.starts[0].source, listener.starts[0].targets) == ("en", ("es",))


async def test_a_publisher_that_vanishes_ends_its_session_in_order(hub: Hub) -> None:
    listener = Listener()
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener) as server:
        async with at(server, "/publish") as publisher:
            await publisher.send(START)
            await publisher.send(b"\x00\x40")
            publisher.transport.abort()
        await asyncio.wait_for(listener.ended.wait(), 5)


async def test_a_publisher_may_want_other_translations_while_it_speaks(hub: Hub) -> None:
    listener = Listener()
    async with publishing(hub, listener) as publisher:
        for message in ('{"type":"translate","to":["es","fr"]}', b"\x00\x40", '{"type":"translate","to":[]}'):
            await publisher.send(message)
        messages, code, _ = await closing(publisher)
    assert (listener.wanted, listener.heard) == ([("es", "fr")], [0.5])
    assert (messages[-1]["type"], code) == ("error", 4500)


async def test_what_a_publisher_could_not_send_is_told_in_its_place(hub: Hub) -> None:
    listener = Listener()
    async with publishing(hub, listener) as publisher:
        await publisher.send('{"type":"skipped","samples":16000}')
        await publisher.send(b"\x00\x40")
        await publisher.send('{"type":"skipped","samples":100000000}')
        _, code, _ = await closing(publisher)
    assert (listener.skipped, listener.heard) == ([16000], [0.5])
    assert code == 4507, "more than there was time for"


async def test_a_message_that_little_was_skipped_counts_as_any_other() -> None:
    class Skipping:
        async def recv(self) -> str:
            return '{"type":"skipped","samples":1}'

    audio = Audio(cast(Any, Skipping()), 16_000)
    passed = [each async for each in audio.chunks()]
    assert AUDIO_AT_ONCE / LEAST_SECONDS <= len(passed) < 20_000
    assert audio.refused is not None
    assert audio.refused.close_code is CloseCode.FLOOD


async def test_a_publisher_whose_network_is_gone_leaves_the_room_to_others(hub: Hub) -> None:
    listener = Listener()
    patience = Patience(silence=0.05, answer=0.2)
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener, patience=patience) as server,
        at(server, "/publish", close_timeout=0.1) as gone,
        at(server, "/publish") as back,
    ):
        await gone.send(START)
        assert await receive(gone) == {"type": "ready", "session": "main"}
        await gone.send(b"\x00\x40")
        gone.transport.pause_reading()  # a ping is not answered: nobody says that it is gone
        await asyncio.wait_for(listener.ended.wait(), 5)
        await back.send(START)
        assert await receive(back) == {"type": "ready", "session": "main"}
        await back.send('{"type":"stop"}')
        assert (await closing(back))[1] == 1000
        gone.transport.abort()
    assert listener.heard == [0.5]


async def test_a_publisher_that_is_silent_but_there_keeps_its_room(hub: Hub) -> None:
    listener = Listener()
    patience = Patience(silence=0.01, answer=5)
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener, patience=patience) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        for _ in range(3):
            await asyncio.sleep(0.05)
            await publisher.send(b"\x00\x40")
        await publisher.send('{"type":"stop"}')
        assert (await closing(publisher))[1] == 1000
    assert listener.heard == [0.5] * 3


@pytest.mark.parametrize("nonsense", [b"abc", '{"type":"start"', '{"type":"hello","v":1}'])
async def test_nonsense_ends_the_session_in_order_and_is_explained(hub: Hub, nonsense: str | bytes) -> None:
    listener = Listener()
    async with publishing(hub, listener) as publisher:
        await publisher.send(b"\x00\x40")
        await publisher.send(nonsense)
        (_, error), code, _ = await closing(publisher)
    assert listener.ended.is_set()
    assert listener.heard == [0.5]
    assert (error["code"], code) == ("bad_message", 4500)


async def test_a_session_that_cannot_run_is_explained_to_its_publisher(hub: Hub) -> None:
    listener = Listener(ExceptionGroup("session", [UserError("saw language 'xx', expected one of en, es")]))
    async with publishing(hub, listener) as publisher:
        await publisher.send(b"\x00\x40")
        (_, error), code, _ = await closing(publisher)
    assert error["message"] == "saw language 'xx', expected one of en, es"
    assert code == 4504


async def test_a_session_that_breaks_is_reported_and_harms_nobody_else(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(RuntimeError("the model is broken"))
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener) as server,
        at(server) as viewer,
        at(server, "/publish") as publisher,
    ):
        await hello(viewer)
        await publisher.send(START)
        await publisher.send(b"\x00\x40")
        assert (await closing(publisher))[1] == 1011
        hub.publish(caption(0))
        assert (await receive(viewer))["cue"] == 0
    assert "the model is broken" in caplog.text


async def test_one_publisher_speaks_in_a_room_at_a_time(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=Listener()) as server:
        async with at(server, "/publish") as first, at(server, "/publish") as second:
            await first.send(START)
            assert await receive(first) == {"type": "ready", "session": "main"}
            await second.send(START)
            (error,), code, _ = await closing(second)
            assert (error["code"], error["retry"], code) == ("busy", True, 4409)
            await first.send('{"type":"stop"}')
            await closing(first)
        async with at(server, "/publish") as third:
            await third.send(START)
            await third.send('{"type":"stop"}')
            assert (await closing(third))[1] == 1000


async def test_a_server_without_publishers_says_so(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server, at(server, "/publish") as publisher:
        (error,), code, _ = await closing(publisher)
    assert "takes no publishers" in error["message"]
    assert (error["retry"], code) == (False, 4503)


async def test_each_room_has_a_publisher_and_viewers_of_its_own() -> None:
    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await ready()
        async for _ in audio:
            room.hub.publish(caption(0, text=f"said in {room.name}"))

    rooms = Rooms(lambda: Hub("e"))
    async with CaptionServer(rooms, port=0, on_publish=speak) as server:
        for name in ("hall", "cellar"):  # one after the other, all at once
            async with at(server) as viewer, at(server, "/publish") as one, at(server, "/publish") as other:
                await hello(viewer, session=name)
                for publisher, room in ((one, "hall"), (other, "cellar")):
                    await publisher.send(START.replace('"v":1', f'"v":1,"session":"{room}"'))
                    assert await receive(publisher) == {"type": "ready", "session": room}
                    await publisher.send(b"\x00\x40")
                assert (await receive(viewer))["text"] == f"said in {name}"
                for publisher in (one, other):
                    await publisher.send('{"type":"stop"}')
                    assert (await closing(publisher))[1] == 1000


async def test_a_viewer_may_be_there_before_the_speaker() -> None:
    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        room.hub.publish(caption(0, text="por fin"))

    async with (
        CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=speak) as server,
        at(server) as viewer,
        at(server, "/publish") as publisher,
    ):
        await hello(viewer, session="hall")
        await publisher.send(START.replace('"v":1', '"v":1,"session":"hall"'))
        assert (await receive(viewer))["text"] == "por fin"


async def test_a_publisher_that_left_before_it_was_ready_is_heard_all_the_same(hub: Hub) -> None:
    heard, gone = list[float](), asyncio.Event()

    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await gone.wait()
        await ready()
        async for samples in audio:
            heard.extend(samples.tolist())

    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=speak) as server:
        async with at(server, "/publish") as publisher:
            await publisher.send(START)
            await publisher.send(b"\x00\x40")
            await publisher.send('{"type":"stop"}')
            await asyncio.sleep(0.05)
            publisher.transport.abort()
        gone.set()
        await asyncio.wait_for(server.drain(5), 5)
    assert heard == [0.5]


async def test_draining_lets_the_publishers_session_finish_first(hub: Hub) -> None:
    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        async for _ in audio:
            pass
        await asyncio.sleep(0.05)
        hub.publish(caption(0, text="las últimas palabras"))

    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=speak) as server,
        at(server) as viewer,
        at(server, "/publish") as publisher,
    ):
        await hello(viewer)
        await publisher.send(START)
        await publisher.send(b"\x00\x40")
        await asyncio.sleep(0.05)
        draining = asyncio.create_task(server.drain(5))
        messages, code, _ = await closing(viewer)
        await draining
    assert [message["text"] for message in messages] == ["las últimas palabras"]
    assert code == 1001


async def test_who_has_stopped_is_told_that_all_was_said_though_the_server_stops(hub: Hub) -> None:
    stopped, said = asyncio.Event(), asyncio.Event()

    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await ready()
        async for _ in audio:
            pass
        stopped.set()
        await said.wait()

    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=speak) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        await publisher.send(b"\x00\x40")
        await publisher.send('{"type":"stop"}')
        await asyncio.wait_for(stopped.wait(), 5)
        draining = asyncio.create_task(server.drain(5))
        await asyncio.sleep(0.05)
        said.set()
        assert (await closing(publisher))[:2] == ([{"type": "ready", "session": "main"}], 1000)
        await draining


async def test_who_still_speaks_is_told_at_once_that_the_server_stops(hub: Hub) -> None:
    said = asyncio.Event()

    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await ready()
        async for _ in audio:
            pass
        await said.wait()

    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=speak) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        assert await receive(publisher) == {"type": "ready", "session": "main"}
        draining = asyncio.create_task(server.drain(5))
        assert (await closing(publisher))[1] == 1001
        async with at(server, "/publish") as again:
            await again.send(START)
            (error,), code, _ = await closing(again)
        assert (error["message"], code) == ("the server is stopping; try again when it is back", 4410)
        said.set()
        await draining
