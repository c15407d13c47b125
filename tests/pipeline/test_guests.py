"""Other programs' websocket clients, unchanged, against `surtitle serve` with scripted models."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from openai import AsyncOpenAI
from scripted import scripted_server
from serving import Listener, caption, closing, receive
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from surtitle.pipeline.connection import Patience
from surtitle.pipeline.events import Caption, CaptionMode, Sound
from surtitle.pipeline.guests import GuestConnection
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens, digest

SAID = "We will meet again."
QUIET = base64.b64encode(bytes(2 * 4_800)).decode()
"""200 ms at 24 kHz."""
GUESTS = Tokens((Token("stage", "publish", digest("p"), "hall"), Token("seat", "read", digest("r"))))


def socket(url: str, path: str, **more: Any) -> connect:
    return connect(url.replace("http", "ws", 1) + path, proxy=None, **more)


async def translated(client: AsyncOpenAI, seconds: float, **query: str) -> list[Any]:
    """What OpenAI's client gets for so many seconds of speech."""
    events = []
    async with client.realtime.translations.connect(model="gpt-realtime-translate", extra_query=query) as connection:
        await connection.session.update(
            session={"audio": {"input": {"transcription": {"model": "any"}}, "output": {"language": "es"}}}
        )
        for _ in range(round(seconds * 5)):
            await connection.session.input_audio_buffer.append(audio=QUIET)
        await connection.session.close()
        async for event in connection:
            events.append(event)
    return events


@pytest.mark.parametrize("captions", ["final", "steady", "live"])
async def test_openais_client_hears_its_speech_and_its_translation_as_they_grow(captions: CaptionMode) -> None:
    async with scripted_server(captions=captions) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        events = await asyncio.wait_for(translated(client, 4.0, **{"from": "en"}), 30)
    assert [event.type for event in events[:2]] == ["session.created", "session.updated"]
    assert events[-1].type == "session.closed"
    for kind, text in (("input", f"{SAID} {SAID}"), ("output", f"{SAID} {SAID}".upper())):
        deltas = [event for event in events if event.type == f"session.{kind}_transcript.delta"]
        assert "".join(event.delta for event in deltas) == text
        assert all(event.elapsed_ms % 200 == 0 for event in deltas)


async def test_viewers_watch_the_room_that_the_address_names() -> None:
    async with (
        scripted_server() as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client,
        socket(url, "/captions") as viewer,
    ):
        await viewer.send('{"type":"hello","v":1,"langs":["es"],"session":"hall"}')
        await asyncio.wait_for(translated(client, 2.0, **{"from": "en", "session": "hall"}), 30)
        seen = [await receive(viewer)]
        while seen[-1]["type"] != "end":
            seen.append(await receive(viewer))
    assert [each["text"] for each in seen if each["type"] == "caption"] == [SAID.upper()]


async def test_a_client_that_vanishes_is_captioned_to_its_end() -> None:
    async with scripted_server() as url, socket(url, "/captions") as viewer:
        await viewer.send('{"type":"hello","v":1,"langs":["en"]}')
        async with socket(url, "/v1/realtime/translations?from=en&to=es") as speaker:
            for _ in range(10):
                await speaker.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": QUIET}))
            await receive(speaker)
            await (await speaker.ping())  # it has everything
            speaker.transport.abort()
        seen = [await receive(viewer)]
        while seen[-1]["type"] != "end":
            seen.append(await receive(viewer))
    assert any(each["type"] == "caption" for each in seen)


async def test_a_client_whose_network_is_gone_leaves_the_room_to_others() -> None:
    listener, path = Listener(), "/v1/realtime/translations?from=en&to=es"
    patience = Patience(silence=0.05, answer=0.2)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener, patience=patience) as server:
        async with socket(server.url, path, close_timeout=0.1) as gone:
            await gone.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": QUIET}))
            await receive(gone)
            gone.transport.pause_reading()  # a ping is not answered: nobody says that it is gone
            await asyncio.wait_for(listener.ended.wait(), 5)
            gone.transport.abort()
        async with socket(server.url, path) as back:
            await receive(back)
    assert len(listener.heard) == 4800


async def test_a_client_that_is_held_back_for_long_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    listener, due = Listener(), asyncio.Event()

    async def hold(guest: GuestConnection, seconds: float) -> None:
        await due.wait()

    monkeypatch.setattr(GuestConnection, "_hold", hold)
    monkeypatch.setattr("surtitle.pipeline.server.serve", partial(serve, ping_interval=0.05))
    server = CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener, patience=Patience(stall=0.2))
    async with server, socket(server.url, "/v1/realtime/translations?from=en&to=es") as client:

        async def speak() -> None:
            for _ in range(100):
                await client.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": QUIET}))
            await client.send('{"type":"session.close"}')

        speaking = asyncio.create_task(speak())
        await asyncio.sleep(0.6)
        due.set()
        await speaking
        assert (await closing(client))[1] == 1000
    assert len(listener.heard) == 100 * 4_800


def final(cue: int, text: str) -> Caption:
    return replace(caption(cue, text=text), stable=len(text))


LAST_WORDS = "las últimas palabras"
APPEND = json.dumps({"type": "session.input_audio_buffer.append", "audio": QUIET})


