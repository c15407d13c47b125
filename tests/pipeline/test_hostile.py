"""Clients that are wrong, greedy or not invited: refused with the code that says why, and the others unharmed."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from serving import START, Listener, at, caption, closing, hello, receive
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from surtitle.pipeline.connection import Patience
from surtitle.pipeline.events import Samples
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.limits import MESSAGES_AT_ONCE
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.rooms import SPARE, Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer


@pytest.fixture
def hub() -> Hub:
    return Hub("epoch-1")


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[CaptionServer]:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        yield server


# --- mistakes ---


NESTED = "[" * 30_000
WRONG = [
    "{",
    '{"type":"hello","v":1,"lang":["es"]}',
    b"\x00\xff",
    '"hello"',
    "",
    NESTED,
    '{"type":"hello","v":1,"langs":' + NESTED,
    '{"type":"hello","v":[]}',
    '{"type":"hello","v":1,"langs":"es"}',
    '{"type":"hello","v":1,"session":"../main"}',
    '{"type":"hello","v":1,"since":{"epoch":"e","seq":1e400}}',
    START,
    '{"type":"stop"}',
]


@pytest.mark.parametrize("message", WRONG, ids=lambda message: repr(message[:30]))
async def test_a_bad_first_message_is_explained_and_harms_nobody(
    hub: Hub, server: CaptionServer, message: str | bytes
) -> None:
    async with at(server) as other, at(server) as viewer:
        await hello(other)
        await viewer.send(message)
        (error,), code, reason = await closing(viewer)
        assert (error["type"], error["code"], error["retry"]) == ("error", "bad_message", False)
        assert "expected" in error["message"]
        assert (code, reason) == (4500, "bad_message")
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


async def test_a_second_message_is_refused(server: CaptionServer) -> None:
    async with at(server) as viewer:
        await hello(viewer)
        await viewer.send('{"type":"hello","v":1}')
        (error,), code, _ = await closing(viewer)
    assert (error["code"], code) == ("bad_message", 4500)


async def test_a_viewer_says_what_it_has_painted_and_nothing_else(hub: Hub, server: CaptionServer) -> None:
    told: list[tuple[int, str]] = []
    hub.on_painted = lambda cue, language: told.append((cue, language))
    async with at(server) as viewer:
        await hello(viewer)
        hub.publish(caption(7))
        seq = (await receive(viewer))["seq"]
        for said in (seq, seq, 0, 9):
            await viewer.send(json.dumps({"type": "painted", "seq": said}))
        (error,), code, _ = await closing(viewer)
    assert told == [(7, "es")]
    assert (error["code"], error["retry"], code) == ("bad_message", False, 4500)
    assert error["message"].startswith("saw seq 9 painted, expected one of the captions that were sent, up to 1")


async def test_a_viewer_that_says_the_same_painted_without_end_is_cut_off(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as viewer:
        await hello(viewer)
        with suppress(ConnectionClosed):
            for _ in range(MESSAGES_AT_ONCE + 100):
                await viewer.send('{"type":"painted","seq":0}')
        (error,), code, _ = await closing(viewer)
    assert (error["code"], code) == ("flood", 4507)


@pytest.mark.parametrize(("path", "size"), [("/captions", 64 * 1024 + 1), ("/captions", 10**7), ("/publish", 10**7)])
async def test_a_message_that_is_too_large_closes_its_connection_only(hub: Hub, path: str, size: int) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=Listener()) as server, at(server) as other:
        await hello(other)
        assert await close_code(server, path, b"x" * size) == 1009
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


@asynccontextmanager
async def raw(
    server: CaptionServer, path: str
) -> AsyncIterator[tuple[ClientProtocol, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A websocket of plain sockets, on which anything can be said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    client = ClientProtocol(parse_uri(f"ws://127.0.0.1:{server.port}{path}"))
    client.send_request(client.connect())
    writer.writelines(client.data_to_send())
    client.receive_data(await reader.readuntil(b"\r\n\r\n"))
    try:
        yield client, reader, writer
    finally:
        writer.transport.abort()


async def close_code(server: CaptionServer, path: str, message: bytes) -> int:
    """What a client of plain sockets is closed with that sends `message` whether or not it is wanted."""
    async with raw(server, path) as (client, reader, writer):
        writer.write(Frame(Opcode.TEXT, message).serialize(mask=True))
        while client.close_rcvd is None and (data := await asyncio.wait_for(reader.read(65_536), 10)):
            client.receive_data(data)
    assert client.close_rcvd is not None, "closed without a word"
    return client.close_rcvd.code


async def test_a_viewer_that_changes_its_languages_without_end_is_cut_off_and_harms_nobody(
    hub: Hub, server: CaptionServer
) -> None:
    async with at(server) as other, at(server) as viewer:
        await hello(other)
        await hello(viewer)
        with suppress(ConnectionClosed):
            for _ in range(1000):
                await viewer.send('{"type":"subscribe","langs":["es"]}')
        messages, code, reason = await closing(viewer)
        assert (messages[-1]["code"], messages[-1]["retry"]) == ("flood", False)
        assert (code, reason) == (4507, "flood")
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


async def test_audio_that_comes_too_fast_ends_its_session_in_order(hub: Hub) -> None:
    listener = Listener()
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener) as server:
        async with at(server, "/publish") as publisher:
            await publisher.send(START)
            with suppress(ConnectionClosed):
                for _ in range(100):
                    await publisher.send(bytes(320_000))  # ten seconds
            messages, code, _ = await closing(publisher)
        assert (messages[-1]["code"], messages[-1]["retry"], code) == ("flood", False, 4507)
        await asyncio.wait_for(listener.ended.wait(), 5)
    assert len(listener.heard) / 16_000 >= 30


async def test_audio_that_waited_for_the_models_is_no_flood(hub: Hub) -> None:
    waited, heard = 0.5, list[float]()

    async def speak(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await asyncio.sleep(waited)
        async for samples in audio:
            heard.extend(samples.tolist())

    async with (
        CaptionServer(Rooms(lambda: hub), port=0, on_publish=speak) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        for length in (30.0, waited):
            await publisher.send(bytes(2 * round(16_000 * length)))
        await publisher.send('{"type":"stop"}')
        assert (await closing(publisher))[1] == 1000
    assert len(heard) == 30.5 * 16_000


async def test_a_viewer_can_not_publish_and_a_publisher_is_shown_nothing(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=Listener()) as server:
        async with at(server) as viewer:
            await hello(viewer)
            await viewer.send(bytes(3200))
            assert (await closing(viewer))[1] == 4500
        async with at(server, "/publish") as publisher:
            await publisher.send('{"type":"hello","v":1}')
            (error,), code, _ = await closing(publisher)
            assert (error["code"], code) == ("bad_message", 4500)


async def test_more_connections_than_are_taken_are_told_to_come_later(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, max_viewers=2) as server:
        async with at(server) as one, at(server) as other, at(server) as third:
            await hello(one)
            await hello(other)
            (error,), code, _ = await closing(third)
            assert (error["code"], error["retry"], code) == ("full", True, 4410)
            hub.publish(caption(0))
            assert (await receive(one))["cue"] == (await receive(other))["cue"] == 0
        async with at(server) as fourth:
            assert len(await hello(fourth)) == 2


async def test_viewers_who_are_there_no_more_make_room_for_others(hub: Hub) -> None:
    patience = Patience(answer=0.2)
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, max_viewers=2, patience=patience) as server,
        at(server) as here,
        at(server, close_timeout=0.1) as gone,
    ):
        await hello(here)
        await hello(gone)
        gone.transport.pause_reading()  # says no goodbye, and answers nothing
        async with at(server) as back:
            assert (await closing(back))[1] == 4410
        async with asyncio.timeout(5):
            while hub.viewers == 2:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        async with at(server) as back:
            assert len(await hello(back)) == 2
        hub.publish(caption(0))
        assert (await receive(here))["cue"] == 0


async def test_a_speaker_who_comes_back_is_taken_where_viewers_have_every_place(hub: Hub) -> None:
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, max_viewers=1, on_publish=Listener()) as server,
        at(server) as viewer,
        at(server, "/publish") as publisher,
        at(server) as late,
    ):
        await hello(viewer)
        await publisher.send(START)
        assert (await receive(publisher))["type"] == "ready"
        assert (await closing(late))[1] == 4410


async def test_a_speaker_beyond_the_limit_takes_no_viewers_place(hub: Hub) -> None:
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, max_viewers=1, on_publish=Listener()) as server,
        at(server, "/publish") as publisher,
    ):
        await publisher.send(START)
        assert (await receive(publisher))["type"] == "ready"
        for _ in range(2):  # and when it comes back
            async with at(server) as viewer:
                await hello(viewer)
            await asyncio.sleep(0.05)


async def test_more_rooms_than_are_kept_are_told_to_come_later() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server, AsyncExitStack() as stack:
        for number in range(SPARE):
            await hello(await stack.enter_async_context(at(server)), session=f"room-{number}")
        async with at(server) as viewer:
            await viewer.send('{"type":"hello","v":1,"session":"one-more"}')
            (error,), code, _ = await closing(viewer)
    assert (error["code"], error["retry"], code) == ("full", True, 4410)


async def test_a_client_that_says_nothing_is_sent_away(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(hello=0.05)) as server, at(server) as viewer:
        (error,), code, _ = await closing(viewer)
    assert (error["code"], error["retry"], code) == ("no_hello", True, 4407)


async def test_a_client_that_pings_without_end_and_reads_no_answer_is_cut_off(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as other, raw(server, "/captions") as (_, _, writer):
        await hello(other)
        with pytest.raises(ConnectionError):
            await ping(writer, 100_000)
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


async def ping(writer: asyncio.StreamWriter, count: int) -> None:
    for _ in range(count // 1000):
        writer.write(Frame(Opcode.PING, bytes(125)).serialize(mask=True) * 1000)
        await writer.drain()


async def test_a_client_that_pings_now_and_then_is_answered(server: CaptionServer) -> None:
    async with at(server) as viewer:
        for _ in range(MESSAGES_AT_ONCE):
            await (await viewer.ping())


async def test_a_viewer_that_says_a_close_code_of_ours_is_not_counted_as_refused(hub: Hub) -> None:
    operations = Operations()
    async with CaptionServer(Rooms(lambda: hub), port=0, operations=operations) as server:
        for code in (4408, 4505, 3000):
            async with at(server) as viewer:
                await hello(viewer)
                await viewer.close(code)
        async with at(server) as viewer:
            await viewer.send("{")
            await closing(viewer)
    closed = [line for line in operations.metrics().decode().splitlines() if line.startswith("surtitle_closed_total{")]
    assert sorted(closed) == [
        'surtitle_closed_total{code="1000",kind="viewer"} 3.0',
        'surtitle_closed_total{code="4500",kind="viewer"} 1.0',
    ]


async def test_a_viewer_that_is_gone_before_it_has_what_it_asked_for_is_no_news(
    hub: Hub, server: CaptionServer, caplog: pytest.LogCaptureFixture
) -> None:
    for cue in range(20):
        hub.publish(caption(cue))
    async with raw(server, "/captions") as (_, _, writer):
        said = json.dumps({"type": "hello", "v": 1, "since": {"epoch": "epoch-1", "seq": 0}})
        writer.write(Frame(Opcode.TEXT, said.encode()).serialize(mask=True))
        gone: socket.socket = writer.get_extra_info("socket")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with at(server) as other:
        await hello(other)
    assert not caplog.records
