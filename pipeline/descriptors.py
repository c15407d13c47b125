"""How many connections and files the system lets this process have.

In: how many are wanted. Out: how many there may be, after the limit was raised as far as it goes: many systems begin
with 1,024, and say nothing until a newcomer hangs or a file can't be opened. Knows no connection.
"""

from __future__ import annotations

import resource
from contextlib import suppress

OWN = 256
"""Beside connections: models, files that are written, and what the event loop needs."""


def allow(connections: int) -> int:
    """Make room for `connections` and `OWN` more, as far as the system lets us; how many connections there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OWN
    if soft != resource.RLIM_INFINITY and soft < wanted:
        more = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # some systems have one more limit, which they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            soft = more
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OWN))
