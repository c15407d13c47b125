"""By which addresses other machines know this one: the system's network interfaces.

In: nothing. Out: addresses, the likeliest first. Knows no server; which of them are of use is in `invitation.py`.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import psutil

from surtitle.pipeline.invitation import outward

CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that container engines put into what they run."""
ELSEWHERE = {4: (socket.AF_INET, "192.0.2.1"), 6: (socket.AF_INET6, "2001:db8::1")}
"""Addresses of documentation (RFC 5737, 3849): whoever looks for them takes the way to all other machines."""


def own_addresses(version: int) -> list[str]:
    """Return those of the Internet Protocol's `version`; none in a container, whose own nobody else reaches."""
    if any(mark.exists() for mark in CONTAINERS):
        return []
    try:
        found = {name: [each.address for each in all_of] for name, all_of in psutil.net_if_addrs().items()}
        states = psutil.net_if_stats()
    except OSError:  # some systems tell programs nothing of this
        return []
    up = [name for name, state in states.items() if state.isup]
    tunnels = [name for name, state in states.items() if "pointopoint" in state.flags.split(",")]
    return outward(found, up, version, _on_the_way_out(version), tunnels)


def _on_the_way_out(version: int) -> str | None:
    """The address that this machine would show to others; to find it nothing is sent."""
    family, address = ELSEWHERE[version]
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((address, 9))
        found: str = asking.getsockname()[0]
        return found
    return None
