"""Clients that are wrong, greedy or not invited: refused with the code that says why, and the others unharmed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from serving import at, caption, closing, hello, receive

from surtitle.pipeline.connection import Patience
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer


@pytest.fixture
def hub() -> Hub:
    return Hub("epoch-1")


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[CaptionServer]:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        yield server


# --- mistakes ---


@pytest.mark.parametrize("message", ["{", '{"type":"hello","v":1,"lang":["es"]}', b"\x00\xff", '"hello"'])
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
        await viewer.send(json.dumps({"type": "painted", "seq": seq}))
        await viewer.send(json.dumps({"type": "painted", "seq": seq}))
        (error,), code, _ = await closing(viewer)
    assert told == [(7, "es")]
    assert (error["code"], error["retry"], code) == ("bad_message", False, 4500)
    assert error["message"].startswith("saw seq 1 painted, expected a caption after 1")


async def test_a_message_that_is_too_large_closes_its_connection_only(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as other, at(server) as viewer:
        await hello(other)
        await viewer.send("x" * (64 * 1024 + 1))
        _, code, _ = await closing(viewer)
        assert code == 1009
        hub.publish(caption(0))
        assert (await receive(other))["cue"] == 0


async def test_a_client_that_says_nothing_is_sent_away(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(hello=0.05)) as server, at(server) as viewer:
        (error,), code, _ = await closing(viewer)
    assert (error["code"], error["retry"], code) == ("no_hello", True, 4407)
