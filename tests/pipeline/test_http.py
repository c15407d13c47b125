"""Requests as values: their bodies, who answers them, what they show, and how they are refused."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.http import Answer, Body, Head, HttpError, Request, Routes, plain, refusal
from surtitle.pipeline.messages import CloseCode, Refused


def head(method: str, path: str, *headers: tuple[str, str], **query: tuple[str, ...]) -> Head:
    return Head(method, path, query, headers)


# --- bodies ---


def body(*pieces: bytes, declared: int | None = None) -> Body:
    coming = iter([*pieces, b""])

    async def receive() -> bytes:
        return next(coming)

    return Body(receive, declared)


async def read(body: Body, limit: int) -> bytes:
    return b"".join([chunk async for chunk in body.chunks(limit)])


async def test_a_body_may_be_as_long_as_its_limit() -> None:
    assert await read(body(b"he", b"llo"), 5) == b"hello"
    assert await read(body(declared=0), 0) == b""


async def test_a_body_over_its_limit_is_refused_when_it_shows() -> None:
    with pytest.raises(HttpError, match="saw a body of 6 bytes or more, expected at most 5") as caught:
        await read(body(b"hel", b"lo!", b"and more"), 5)
    assert caught.value.status == 413


async def test_a_body_that_is_announced_too_long_is_not_read() -> None:
    asked = False

    async def receive() -> bytes:
        nonlocal asked
        asked = True
        return b""

    with pytest.raises(HttpError, match="saw a body of 26214401 bytes"):
        await read(Body(receive, 26_214_401), 26_214_400)
    assert not asked


# --- routes ---


async def greet(request: Request) -> Answer:
    return plain(HTTPStatus.OK, f"{request.head.method} {request.peer}")


ROUTES = Routes({("GET", "/"): greet, ("POST", "/"): greet, ("GET", "/health"): greet})


def test_a_request_finds_its_handler_by_method_and_path() -> None:
    for method in ("GET", "POST", "HEAD"):
        assert ROUTES.find(head(method, "/")) is greet


@pytest.mark.parametrize(
    ("method", "target", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("POST", "/health", 405, "GET, HEAD, OPTIONS"),
        ("TRACE", "/", 405, "GET, HEAD, OPTIONS, POST"),
        ("BREW", "/health", 405, "GET, HEAD, OPTIONS"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(method: str, target: str, status: int, allow: str | None) -> None:
    with pytest.raises(HttpError) as caught:
        ROUTES.find(head(method, target))
    assert caught.value.status == status
    assert dict(caught.value.headers).get("allow") == allow


def test_options_says_which_methods_there_are() -> None:
    assert dict(ROUTES.options("/").headers)["allow"] == "GET, HEAD, OPTIONS, POST"
    assert dict(ROUTES.options("/nowhere").headers)["allow"] == "OPTIONS"


def test_a_header_may_be_there_once_often_or_not_at_all() -> None:
    asked = head("GET", "/", ("last-event-id", "e.17"), ("x-two", "1"), ("x-two", "2"))
    assert asked.header("last-event-id") == "e.17"
    assert asked.all("x-two") == ["1", "2"]
    assert asked.header("origin") is None


# --- who asks ---


@pytest.mark.parametrize(
    ("asked", "secret"),
    [
        (head("GET", "/"), None),
        (head("GET", "/", ("authorization", "Bearer abc")), "abc"),
        (head("GET", "/", ("authorization", "bearer  abc")), "abc"),
        (head("GET", "/", ("authorization", "Basic abc")), None),
        (head("GET", "/", access_token=("abc",)), "abc"),
        (head("GET", "/", access_token=("",)), None),
        (head("GET", "/", ("authorization", "Bearer abc"), access_token=("xyz",)), "abc"),
    ],
)
def test_a_token_is_shown_in_a_header_or_in_the_query(asked: Head, secret: str | None) -> None:
    assert asked.secret == secret


def test_two_tokens_are_none() -> None:
    with pytest.raises(HttpError, match="saw access_token 2 times"):
        _ = head("GET", "/", access_token=("abc", "xyz")).secret


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused(CloseCode.UNAUTHORIZED, "no token"), 401),
        (Refused(CloseCode.FORBIDDEN, "not here"), 403),
        (Refused(CloseCode.FULL, "too many"), 503),
        (Refused(CloseCode.BAD_MESSAGE, "nonsense"), 400),
        (UserError("no such language"), 400),
        (HttpError(HTTPStatus.IM_A_TEAPOT, "coffee"), 418),
    ],
)
def test_a_refusal_has_the_status_of_its_reason(error: UserError, status: int) -> None:
    page = refusal(error)
    assert (page.status, page.body.decode()) == (status, f"{error}\n")
    assert ("www-authenticate" in dict(page.headers)) is (status == 401)
