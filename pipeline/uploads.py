"""A form with a file in it (multipart/form-data, RFC 7578), written to the disk as it comes.

In: the pieces of a request's body, cut anywhere. Out: the form's fields, and the file's path for as long as somebody
works on it; or `HttpError`. The grammar is python-multipart's; the limits are ours. Knows no field but the file's.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from surtitle.pipeline.http import BadField, HttpError, Request

# It would write on the operator's terminal what is wrong with a form; its sender is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
FILE = "file"
"""The field that is a file."""
FIELDS_BYTES = 64 * 1024
"""All other fields together."""
FIELDS = 64
"""How many there may be."""


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent."""

    fields: Mapping[str, tuple[str, ...]]
    """Values by name, in their order; `name[]` is `name`."""
    file: Path
    """It has no name's ending: what is in it tells what it is."""
    name: str
    """What its sender calls it."""


class Writes(Protocol):
    """A file without a buffer."""

    def write(self, data: memoryview, /) -> int: ...


@asynccontextmanager
async def received(request: Request, limit: int) -> AsyncGenerator[Form]:
    """Read the form of `request`, of at most `limit` bytes; its file is gone afterwards.

    Raises:
        HttpError: the body is no form (415), a broken one or one without a file (400), too long (413), or longer than
            there is room for (507).
    """
    boundary = _boundary(request.head.header("content-type"))
    try:
        made = TemporaryDirectory(prefix="surtitle-")
    except OSError as error:  # where every disk is full, Python knows no folder for them
        raise _no_room(error) from error
    with made as folder:
        path = Path(folder) / FILE
        with path.open("wb", buffering=0) as file:  # what can't be written is said at once, and not when it is closed
            parts = Parts(boundary, file)
            async for chunk in request.body.chunks(limit):
                parts.push(chunk)
            name = parts.end()
        yield Form({name: tuple(values) for name, values in parts.fields.items()}, path, name)


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise HttpError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"saw {content_type or 'no content type'}, expected multipart/form-data with a boundary",
        )
    return boundary


class Parts:
    """One form as it comes: fields are kept, the file is passed on."""

    def __init__(self, boundary: bytes, file: Writes) -> None:
        """Begin; raises `HttpError` (400) for a boundary that can be none."""
        self.fields: dict[str, list[str]] = {}
        self._file = file
        self._file_name: str | None = None
        self._parts = 0
        self._over = False
        self._kept = 0
        self._header = (bytearray(), bytearray())
        self._part: tuple[str, bytearray] = ("", bytearray())
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_part_data": self._take,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _broken(str(error)) from error

    def push(self, data: bytes) -> None:
        """Take the next bytes; raises `HttpError` (400, 413, 507)."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken(str(error)) from error

    def end(self) -> str:
        """No more bytes come: return what the file is called; raises `HttpError` (400) where something is missing."""
        if not self._over:
            raise _broken("it is cut short")
        if self._file_name is None:
            raise BadField(FILE, f"saw a form without a file, expected one in the field {FILE!r}")
        return self._file_name

    def _end_header(self) -> None:
        field, value = self._header
        if bytes(field).lower() == b"content-disposition":
            _, options = parse_options_header(value.decode("latin-1"))  # as its own bytes, which come back
            name = options.get(b"name", b"").decode("utf-8", "replace").removesuffix("[]")
            self._part = (name, bytearray())
            if name == FILE:
                if self._file_name is not None:
                    raise BadField(FILE, f"saw the field {FILE!r} twice, expected one file")
                self._file_name = options.get(b"filename", b"").decode("utf-8", "replace") or FILE
        self._header = (bytearray(), bytearray())

    def _begin_part(self) -> None:
        name, _ = self._part
        if not name:
            raise _broken("a part has no name")
        self._parts += 1
        if self._parts > FIELDS:
            raise _too_long(f"more than {FIELDS} fields")

    def _take(self, data: bytes, start: int, end: int) -> None:
        name, value = self._part
        if name == FILE:
            self._keep(memoryview(data)[start:end])
            return
        self._kept += end - start
        if self._kept > FIELDS_BYTES:
            raise _too_long(f"fields of more than {FIELDS_BYTES} bytes")
        value += data[start:end]

    def _keep(self, data: memoryview) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise _no_room(error) from error

    def _end_part(self) -> None:
        name, value = self._part
        if name != FILE:
            self.fields.setdefault(name, []).append(value.decode("utf-8", "replace"))
        self._part = ("", bytearray())

    def _end(self) -> None:
        self._over = True


def _no_room(error: OSError) -> HttpError:
    return HttpError(
        HTTPStatus.INSUFFICIENT_STORAGE,
        f"the server can't keep the file while it hears it ({error.strerror}), expected room in its folder for "
        "temporary files (TMPDIR); try again later, or send a compressed one",
    )


def _broken(why: str) -> HttpError:
    return HttpError(HTTPStatus.BAD_REQUEST, f"saw a form that can't be read ({why}), expected multipart/form-data")


def _too_long(what: str) -> HttpError:
    return HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"saw {what}, expected no more beside the file")
