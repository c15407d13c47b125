"""Where the endpoint of `--translator-url` is.

In: an address and a name as people type them. Out: an `Address`, or a UsageError that says what is wrong. Knows no
HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from surtitle.pipeline.errors import UsageError

KEY = "SURTITLE_TRANSLATOR_KEY"
"""The environment variable of the endpoint's key: a flag would show it to every process."""


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint, and the model to ask it for."""

    url: str
    """Up to `/v1`."""
    model: str
    key: str = field(default="", repr=False)
    """Sent as a bearer token; empty for none."""


def parse_address(url: str, model: str | None, key: str) -> Address:
    """Read what people type. Raises UsageError for what is no URL of a server, and without a model."""
    try:
        parts = urlsplit(url)
        strange = parts.username or parts.query or parts.fragment or parts.port == 0 or any(map(str.isspace, url))
    except ValueError:  # what is no port, or no IPv6 address
        strange, parts = True, urlsplit("")
    if strange or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"got --translator-url {url}, expected a server's address such as http://127.0.0.1:8000/v1")
    base = url.rstrip("/").removesuffix("/chat/completions")
    base = base if urlsplit(base).path else f"{base}/v1"
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:  # it is not shown: it is a secret
        raise UsageError(f"{KEY} holds characters that no key has: expected printable ASCII without spaces")
    if not model:
        raise UsageError(f"--translator-url needs --translator-model NAME: {base}/models lists what the server has")
    return Address(base, model, key)
