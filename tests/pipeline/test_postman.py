"""`surtitle.pipeline.postman`: captions to services on loopback that do what Zoom and YouTube document."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from quiet_handler import QuietHandler
from rich.console import Console
from said import caption

from surtitle.pipeline.broadcast import Broadcast, OutputPaths, Outputs
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.posting import QUEUE, Service, YouTube, Zoom
from surtitle.pipeline.postman import Patience, Postman
from surtitle.pipeline.rooms import Room
from surtitle.pipeline.terminal import TerminalCaptions

SECRET = "nYtXJqRKCW"


class Endpoint:
    """A caption service that takes numbers in order, and fails as a test asks."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """Of the captions that it took."""
        self.wrong: list[str] = []
        """What was not as documented."""
        self.languages: set[str] = set()
        self.statuses: list[int] = []
        """Of the next answers; those that are an error take nothing."""
        self.slow = threading.Event()
        """Set: an answer takes its time."""
        self.last = 0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the port of the time before if there was one."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), type("Handler", (_Handler,), {"endpoint": self}))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/closedcaption?id=2006&ns=GZHkEA==&signature={SECRET}"

    def take(self, request: BaseHTTPRequestHandler, body: str) -> tuple[int, str]:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if query.get("signature") != SECRET:
            return 403, "unauthorized"
        if self.slow.is_set():
            time.sleep(0.3)
        if self.statuses and (status := self.statuses.pop(0)) >= 400:
            return status, "not now"
        if parts.path == "/closedcaption/seq" and request.command == "GET":
            return 200, str(self.last)
        if request.command != "POST" or request.headers["Content-Type"] != "text/plain":
            self.wrong.append(f"{request.command} {request.headers['Content-Type']}")
            return 405, "not a POST of text"
        if query.get("seq") != str(self.last + 1):
            self.wrong.append(f"seq {query.get('seq')} after {self.last}")
            return 403, "wrong seq"
        self.last += 1
        self.languages.add(query.get("lang", ""))
        self.texts.append(body)
        return 200, "2026-11-25T12:00:00.000"


class _Handler(QuietHandler):
    endpoint: Endpoint

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        status, text = self.endpoint.take(self, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    one = Endpoint()
    one.start()
    yield one
    one.stop()


HASTY = Patience(first_retry=0.02, last_retry=0.05)


def german(text: str) -> Caption:
    return caption(text, 0.0, 1.0, language="de")


async def post(services: list[Service], *texts: str, patience: Patience = HASTY) -> list[str]:
    """Post and leave; what was told."""
    told: list[str] = []
    async with Postman(services, told.append, patience=patience) as man:
        for text in texts:
            man.publish(german(text))
    return told


async def test_zoom_gets_every_caption_in_order_with_numbers_from_the_last_it_took(endpoint: Endpoint) -> None:
    endpoint.last = 41
    assert await post([Zoom(endpoint.url, "de")], "eins", "zwei", "drei") == []
    assert endpoint.texts == ["eins", "zwei", "drei"]
    assert endpoint.languages == {"de-DE"}
    assert endpoint.wrong == []


async def test_youtube_gets_the_time_and_the_text(endpoint: Endpoint) -> None:
    await post([YouTube(endpoint.url, "de")], "grüße")
    (body,) = endpoint.texts
    when, text, end = body.split("\n")
    assert text == "grüße"
    assert end == ""
    clock, region = when.split(" ")
    assert region == "region:reg1#cue1"
    assert abs(time.time() - 1.0 - _epoch(clock)) < 5


def _epoch(clock: str) -> float:
    return datetime.strptime(clock, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("kind", [Zoom, YouTube])
async def test_what_is_refused_comes_again_once_and_in_order(
    endpoint: Endpoint, kind: type[Zoom] | type[YouTube]
) -> None:
    endpoint.statuses = [400, 403, 405, 500, 503] if kind is YouTube else [400, 200, 405, 200, 503, 200, 500]
    told = await post([kind(endpoint.url, "de")], "eins", "zwei", "drei")
    assert [text.splitlines()[-1] for text in endpoint.texts] == ["eins", "zwei", "drei"]
    assert endpoint.wrong == []
    assert "trying again" in told[0]
    assert told[-1] == f"{kind.__name__} (de) is taking captions again; 0 were dropped"


async def test_a_service_that_is_down_and_comes_back_goes_on_where_it_was(endpoint: Endpoint) -> None:
    told: list[str] = []
    async with Postman([Zoom(endpoint.url, "de")], told.append, patience=HASTY) as man:
        man.publish(german("eins"))
        await until(lambda: endpoint.texts == ["eins"])
        endpoint.stop()
        man.publish(german("zwei"))
        await until(lambda: bool(told))
        endpoint.start()
        man.publish(german("drei"))
        await until(lambda: len(endpoint.texts) == 3)
    assert endpoint.texts == ["eins", "zwei", "drei"]
    assert endpoint.wrong == []
    assert told == [
        "Zoom (de) is not taking captions (no connection); trying again",
        "Zoom (de) is taking captions again; 0 were dropped",
    ]


async def until(is_so: Callable[[], bool]) -> None:
    """The endpoint is another thread, which wakes nobody here."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_slow_service_delays_neither_captions_nor_another_service(endpoint: Endpoint) -> None:
    fast = Endpoint()
    fast.start()
    endpoint.slow.set()
    async with Postman([Zoom(endpoint.url, "de"), YouTube(fast.url, "de")], print) as man:
        for number in range(5):
            man.publish(german(str(number)))
        assert endpoint.texts == fast.texts == []  # whoever publishes has not waited for any
        await until(lambda: len(fast.texts) == 5)
        assert len(endpoint.texts) < 5
        endpoint.slow.clear()
    fast.stop()
    assert endpoint.texts == [str(number) for number in range(5)]


