"""The Python publisher against a real server: what it sends is heard, and what goes wrong is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from serving import Listener, answering

from surtitle.clients.publisher import publish
from surtitle.clients.viewer import ViewerError
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Samples
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import OnPublish, Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens, digest


def serving(on_publish: OnPublish | None, tokens: Tokens | None = None) -> CaptionServer:
    return CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=on_publish, tokens=lambda: tokens or Tokens())


async def half(chunks: int = 2) -> AsyncIterator[bytes]:
    for _ in range(chunks):
        yield b"\x00\x40"


async def test_audio_is_heard_to_its_end_in_the_session_that_is_named() -> None:
    listener = Listener()
    async with serving(listener) as server:
        await publish(server.url, "en", ["es", "de"], half(), session="hall-2", sample_rate=48_000)
    (start,) = listener.starts
    assert (start.sources, start.targets, start.session, start.sample_rate) == (("en",), ("es", "de"), "hall-2", 48_000)
    assert listener.heard == [0.5, 0.5]
    assert listener.ended.is_set()


async def test_other_translations_are_asked_for_between_chunks() -> None:
    async def changing() -> AsyncIterator[bytes | list[str]]:
        yield b"\x00\x40"
        yield ["fr", "de"]
        yield b"\x00\x40"

    listener = Listener()
    async with serving(listener) as server:
        await publish(server.url, "en", ["es"], changing())
    assert (listener.heard, listener.wanted) == ([0.5, 0.5], [("fr", "de")])


async def test_no_audio_is_asked_for_before_the_server_is_ready() -> None:
    log: list[str] = []

    async def slow(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
        await asyncio.sleep(0.05)
        log.append("ready")
        await ready()
        async for _ in audio:
            log.append("heard")

    async def speech() -> AsyncIterator[bytes]:
        log.append("asked")
        yield b"\x00\x40"

    async with serving(slow) as server:
        await publish(server.url, ["en", "es"], ["de"], speech())
    assert log == ["ready", "asked", "heard"]


async def test_a_session_that_cannot_run_is_told_in_the_servers_words() -> None:
    async with serving(Listener(UserError("saw language 'xx', expected one of en, es"))) as server:
        with pytest.raises(ViewerError, match="saw language 'xx'") as caught:
            await publish(server.url, "en", ["es"], half())
    assert (caught.value.code, caught.value.retry) == ("session_refused", False)


async def test_a_session_that_breaks_while_audio_is_sent_is_told() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"\x00\x40"
            await asyncio.sleep(0.01)

    async with serving(Listener(UserError("the model is gone"))) as server, asyncio.timeout(5):
        with pytest.raises(ViewerError, match="the model is gone"):
            await publish(server.url, "en", ["es"], endless())


async def test_a_second_publisher_may_try_again_later() -> None:
    ready = asyncio.Event()

    async def silence() -> AsyncIterator[bytes]:
        ready.set()
        await asyncio.Event().wait()
        yield b""

    async with serving(Listener()) as server:
        first = asyncio.create_task(publish(server.url, "en", ["es"], silence()))
        await asyncio.wait_for(ready.wait(), 5)
        with pytest.raises(ViewerError, match="someone else is speaking") as caught:
            await publish(server.url, "en", ["es"], half())
        first.cancel()
        await asyncio.wait((first,))
    assert (caught.value.code, caught.value.retry) == ("busy", True)


async def test_a_token_for_reading_does_not_publish() -> None:
    tokens = Tokens((Token("phone", "read", digest("r")), Token("stage", "publish", digest("p"))))
    async with serving(Listener(), tokens) as server:
        with pytest.raises(ViewerError) as caught:
            await publish(server.url, "en", ["es"], half(), token="r")
        await publish(server.url, "en", ["es"], half(), token="p")
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize("error", [FileNotFoundError("talk.wav"), TimeoutError("no sound")])
async def test_audio_that_can_not_be_had_is_no_failure_of_the_servers(error: OSError) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"\x00\x40"
        raise error

    listener = Listener()
    async with serving(listener) as server:
        with pytest.raises(type(error)) as caught:
            await publish(server.url, "en", ["es"], failing())
        await asyncio.wait_for(listener.ended.wait(), 5)
    assert caught.value is error
    assert listener.heard == [0.5]


async def test_a_server_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    async with serving(None) as server:
        with pytest.raises(ViewerError, match="takes no publishers"):
            await publish(server.url, "en", ["es"], half())
        url = server.url
    with pytest.raises(ViewerError, match="start one with `surtitle serve`") as caught:
        await publish(url, "en", ["es"], half())
    assert caught.value.retry


async def test_a_server_that_leads_to_https_is_told_with_the_address_to_give() -> None:
    async with answering("308 Permanent Redirect", "Location: https://captions.example.org/publish") as url:
        with pytest.raises(ViewerError, match=r"leads to https://captions\.example\.org/publish"):
            await publish(url, "en", ["es"], half())
