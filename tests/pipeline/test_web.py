"""Plain HTTP on real sockets: real clients, bytes cut anywhere, slow and hostile clients, and websockets beside it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from operator import methodcaller

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from surtitle.pipeline.access import Access
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.door import Pipe
from surtitle.pipeline.http import Answer, HttpError, Page, Request, Routes, Stream, always, json_page, plain
from surtitle.pipeline.operations import Operations, Traffic
from surtitle.pipeline.web import HttpConnection, HttpPatience, Web

MOST = 1000
QUICK = HttpPatience(head=0.2, idle=0.2, body=0.2, write=0.2, linger=0.5)
LIMIT = 1000
LONG = 3_000_000


class Site:
    """Routes of every kind, and what happened to them."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.more = asyncio.Event()
        self.web: Web
        self.port = 0
        self.listening: socket.socket
        self.left_over = MOST

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def routes(self) -> Routes:
        return Routes(
            {
                ("GET", "/page"): always(plain(HTTPStatus.OK, "a page")),
                ("GET", "/long"): always(Page(HTTPStatus.OK, "text/plain", b"x" * LONG)),
                ("POST", "/echo"): self._echo,
                ("POST", "/deaf"): always(plain(HTTPStatus.OK, "not read")),
                ("GET", "/stream"): self._stream,
                ("GET", "/wait"): self._wait,
                ("GET", "/broken"): self._broken,
                ("GET", "/breaking"): self._breaking,
                ("GET", "/teapot"): self._teapot,
            }
        )

    async def _echo(self, request: Request) -> Answer:
        return json_page(b"".join([chunk async for chunk in request.body.chunks(LIMIT)]).decode())

    async def _stream(self, request: Request) -> Answer:
        return Stream("text/plain", self._chunks())

    async def _chunks(self) -> AsyncGenerator[bytes]:
        try:
            yield b"one\n"
            await self.more.wait()
            yield b"two\n"
        finally:
            self.left.set()

    async def _wait(self, request: Request) -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        return plain(HTTPStatus.OK, "never")

    async def _broken(self, request: Request) -> Answer:
        raise RuntimeError("the handler is broken")

    async def _breaking(self, request: Request) -> Answer:
        async def chunks() -> AsyncGenerator[bytes]:
            yield b"one\n"
            raise RuntimeError("the stream is broken")

        return Stream("text/plain", chunks())

    async def _teapot(self, request: Request) -> Answer:
        raise HttpError(HTTPStatus.IM_A_TEAPOT, "saw coffee, expected tea", (("retry-after", "1"),))


@asynccontextmanager
async def serving(patience: HttpPatience = HttpPatience()) -> AsyncIterator[Site]:  # noqa: B008
    site = Site()
    site.web = Web(
        site.routes(),
        lambda: Access("127.0.0.1", site.port, ("https://friend.example",)),
        sockets={"/echo-socket": 1000},
        headers=(("x-harmless", "yes"),),
        operations=Operations(),
        most=MOST,
        left=lambda: site.left_over - site.web.connections,
        patience=patience,
    )

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, create_connection=site.web.door) as server:
        site.listening = next(iter(server.sockets))
        site.port = site.listening.getsockname()[1]
        yield site
        server.close()
        await site.web.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


