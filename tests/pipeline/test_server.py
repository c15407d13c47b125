"""The server over real sockets: viewers that are late, stalled or cut off, and the pages."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from serving import SESSION, at, caption, closing, hello, receive
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Origin

from surtitle.pipeline.connection import Patience
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SessionEnd
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.pages import CONTENT_SECURITY_POLICY
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer


@pytest.fixture
def hub() -> Hub:
    return Hub("epoch-1")


@pytest.fixture
async def server(hub: Hub) -> AsyncIterator[CaptionServer]:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        yield server


async def flood(hub: Hub, captions: int) -> None:
    """More than the system keeps for a viewer that does not read."""
    for cue in range(captions):
        hub.publish(caption(cue, text="x" * 20_000))
        await asyncio.sleep(0)


async def get(
    server: CaptionServer, path: str, *, host: str | None = None, method: str = "GET"
) -> tuple[int, str, str]:
    """Return the status, the headers and the body of a plain request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    host = host or f"127.0.0.1:{server.port}"
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), head, body


# --- viewers ---


async def test_a_viewer_is_welcomed_and_gets_captions_as_they_come(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as viewer:
        welcome, snapshot = await hello(viewer)
        assert welcome == {
            "type": "welcome",
            "v": 1,
            "epoch": "epoch-1",
            "seq": 0,
            "recovered": False,
            "ring_first": 1,
            "langs": [],
        }
        assert snapshot == {"type": "snapshot", "captions": []}
        hub.publish(SESSION)
        hub.publish(caption(0, text="buenas noches"))
        assert (await receive(viewer))["session"] == "night-1"
        assert (await receive(viewer))["text"] == "buenas noches"


async def test_a_late_viewer_is_shown_the_last_captions_at_once(hub: Hub, server: CaptionServer) -> None:
    hub.publish(SESSION)
    hub.publish(caption(0))
    hub.publish(caption(1, final=False))
    async with at(server) as viewer:
        welcome, snapshot = await hello(viewer, langs=["es"])
    assert welcome["session"]["targets"] == ["es"]
    assert [shown["final"] for shown in snapshot["captions"]] == [True, False]


async def test_a_viewer_that_was_cut_off_resumes_without_loss(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as viewer:
        await hello(viewer)
        hub.publish(caption(0))
        seen = await receive(viewer)
        viewer.transport.abort()
    hub.publish(caption(1))
    hub.publish(caption(2))
    async with at(server) as viewer:
        (welcome,) = await hello(viewer, since={"epoch": "epoch-1", "seq": seen["seq"]})
        assert welcome["recovered"] is True
        assert [(await receive(viewer))["cue"] for _ in range(2)] == [1, 2]


async def test_a_viewer_of_another_epoch_starts_anew(hub: Hub, server: CaptionServer) -> None:
    hub.publish(caption(0))
    async with at(server) as viewer:
        welcome, snapshot = await hello(viewer, since={"epoch": "epoch-0", "seq": 1})
    assert welcome["recovered"] is False
    assert len(snapshot["captions"]) == 1


async def test_a_stalled_viewer_delays_nobody_and_gets_every_final_when_it_reads_again() -> None:
    # Large captions fill the stalled viewer's socket soon.
    hub = Hub("e")
    finals, drafts = 300, 4
    async with (
        CaptionServer(Rooms(lambda: hub), port=0) as server,
        at(server, max_queue=1) as stalled,
        at(server) as quick,
    ):
        await hello(stalled)
        await hello(quick)
        for cue in range(finals):
            for rev in range(drafts):
                hub.publish(caption(cue, text="x" * 4000, rev=rev, final=rev == drafts - 1))
                await asyncio.sleep(0)
            while not (await receive(quick))["final"]:
                pass
        late = []
        while sum(message["final"] for message in late) < finals:
            late.append(await receive(stalled))
    assert [message["cue"] for message in late if message["final"]] == list(range(finals))
    assert len(late) < finals * drafts, "no draft gave way to a newer one"


async def test_a_viewer_that_stalls_for_too_long_is_told_to_reconnect() -> None:
    hub = Hub("e", ring=5)
    async with CaptionServer(Rooms(lambda: hub), port=0) as server, at(server, max_queue=1) as stalled:
        await hello(stalled)
        await flood(hub, 400)
        messages, code, reason = await closing(stalled)
        assert messages[-1]["type"] == "error"
        assert messages[-1]["retry"] is True
        assert (code, reason) == (4408, "slow")


async def test_draining_gives_every_viewer_everything_before_it_closes() -> None:
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0) as server, at(server) as one, at(server) as other:
        await hello(one)
        await hello(other)
        for cue in range(500):
            hub.publish(caption(cue))
        hub.publish(SessionEnd(1, 1, {}))
        draining = asyncio.create_task(server.drain(10))
        for viewer in (one, other):
            messages, code, _ = await closing(viewer)
            assert [message["type"] for message in messages] == ["caption"] * 500 + ["end"]
            assert code == 1001
        await draining


async def test_while_it_drains_nobody_comes_back_and_is_waited_for(hub: Hub) -> None:
    async with (
        asyncio.timeout(5),
        AsyncExitStack() as clients,
        CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(goodbye=0.1)) as server,
    ):
        stalled = await clients.enter_async_context(at(server, max_queue=1, close_timeout=0.1))
        await hello(stalled)
        await flood(hub, 150)
        draining = asyncio.create_task(server.drain(30))
        with pytest.raises((OSError, InvalidHandshake)):
            await at(server)
        draining.cancel()


