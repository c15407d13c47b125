"""The Python viewer against a real server: it reconnects, resumes, and says what is wrong."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from serving import answering, wire
from taken import taken

from surtitle.clients.viewer import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Place, ViewerError, captions, pause
from surtitle.pipeline.events import Caption, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import Refused, Since
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens, digest

SESSION = SessionStart("night-1", ("en",), ("es",), {}, "real")


def caption(cue: int, language: str = "es", *, rev: int = 0, final: bool = True) -> Caption:
    return Caption(cue, rev, language, "target", f"{language} {cue}", cue, cue + 1, final, 0, cue + 1, cue + 1)


async def following(messages: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The next messages of the server, in whatever connection."""
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while len(told) < count:
            message = await anext(messages)
            told += [message] if message["type"] != "lost" else []
    return told


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


@pytest.mark.slow
async def test_a_viewer_resumes_though_a_proxy_knew_no_such_page_while_the_server_was_away() -> None:
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
        port = server.port
    async with answering("404 Not Found", port=port), asyncio.timeout(5):
        lost = [(await anext(messages))["message"] for _ in range(2)]
    hub.publish(caption(0))
    async with CaptionServer(Rooms(lambda: hub), port=port):
        welcome, shown = await following(messages, 2)
    assert lost == ["the connection was closed (1001)", "the server does not answer"]
    assert (welcome["recovered"], shown["cue"]) == (True, 0)


@pytest.mark.slow
async def test_wherever_the_wire_breaks_every_final_comes_once_and_in_order() -> None:
    hub = Hub("e")
    # A handshake's answer is about 130 bytes, a welcome 90, a caption 190: breaks in and between them.
    cuts = [131, 200, 305, 333, 500, 711, 712]
    async with CaptionServer(Rooms(lambda: hub), port=0) as server, wire(server, [400, *cuts]) as address:
        messages = captions(address)
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


async def test_what_is_secret_in_an_address_is_in_no_error() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        port = server.port
    async with answering("403 Forbidden") as refusing, answering("308 Moved", "Location: https://a.example") as leading:
        for address in (f"127.0.0.1:{port}", f"http://me:secret@127.0.0.1:{port}", "ftp://a", refusing, leading):
            with pytest.raises(ViewerError) as caught:
                await anext(captions(f"{address}/read?access_token=secret#token=secret"))
            assert "secret" not in str(caught.value)
            assert re.search(r"127\.0\.0\.1:\d+/read\b|ftp://a/read\b", str(caught.value))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:99999", "http://captions..example"])
async def test_a_wrong_address_is_shown(url: str) -> None:
    with pytest.raises(ViewerError, match="saw address"):
        await anext(captions(url))


async def test_a_server_that_leads_to_https_is_told_with_the_address_to_give() -> None:
    async with answering("308 Permanent Redirect", "Location: https://captions.example.org/captions") as url:
        with pytest.raises(ViewerError, match=r"leads to https://captions\.example\.org/captions: .*give that"):
            await anext(captions(url))


async def test_any_page_of_the_server_names_it() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        for url in (
            f"127.0.0.1:{server.port}",
            server.url + "/overlay?lang=es",
            f"ws://localhost:{server.port}",
            f"http://LOCALHOST:{server.port}",
            f"http://reader:secret@localhost:{server.port}",  # for a proxy on the way
        ):
            assert (await following(captions(url), 1))[0]["type"] == "welcome"


async def test_an_open_server_accepts_a_program_that_names_its_origin() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), host="0.0.0.0", port=0) as server:
        assert (await following(captions(server.url), 1))[0]["type"] == "welcome"


# --- languages, sessions, tokens ---


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["text"] for message in messages]


async def test_a_viewer_changes_languages_while_connected_and_sees_nothing_twice() -> None:
    hub = Hub("e")
    for lang in ("de", "es"):
        hub.publish(caption(0, lang))
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url, ["es"])
        _, first = await following(messages, 2)
        await messages.subscribe(["de", "es"])
        welcome, german = await following(messages, 2)
        hub.publish(caption(1, "es"))
        assert texts([first, german, *await following(messages, 1)]) == ["es 0", "de 0", "es 1"]
    assert welcome["recovered"] is False


async def test_languages_chosen_while_the_server_is_away_are_asked_for_when_it_is_back() -> None:
    hub = Hub("e")
    hub.publish(caption(0, "de"))
    hub.publish(caption(0, "es"))
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        messages = captions(server.url, ["es"])
        assert texts((await following(messages, 2))[1:]) == ["es 0"]
        port = server.port
    await messages.subscribe(["de"])
    async with CaptionServer(Rooms(lambda: hub), port=port):
        welcome, german = await following(messages, 2)
        hub.publish(caption(1, "es"))
        hub.publish(caption(1, "de"))
        assert texts([german, *await following(messages, 1)]) == ["de 0", "de 1"]
    assert welcome["recovered"] is False


