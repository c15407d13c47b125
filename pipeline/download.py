"""Bring one file from a URL, whole or not at all.

In: a URL, and the size and SHA-256 that it must have. Out: the file under its name, verified. What a broken
transfer left behind (`NAME.part`) is taken up again with an HTTP Range. Knows nothing of models or packages.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import certifi

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.progress import Progress

_BLOCK = 1 << 18
"""Bytes read at a time."""
_ATTEMPTS = 4
_NETWORK = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
_AGAIN = (408, 416, 425, 429, 500, 502, 503, 504)
"""HTTP statuses that a later attempt may not meet (416: the part was longer than the file, and was dropped)."""


class DownloadError(UserError):
    """This source cannot give the file; another may."""


class Stopped(Exception):
    """The transfer was told to stop; what it has is kept for the next time."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the file must be."""

    bytes: int
    sha256: str


class Meter:
    """Tells a `Progress` of one file's position, once for each byte however often it is tried."""

    def __init__(self, progress: Progress, stop: threading.Event) -> None:
        self._progress = progress
        self._stop = stop
        self._told = 0

    def at(self, position: int) -> None:
        """The file has `position` bytes now.

        Raises:
            Stopped: somebody asked all transfers to stop.
        """
        if self._stop.is_set():
            raise Stopped
        self._progress.advance(position - self._told)
        self._told = position


class Web:
    """Opens URLs with the certificates, proxy and passwords that the user configured."""

    def __init__(
        self,
        *,
        cert: str | None = None,
        proxy: str | None = None,
        trusted_hosts: frozenset[str] = frozenset(),
        passwords_from: Iterable[str] = (),
        timeout: float = 30.0,
    ) -> None:
        """Prepare.

        Args:
            cert: file or folder of certificates to trust instead of the system's.
            proxy: URL; None takes the system's.
            trusted_hosts: hosts whose certificate is not checked (what they send still is).
            passwords_from: URLs of the form `https://user:password@host/`; each serves for all of its host.
            timeout: seconds without a byte before a transfer counts as broken.
        """
        self._timeout = timeout
        self._trusted_hosts = trusted_hosts
        self._passwords = dict(filter(None, map(_password, passwords_from)))
        proxies = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname = False
        unchecked.verify_mode = ssl.CERT_NONE
        self._opener = build_opener(*proxies, HTTPSHandler(context=_context(cert)))
        self._unchecked = build_opener(*proxies, HTTPSHandler(context=unchecked))

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Open `url`, which may be `http:`, `https:` or `file:`. The caller closes.

        Raises:
            OSError, HTTPException: it cannot be opened.
        """
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        request = Request(urlunsplit(parts._replace(netloc=host)), headers={"User-Agent": "surtitle"})
        # Not sent on after a redirect: a password is for the host that it was given for.
        secret = {"Authorization": self._passwords[host]} if host in self._passwords else {}
        for name, value in {**secret, **headers}.items():
            if name == "Authorization":
                request.add_unredirected_header(name, value)
            else:
                request.add_header(name, value)
        try:
            response: HTTPResponse = self._for(parts.hostname, host).open(request, timeout=self._timeout)
        except HTTPError as error:
            error.close()
            raise
        return response

    def _for(self, hostname: str | None, host: str) -> OpenerDirector:
        trusted = hostname in self._trusted_hosts or host in self._trusted_hosts
        return self._unchecked if trusted else self._opener


def download(
    web: Web,
    url: str,
    into: Path,
    expected: Expected,
    meter: Meter,
    *,
    headers: Mapping[str, str] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Leave the verified file at `into`, or raise and leave what there is at `into` + `.part` for later.

    Raises:
        DownloadError: the source cannot be reached, breaks off again and again, or serves something else.
        Stopped: by the meter.
    """
    part = into.with_name(into.name + ".part")
    for attempt in range(_ATTEMPTS):
        try:
            _receive(web, url, part, expected.bytes, meter, headers or {})
            break
        except _NETWORK as error:
            if attempt == _ATTEMPTS - 1 or not _worth_another(error):
                raise DownloadError(
                    f"{into.name}: cannot fetch it from {site(url)}: {reason(error)}. Check the network "
                    "and run the same command again: it goes on where it stopped."
                ) from error
            pause(2.0**attempt)
        except OSError as error:
            raise UserError(f"{into.name}: cannot be written to {into.parent}: {error.strerror}") from error
    seen = sha256_of(part)
    if seen != expected.sha256:
        size = part.stat().st_size
        part.unlink()
        meter.at(0)
        raise DownloadError(
            f"{into.name}: {site(url)} sent {size} bytes with SHA-256 {seen}, expected {expected.bytes} "
            f"bytes with {expected.sha256}. It was deleted; try again, and if it happens again, "
            "don't trust that source."
        )
    os.replace(part, into)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def site(url: str) -> str:
    """What may be shown of a URL: its host or file, never a password or a signed query."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path


def reason(error: BaseException) -> str:
    """Why a URL could not be opened, in a few words."""
    if isinstance(error, HTTPError):
        return f"it answered {error.code} {error.reason}"
    return str(error.reason) if isinstance(error, URLError) else str(error)


def _receive(web: Web, url: str, part: Path, size: int, meter: Meter, headers: Mapping[str, str]) -> None:
    have = part.stat().st_size if part.exists() else 0
    meter.at(have)
    if have == size:
        return
    span = {"Range": f"bytes={have}-"} if have else {}
    try:
        response = web.open(url, {**headers, **span})
    except HTTPError as error:
        if error.code == 416:
            part.unlink()
        raise
    with response:
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if response.status == 206 and resumed else 0
        with part.open("ab" if have else "wb") as file:
            # One byte more than expected is enough to know the wrong file: don't fill the disk with it.
            while have <= size and (block := _block(response, min(_BLOCK, size + 1 - have))):
                file.write(block)
                have += len(block)
                meter.at(have)
    if have < size:
        raise ConnectionError(f"the connection broke after {have} of {size} bytes")


def _block(response: HTTPResponse, count: int) -> bytes:
    try:
        return response.read(count)
    except OSError as error:  # that a network is gone has no class of its own, and is no failure to write
        raise URLError(error) from error


def _worth_another(error: BaseException) -> bool:
    if isinstance(error, HTTPError):
        return error.code in _AGAIN
    hopeless = FileNotFoundError | PermissionError | ssl.SSLCertVerificationError
    return not (isinstance(error, URLError) and isinstance(error.reason, hopeless))


def _context(cert: str | None) -> ssl.SSLContext:
    if cert is None:
        context = ssl.create_default_context()
        if context.cert_store_stats()["x509_ca"] == 0:
            # Some Pythons (macOS installers, slim images) come without the system's certificates.
            context.load_verify_locations(certifi.where())
        return context
    folder = Path(cert).is_dir()
    try:
        return ssl.create_default_context(cafile=None if folder else cert, capath=cert if folder else None)
    except OSError as error:
        raise UserError(
            f"the certificates {cert} cannot be read: {error.strerror or error}. Correct pip's option `cert` "
            "(`pip config list` shows it), or the variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE."
        ) from error


def _password(url: str) -> tuple[str, str] | None:
    userinfo, _, host = urlsplit(url).netloc.rpartition("@")
    if not userinfo:
        return None
    return host, "Basic " + base64.b64encode(unquote(userinfo).encode()).decode()
