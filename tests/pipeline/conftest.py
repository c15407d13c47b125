"""What takes long to load or has to be closed: a model, threads, and a package index and Hub on loopback.

The index is real HTTP with ranges, and with faults that a test asks for.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import pytest
from quiet_handler import QuietHandler

from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.workers import Workers


@pytest.fixture(scope="session")
def identifier() -> Identifier:
    """Loading it takes a third of a second."""
    return Identifier()


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(1) as asr, ThreadPoolExecutor(1) as llm:
        yield Workers(asr, llm)


class Shelf:
    """What the server serves, what it was asked for, and how it should fail."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}
        """Path to content type and content."""
        self.asked: list[tuple[str, str | None]] = []
        """Path and `Range` header of every request."""
        self.authorized: dict[str, str | None] = {}
        """Path to the `Authorization` header of its latest request."""
        self.cuts: dict[str, list[int]] = {}
        """Path to the number of bytes after which each of the next answers breaks off."""
        self.refusals: dict[str, list[int]] = {}
        """Path to the statuses of its next answers."""
        self.gates: dict[str, Callable[[], bool]] = {}
        """Path to what must have become true (within ten seconds) before it answers."""
        self.redirects: dict[str, str] = {}
        """Path to the URL that it answers with."""
        self.ranges = True
        """False: `Range` is ignored, as simple servers do."""
        self.url = ""

    def put(self, path: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        self.pages[path] = (content_type, content)

    def put_archive(self, project: str, archive: str, content: bytes) -> None:
        """Publish an archive on the simple index `/simple`, as JSON."""
        self.put(f"/files/{archive}", content)
        page = {
            "meta": {"api-version": "1.1"},
            "name": project,
            "files": [
                {
                    "filename": archive,
                    "url": f"../../files/{archive}",
                    "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                }
            ],
        }
        self.put(f"/simple/{project}/", json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def asked_for(self, path: str) -> list[str | None]:
        """The `Range` header of each request for `path`."""
        return [span for asked, span in self.asked if asked == path]


def _handler(shelf: Shelf) -> type[QuietHandler]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range")
            shelf.asked.append((self.path, span))
            shelf.authorized[self.path] = self.headers.get("Authorization")
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not shelf.gates.get(self.path, lambda: True)():
                time.sleep(0.002)
            if self.path in shelf.redirects:
                self.send_response(302)
                self.send_header("Location", shelf.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            refusals = shelf.refusals.get(self.path, [])
            if refusals or self.path not in shelf.pages:
                self.send_error(refusals.pop(0) if refusals else 404)
                return
            content_type, content = shelf.pages[self.path]
            start = int(span.removeprefix("bytes=").rstrip("-")) if span and shelf.ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            cuts = shelf.cuts.get(self.path, [])
            end = start + cuts.pop(0) if cuts else len(content)
            self.wfile.write(content[start:end])

    return Handler


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    served = Shelf()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(served)) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()
