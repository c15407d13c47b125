"""Where pip would find an archive, without pip's habit of running what it finds.

In: the user's pip configuration and the name of an archive. Out: URLs to try, in pip's order. `pip download`
of an sdist runs the sdist's build code to learn its metadata; a reader of the same index pages does not.
Simple repository API: https://packaging.python.org/en/latest/specifications/simple-repository-api/
Knows nothing of what is inside archives.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import msgspec
from pip._internal.models.index import PyPI  # pip's own default, wherever that is

from surtitle.pipeline.download import DownloadError, Web, reason, site
from surtitle.pipeline.errors import UserError

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_PAGE_LIMIT = 64 << 20
"""Bytes: no index page is longer."""
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where pip finds certificates that it is not told of, such as those of a company's proxy."""
_SECTIONS = ("global", "install", "download", ":env:")
"""Of pip's configuration, later ones win."""


@dataclass(frozen=True, slots=True)
class PipConfig:
    """What the user told pip about where and how to fetch."""

    indexes: tuple[str, ...] = (PyPI.simple_url,)
    """URLs of simple indexes, the first first."""
    find_links: tuple[str, ...] = ()
    """Folders and pages with archives, looked at before the indexes."""
    cert: str | None = None
    proxy: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    timeout: float = 15.0
    """Seconds."""


def read_pip_config(environ: Mapping[str, str]) -> PipConfig:
    """Ask pip for its configuration. Raises UserError where it can't tell: a file of it is damaged, say."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ))
    if listing.returncode:
        raise UserError(
            f"pip can't tell where it fetches packages from, and models come from there too: "
            f"{' '.join(listing.stderr.split())} (`pip config list` says the same)"
        )
    found = parse_pip_config(listing.stdout)
    bundles = (environ.get(name) for name in _BUNDLES)
    return replace(found, cert=found.cert or next(filter(None, bundles), None))


def parse_pip_config(listing: str) -> PipConfig:
    """Read the output of `pip config list`: lines of `section.option='value'`."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        key, equals, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if equals and section in found:
            found[section][option] = str(ast.literal_eval(value))
    options: dict[str, str] = {}
    for section in _SECTIONS:
        options.update(found[section])
    without_index = options.get("no-index", "").lower() in ("1", "true", "yes", "on")
    indexes = (options.get("index-url", PyPI.simple_url), *options.get("extra-index-url", "").split())
    return PipConfig(
        indexes=() if without_index else indexes,
        find_links=tuple(options.get("find-links", "").split()),
        cert=options.get("cert"),
        proxy=options.get("proxy"),
        trusted_hosts=frozenset(options.get("trusted-host", "").split()),
        timeout=float(options.get("timeout", options.get("default-timeout", "15"))),
    )


class PipIndex:
    """The package indexes as the user's pip would see them."""

    def __init__(self, config: PipConfig) -> None:
        self._config = config
        self.web = Web(
            cert=config.cert,
            proxy=config.proxy,
            trusted_hosts=config.trusted_hosts,
            passwords_from=(*config.indexes, *config.find_links),
            timeout=config.timeout,
        )

    def find(self, package: str, archive: str, sha256: str) -> tuple[str, ...]:
        """URLs that claim to be `archive`, without those whose page already tells another SHA-256.

        Raises:
            DownloadError: there is none; the message says where was looked, and what each place answered.
        """
        project = re.sub(r"[-_.]+", "-", package).lower()
        pages = [_page_of(place, archive) for place in self._config.find_links]
        pages += [f"{index.rstrip('/')}/{project}/" for index in self._config.indexes]
        found: list[str] = []
        answers: list[str] = []
        for page in pages:
            try:
                links = [page] if page.endswith(f"/{archive}") else _links(self.web, page)
            except (OSError, HTTPException, ValueError) as error:
                answers.append(f"{site(page)}: {reason(error)}")
                continue
            named = [link for link in links if unquote(urlsplit(link).path).endswith(f"/{archive}")]
            found += [urldefrag(link).url for link in named if _may_be(link, sha256)]
            answers.append(f"{site(page)}: {'another file of that name' if named else 'not there'}")
        if not found:
            raise DownloadError(
                f"{archive}: no configured package index has it "
                f"({'; '.join(answers) or 'none is configured'}). Check the network and `pip config list`."
            )
        return tuple(found)


def _page_of(place: str, archive: str) -> str:
    """A find-links entry as a URL: of the archive itself for a folder that has it."""
    path = Path(unquote(urlsplit(place).path) if place.startswith("file:") else place)
    if (path / archive).is_file():
        return (path / archive).resolve().as_uri()
    return place if urlsplit(place).scheme in ("http", "https", "file") else path.resolve().as_uri()


def _links(web: Web, page: str) -> list[str]:
    if page.startswith("file:"):
        page = page.rstrip("/") + "/index.html"
    with web.open(page, {"Accept": _ACCEPT}) as response:
        text = response.read(_PAGE_LIMIT).decode("utf-8")
        is_json = "json" in response.headers.get("Content-Type", "")
    links = _json_links(text) if is_json else _html_links(text)
    return [urljoin(page, link) for link in links]


def _json_links(text: str) -> list[str]:
    page = msgspec.json.decode(text, type=_JsonPage)
    return [f"{file.url}#sha256={file.hashes.get('sha256', '')}" for file in page.files]


def _html_links(text: str) -> list[str]:
    anchors = _Anchors()
    anchors.feed(text)
    return anchors.hrefs


class _JsonFile(msgspec.Struct, frozen=True):
    url: str
    hashes: dict[str, str]


class _JsonPage(msgspec.Struct, frozen=True):
    files: tuple[_JsonFile, ...]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hrefs += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _may_be(link: str, sha256: str) -> bool:
    told = re.fullmatch(r"sha256=([0-9a-f]{64})", urldefrag(link).fragment)
    return told is None or told[1] == sha256
