"""A server that streams chat completions as vLLM does, on loopback, and fails as a test asks.

A first chunk has the role, then a chunk comes for each token, a last one with the `finish_reason`, and `[DONE]`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from typing import Any, Literal

from quiet_handler import QuietHandler

Mode = Literal[
    "well",
    "500",
    "404",
    "colours",
    "chatters",
    "stalls",
    "dribbles",
    "page",
    "json",
    "no json",
    "schema",
    "two",
    "deep",
    "nothing",
    "breaks off",
    "hangs up",
    "endless",
    "at once",
    "loads",
    "thinks",
]
LOADING = 0.8
"""Seconds that it takes to load its model, if nobody hangs up."""


class ChatServer:
    """What it was asked, and how it behaves."""

    def __init__(self, reply: Callable[[list[dict[str, Any]]], str]) -> None:
        self.reply = reply
        """What it says to messages."""
        self.mode: Mode = "well"
        self.asked: list[dict[str, Any]] = []
        """The bodies of the requests, in their order."""
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.meet: threading.Barrier | None = None
        """Where requests wait for each other."""
        self.finish = "stop"
        """The `finish_reason`."""
        self.open: str | None = None
        """And that of an answer that goes on."""
        self.kind = "text/event-stream; charset=utf-8"
        self.longest = 10**9
        """Characters of messages that it takes."""
        self.over = threading.Event()
        self.port = 0
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """On the same port as before, if there was one."""
        self.over.clear()
        with _Server(("127.0.0.1", self.port), _handler(self)) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield
            finally:
                self.over.set()
                server.shutdown()
                thread.join()
                for connection in self._open:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                self._open.clear()


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True


def _handler(chat: ChatServer) -> type[QuietHandler]:
    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            chat.connections += 1
            chat._open.append(self.connection)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.asked.append(body)
            chat.headers.append(dict(self.headers))
            if chat.meet is not None:
                chat.meet.wait(timeout=10)
            self._answer(body)

        def _answer(self, body: dict[str, Any]) -> None:
            if sum(len(message["content"]) for message in body["messages"]) > chat.longest:
                self._whole(400, "application/json", '{"error": {"message": "the request exceeds the context size"}}')
                return
            match chat.mode:
                case "500":
                    self._whole(500, "application/json", '{"error": {"message": "SECRET was said"}}')
                case "404":
                    said = {"message": f"The model `{body['model']}` does not exist.", "type": "NotFoundError"}
                    self._whole(404, "application/json", json.dumps({"error": said}))
                case "colours":
                    self.wfile.write(b"HTTP/1.1 500 \x1b[31mOh no" + b"!" * 10_000 + b"\r\nContent-Length: 0\r\n\r\n")
                case "page":
                    self._whole(200, "text/html", "<html>Please log in</html>")
                case "json":
                    self._whole(200, "application/json", '{"choices": []}')
                case "loads" if not self._has_loaded():
                    self.close_connection = True
                case "stalls":
                    chat.over.wait(30)
                    self.close_connection = True
                case _:
                    self._stream(body)

        def _has_loaded(self) -> bool:
            """As Ollama: it stops loading when who asked for it hangs up."""
            self.connection.settimeout(LOADING)
            try:
                return bool(self.connection.recv(1, socket.MSG_PEEK))
            except TimeoutError:
                chat.mode = "well"
                return True
            finally:
                self.connection.settimeout(None)

        def _stream(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", chat.kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in self._events(body):
                if chat.mode == "chatters":
                    self._send(b": still here\n\nretry: 3000\n\nid: 7\n\nevent: ping\ndata:\n\n")
                self._send(f"data: {event}\n\n".encode())
            if chat.mode in ("breaks off", "hangs up"):
                self.close_connection = True
                self.wfile.flush()
                self.connection.close()
                return
            self.wfile.write(b"0\r\n\r\n")

        def _events(self, body: dict[str, Any]) -> Iterator[str]:
            if chat.mode in ("no json", "schema", "two", "deep"):
                nonsense = {
                    "no json": "{tokens",
                    "schema": '{"text": "hola"}',
                    "two": '{"choices": [{}, {}]}',
                    "deep": "[" * 100_000,
                }
                yield nonsense[chat.mode]
                return
            text = "" if chat.mode == "nothing" else chat.reply(body["messages"])
            if chat.mode == "at once":
                yield _chunk({"content": "x" * 10_000}, chat.finish)
                return
            if chat.mode == "endless":
                text = "x" * 10_000_000
            yield _chunk({"role": "assistant", "content": ""}, chat.open)
            if chat.mode == "thinks" and body.get("reasoning_effort") != "none":
                yield _chunk({"content": "", "reasoning": "The user greets me. I should"})
                yield _chunk({}, "length")
                return
            for start in range(0, len(text), 4 if chat.mode != "endless" else 1000):
                yield _chunk({"content": text[start : start + (4 if chat.mode != "endless" else 1000)]}, chat.open)
            if chat.mode != "breaks off":
                yield _chunk({}, chat.finish)
                yield "[DONE]"

        def _send(self, data: bytes) -> None:
            size = 1 if chat.mode == "dribbles" else len(data)
            for start in range(0, len(data), size):
                part = data[start : start + size]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")

        def _whole(self, status: int, kind: str, content: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

    return Handler


def _chunk(delta: dict[str, str], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]},
        ensure_ascii=False,
    )
