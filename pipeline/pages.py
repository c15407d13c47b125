"""The pages the server hands out, with the headers that keep them harmless.

In: the files of `surtitle.clients`. Out: a page for each path, by rule: `/name` is name.html, `/` is index.html, and
scripts and styles have their own names. Knows no socket and no caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from surtitle.pipeline.access import is_site
from surtitle.pipeline.http import Headers, Page

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Nothing foreign loads, runs or frames it. Inline styles are allowed because OBS applies its Custom CSS as one."""

HEADERS: Headers = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=()"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
"""Sent with every answer."""

_MORE: dict[str, Headers] = {
    # The overlay, as it will look.
    "/setup": (("content-security-policy", f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"),),
    # A microphone, and a worklet that reads it.
    "/speak": (
        ("content-security-policy", f"{CONTENT_SECURITY_POLICY}; worker-src 'self'"),
        ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(self)"),
    ),
}
"""What single pages may do beyond the rest."""
FRAMED = ("/overlay", "/read")
"""The pages that other sites may show within theirs, those that are allowed to."""

CLIENTS = Path(__file__).parent.parent / "clients"
"""Siblings in a checkout and in a wheel alike; importlib.resources fails on an editable install's namespace."""
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def load_pages(folder: Path = CLIENTS, framed_by: Sequence[str] = ()) -> dict[str, Page]:
    """Return every page of `folder` by its path, read once; sites of the origins `framed_by` may frame some."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix in _TYPES]
    frames = " ".join((CONTENT_SECURITY_POLICY, *filter(is_site, framed_by)))
    more = _MORE | {path: (("content-security-policy", frames),) for path in FRAMED}
    return {_path(file): _page(file, more.get(_path(file), ())) for file in files}


def _path(file: Path) -> str:
    if file.suffix != ".html":
        return f"/{file.name}"
    return "/" if file.stem == "index" else f"/{file.stem}"


def _page(file: Path, headers: Headers) -> Page:
    return Page(HTTPStatus.OK, f"{_TYPES[file.suffix]}; charset=utf-8", file.read_bytes(), headers)
