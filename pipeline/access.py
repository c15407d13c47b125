"""Who may talk to the server: the `Host` and `Origin` rules.

In: the header values of a request. Out: the reason to refuse it, or None. Knows no socket and no page.

A loopback address is no protection by itself: any web page may open a websocket to 127.0.0.1 and read the
room (so the origin must be ours), and a hostile name can be made to resolve to 127.0.0.1 (so the host must be
ours).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
"""The names by which this machine calls itself."""
PORTS = {"http": 80, "https": 443}
"""Of the schemes of web sites, the ports that nobody has to name."""
_HOST = re.compile(r"[a-z0-9._:-]+")


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, without brackets) is this machine only."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def origin(text: str) -> str:
    """Return `text` as browsers send it: in small letters of ASCII, and without a slash or the usual port at its end.

    Raises:
        ValueError: it is no origin.
    """
    if text == "file://":
        return text  # of pages from a disk
    if text == "null":
        raise ValueError("saw 'null', expected an address: any site can show a frame whose origin is null")
    try:
        parts = urlsplit(text.lower())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:
        raise _no_origin(text) from error
    more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    if not parts.scheme or not _HOST.fullmatch(host) or more:
        raise _no_origin(text)
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port in (None, PORTS.get(parts.scheme)) else f":{port}")


def _no_origin(text: str) -> ValueError:
    return ValueError(f"saw {text!r}, expected an address without a path, such as https://captions.example.org")


def is_site(origin: str) -> bool:
    """Whether `origin` is that of a web site, and not of pages from a disk or a browser's extension."""
    return urlsplit(origin).scheme in PORTS


def elsewhere(origins: Sequence[str]) -> tuple[str, ...]:
    """Return those of `origins` that are of other machines: browsers there reach us, be it through a proxy.

    What is no site, such as a browser's extension, is on the machine that it runs on.
    """
    hosts = {each: urlsplit(each).hostname for each in origins if is_site(each)}
    return tuple(each for each, host in hosts.items() if host is not None and not is_loopback(host))


def netloc(host: str, port: int) -> str:
    """Return `host:port` as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of a server bound to one host and port."""

    host: str
    """The host or address the server is bound to."""
    port: int
    allow_origins: tuple[str, ...] = ()
    """Origins beside our own, as browsers send them: `https://captions.example.org`."""
    secure: bool = False
    """Whether it speaks TLS."""

    @property
    def scheme(self) -> str:
        """How its URLs begin."""
        return "https" if self.secure else "http"

    def is_at(self, origin: str) -> bool:
        """Whether `origin` has our scheme and port: no site that shows our captions, nor a proxy."""
        parts = urlsplit(origin)
        return parts.scheme == self.scheme and (parts.port or PORTS[self.scheme]) == self.port

    def shares_with(self, origins: Sequence[str]) -> str | None:
        """Return the origin among `origins`, if it is another one whose pages may read our answers (CORS)."""
        return origins[0] if len(origins) == 1 and origins[0] in self.allow_origins else None

    def refuse_request(self, hosts: Sequence[str]) -> str | None:
        """Return why a request with these `Host` headers is refused, or None."""
        if len(hosts) == 1 and self._is_ours(hosts[0]):
            return None
        seen = ", ".join(hosts) or "none"
        return (
            f"saw Host {seen!r}, expected {netloc(self.host, self.port)} or this machine's address; if it is a name of "
            f"this machine, start with --allow-origin {self.scheme}://{netloc('HOST', self.port)}"
        )

    def refuse_fetch(self, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        """Return why a plain request with these `Host` and `Origin` headers is refused, or None.

        Browsers send an origin with every request that a script of another page could read or that changes something.
        """
        refusal = self.refuse_request(hosts)
        return refusal if refusal is not None or not origins else self._refuse_origin(hosts, origins)

    def refuse_upgrade(self, hosts: Sequence[str], origins: Sequence[str], *, token: bool = False) -> str | None:
        """Return why a websocket with these `Host` and `Origin` headers is refused, or None; `token`: it shows one."""
        refusal = self.refuse_request(hosts)
        if refusal is not None:
            return refusal
        if not origins:
            # Only programs send no origin. On loopback they run on this machine and could read the port
            # anyway; others show a token, or say whom they mean to reach.
            if is_loopback(self.host) or token:
                return None
            return "saw no Origin, expected one, as other machines can reach this server; --allow-origin adds origins"
        return self._refuse_origin(hosts, origins)

    def _refuse_origin(self, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
        if len(origins) == 1 and origins[0] in {*self._own_origins(hosts[0]), *self.allow_origins}:
            return None
        return (
            f"saw Origin {', '.join(origins)!r}, expected that of this server's own pages; --allow-origin adds others"
        )

    def _own_origins(self, host_header: str) -> set[str]:
        hosts = {*LOOPBACK_HOSTS, self.host}
        # The page came from the host named in the request, which is ours: it may have been reached by another
        # port (a container's) or address (a wildcard binding's) than the one bound.
        return {f"{self.scheme}://{netloc(host, self.port)}" for host in hosts} | {f"{self.scheme}://{host_header}"}

    def _is_ours(self, host_header: str) -> bool:
        try:
            name = urlsplit(f"//{host_header}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        allowed = {urlsplit(origin).hostname for origin in self.allow_origins}
        if name in {*LOOPBACK_HOSTS, self.host.lower()} or name in allowed:
            return True
        # Bound to every address, we cannot know them all; an address, unlike a name, cannot be rebound.
        bound = _address(self.host)
        return bound is not None and bound.is_unspecified and _address(name) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
