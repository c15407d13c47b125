"""HTTP as values: what is asked, what is answered, and which handler answers what (RFC 9110).

In: heads of requests. Out: a handler for each, or `HttpError` with the status that says what was wrong. How requests
come out of bytes is in `wire.py`. Knows no socket, clock or caption.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import parse_qs

import msgspec

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.messages import CloseCode, Refused

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, and values, in their order."""
QUERY_FIELDS = 64
"""How many fields the query of a request may have: `lang` for each language that a viewer may ask for, and others."""


class HttpError(UserError):
    """A request that is answered with a status and one line that says why."""

    def __init__(self, status: HTTPStatus, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class BadField(HttpError):
    """A field of a form is not as it should be."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is there as a whole."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: Headers = ()
    """Beside those that every answer has."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is written as it comes: status 200. The next piece is asked for when the last is on its way."""

    content_type: str
    chunks: AsyncGenerator[bytes]
    """Not begun yet: for HEAD it never is. It is closed when the client leaves."""
    headers: Headers = ()
    end: Callable[[], None] = ignore
    """Called once when it is over, also where none of it was asked for."""


Answer = Page | Stream


def plain(status: HTTPStatus, text: str, headers: Headers = ()) -> Page:
    """Return a page of one line."""
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode("utf-8", "replace"), headers)


def json_page(body: object) -> Page:
    """Return a page of JSON."""
    return Page(HTTPStatus.OK, "application/json", msgspec.json.encode(body))


_STATUSES = {
    CloseCode.FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    CloseCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    CloseCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
}
"""What a websocket is closed with for the same reason; 400 for what is not here."""


def refusal(error: UserError) -> Page:
    """Return the page that says what was wrong with a request."""
    if isinstance(error, HttpError):
        return plain(error.status, str(error), error.headers)
    status = _STATUSES.get(error.close_code) if isinstance(error, Refused) else None
    headers = (("www-authenticate", "Bearer"),) if status is HTTPStatus.UNAUTHORIZED else ()
    return plain(status or HTTPStatus.BAD_REQUEST, str(error), headers)


@dataclass(frozen=True, slots=True)
class Head:
    """A request line and its header fields."""

    method: str
    path: str
    """As sent, without the query."""
    query: Mapping[str, tuple[str, ...]]
    """Values by name, in their order; empty ones count."""
    headers: Headers

    @classmethod
    def of(cls, method: str, target: str, headers: Headers) -> Self:
        """Read the `target` of a request line: a path, perhaps with a query; raises `HttpError`."""
        path, _, query = target.partition("?")
        try:
            fields = parse_qs(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS)
        except ValueError as error:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"saw a query of more than {QUERY_FIELDS} fields") from error
        return cls(method, path, {name: tuple(values) for name, values in fields.items()}, headers)

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name` (in lower case), or None."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[str]:
        """Return every value of the header `name` (in lower case)."""
        return [value for each, value in self.headers if each == name]

    def field(self, name: str, default: str) -> str:
        """Return the only value of `name` in the query, `default` where there is none; raises `HttpError`."""
        values = self.query.get(name, (default,))
        if len(values) > 1:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"saw {name} {len(values)} times, expected it once")
        return values[0]

    @property
    def secret(self) -> str | None:
        """The token that is shown: `Authorization: Bearer` (RFC 6750), or `access_token` in the query.

        Players and `EventSource` can set no headers. Raises `HttpError` where there are several.
        """
        kind, _, token = (self.header("authorization") or "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else self.field("access_token", "") or None

    @property
    def wants_websocket(self) -> bool:
        """Whether this asks for a websocket (RFC 6455, 4.2.1); one with a body asks for nothing we know."""
        upgrades = {token.strip().lower() for value in self.all("upgrade") for token in value.split(",")}
        empty = set(self.all("content-length")) <= {"0"}  # some clients say so
        return self.method == "GET" and "websocket" in upgrades and empty and not self.all("transfer-encoding")


class Body:
    """What a request carries after its head, read once, and no further than its reader allows."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]], declared: int | None) -> None:
        """`receive` returns the next piece, empty at the end; `declared` is the Content-Length in bytes."""
        self._receive = receive
        self._declared = declared

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the pieces as they come; raises `HttpError` (413) once they are more than `limit` bytes."""
        _check_size(self._declared or 0, limit)
        seen = 0
        while chunk := await self._receive():
            seen += len(chunk)
            _check_size(seen, limit)
            yield chunk


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise HttpError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"saw a body of {size} bytes or more, expected at most {limit}"
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler is given."""

    head: Head
    body: Body
    peer: str
    """The address that the connection comes from; a proxy's, behind one."""


Handler = Callable[[Request], Awaitable[Answer]]
"""Answers a request, or raises `HttpError`. It is cancelled when the client leaves."""


def always(page: Page) -> Handler:
    """Return a handler that answers `page`."""

    async def answer(request: Request) -> Answer:
        return page

    return answer


class Routes:
    """Handlers by method and path."""

    def __init__(self, table: Mapping[tuple[str, str], Handler]) -> None:
        """`table` has a handler for each ("GET", "/path"); HEAD and OPTIONS are answered from it as well."""
        self._paths: dict[str, dict[str, Handler]] = {}
        for (method, path), handler in table.items():
            self._paths.setdefault(path, {})[method] = handler

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def find(self, head: Head) -> Handler:
        """Return what answers `head`; raises `HttpError` for a path or a method that is not there."""
        handlers = self._paths.get(head.path)
        if handlers is None:
            known = ", ".join(sorted(self._paths))
            raise HttpError(HTTPStatus.NOT_FOUND, f"nothing at {head.path}; there is {known}")
        method = "GET" if head.method == "HEAD" else head.method
        if method in handlers:
            return handlers[method]
        allowed = ", ".join(self._methods(head.path))
        allow = (("allow", allowed),)
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, f"saw {head.method}, expected one of {allowed}", allow)

    def options(self, path: str) -> Page:
        """Return the answer to OPTIONS."""
        allowed = ", ".join(self._methods(path))
        return Page(HTTPStatus.NO_CONTENT, "", b"", (("allow", allowed), ("access-control-allow-methods", allowed)))

    def _methods(self, path: str) -> list[str]:
        known = self._paths.get(path, {})
        return sorted({*known, "OPTIONS"} | ({"HEAD"} if "GET" in known else set()))