class Line:
    """A client that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, end: bytes) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(end)

    async def hear_all(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.read()


@asynccontextmanager
async def line(site: Site) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def asking(site: Site, path: str, *lines: str, method: str = "GET", host: str = "") -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{site.port}'}", *lines, "", ""]
    ).encode()


def status(answer: bytes) -> int:
    return int(answer.split()[1])


# --- real clients ---


async def test_urllib_reads_a_page_and_posts_a_body(site: Site) -> None:
    def ask() -> tuple[bytes, str, bytes]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{site.url}/page", timeout=10) as page:
            read, harmless = page.read(), page.headers["X-Harmless"]
        with opener.open(f"{site.url}/echo", data=b"hello", timeout=10) as echo:
            return read, harmless, echo.read()

    assert await asyncio.to_thread(ask) == (b"a page\n", "yes", b'"hello"')


async def test_httpx_keeps_its_connection_for_every_kind_of_answer(site: Site) -> None:
    site.more.set()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"hel"
        yield b"lo"

    async with httpx2.AsyncClient(trust_env=False, base_url=site.url) as client:
        peers = set()
        for answer in (
            await client.get("/page"),
            await client.post("/echo", content=pieces()),
            await client.get("/stream"),
            await client.head("/stream"),
            await client.head("/page"),
            await client.options("/echo"),
            await client.get("/teapot"),
            await client.get("/nowhere"),
        ):
            peers.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
        assert (await client.post("/echo", content=pieces())).json() == "hello"
        assert (await client.get("/stream")).text == "one\ntwo\n"
        assert (await client.head("/page")).headers["content-length"] == "7"
        assert (await client.head("/stream")).text == ""
        refused = await client.get("/teapot")
        assert (refused.status_code, refused.text, refused.headers["retry-after"]) == (
            418,
            "saw coffee, expected tea\n",
            "1",
        )
    assert len(peers) == 1


async def test_curl_sends_a_body_once_it_is_told_to(site: Site) -> None:
    command = ["curl", "-sS", "--noproxy", "*", "-H", "Expect: 100-continue", "-d", "hello", f"{site.url}/echo"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=10, check=True)
    assert done.stdout == b'"hello"'


# --- connections ---


async def test_requests_in_one_packet_are_answered_in_order(site: Site) -> None:
    async with line(site) as client:
        await client.say(
            asking(site, "/page")
            + asking(site, "/echo", "Content-Length: 2", method="POST")
            + b"hi"
            + asking(site, "/nowhere", "Connection: close")
        )
        answers = await client.hear_all()
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


async def test_a_request_that_comes_byte_by_byte_is_answered(site: Site) -> None:
    async with line(site) as client:
        for byte in asking(site, "/echo", "Content-Length: 2", "Connection: close", method="POST") + b"hi":
            await client.say(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.hear_all()).endswith(b'"hi"')


async def test_a_client_that_says_goodbye_with_its_request_is_answered(site: Site) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/page"))
        client.writer.write_eof()
        assert (await client.hear_all()).endswith(b"a page\n")


async def test_a_websocket_has_its_first_messages_however_early_they_come(site: Site) -> None:
    request = asking(
        site,
        "/echo-socket",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    masked = b"\x81\x82\x00\x00\x00\x00hi"
    for pieces in ([request + masked], [request[:40], request[40:] + masked[:3], masked[3:]]):
        async with line(site) as client:
            for piece in pieces:
                await client.say(piece)
                await asyncio.sleep(0.01)
            assert status(await client.hear(b"\r\n\r\n")) == 101
            assert await client.hear(b"hi") == b"\x81\x02hi"


@pytest.mark.parametrize(
    "more",
    [
        "Cookie: " + "c" * 12_000,
        "\r\n".join(f"X-{number}: of a proxy" for number in range(200)),
        "X-Note: on\r\n two lines",
        "Content-Length: 0",
    ],
)
async def test_a_websocket_may_be_asked_for_with_all_that_a_page_may_be(site: Site, more: str) -> None:
    shake = ("Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    async with line(site) as client:
        await client.say(asking(site, "/page", more))
        assert status(await client.hear(b"page\n")) == 200
        await client.say(asking(site, "/echo-socket", *shake, "Upgrade: h2c, WebSocket", more))
        await client.say(b"\x81\x82\x00\x00\x00\x00hi")
        assert status(await client.hear(b"\r\n\r\n")) == 101
        assert await client.hear(b"hi") == b"\x81\x02hi"


async def test_a_connection_that_was_used_for_pages_may_become_a_websocket(site: Site) -> None:
    # Reverse proxies do so: they keep connections and use them for whatever comes next.
    async with line(site) as client:
        await client.say(asking(site, "/page"))
        await client.hear(b"a page\n")
        async with connect(f"ws://127.0.0.1:{site.port}/echo-socket", sock=None, proxy=None) as other:
            await other.send("beside")
            assert await other.recv() == "beside"
        await client.say(
            asking(
                site,
                "/echo-socket",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
        )
        assert status(await client.hear(b"\r\n\r\n")) == 101
        await client.say(b"\x81\x82\x00\x00\x00\x00hi")
        assert await client.hear(b"hi") == b"\x81\x02hi"


async def test_a_websocket_where_there_is_none_is_answered_as_any_request(site: Site) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{site.port}/nowhere", proxy=None):
            pass
    assert caught.value.response.status_code == 404


# --- clients that leave, and answers that break ---


@pytest.mark.parametrize("path", ["/stream", "/wait"])
@pytest.mark.parametrize("leave", [methodcaller("abort"), methodcaller("close")], ids=["abort", "close"])
async def test_an_answer_ends_when_its_client_leaves(
    site: Site, path: str, leave: Callable[[asyncio.WriteTransport], None]
) -> None:
    async with line(site) as client:
        await client.say(asking(site, path))
        if path == "/stream":
            await client.hear(b"one\n")
        await asyncio.sleep(0.01)
        leave(client.writer.transport)
        await asyncio.wait_for(site.left.wait(), 5)


async def test_a_handler_that_breaks_is_reported_and_harms_nobody_else(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with line(site) as client, line(site) as other:
        await client.say(asking(site, "/broken", "Connection: close"))
        assert status(await client.hear_all()) == 500
        await other.say(asking(site, "/page"))
        await other.hear(b"a page\n")
    assert "the handler is broken" in caplog.text


async def test_a_stream_that_breaks_is_reported_and_does_not_end_as_if_it_were_whole(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/breaking"))
        await client.hear(b"one\n")
        assert not (await client.hear_all()).endswith(b"0\r\n\r\n")
    assert "the stream is broken" in caplog.text


async def test_a_body_that_nobody_reads_does_not_cost_the_answer(site: Site) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/deaf", "Content-Length: 300000", method="POST") + b"x" * 300_000)
        answer = await client.hear_all()
    assert status(answer) == 200
    assert answer.endswith(b"not read\n")


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(site: Site) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/echo", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue", method="POST"))
        assert status(await client.hear_all()) == 413


# --- slow clients ---


async def test_a_head_that_trickles_is_not_waited_for() -> None:
    async with serving(QUICK) as site, line(site) as client:
        for byte in asking(site, "/page")[:20]:
            await client.say(bytes([byte]))
            await asyncio.sleep(0.02)
        assert status(await client.hear_all()) == 408


async def test_a_client_that_asks_nothing_is_closed_in_silence() -> None:
    async with serving(QUICK) as site, line(site) as silent, line(site) as client:
        await client.say(asking(site, "/page"))
        assert await silent.hear_all() == b""
        assert (await client.hear_all()).endswith(b"a page\n")


async def test_a_body_that_trickles_is_not_waited_for() -> None:
    async with serving(QUICK) as site, line(site) as client:
        await client.say(asking(site, "/echo", "Content-Length: 20", method="POST"))
        for _ in range(15):
            await client.say(b"x")
            await asyncio.sleep(0.02)
        assert status(await client.hear_all()) == 408


async def test_a_body_that_stands_still_is_not_waited_for_however_fast_it_was_before() -> None:
    async with serving(HttpPatience(body=0.2, body_rate=1.0)) as site, line(site) as client:
        await client.say(asking(site, "/echo", "Content-Length: 101", method="POST") + b"x" * 100)
        assert status(await client.hear_all()) == 408


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with serving(QUICK) as site, line(site) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.say(asking(site, "/long") * 10)
        await asyncio.wait_for(site.web.drain(), 10)


@pytest.mark.slow
async def test_a_client_that_reads_slowly_gets_a_long_answer_whole() -> None:
    async with serving(HttpPatience(write=0.3)) as site:
        site.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # a network that holds little
        async with line(site) as client:
            await client.say(asking(site, "/long", "Connection: close"))
            await client.hear(b"\r\n\r\n")
            length = 0
            while piece := await client.reader.read(32 * 1024):
                length += len(piece)
                await asyncio.sleep(0.01)
    assert length == LONG


# --- stopping ---


async def test_a_connection_that_is_cut_before_it_was_looked_at_is_closed(site: Site) -> None:
    loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        await loop.connect_accepted_socket(
            lambda: Pipe(lambda pipe: HttpConnection(site.web, pipe).cut(), ignore, Traffic()), ours
        )
        assert await asyncio.wait_for(loop.sock_recv(theirs, 1), 5) == b""


@pytest.mark.parametrize("pieces", [True, False])
async def test_between_what_comes_at_once_others_have_their_turn(site: Site, pieces: bool) -> None:
    """Pieces of a body, and requests."""
    turns, many = 0, 500

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    head = asking(site, "/echo", "Transfer-Encoding: chunked", "Connection: close", method="POST")
    said = head + b"1\r\nx\r\n" * many + b"0\r\n\r\n"
    if not pieces:
        said = asking(site, "/page", method="HEAD") * many + asking(site, "/page", "Connection: close")
    async with line(site) as client:
        counting = asyncio.create_task(count())
        await client.say(said)
        assert status(await client.hear_all()) == 200
        counting.cancel()
    assert turns > many


async def test_draining_answers_what_was_asked_and_waits_for_nobody_else() -> None:
    patience = HttpPatience(linger=0.05)
    async with serving(patience) as site, line(site) as idle, line(site) as silent, line(site) as reader:
        await idle.say(asking(site, "/page"))
        await idle.hear(b"a page\n")
        await reader.say(asking(site, "/stream"))
        await reader.hear(b"one\n")
        draining = asyncio.create_task(site.web.drain())
        assert await idle.hear_all() == b""
        assert await silent.hear_all() == b""
        assert not draining.done()
        site.more.set()
        assert (await reader.hear_all()).endswith(b"0\r\n\r\n")
        await asyncio.wait_for(draining, 5)


async def test_closing_cuts_what_does_not_end(site: Site) -> None:
    async with line(site) as reader:
        await reader.say(asking(site, "/wait"))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(site.web.close(), 5)
        assert site.left.is_set()


# --- hostile clients ---


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
@pytest.mark.parametrize("path", ["/page", "/stream", "/echo"])
async def test_another_pages_script_is_refused(site: Site, origin: str, path: str) -> None:
    async with line(site) as client:
        method = "POST" if path == "/echo" else "GET"
        await client.say(asking(site, path, f"Origin: {origin}", "Connection: close", method=method))
        answer = await client.hear_all()
    assert status(answer) == 403
    assert b"access-control" not in answer.lower()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[", "a b", "192.168.0.1"])
async def test_a_name_that_was_rebound_to_this_machine_is_refused(site: Site, host: str) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/page", "Connection: close", host=host))
        assert status(await client.hear_all()) == 403


async def test_our_own_pages_script_is_answered(site: Site) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/page", f"Origin: {site.url}", "Connection: close"))
        assert status(await client.hear_all()) == 200


async def test_an_allowed_pages_script_may_read_and_say_what_it_needs(site: Site) -> None:
    origin, wanted = "Origin: https://friend.example", "authorization,x-stainless-lang"  # OpenAI's client sends it
    async with line(site) as client:
        await client.say(
            asking(site, "/page", origin)
            + asking(
                site,
                "/echo",
                origin,
                f"Access-Control-Request-Headers: {wanted}",
                "Connection: close",
                method="OPTIONS",
            )
        )
        answers = (await client.hear_all()).decode()
    assert answers.count("access-control-allow-origin: https://friend.example") == 2
    assert "access-control-allow-methods: OPTIONS, POST" in answers
    assert f"access-control-allow-headers: {wanted}" in answers


async def test_connections_over_the_limit_are_answered_once_or_cut(site: Site) -> None:
    site.left_over = 0
    async with line(site) as client:
        await client.say(asking(site, "/page"))
        assert b"connection: close" in await client.hear_all()
    site.left_over = -101
    async with line(site) as client:
        with suppress(ConnectionError):
            assert await client.hear_all() == b""


async def test_where_few_places_are_left_no_connection_is_kept(site: Site) -> None:
    site.left_over = MOST // 4
    async with line(site) as client:
        await client.say(asking(site, "/page"))
        assert b"connection: close" in await client.hear_all()


async def test_the_connection_that_was_idle_for_longest_gives_way_to_a_new_one(site: Site) -> None:
    async with line(site) as first, line(site) as second:
        for client in (first, second, first):
            await client.say(asking(site, "/page"))
            await client.hear(b"a page\n")
        site.left_over = 2
        async with line(site) as third:
            assert await second.hear_all() == b""
            for client in (first, third):
                await client.say(asking(site, "/page"))
                assert status(await client.hear_all()) == 200


SMUGGLED = b"0\r\n\r\nGET /teapot HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", f"Content-Length: {len(SMUGGLED)}"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: 0x05"],
    ],
)
async def test_no_request_is_smuggled_in_the_body_of_another(site: Site, lines: list[str]) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/echo", *lines, method="POST") + SMUGGLED)
        answers = await client.hear_all()
    assert status(answers) in (400, 501)
    assert answers.count(b"content-length:") == 1


async def test_headers_without_end_are_refused(site: Site) -> None:
    async with line(site) as client:
        await client.say(asking(site, "/page")[:-2] + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)))
        assert status(await client.hear_all()) == 431
