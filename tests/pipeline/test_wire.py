"""Requests out of bytes that come in any pieces, answers into bytes, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.http import QUERY_FIELDS, Head, HttpError
from surtitle.pipeline.wire import HEAD_BYTES, Wire

Said = tuple[str, str, bytes] | HTTPStatus
"""A request (method, path, body), or what it is refused with."""

GET = b"GET /overlay?lang=es HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/audio HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n") + (
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(bounds) if start < end]


def spoken(pieces: Iterable[bytes]) -> list[Said]:
    """What a server hears that answers each request as soon as it has its body."""
    wire, heard = Wire(), list[Said]()
    head: Head | None = None
    body = b""
    for piece in pieces:
        wire.receive(piece)
        try:
            while True:
                head = head or wire.head()
                if head is None:
                    break
                while chunk := wire.body():
                    body += chunk
                if chunk is None:
                    break
                heard.append((head.method, head.path, body))
                head, body = None, b""
                wire.begin(HTTPStatus.NO_CONTENT, ())
                wire.end()
                if not wire.again():
                    return heard
        except HttpError as error:
            return [*heard, error.status]
    return heard


requests = st.lists(st.sampled_from([GET, POST, CHUNKED]), max_size=4).map(b"".join)
ends = st.sampled_from(
    [
        b"",
        b"nonsense\r\n\r\n",
        b"GET /overlay HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
        b"POST /v1/audio HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /overlay HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + GET,
    ]
)


@given(requests, ends, st.lists(st.integers(0, 2**20), max_size=8))
def test_however_the_bytes_are_cut_the_requests_are_the_same(data: bytes, end: bytes, places: list[int]) -> None:
    assert spoken(cut(data + end, places)) == spoken([data + end])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_bytes_that_are_no_request_are_refused_or_waited_for(data: bytes, places: list[int]) -> None:
    assert all(status == HTTPStatus.BAD_REQUEST for status in spoken(cut(data, places)))


def test_requests_follow_each_other_with_their_bodies() -> None:
    assert spoken([GET + POST + CHUNKED]) == [
        ("GET", "/overlay", b""),
        ("POST", "/v1/audio", b"hello"),
        ("POST", "/overlay", b"hello"),
    ]


def head(*lines: bytes, target: bytes = b"/", method: bytes = b"GET") -> Head:
    wire = Wire()
    wire.receive(b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: localhost", *lines, b"", b""]))
    found = wire.head()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST.replace(b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6"), 400),
        (CHUNKED.replace(b"Transfer", b"Content-Length: 5\r\nTransfer"), 400),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
        (CHUNKED.replace(b"chunked", b"chunked\r\nTransfer-Encoding: chunked"), 501),
        (CHUNKED.replace(b"Encoding: chunked", b"Encoding : chunked"), 400),
        (POST.replace(b"Content-Length: 5", b"Content-Length: +5"), 400),
        (POST.replace(b"Content-Length: 5", b"Content-Length: 5, 6"), 400),
        (GET.replace(b"Host: localhost\r\n", b""), 400),
        (GET.replace(b"Host: localhost", b"Host: localhost\r\nHost: evil.example"), 400),
        (GET.replace(b"/overlay", b"http://evil.example/overlay"), 400),
        (GET.replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
        (GET.replace(b"localhost", b"local\x00host"), 400),
        (GET.replace(b"lang=es", b"&".join([b"a=b"] * (QUERY_FIELDS + 1))), 400),
        (b"GET /" + b"a" * HEAD_BYTES, 431),
    ],
)
def test_what_two_servers_could_read_in_two_ways_is_refused(request_: bytes, status: int) -> None:
    assert spoken([request_]) == [status]


def test_a_query_is_decoded_and_its_fields_may_be_repeated() -> None:
    asked = head(target=b"/events?lang=es&lang=de&session=a%20b&empty=")
    assert asked.path == "/events"
    assert asked.query == {"lang": ("es", "de"), "session": ("a b",), "empty": ("",)}
    assert asked.field("session", "main") == "a b"
    assert asked.field("since", "none") == "none"
    with pytest.raises(HttpError, match="saw lang 2 times"):
        asked.field("lang", "")


@pytest.mark.parametrize(
    ("lines", "method", "wants"),
    [
        ([b"Upgrade: websocket"], b"GET", True),
        ([b"Upgrade: h2c, WebSocket"], b"GET", True),
        ([], b"GET", False),
        ([b"Upgrade: h2c"], b"GET", False),
        ([b"Upgrade: websocket"], b"POST", False),
        ([b"Upgrade: websocket", b"Content-Length: 0"], b"GET", True),
        ([b"Upgrade: websocket", b"Content-Length: 3"], b"GET", False),
        ([b"Upgrade: websocket", b"Transfer-Encoding: chunked"], b"GET", False),
    ],
)
def test_a_websocket_is_asked_for_by_a_get_without_a_body(lines: list[bytes], method: bytes, wants: bool) -> None:
    assert head(*lines, method=method).wants_websocket is wants


def test_what_came_with_the_request_of_a_websocket_is_kept_for_it() -> None:
    wire = Wire()
    wire.receive(GET)
    assert wire.head() is not None
    wire.begin(HTTPStatus.OK, (("content-length", "0"),))
    wire.end()
    second = b"GET /captions HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x00"
    wire.receive(second[:30])
    assert wire.again()
    assert wire.began
    wire.receive(second[30:])
    found = wire.head()
    assert found is not None
    assert found.wants_websocket
    written = second.replace(b"Host", b"host").replace(
        b"Upgrade: websocket\r\nConnection: upgrade", b"connection: upgrade"
    )
    assert wire.websocket_bytes == written.replace(b"upgrade\r\n", b"upgrade\r\nupgrade: websocket\r\n")


def test_a_body_that_nobody_read_closes_the_connection() -> None:
    wire = Wire()
    wire.receive(POST[:-2])
    assert wire.head() is not None
    wire.begin(HTTPStatus.NO_CONTENT, ())
    wire.end()
    assert not wire.again()


def test_a_body_that_nobody_read_is_passed_over_where_it_is_there_and_in_few_pieces() -> None:
    for body, goes_on in ((b"5\r\nhello\r\n", True), (b"1\r\nx\r\n" * 1000, False)):
        wire = Wire()
        wire.receive(CHUNKED.partition(b"2\r\n")[0] + body + b"0\r\n\r\n")
        assert wire.head() is not None
        wire.begin(HTTPStatus.NO_CONTENT, ())
        wire.end()
        assert wire.again() is goes_on


@pytest.mark.parametrize(("method", "version", "end"), [(b"GET", b"1.1", b"0\r\n\r\n"), (b"GET", b"1.0", b"")])
def test_a_stream_ends_by_its_last_chunk_or_with_the_connection(method: bytes, version: bytes, end: bytes) -> None:
    wire = Wire()
    wire.receive(method + b" / HTTP/" + version + b"\r\nHost: localhost\r\n\r\n")
    assert wire.head() is not None
    begin = wire.begin(HTTPStatus.OK, ())
    assert (b"Transfer-Encoding: chunked" in begin) is (version == b"1.1")
    assert b"caption" in wire.data(b"caption")
    assert wire.end() == end
    assert wire.again() is (version == b"1.1")