@pytest.mark.parametrize(
    ("path", "spoken", "told"),
    [
        ("/v1/realtime/translations", APPEND, {"type": "session.closed"}),
        ("/simulstream", bytes(3_200), {"end_of_processing": True}),
    ],
)
async def test_a_guest_has_all_that_was_said_when_the_server_stops(
    path: str, spoken: str | bytes, told: dict[str, Any]
) -> None:
    heard = asyncio.Event()

    async def speak(start: PublishStart, audio: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
        async for _ in audio:
            heard.set()
        await asyncio.sleep(0.05)
        room.hub.publish(final(0, LAST_WORDS))

    async def go_on(client: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await client.send(spoken)
                await asyncio.sleep(0.005)

    async with (
        CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=speak) as server,
        socket(server.url, f"{path}?from=en&to=es") as client,
    ):
        speaking = asyncio.create_task(go_on(client))
        await asyncio.wait_for(heard.wait(), 5)
        draining = asyncio.create_task(server.drain(5))
        async with asyncio.timeout(3):  # it is not waited for its goodbye, which lies behind what it still says
            messages, code, _ = await closing(client)
            await draining
            await speaking
    assert LAST_WORDS in [each.get("delta", each.get("new")) for each in messages]
    assert messages[-1].items() >= told.items()
    assert code == 1000


async def test_a_guest_that_says_nothing_is_told_when_the_server_stops() -> None:
    async with (
        CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=Listener()) as server,
        socket(server.url, "/v1/realtime/translations") as client,
    ):
        assert (await receive(client))["type"] == "session.created"
        draining = asyncio.create_task(server.drain(5))
        messages, code, _ = await closing(client)
        await draining
    assert ([each["type"] for each in messages], code) == (["session.closed"], 1000)


async def test_a_guest_that_takes_nothing_any_more_does_not_hold_up_the_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = asyncio.Event()

    async def speak(start: PublishStart, audio: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
        async for _ in audio:
            heard.set()
        for cue in range(20):  # more than the kernel holds
            room.hub.publish(final(cue, "x" * 1_000_000))

    monkeypatch.setattr("surtitle.pipeline.publishing.SESSIONS_SECONDS", 0.5)
    async with (
        CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=speak) as server,
        socket(server.url, "/v1/realtime/translations?from=en&to=es", close_timeout=0.1) as client,
    ):
        await client.send(APPEND)
        await asyncio.wait_for(heard.wait(), 5)
        client.transport.pause_reading()
        await asyncio.wait_for(server.drain(5), 3)
        client.transport.abort()


async def simulated(connection: ClientConnection, **config: Any) -> list[dict[str, Any]]:
    """What simulstream's client does: everything at once, and then it listens."""
    await connection.send(json.dumps({"sample_rate": 16_000, "metrics_metadata": {"wav_name": "a.wav"}, **config}))
    for _ in range(40):
        await connection.send(bytes(3_200))
    await connection.send('{"end_of_stream": true}')
    heard = [await receive(connection)]
    while "end_of_processing" not in heard[-1]:
        heard.append(await receive(connection))
    return heard


async def test_simulstreams_client_gets_text_that_grows_and_is_told_its_end() -> None:
    async with scripted_server() as url, socket(url, "/simulstream") as connection:
        heard = await asyncio.wait_for(simulated(connection, source_lang="en", target_lang="es"), 30)
    assert "".join(each["new"] for each in heard[:-1]) == f"{SAID} {SAID}".upper()
    assert {each["deleted"] for each in heard[:-1]} == {""}


async def refused(url: str, path: str, **more: Any) -> tuple[dict[str, Any], int]:
    """The last message, and the close code."""
    message: dict[str, Any] = {}
    async with socket(url, path, **more) as connection:
        try:
            while True:
                message = await receive(connection)
        except ConnectionClosed:
            return message, connection.close_code or 0


@pytest.mark.parametrize(
    ("key", "session", "code", "name"),
    [(None, "hall", 4505, "unauthorized"), ("r", "hall", 4506, "forbidden"), ("p", "main", 4506, "forbidden")],
)
async def test_only_who_may_publish_there_is_heard(key: str | None, session: str, code: int, name: str) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with scripted_server(tokens=lambda: GUESTS) as url:
        path = f"/v1/realtime/translations?session={session}"
        message, closed = await refused(url, path, additional_headers=headers)
    assert (message["type"], message["error"]["code"], closed) == ("error", name, code)


async def test_openais_key_is_the_token_and_simulstream_has_it_in_its_address() -> None:
    async with scripted_server(tokens=lambda: GUESTS) as url:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="p") as client:
            events = await asyncio.wait_for(translated(client, 2.0, **{"from": "en", "session": "hall"}), 30)
        assert events[-1].type == "session.closed"
        async with socket(url, "/simulstream?access_token=p&session=hall&from=en&to=es") as connection:
            assert await asyncio.wait_for(simulated(connection), 30)


async def test_a_language_that_cannot_be_translated_is_told_in_the_clients_own_terms() -> None:
    async with scripted_server() as url:
        async with socket(url, "/v1/realtime/translations?from=klingon") as connection:
            await connection.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": QUIET}))
            await receive(connection)
            error = await receive(connection)
            await connection.wait_closed()
        assert (error["type"], error["error"]["code"], connection.close_code) == ("error", "session_refused", 4504)
        async with socket(url, "/simulstream") as connection:
            await connection.send("no json")
            assert "expected" in (await receive(connection))["error"]
            await connection.wait_closed()
        assert connection.close_code == 4500
        assert (await refused(url, "/simulstream?session=no%20name"))[1] == 4504


async def test_a_server_with_its_own_source_takes_no_guests() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        message, code = await refused(server.url, "/v1/realtime/translations")
    assert (message["error"]["code"], code) == ("no_publishers", 4503)


async def test_a_page_from_elsewhere_is_no_guest() -> None:
    async with scripted_server() as url:
        with pytest.raises(InvalidStatus):
            async with socket(url, "/v1/realtime/translations", origin="https://elsewhere.example"):
                pass
