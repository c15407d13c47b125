"""The site over real sockets: captions as events and as a file, who may read what, and how the server fares."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
import webvtt
from serving import SESSION, START, Listener, at, caption, closing, hello, receive

from surtitle.pipeline.accesslog import AccessLog
from surtitle.pipeline.connection import Patience
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SessionEnd
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Right, Token, Tokens

Event = tuple[str | None, dict[str, Any]]
"""Its id, and its data."""


class Building:
    """Rooms of known epochs, a server around them, and the tokens as they are now."""

    def __init__(self) -> None:
        self.hubs: list[Hub] = []
        self.rooms = Rooms(self._make)
        self.tokens = Tokens()

    def _make(self) -> Hub:
        self.hubs.append(Hub(f"epoch-{len(self.hubs)}"))
        return self.hubs[-1]

    def open(self, **kwargs: Any) -> CaptionServer:
        return CaptionServer(self.rooms, port=0, tokens=lambda: self.tokens, **kwargs)


@pytest.fixture
def building() -> Building:
    return Building()


@pytest.fixture
def hub(building: Building) -> Hub:
    """The main room's."""
    return building.rooms.speak("main").hub


def token(name: str, right: Right = "read", session: str | None = None) -> Token:
    """A token whose secret is `secret-of-` and its name."""
    return Token(name, right, hashlib.sha256(f"secret-of-{name}".encode()).hexdigest(), session)


def browser(server: CaptionServer, **kwargs: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=10, **kwargs)