async def test_an_answer_that_does_not_come_is_a_failure_and_the_caption_is_not_shown_twice(
    endpoint: Endpoint,
) -> None:
    told: list[str] = []
    async with Postman([Zoom(endpoint.url, "de")], told.append, patience=replace(HASTY, answer=0.1)) as man:
        man.publish(german("eins"))
        await until(lambda: endpoint.texts == ["eins"])
        endpoint.slow.set()
        man.publish(german("zwei"))
        await until(lambda: bool(told))
        endpoint.slow.clear()
    assert endpoint.texts == ["eins", "zwei"]
    assert told[0] == "Zoom (de) is not taking captions (no answer in time); trying again"


async def test_what_could_not_be_posted_is_counted_at_the_end(endpoint: Endpoint) -> None:
    endpoint.stop()
    told = await post([YouTube(endpoint.url, "de")], *map(str, range(QUEUE + 3)), patience=replace(HASTY, leave=0.1))
    assert told[-1] == f"YouTube (de): 0 captions were posted, {QUEUE + 3} were not"


@pytest.mark.parametrize("end", [UserError("the microphone is gone"), asyncio.CancelledError()])
async def test_what_could_not_be_posted_is_counted_where_the_run_fails_too(
    endpoint: Endpoint, end: BaseException
) -> None:
    endpoint.stop()
    told: list[str] = []

    async def run() -> None:
        async with Postman([YouTube(endpoint.url, "de")], told.append, patience=replace(HASTY, leave=0.1)) as man:
            man.publish(german("eins"))
            raise end

    with pytest.raises(type(end)):
        await run()
    assert told[-1] == "YouTube (de): 0 captions were posted, 1 were not"


async def test_the_secret_is_in_nothing_that_is_told_or_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.statuses = [500, 403]
    told = await post([Zoom(endpoint.url, "de")], "eins")
    endpoint.stop()
    told += await post([Zoom(endpoint.url, "de")], "zwei", patience=replace(HASTY, leave=0.1))
    assert told
    assert SECRET not in caplog.text + "".join(told)


async def test_a_broadcast_has_its_captions_posted(endpoint: Endpoint) -> None:
    async with Postman([Zoom(endpoint.url, "de")], print, patience=HASTY) as man:
        with Outputs(OutputPaths(), ("de", "es"), TerminalCaptions(Console(quiet=True)), man.publish) as outputs:
            broadcast = Broadcast(Room("main", Hub("e")), outputs)
            for text in ("eins", "zwei"):
                broadcast.publish(german(text))
                broadcast.publish(caption("uno", 0.0, 1.0, language="es"))
    assert endpoint.texts == ["eins", "zwei"]


async def test_without_services_nothing_is_posted() -> None:
    assert await post([], "eins") == []
