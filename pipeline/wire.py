"""HTTP/1.1 without I/O: bytes to requests, answers to bytes (RFC 9112).

In: bytes as they come, cut anywhere, and what is answered. Out: requests with their bodies, bytes to send, or
`HttpError` for what is no request, or one that two servers could read in two ways. The grammar is h11's; the limits
are ours. Knows no socket, clock or handler.
"""

from __future__ import annotations

from http import HTTPStatus

import h11

from surtitle.pipeline.http import Head, Headers, HttpError

HEAD_BYTES = 16 * 1024
"""The largest request line and header fields, together."""
PIECES = 16
"""Of a body that nobody wants, how many are passed over so that the connection can be used again."""
_HANDSHAKE = (b"host", b"origin", b"authorization", b"connection")
"""What is read of a websocket's request, beside the fields that are its own."""


class Wire:
    """One connection's bytes: requests one after the other, and the answer to each."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._received = 0  # bytes since the last answer, until the request has begun
        self._declared: int | None = None
        self._request: h11.Request | None = None

    def receive(self, data: bytes) -> None:
        """Take what came; empty at the end."""
        if self._h11.their_state is h11.IDLE:
            self._received += len(data)
        self._h11.receive_data(data)

    @property
    def began(self) -> bool:
        """Whether a byte of the next request is there."""
        return self._received > 0

    def head(self) -> Head | None:
        """Return the next request, None while it is not all there; raises `HttpError` for what is none."""
        event = self._next()
        if not isinstance(event, h11.Request):
            return None
        rest, _ = self._h11.trailing_data
        if self._received - len(rest) > HEAD_BYTES:
            raise HttpError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"saw a longer head, expected at most {HEAD_BYTES} bytes"
            )
        head, self._request = _head(event), event
        lengths = head.all("content-length")
        if lengths and head.all("transfer-encoding"):
            # h11 would go by the latter, as RFC 9112 (6.3) allows; a proxy before us may not.
            raise HttpError(HTTPStatus.BAD_REQUEST, "saw Content-Length and Transfer-Encoding, expected one of them")
        self._declared = int(lengths[0]) if lengths else None
        return head

    @property
    def declared(self) -> int | None:
        """The Content-Length of the request, in bytes, if it has one."""
        return self._declared

    @property
    def websocket_bytes(self) -> bytes:
        """The request, which asks for a websocket, and everything behind it: for who speaks that protocol.

        It is written anew. Another parser might not read what this one did, such as cookies of ten kilobytes.
        """
        request, (rest, _) = self._request, self._h11.trailing_data
        assert request is not None, "there is no request yet"
        fields = [each for each in request.headers if each[0] in _HANDSHAKE or each[0].startswith(b"sec-websocket-")]
        lines = (b"%s: %s" % each for each in (*fields, (b"upgrade", b"websocket")))
        first = b"%s %s HTTP/%s" % (request.method, request.target, request.http_version)
        return b"\r\n".join((first, *lines, b"", rest))

    @property
    def waits_for_go_on(self) -> bool:
        """Whether the client sends the body only when it is told to (`Expect: 100-continue`)."""
        return self._h11.they_are_waiting_for_100_continue

    def go_on(self) -> bytes:
        """Return what tells it to."""
        return self._h11.send(h11.InformationalResponse(status_code=100, headers=[]))

    def body(self) -> bytes | None:
        """Return the next piece of the body, empty at its end, None while it is not there; raises `HttpError`."""
        while self._h11.their_state is h11.SEND_BODY:
            event = self._next()
            if event is None:
                return None
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        return b""

    @property
    def heard_all(self) -> bool:
        """Whether nothing of the request is still to come."""
        return self._h11.their_state not in (h11.SEND_BODY, h11.ERROR)

    @property
    def can_answer(self) -> bool:
        """Whether an answer can still begin."""
        return self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    def begin(self, status: HTTPStatus, headers: Headers) -> bytes:
        """Return the head of the answer. Without a Content-Length it is chunked, or ends with the connection."""
        return self._h11.send(h11.Response(status_code=status, reason=status.phrase, headers=list(headers)))

    def data(self, chunk: bytes) -> bytes:
        """Return a piece of the answer."""
        return self._h11.send(h11.Data(data=chunk))

    def end(self) -> bytes:
        """Return the end of the answer."""
        return self._h11.send(h11.EndOfMessage())

    def again(self) -> bool:
        """Go on with the next request; False where the connection has to be closed instead."""
        if self._h11.their_state is h11.SEND_BODY and self._h11.our_state is h11.DONE:
            # The handler looked at no body; one that is there already, as the end of an empty one is, costs nothing,
            # unless it was cut into chunks of a byte each.
            try:
                for _ in range(PIECES):
                    if not self.body():
                        break
            except HttpError:
                return False
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        rest, _ = self._h11.trailing_data
        self._received = len(rest)
        self._h11.start_next_cycle()
        return True

    def _next(self) -> h11.Event | None:
        try:
            event = self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise HttpError(HTTPStatus(error.error_status_hint), f"saw no HTTP/1.1 request: {error}") from error
        return event if isinstance(event, h11.Event) else None


def _head(event: h11.Request) -> Head:
    if event.http_version not in (b"1.0", b"1.1"):
        version = event.http_version.decode("ascii")
        raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"saw HTTP/{version}, expected HTTP/1.1")
    target = event.target.decode("ascii")  # h11 lets nothing else pass
    if not target.startswith("/"):
        raise HttpError(HTTPStatus.BAD_REQUEST, f"saw the target {target[:60]!r}, expected a path such as /overlay")
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers)
    return Head.of(event.method.decode("ascii"), target, headers)
