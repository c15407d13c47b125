"""What is told to those who open a server to others: where readers find it, in words and as a code for cameras.

In: the server's rules, this machine's addresses, and whether readers need tokens. Out: lines for people, and a QR code
drawn with half blocks. Knows no network interface, no server and no terminal.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

import segno

from surtitle.pipeline.access import Access, elsewhere, is_loopback, netloc
from surtitle.pipeline.events import MAIN_ROOM

QUIET = 2
"""Modules around a code that are light. The standard wants four; cameras do with two, and terminals are small."""
WITHIN = re.compile(r"docker|br-[0-9a-f]{12}|virbr|lxc|lxd|cni|podman|veth|vEthernet|vmnet|vboxnet|VMware|VirtualBox")
"""How network interfaces are called that lead to containers and virtual machines of this one."""
_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}


def outward(
    found: Mapping[str, Iterable[str]],
    up: Iterable[str],
    version: int,
    likeliest: str | None,
    tunnels: Collection[str] = (),
) -> list[str]:
    """Return the addresses that other machines may know this one by.

    Args:
        found: Addresses of all kinds, by network interface.
        up: The interfaces that work.
        version: Of the Internet Protocol: 4 or 6.
        likeliest: What comes first, if it is among them. Those that only containers know come last.
        tunnels: The interfaces that lead to one other machine, as those of a VPN do: no reader is there, though all
            that leaves this machine may go that way.
    """
    working = set(up)
    names = sorted(
        (name for name in found if name in working),
        key=lambda name: name in tunnels or WITHIN.match(name) is not None,
    )
    texts = [text for name in names for text in found[name]]
    usable = [text for text in dict.fromkeys(texts) if _reaches(text, version)]
    behind = {text for name in tunnels for text in found.get(name, ())}
    return sorted(usable, key=lambda text: text != likeliest or text in behind)


def _reaches(text: str, version: int) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False  # of a network card, say
    return address.version == version and not (address.is_loopback or address.is_link_local or address.is_unspecified)


def wildcard(host: str) -> int | None:
    """Return of which Internet Protocol `host` is every address of this machine; None where it is one of them."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address.version if address.is_unspecified else None


def origins_of(access: Access, here: Sequence[str]) -> list[str]:
    """Return where people on other machines may find the server, the likeliest first; nothing if it is closed to them.

    `here` are this machine's addresses.
    """
    named = elsewhere(access.allow_origins)
    if ours := [origin for origin in named if access.is_at(origin)]:
        return ours[:1]
    if is_loopback(access.host):
        return [*named]
    hosts = [access.host] if wildcard(access.host) is None else here
    return [*named, *(f"{access.scheme}://{netloc(host, access.port)}" for host in hosts)]


def is_sure(origins: Sequence[str], access: Access) -> bool:
    """Whether the first of `origins_of` is the server, and not perhaps a site that shows its captions."""
    return len(origins) == 1 or (len(origins) > 1 and origins[0] not in access.allow_origins)


def page_of(path: str, room: str) -> str:
    """Return where, below the server's address, the page at `path` shows `room`."""
    return path if room == MAIN_ROOM else f"{path}?session={room}"


def lines_of(origins: Sequence[str], path: str, *, asks_readers: bool, sure: bool = True) -> list[str]:
    """Return what is said of the page at `path`, which readers open; `asks_readers` where they need tokens, `sure` as
    of `is_sure`."""
    lines = [f"{'or' if at else 'readers open'} {origin}{path}" for at, origin in enumerate(origins)]
    if lines and asks_readers:
        url = origins[0] if sure else "URL"
        lines.append(f"with a token: `surtitle tokens FILE add NAME --right read --url {url}` makes their link")
    return lines


def code_of(address: str) -> list[str]:
    """Return a QR code that opens `address`: lines of half blocks, in which what is drawn is dark."""
    rows = [list(row) for row in segno.make_qr(address, error="l").matrix_iter(border=QUIET)]
    pairs = zip_longest(rows[::2], rows[1::2], fillvalue=[0] * len(rows))
    return ["".join(_BLOCKS[above, below] for above, below in zip(*pair, strict=True)) for pair in pairs]
