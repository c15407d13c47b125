"""HTTP to other people's servers, by way of the proxies that the environment names.

In: what a client is to be like. Out: the client, or a UserError for a proxy that can't be used. Knows no server.
"""

from __future__ import annotations

from typing import Any

import httpx2

from surtitle.pipeline.errors import UserError, one_line


def client_of(**settings: Any) -> httpx2.AsyncClient:
    """A client with these `settings`. Raises UserError where a proxy can't be used."""
    try:
        return httpx2.AsyncClient(**settings)
    except (ValueError, ImportError) as error:  # GNOME calls one socks://, and for socks5:// a package is missing
        raise UserError(
            f"a proxy that the environment names can't be used ({one_line(error)}): expected one that begins with "
            "http://; unset ALL_PROXY, or change it"
        ) from error