async def test_a_viewer_watches_the_session_that_it_names() -> None:
    rooms = Rooms(lambda: Hub("e"))
    rooms.speak("hall-2").hub.publish(caption(0))
    rooms.speak("main")
    async with CaptionServer(rooms, port=0) as server:
        _, shown = await following(captions(server.url, session="hall-2"), 2)
        rooms.watch("main").hub.publish(caption(7))
        _, other = await following(captions(server.url), 2)
    assert (shown["cue"], other["cue"]) == (0, 7)


async def test_a_token_lets_a_viewer_in_and_its_loss_ends_the_iteration_with_the_servers_words() -> None:
    guests = [Tokens((Token("phone", "read", digest("secret")),))]
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tokens=lambda: guests[0]) as server:
        with pytest.raises(ViewerError, match="expected one that `surtitle tokens") as without:
            await anext(captions(server.url))
        messages = captions(server.url, token="secret")
        await following(messages, 1)
        guests[0] = Tokens(())
        with pytest.raises(ViewerError, match="no longer") as revoked:
            await following(messages, 1)
    assert [(caught.value.code, caught.value.retry) for caught in (without, revoked)] == [("unauthorized", False)] * 2


async def test_a_lost_connection_is_told_with_its_cause() -> None:
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0) as server:
        messages = captions(server.url)
        await following(messages, 1)
    async with asyncio.timeout(5):
        assert await anext(messages) == {"type": "lost", "message": "the connection was closed (1001)"}
        assert await anext(messages) == {"type": "lost", "message": "the server does not answer"}


async def test_a_certificate_that_has_run_out_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    good, old = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    authority.issue_cert("127.0.0.1").configure_cert(good)
    authority.issue_cert("127.0.0.1", not_after=datetime(2024, 3, 1, tzinfo=UTC)).configure_cert(old)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=good) as server:
        messages = captions(server.url)
        await following(messages, 1)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=server.port, tls=old), asyncio.timeout(5):
        await anext(messages)
        lost = await anext(messages)
    assert lost == {"type": "lost", "message": "the server's certificate can't be trusted (certificate has expired)"}


def test_pauses_grow_to_a_bound_and_are_random_from_nothing() -> None:
    bounds = [max(pause(attempt) for _ in range(2000)) for attempt in range(12)]
    for attempt, longest in enumerate(bounds):
        bound = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
        assert 0.9 * bound < longest <= bound
    assert min(pause(9) for _ in range(2000)) < 0.1 * LONGEST_PAUSE_SECONDS


# --- the place in the stream, without a connection ---


class Reading:
    """A hub and the client's own bookkeeping, with cuts and changes in between."""

    def __init__(self, ring: int) -> None:
        self.hub = Hub("e", ring=ring, history=3)
        self.place = Place(["es"])
        self.told: list[dict[str, Any]] = []
        self.recovered = True
        self.join()

    def join(self) -> None:
        wanted = self.place.wanted()
        since = Since(**wanted["since"]) if "since" in wanted else None
        self.viewer = self.hub.join(wanted["langs"], since)

    def take(self, count: int) -> None:
        for message in taken(self.viewer, count):
            for fresh in self.place.take(json.loads(message)):
                if fresh["type"] == "welcome" and self.told:
                    self.recovered &= fresh["recovered"]
                self.told.append(fresh)


@given(st.data(), st.integers(3, 40))
def test_wherever_it_is_cut_and_whatever_it_asks_for_no_final_comes_twice(data: st.DataObject, ring: int) -> None:
    reading = Reading(ring)
    said = {"es": 0, "de": 0}
    for _ in range(data.draw(st.integers(0, 60))):
        match data.draw(st.sampled_from(("say", "say", "take", "take", "cut", "subscribe"))):
            case "say":
                lang = data.draw(st.sampled_from(("es", "de")))
                reading.hub.publish(caption(said[lang], lang, final=False))
                reading.hub.publish(caption(said[lang], lang, rev=1))
                said[lang] += 1
            case "take":
                try:
                    reading.take(data.draw(st.integers(1, 5)))
                except Refused:
                    reading.join()
            case "cut":
                reading.join()
            case "subscribe":
                langs = data.draw(st.sampled_from((["es"], ["de"], ["es", "de"])))
                reading.place.subscribe(langs)
                reading.viewer.subscribe(langs)
    for lang in said:
        cues = [each["cue"] for each in reading.told if each.get("final") and each["lang"] == lang]
        assert cues == sorted(set(cues))


@given(st.lists(st.sampled_from(("say", "take", "cut")), max_size=60))
def test_wherever_it_is_cut_it_misses_nothing_that_the_server_still_has(actions: list[str]) -> None:
    reading = Reading(ring=1000)
    said = 0
    for action in actions:
        match action:
            case "say":
                reading.hub.publish(caption(said))
                said += 1
            case "take":
                reading.take(2)
            case "cut":
                reading.join()
    reading.take(1000)
    finals = [each["cue"] for each in reading.told if each["type"] == "caption"]
    assert finals == list(range(said))[-len(finals) :]
    assert len(finals) >= min(said, 3)
