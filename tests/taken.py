"""What a viewer is sent, all at once."""

from __future__ import annotations

from itertools import islice

from surtitle.pipeline.hub import Viewer


def taken(viewer: Viewer, limit: int | None = None) -> list[bytes]:
    """Up to `limit` messages: what `next` returns, so often."""
    return list(islice(iter(viewer.next, None), limit))
