"""Server-sent events: the messages of the websocket, for `EventSource` (HTML standard, section 9.2).

In: messages, and where a viewer can resume after each. Out: the bytes of a `text/event-stream`, and where a client
that comes back wants to go on. Knows no hub and no socket.
"""

from __future__ import annotations

from surtitle.pipeline.messages import Since

CONTENT_TYPE = "text/event-stream"
BEGIN = b"retry: 1000\n\n"
"""A client comes back after a second, and a browser takes longer each time."""
BEAT = b": beat\n\n"
"""A comment, which keeps proxies from closing the connection and shows us when nobody is there any more."""


def event(message: bytes, epoch: str, seq: int | None) -> bytes:
    """Return `message`, JSON on one line, as an event; with `seq` the client resumes there when it comes back."""
    resume = b"" if seq is None else f"id: {epoch}.{seq}\n".encode()
    return b"%sdata: %s\n\n" % (resume, message)


def last_seen(last_event_id: str | None) -> Since | None:
    """Return where a client wants to resume; None where it does not, or what it says is no id of ours."""
    epoch, _, seq = (last_event_id or "").rpartition(".")
    # A number that is too long for JavaScript was never sent, and can't be one of this epoch.
    return Since(epoch, int(seq)) if epoch and seq.isascii() and seq.isdigit() and len(seq) < 16 else None
