"""A request's handler that says nothing on stderr: who hangs up, even in the middle of an answer, is no error there."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler


class QuietHandler(BaseHTTPRequestHandler):
    """`socketserver` prints the traceback of a reset connection, and commands under test share that stderr."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