async def parsed(answer: httpx2.Response) -> AsyncGenerator[Event | str]:
    """Events, and comments, as a browser reads them (HTML standard, 9.2.6)."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if not line and "data" in fields:
            yield fields.get("id"), json.loads(fields["data"])
        if not line:
            fields = {}
        elif not name:
            yield value.strip()
        else:
            fields[name] = value.removeprefix(" ")


@asynccontextmanager
async def listening(
    client: httpx2.AsyncClient, query: str = "", **headers: str
) -> AsyncIterator[AsyncGenerator[Event | str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream("GET", f"/events{query}", headers=named) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"] == "text/event-stream"
        async with aclosing(parsed(answer)) as events:
            yield events


async def heard(events: AsyncGenerator[Event | str]) -> Event:
    async with asyncio.timeout(10):
        event = await anext(events)
    assert not isinstance(event, str), f"saw the comment {event!r}, expected an event"
    return event


# --- captions as they come ---


async def test_events_are_the_messages_of_the_websocket(building: Building, hub: Hub) -> None:
    async with building.open() as server, at(server) as viewer, browser(server) as client:
        async with listening(client, "?lang=es,en&lang=de") as events:
            greeting = await hello(viewer, langs=["es", "en", "de"])
            assert [(await heard(events))[1] for _ in greeting] == greeting
            for event in (SESSION, caption(0, final=False), caption(0), caption(0, "fr"), caption(1, "de")):
                hub.publish(event)
            got = [(await heard(events))[1] for _ in range(3)]
            assert got == [await receive(viewer) for _ in range(3)]
            assert [message.get("lang") for message in got] == [None, "es", "de"]
        assert hub.viewers == 2
    assert hub.viewers == 0


async def test_as_many_languages_may_be_repeated_as_a_hello_may_name(building: Building) -> None:
    langs = sorted(f"q{a}{b}" for a in "abcd" for b in "stuvwxyz")
    async with building.open() as server, at(server) as viewer, browser(server) as client:
        asked = await hello(viewer, langs=langs)
        async with listening(client, f"?session=main&access_token=any&lang={'&lang='.join(langs)}") as events:
            assert (await heard(events))[1]["langs"] == asked[0]["langs"] == langs


async def test_a_client_that_comes_back_gets_what_it_missed_once(building: Building, hub: Hub) -> None:
    async with building.open() as server, browser(server) as client:
        async with listening(client) as events:
            await heard(events)
            await heard(events)
            hub.publish(caption(0))
            seen, _ = await heard(events)
        hub.publish(caption(1))
        hub.publish(caption(2))
        assert seen == "epoch-0.1"
        async with listening(client, Last_Event_ID=seen) as events:
            welcome = await heard(events)
            assert (welcome[0], welcome[1]["recovered"]) == (seen, True)
            assert [(await heard(events))[1]["cue"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("told", ["epoch-9.1", "epoch-0.99", "nonsense"])
async def test_a_client_that_can_not_resume_is_told_to_forget(building: Building, hub: Hub, told: str) -> None:
    hub.publish(caption(0))
    async with (
        building.open() as server,
        browser(server) as client,
        listening(client, Last_Event_ID=told) as events,
    ):
        (no_id, welcome), (seen, snapshot) = await heard(events), await heard(events)
    assert (no_id, welcome["recovered"]) == (None, False)  # cut here, it would miss the snapshot
    assert (seen, len(snapshot["captions"])) == ("epoch-0.1", 1)


async def test_a_stalled_client_misses_drafts_and_no_final(building: Building, hub: Hub) -> None:
    finals, drafts = 150, 4
    async with building.open() as server, browser(server) as client, listening(client) as events:
        for cue in range(finals):
            for rev in range(drafts):
                hub.publish(caption(cue, text="x" * 8000, rev=rev, final=rev == drafts - 1))
                await asyncio.sleep(0)
        got = []
        while sum(message.get("final", False) for message in got) < finals:
            got.append((await heard(events))[1])
    shown = [message["cue"] for message in got if message.get("final")]
    assert shown == list(range(finals))
    assert len(got) < finals * drafts, "no draft gave way to a newer one"


async def test_a_client_that_stalls_for_too_long_is_told_why_it_has_to_come_back() -> None:
    hub = Hub("e", ring=5)
    rooms = Rooms(lambda: hub)
    async with CaptionServer(rooms, port=0) as server, browser(server) as client, listening(client) as events:
        await heard(events)
        for cue in range(400):
            hub.publish(caption(cue, text="x" * 20_000))
            await asyncio.sleep(0)
        *_, (seen, error) = [event async for event in events if not isinstance(event, str)]
    assert (seen, error["code"], error["retry"]) == (None, "slow", True)


async def test_a_silent_stream_has_comments(building: Building) -> None:
    patience = Patience(beat=0.02)
    async with (
        building.open(patience=patience) as server,
        browser(server) as client,
        listening(client) as events,
        asyncio.timeout(10),
    ):
        await heard(events)
        await heard(events)
        assert await anext(events) == "beat"


async def test_draining_ends_streams_when_they_have_everything(building: Building, hub: Hub) -> None:
    async with building.open() as server, browser(server) as client, listening(client) as events:
        await heard(events)
        await heard(events)
        for cue in range(100):
            hub.publish(caption(cue))
        hub.publish(SessionEnd(1, 1, {}))
        draining = asyncio.create_task(server.drain(10))
        got = [event[1]["type"] async for event in events if not isinstance(event, str)]
        await draining
    assert got == ["caption"] * 100 + ["end"]


async def test_asking_for_the_head_of_a_stream_joins_nobody(building: Building, hub: Hub) -> None:
    async with building.open() as server, browser(server) as client:
        assert (await client.head("/events")).status_code == 200
        assert hub.viewers == 0


async def test_a_stream_beyond_the_limit_is_refused_and_pages_are_not(building: Building) -> None:
    async with building.open(max_viewers=1) as server, at(server), browser(server) as client:
        assert (await client.get("/events")).status_code == 503
        assert (await client.get("/health")).status_code == 200


# --- captions as a file ---


async def test_the_finals_of_the_newest_session_are_a_subtitle_file(building: Building, hub: Hub) -> None:
    hub.publish(SESSION)
    hub.publish(caption(0, text="from before"))
    hub.publish(SESSION)
    hub.publish(caption(0, text="a < b --> c & d"))
    hub.publish(caption(0, "de", text="deutsch"))
    hub.publish(caption(1, text="a draft", final=False))
    async with building.open() as server, browser(server) as client:
        answer = await client.get("/captions.vtt?lang=es")
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    (cue,) = webvtt.from_string(answer.text)
    assert (cue.start, cue.end, unescape(cue.raw_text)) == ("00:00:00.000", "00:00:01.000", "a < b --> c & d")


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("", 400, "saw 0 languages, expected one"),
        ("?lang=es,de", 400, "saw 2 languages, expected one"),
        ("?lang=<script>", 400, "expected something like session=main&lang=es,de"),
        ("?lang=es&session=../etc", 400, "expected something like session=main&lang=es,de"),
        ("?lang=es&session=a&session=b", 400, "saw session 2 times"),
        ("?lang=es&session=nobody", 404, "nobody has spoken in session 'nobody'"),
    ],
)
async def test_a_file_that_can_not_be_is_refused(building: Building, query: str, status: int, said: str) -> None:
    async with building.open() as server, browser(server) as client:
        answer = await client.get(f"/captions.vtt{query}")
    assert answer.status_code == status
    assert said in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_who_waits_for_a_file_of_subtitles_holds_up_no_other_thread(
    building: Building, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    laying_out, gate = threading.Event(), threading.Event()

    def lay_out(captions: object) -> str:
        laying_out.set()
        return "laid out" if gate.wait(10) else "every thread was taken"

    monkeypatch.setattr("surtitle.pipeline.site.to_vtt", lay_out)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    for lang in ("es", "de"):
        hub.publish(caption(0, lang, text=f"said while others wait in {lang}"))
    async with building.open() as server, browser(server) as client:
        asking = [asyncio.create_task(client.get(f"/captions.vtt?lang={lang}")) for lang in ("es", "de")]
        async with asyncio.timeout(5):
            while not laying_out.is_set():  # noqa: ASYNC110 - it tells no coroutine
                await asyncio.sleep(0.005)
            assert await asyncio.to_thread(laying_out.is_set)
        gate.set()
        assert [(await each).text for each in asking] == ["laid out"] * 2


# --- who may read what ---


async def test_sessions_are_listed_with_their_languages_and_viewers(building: Building, hub: Hub) -> None:
    hub.publish(SESSION)
    async with building.open() as server, at(server, "/captions") as viewer, browser(server) as client:
        await hello(viewer, session="empty")
        listed = (await client.get("/sessions")).json()
    assert listed == [
        {"session": "main", "source": "en", "targets": ["es"], "captions": "final", "viewers": 0, "live": True},
        {"session": "empty", "source": None, "targets": [], "captions": None, "viewers": 1, "live": False},
    ]


async def test_who_may_publish_asks_for_other_translations_of_what_is_said(building: Building, hub: Hub) -> None:
    wanted: list[tuple[str, ...]] = []
    hub.publish(SESSION)
    building.rooms.watch("main").retarget = wanted.append
    async with building.open() as server, browser(server) as client:
        answer = await client.post("/targets?to=es,fr")
        assert (answer.status_code, answer.json()) == (200, {"targets": ["es", "fr"]})
        for query, status, said in (
            ("?to=", 400, "expected something like session=main&to=es,de"),
            ("?to=xx", 400, "unknown language 'xx'"),
            ("?to=es&session=hall", 404, "nobody is speaking in session 'hall'"),
        ):
            answer = await client.post(f"/targets{query}")
            assert (answer.status_code, said in answer.text) == (status, True), query
        assert (await client.post("/targets?to=en,es")).json() == {"targets": ["en", "es"]}
        answer = await client.post("/targets?to=de", headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
    building.tokens = Tokens((token("obs"),))
    async with building.open() as server, browser(server, headers={"authorization": "Bearer secret-of-obs"}) as client:
        assert (await client.post("/targets?to=de")).status_code == 403
    assert wanted == [("es", "fr"), ("en", "es")]


async def test_other_translations_that_can_not_be_made_are_refused_with_why(building: Building, hub: Hub) -> None:
    def retarget(targets: tuple[str, ...]) -> None:
        raise UserError("no translator was loaded")

    hub.publish(SESSION)
    building.rooms.watch("main").retarget = retarget
    async with building.open() as server, browser(server) as client:
        answer = await client.post("/targets?to=es,fr")
    assert (answer.status_code, answer.text.strip()) == (400, "no translator was loaded")


async def test_without_a_right_token_nothing_is_read(building: Building, hub: Hub) -> None:
    building.tokens = Tokens((token("obs"),))
    async with building.open() as server, browser(server) as client:
        for path in ("/sessions", "/events", "/captions.vtt?lang=es"):
            for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret-of-obs"}):
                answer = await client.get(path, headers=shown)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/health", "/metrics", "/", "/overlay"):
            assert (await client.get(path)).status_code == 200


async def test_a_token_reads_in_its_room_alone(building: Building, hub: Hub) -> None:
    building.rooms.speak("stage")
    building.tokens = Tokens((token("obs", session="stage"),))
    async with building.open() as server, browser(server, headers={"authorization": "Bearer secret-of-obs"}) as client:
        assert [room["session"] for room in (await client.get("/sessions")).json()] == ["stage"]
        assert (await client.get("/captions.vtt?lang=es")).status_code == 403
        assert (await client.get("/captions.vtt?lang=es&session=stage")).status_code == 200
        assert (await client.get("/events")).status_code == 403
        async with listening(client, "?session=stage") as events:
            await heard(events)


async def test_a_player_shows_its_token_in_the_query(building: Building, hub: Hub) -> None:
    building.tokens = Tokens((token("obs"),))
    async with building.open() as server, browser(server) as client:
        assert (await client.get("/captions.vtt?lang=es&access_token=secret-of-obs")).status_code == 200
        async with listening(client, "?access_token=secret-of-obs") as events:
            await heard(events)


async def test_a_stream_whose_token_is_revoked_ends_within_two_seconds(building: Building) -> None:
    building.tokens = Tokens((token("obs"),))
    async with (
        building.open() as server,
        browser(server) as client,
        listening(client, "?access_token=secret-of-obs") as events,
    ):
        await heard(events)
        await heard(events)
        building.tokens = Tokens(())
        async with asyncio.timeout(2):
            _, error = await heard(events)
        assert (error["code"], error["retry"]) == ("unauthorized", False)
        assert [event async for event in events] == []


async def test_a_stream_that_lags_behind_is_given_nothing_more_when_its_token_is_revoked(building: Building) -> None:
    building.tokens = Tokens((token("obs"),))
    hub = building.rooms.speak("main").hub
    async with (
        building.open() as server,
        browser(server) as client,
        listening(client, "?access_token=secret-of-obs") as events,
    ):
        for cue in range(400):
            hub.publish(caption(cue, text="x" * 20_000))
            await asyncio.sleep(0)
        building.tokens = Tokens(())
        hub.publish(caption(400, text="not for you"))
        *messages, (_, error) = [event async for event in events if not isinstance(event, str)]
    assert error["code"] == "unauthorized"
    assert not [message for _, message in messages if message.get("text") == "not for you"]


async def test_figures_are_for_this_machine_or_a_token(building: Building) -> None:
    building.tokens = Tokens((token("obs"),))
    async with building.open() as server, browser(server) as client:
        assert "surtitle_connections{" in (await client.get("/metrics")).text
        behind_a_proxy = {"x-forwarded-for": "192.0.2.7"}
        assert (await client.get("/metrics", headers=behind_a_proxy)).status_code == 401
        behind_a_proxy["authorization"] = "Bearer secret-of-obs"
        assert (await client.get("/metrics", headers=behind_a_proxy)).status_code == 200


async def test_figures_are_not_for_who_asks_a_name_of_this_machine_through_a_tunnel(building: Building) -> None:
    building.tokens = Tokens((token("obs"),))
    async with building.open(allow_origins=["https://captions.example.org"]) as server, browser(server) as client:
        for host, status in (("captions.example.org", 401), ("localhost:8765", 200), ("[::1]:8765", 200)):
            assert (await client.get("/metrics", headers={"host": host})).status_code == status
        shown = {"host": "captions.example.org", "authorization": "Bearer secret-of-obs"}
        assert (await client.get("/metrics", headers=shown)).status_code == 200


async def test_where_reading_is_public_a_reader_writes_no_name_on_the_first_page(building: Building, hub: Hub) -> None:
    building.tokens = Tokens(public_read=True)
    async with building.open() as server, at(server, "/captions") as viewer, browser(server) as client:
        await hello(viewer, session="BUY-NOW")
        assert [room["session"] for room in (await client.get("/sessions")).json()] == ["main"]


async def test_where_reading_is_public_captions_need_no_token_and_figures_and_targets_do(building: Building) -> None:
    building.tokens = Tokens((token("stage", "publish"),), public_read=True)
    async with building.open() as server, browser(server) as client:
        assert (await client.get("/sessions")).json() == []
        assert (await client.get("/sessions", headers={"authorization": "Bearer wrong"})).status_code == 200
        assert (await client.get("/metrics", headers={"x-forwarded-for": "192.0.2.7"})).status_code == 401
        assert (await client.post("/targets?to=es")).status_code == 401
        assert (await client.post("/targets?to=es&access_token=secret-of-stage")).status_code == 404  # nobody speaks


# --- operations ---


async def test_the_access_log_has_who_came_and_why_they_left_and_nothing_secret_or_said(
    building: Building, tmp_path: Path
) -> None:
    path = tmp_path / "access.jsonl"
    operations = Operations(AccessLog(path))
    building.tokens = Tokens((token("obs"), token("mic", "publish")))
    async with building.open(operations=operations, on_publish=Listener()) as server, browser(server) as client:
        hub = building.rooms.watch("main").hub
        async with at(server) as viewer, at(server) as wrong, at(server, "/publish") as publisher:
            await hello(viewer, token="secret-of-obs")
            await wrong.send('{"type":"hello","v":1,"token":"a secret that is wrong"}')
            await closing(wrong)
            await publisher.send(START[:-1] + ',"token":"secret-of-mic"}')
            await receive(publisher)
            async with listening(client, "?access_token=secret-of-obs") as events:
                await heard(events)
                hub.publish(caption(0, text="lo que se dijo"))
                await heard(events)
            await client.get("/a-secret-in-the-path")
            await client.get("/captions.vtt?lang=es&access_token=secret-of-obs")
        await server.drain(5)
    text = path.read_text()
    assert "secret" not in text
    assert "dijo" not in text
    written = [json.loads(line) for line in text.splitlines()]
    closed = {(line["kind"], line["token"]): line["code"] for line in written if line["event"] == "close"}
    left = {("viewer", "obs"): 1000, ("events", "obs"): 1000, ("publisher", "mic"): 1000}
    assert closed == {**left, ("viewer", ""): 4505}
    asked = [(line["path"], line["status"]) for line in written if line["event"] == "request"]
    assert asked == [("/events", 200), (None, 404), ("/captions.vtt", 200)]


async def test_figures_say_who_is_connected_and_what_went_through(building: Building, hub: Hub) -> None:
    async with building.open() as server, at(server) as viewer, browser(server) as client:
        await hello(viewer)
        before = (await client.get("/metrics")).text
        hub.publish(caption(0, text="x" * 5000))
        await receive(viewer)
        after = (await client.get("/metrics")).text
    assert 'surtitle_connections{kind="viewer"} 1.0' in before
    assert 'surtitle_connections{kind="all"} 2.0' in before

    def sent(text: str) -> float:
        (line,) = (line for line in text.splitlines() if line.startswith("surtitle_sent_bytes_total "))
        return float(line.split()[1])

    assert sent(after) - sent(before) > 5000


# --- TLS ---


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server has that was certified just now, and a client that trusts it."""
    authority = trustme.CA()
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusted)
    return served, trusted