async def test_draining_does_not_wait_for_ever_for_a_viewer_that_does_not_read(hub: Hub) -> None:
    async with (
        asyncio.timeout(5),
        AsyncExitStack() as clients,  # who is there when the server goes
        CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(goodbye=0.1)) as server,
    ):
        stalled = await clients.enter_async_context(at(server, max_queue=1, close_timeout=0.1))
        await hello(stalled)
        await flood(hub, 400)
        await server.drain(0.2)


async def test_a_viewer_that_takes_nothing_for_too_long_is_there_no_more(hub: Hub) -> None:
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(stall=0.2)) as server,
        at(server, max_queue=1, close_timeout=0.1) as stalled,
    ):
        await hello(stalled)
        await flood(hub, 400)
        async with asyncio.timeout(5):
            while hub.viewers:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)


async def test_a_silent_viewer_hears_a_beat(hub: Hub) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0, patience=Patience(beat=0.05)) as server, at(server) as viewer:
        await hello(viewer)
        assert await receive(viewer) == {"type": "beat", "seq": 0}


async def test_a_viewer_that_leaves_is_forgotten(hub: Hub, server: CaptionServer) -> None:
    async with at(server) as viewer:
        await hello(viewer)
        assert hub.viewers == 1
    await asyncio.wait_for(server.drain(5), 5)
    assert hub.viewers == 0


# --- who may connect ---


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:1"])
async def test_a_foreign_pages_websocket_is_refused(server: CaptionServer, origin: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with at(server, origin=Origin(origin)):
            pass
    assert caught.value.response.status_code == 403
    assert b"--allow-origin" in (caught.value.response.body or b"")


async def test_our_own_pages_websocket_is_accepted(server: CaptionServer) -> None:
    async with at(server, origin=Origin(server.url)) as viewer:
        assert len(await hello(viewer)) == 2


async def test_an_allowed_pages_websocket_is_accepted(hub: Hub) -> None:
    page = "https://captions.example.org"
    async with (
        CaptionServer(Rooms(lambda: hub), port=0, allow_origins=[page]) as server,
        at(server, origin=Origin(page)) as viewer,
    ):
        assert len(await hello(viewer)) == 2


# --- pages ---


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/overlay", "text/html"),
        ("/overlay?lang=es&lines=2", "text/html"),
        ("/overlay.js", "text/javascript"),
        ("/overlay.css", "text/css"),
        ("/health", "application/json"),
    ],
)
async def test_pages_come_with_headers_that_keep_them_harmless(server: CaptionServer, path: str, kind: str) -> None:
    status, head, body = await get(server, path)
    assert status == 200
    assert body
    for header in (
        f"content-type: {kind}",
        f"content-security-policy: {CONTENT_SECURITY_POLICY}",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ):
        assert header in head


async def test_health_counts_viewers_and_names_the_session(hub: Hub, server: CaptionServer) -> None:
    hub.publish(SESSION)
    async with at(server) as viewer:
        await hello(viewer)
        _, _, body = await get(server, "/health")
    assert json.loads(body) == {
        "status": "ok",
        "epoch": "epoch-1",
        "seq": 1,
        "viewers": 1,
        "session": "night-1",
    }


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        ("/../../etc/passwd", "GET", 404),
        ("/captions", "GET", 426),
        ("/publish", "GET", 426),
        ("/overlay", "POST", 405),
    ],
)
async def test_what_is_not_there_is_refused_in_one_line(
    server: CaptionServer, path: str, method: str, status: int
) -> None:
    answer, _, body = await get(server, path, method=method)
    assert answer == status
    assert len(body.splitlines()) == 1


async def test_an_unknown_websocket_path_is_not_found(server: CaptionServer) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with at(server, "/caption"):
            pass
    assert caught.value.response.status_code == 404


async def test_a_page_asked_for_by_a_foreign_name_is_refused(server: CaptionServer) -> None:
    status, _, body = await get(server, "/overlay", host="evil.example")
    assert status == 403
    assert "saw Host 'evil.example'" in body


# --- addresses ---


async def test_a_port_in_use_is_named_with_the_way_out(hub: Hub, server: CaptionServer) -> None:
    with pytest.raises(UserError, match=rf"port {server.port} .* in use.*--port"):
        async with CaptionServer(Rooms(lambda: hub), port=server.port):
            pass


async def test_an_address_that_is_not_ours_is_named(hub: Hub) -> None:
    with pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.1:0 .*--host"):
        async with CaptionServer(Rooms(lambda: hub), host="192.0.2.1", port=0):
            pass


async def test_why_an_address_can_not_be_had_is_told_where_python_says_it_in_words_alone(hub: Hub) -> None:
    server = CaptionServer(Rooms(lambda: hub), host="192.0.2.1", port=0)
    error = server._cannot_bind(OSError("could not bind on any address out of [('192.0.2.1', 0)]"))  # Python 3.13
    assert str(error).startswith("cannot listen on 192.0.2.1:0 (could not bind on any address")


async def test_an_ipv6_address_stands_in_brackets(hub: Hub) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        async with CaptionServer(Rooms(lambda: hub), host="::1", port=0) as server:
            assert server.url == f"http://[::1]:{server.port}"
    except UserError:
        pytest.skip("no IPv6 loopback here")
