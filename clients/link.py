"""An address as people are given it: a server's, or one of its pages' with what that page is to show.

In: such as `http://127.0.0.1:8765/read?session=hall&lang=es#token=…`. Out: what it asks for, as the pages understand
it. Knows no connection: who connects says what is wrong with an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Link:
    """What an address says beside where the server is; None for what it does not say."""

    session: str | None = None
    langs: tuple[str, ...] = ()
    """Languages, each once."""
    token: str | None = None
    """Behind `#`, where a browser tells it to no server."""


def link_of(address: str) -> Link:
    """What `address` asks for."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return Link()
    query, fragment = parse_qs(parts.query), parse_qs(parts.fragment)
    (session, *_), (token, *_) = query.get("session", [None]), fragment.get("token", [""])
    asked = re.sub(r"(^|[\s,])\w+", lambda code: code[0].lower(), ",".join(query.get("lang", [])))
    codes = re.split(r"[\s,]+", asked)
    return Link(session, tuple(dict.fromkeys(filter(None, codes))), token.strip() or None)  # phones add spaces
