"""The few pages the server hands out, with the headers that keep them harmless.

In: a path. Out: status, headers and body. Knows no socket and no caption; the files come from
`surtitle.clients`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'"
)
"""Nothing foreign loads or runs. Inline styles are allowed because OBS applies its Custom CSS as one."""

HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""Sent with every page."""

_FILES = {
    "/": ("index.html", "text/html"),
    "/overlay": ("overlay.html", "text/html"),
    "/overlay.js": ("overlay.js", "text/javascript"),
    "/overlay.css": ("overlay.css", "text/css"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a plain GET."""

    status: HTTPStatus
    content_type: str
    body: bytes


def load_pages() -> dict[str, Page]:
    """Return every page by its path, read once from the installed package."""
    # Siblings in a checkout and in a wheel alike; importlib.resources fails on an editable install's
    # namespace.
    folder = Path(__file__).parent.parent / "clients"
    return {
        path: Page(HTTPStatus.OK, f"{kind}; charset=utf-8", (folder / name).read_bytes())
        for path, (name, kind) in _FILES.items()
    }


def plain(status: HTTPStatus, text: str) -> Page:
    """Return a page of one line."""
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode("utf-8", "replace"))


def json_page(body: bytes) -> Page:
    """Return a page of JSON."""
    return Page(HTTPStatus.OK, "application/json", body)