async def test_with_a_certificate_everything_is_encrypted_on_the_same_port(building: Building, hub: Hub) -> None:
    served, trusted = certified()
    async with building.open(tls=served) as server, browser(server, verify=trusted) as client:
        assert server.url.startswith("https://")
        assert (await client.get("/overlay")).status_code == 200
        async with at(server, ssl=trusted, origin=server.url) as viewer, listening(client) as events:
            assert len(await hello(viewer)) == 2
            await heard(events)
            await heard(events)
            hub.publish(caption(0))
            assert (await receive(viewer))["cue"] == (await heard(events))[1]["cue"] == 0
        insecure = {"origin": server.url.replace("https", "http")}
        assert (await client.get("/health", headers=insecure)).status_code == 403


async def test_a_client_without_tls_harms_nobody_who_has_it(building: Building) -> None:
    served, trusted = certified()
    async with building.open(tls=served) as server, browser(server, verify=trusted) as client:
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET /overlay HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await client.get("/health")).status_code == 200


async def test_over_tls_too_a_body_that_nobody_reads_does_not_cost_the_answer(building: Building) -> None:
    served, trusted = certified()
    async with building.open(tls=served) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusted)
        host = f"Host: 127.0.0.1:{server.port}"
        writer.write(f"POST /overlay HTTP/1.1\r\n{host}\r\nContent-Length: 300000\r\n\r\n".encode() + b"x" * 250_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 405")
        writer.transport.abort()
