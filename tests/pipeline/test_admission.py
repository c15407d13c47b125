"""Tokens over real sockets: who is let in, and who has to go when a token is revoked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
from serving import START, Listener, at, caption, closing, hello, receive

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.reread import Reread
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokencommands import revoke_token
from surtitle.pipeline.tokens import Token, Tokens, added, digest, parse


@pytest.fixture
def hub() -> Hub:
    return Hub("epoch-1")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Tokens: `reader` reads, `speaker` publishes, `guest` reads in the hall."""
    path, text = tmp_path / "tokens.toml", ""
    for token in (
        Token("reader", "read", digest("reader's")),
        Token("speaker", "publish", digest("speaker's")),
        Token("guest", "read", digest("guest's"), "hall"),
    ):
        text = added(text, token)
    path.write_text(text)
    return path


@pytest.fixture
async def server(hub: Hub, listener: Listener, file: Path) -> AsyncIterator[CaptionServer]:
    tokens = Reread(file, parse, print, what="a tokens file")
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=tokens.current, on_publish=listener) as server:
        yield server


def start(token: str) -> str:
    return json.dumps({**json.loads(START), "token": token})


async def test_where_reading_is_public_who_has_no_token_reads_and_a_speaker_without_one_is_told(
    hub: Hub, listener: Listener, file: Path
) -> None:
    tokens = Tokens(parse(await asyncio.to_thread(file.read_text)).tokens, public_read=True)
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, tokens=lambda: tokens, on_publish=listener) as server,
        at(server) as viewer,
        at(server, "/publish") as stranger,
        at(server, "/publish") as publisher,
    ):
        assert len(await hello(viewer)) == 2
        await stranger.send(START)
        _, code, _ = await closing(stranger)
        assert code == 4505
        await publisher.send(start("speaker's"))
        assert (await receive(publisher))["type"] == "ready"


async def test_who_has_a_token_reads_and_publishes(server: CaptionServer, listener: Listener) -> None:
    async with at(server) as viewer, at(server, "/publish") as publisher:
        assert len(await hello(viewer, token="reader's")) == 2
        await publisher.send(start("speaker's"))
        assert (await receive(publisher))["type"] == "ready"
        await publisher.send(b"\x00\x40")
        await publisher.send('{"type":"stop"}')
        assert (await closing(publisher))[1] == 1000
    assert listener.heard == [0.5]


@pytest.mark.parametrize(
    ("fields", "code", "name"),
    [
        ({}, 4505, "unauthorized"),
        ({"token": ""}, 4505, "unauthorized"),
        ({"token": "reader"}, 4505, "unauthorized"),
        ({"token": digest("reader's")}, 4505, "unauthorized"),
        ({"token": "guest's"}, 4506, "forbidden"),
    ],
)
async def test_who_has_none_or_not_for_this_room_is_refused_for_good(
    server: CaptionServer, hub: Hub, fields: dict[str, str], code: int, name: str
) -> None:
    async with at(server) as other, at(server) as viewer:
        await hello(other, token="guest's", session="hall")
        await viewer.send(json.dumps({"type": "hello", "v": 1, **fields}))
        (error,), seen, reason = await closing(viewer)
        assert (error["code"], error["retry"], seen, reason) == (name, False, code, name)
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


@pytest.mark.parametrize(("token", "code"), [("reader's", 4506), ("speaker", 4505)])
async def test_a_reader_that_publishes_is_refused(
    server: CaptionServer, listener: Listener, token: str, code: int
) -> None:
    async with at(server, "/publish") as publisher:
        await publisher.send(start(token))
        assert (await closing(publisher))[1] == code
    assert listener.starts == []


async def test_a_revoked_token_cuts_its_viewers_off_within_two_seconds_and_no_other(
    server: CaptionServer, hub: Hub, file: Path
) -> None:
    async with at(server) as one, at(server) as other, at(server) as stays:
        for viewer, token in ((one, "reader's"), (other, "reader's"), (stays, "speaker's")):
            await hello(viewer, token=token)
        began = monotonic()
        revoke_token(file, "reader")
        for viewer in (one, other):
            (error,), code, reason = await closing(viewer)
            assert (error["code"], error["retry"], code, reason) == ("unauthorized", False, 4505, "unauthorized")
        assert monotonic() - began < 2
        hub.publish(caption(0))
        assert (await receive(stays))["cue"] == 0


async def test_a_publisher_whose_token_is_revoked_is_captioned_to_what_it_said_last(
    server: CaptionServer, listener: Listener, file: Path
) -> None:
    async with at(server, "/publish") as publisher:
        await publisher.send(start("speaker's"))
        await publisher.send(b"\x00\x40")
        assert (await receive(publisher))["type"] == "ready"
        revoke_token(file, "speaker")
        (_, code, _) = await closing(publisher)
    assert code == 4505
    await asyncio.wait_for(listener.ended.wait(), 5)
    assert listener.heard == [0.5]


@pytest.mark.slow
async def test_a_publisher_that_hears_no_goodbye_is_heard_no_more_two_seconds_after_its_token_is_revoked(
    server: CaptionServer, listener: Listener, file: Path
) -> None:
    async with at(server, "/publish") as publisher:
        await publisher.send(start("speaker's"))
        assert (await receive(publisher))["type"] == "ready"
        publisher.transport.pause_reading()
        revoke_token(file, "speaker")
        async with asyncio.timeout(3):
            await listener.ended.wait()


@pytest.mark.slow
async def test_a_viewer_that_does_not_read_is_given_nothing_more_when_its_token_is_revoked(
    server: CaptionServer, hub: Hub, file: Path
) -> None:
    async with at(server, max_queue=1) as stalled:
        await hello(stalled, token="reader's")
        for cue in range(100):
            hub.publish(caption(cue, text="x" * 20_000))
            await asyncio.sleep(0)
        revoke_token(file, "reader")
        await asyncio.sleep(1.7)
        hub.publish(caption(100, text="not for you"))
        messages, _, _ = await closing(stalled)
    assert messages
    assert not [message for message in messages if message.get("text") == "not for you"]


async def test_tokens_are_looked_at_again_though_nobody_hears_what_is_wrong_with_them(hub: Hub, file: Path) -> None:
    told = asyncio.Event()

    def unheard(what: str) -> None:
        """Standard error, once its reader is gone."""
        told.set()
        raise BrokenPipeError(32, "Broken pipe")

    tokens = Reread(file, parse, unheard, what="a tokens file")
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=tokens.current) as server, at(server) as viewer:
        await hello(viewer, token="reader's")
        whole = break_off(file)
        await asyncio.wait_for(told.wait(), 5)
        mend(file, whole)
        revoke_token(file, "reader")
        (error,), code, _ = await closing(viewer)
        assert (error["code"], code) == ("unauthorized", 4505)


def break_off(file: Path) -> str:
    """What was in it."""
    whole = file.read_text()
    file.write_text(whole[:40])
    return whole


def mend(file: Path, whole: str) -> None:
    file.write_text(whole)


async def test_a_file_that_is_broken_for_a_moment_sends_nobody_away(
    server: CaptionServer, hub: Hub, file: Path
) -> None:
    async with at(server) as viewer:
        await hello(viewer, token="reader's")
        break_off(file)
        await asyncio.sleep(0.7)
        hub.publish(caption(0))
        assert (await receive(viewer))["cue"] == 0
