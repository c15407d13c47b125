"""`surtitle.pipeline.download`: one file, whole or not at all, against a real server that breaks off."""

from __future__ import annotations

import errno
import hashlib
import itertools
import threading
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surtitle.pipeline.download import DownloadError, Expected, Meter, Stopped, Web, download, site
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.progress import SilentProgress

if TYPE_CHECKING:
    from .conftest import Shelf

DATA = bytes(range(256)) * 40
"""10,240 bytes."""
counter = itertools.count()
WEB = Web()


class Counted(SilentProgress):
    """Remembers how much was told."""

    def __init__(self) -> None:
        self.bytes = 0

    def advance(self, n: int) -> None:
        self.bytes += n


def expected(data: bytes) -> Expected:
    return Expected(len(data), hashlib.sha256(data).hexdigest())


def meter(progress: SilentProgress | None = None, stop: threading.Event | None = None) -> Meter:
    return Meter(progress or SilentProgress(), stop or threading.Event())


def fetch(shelf: Shelf, into: Path, *, progress: SilentProgress | None = None) -> list[float]:
    """Download `/data`; returns the pauses between attempts, without waiting for them."""
    pauses: list[float] = []
    download(WEB, f"{shelf.url}/data", into, expected(DATA), meter(progress), pause=pauses.append)
    return pauses


def test_a_file_arrives_under_its_name_and_leaves_no_part(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    assert fetch(shelf, tmp_path / "data") == []
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data").read_bytes() == DATA


def test_a_broken_transfer_goes_on_where_it_stopped(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    shelf.cuts["/data"] = [4000, 1000]
    assert fetch(shelf, tmp_path / "data") == [1.0, 2.0]
    assert shelf.asked_for("/data") == [None, "bytes=4000-", "bytes=5000-"]
    assert (tmp_path / "data").read_bytes() == DATA


class Unreachable(Web):
    """Its network is gone while an answer is read."""

    def open(self, url: str, headers: Mapping[str, str]) -> HTTPResponse:
        response = super().open(url, headers)
        response.read = self._read  # type: ignore[method-assign]
        return response

    def _read(self, count: int | None = None) -> bytes:
        raise OSError(errno.EHOSTUNREACH, "No route to host")


def test_a_network_that_is_gone_is_asked_again_and_not_taken_for_a_full_disk(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    pauses: list[float] = []
    with pytest.raises(DownloadError, match=r"cannot fetch it from 127.*No route to host.*goes on where it stopped"):
        download(Unreachable(), f"{shelf.url}/data", tmp_path / "data", expected(DATA), meter(), pause=pauses.append)
    assert len(pauses) == 3


def test_what_a_failed_run_left_is_taken_up_by_the_next(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    shelf.cuts["/data"] = [1000, 1000, 1000, 1000]
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        fetch(shelf, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    fetch(shelf, tmp_path / "data")
    assert shelf.asked_for("/data")[-1] == "bytes=4000-"
    assert (tmp_path / "data").read_bytes() == DATA


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=3), ranges=st.booleans())
def test_wherever_it_breaks_the_file_and_the_count_are_the_same(
    shelf: Shelf, tmp_path: Path, cuts: list[int], ranges: bool
) -> None:
    shelf.put("/data", DATA)
    shelf.cuts["/data"] = list(cuts)
    shelf.ranges = ranges
    told = Counted()
    into = tmp_path / str(next(counter))
    fetch(shelf, into, progress=told)
    assert into.read_bytes() == DATA
    assert told.bytes == len(DATA)


def test_a_wrong_file_is_deleted_and_both_checksums_are_told(shelf: Shelf, tmp_path: Path) -> None:
    wrong = bytes(len(DATA))
    shelf.put("/data", wrong)
    with pytest.raises(DownloadError) as refusal:
        fetch(shelf, tmp_path / "data")
    for said in ("data:", hashlib.sha256(wrong).hexdigest(), hashlib.sha256(DATA).hexdigest()):
        assert said in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_long_is_not_read_to_its_end(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA * 100)
    told = Counted()
    with pytest.raises(DownloadError, match=f"sent {len(DATA) + 1} bytes"):
        fetch(shelf, tmp_path / "data", progress=told)
    assert told.bytes == 0


def test_a_part_that_is_longer_than_the_file_is_begun_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    (tmp_path / "data.part").write_bytes(bytes(len(DATA) + 5))
    fetch(shelf, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == DATA


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    shelf.refusals["/data"] = [503, 429]
    assert len(fetch(shelf, tmp_path / "data")) == 2
    shelf.refusals["/data"] = [403]
    with pytest.raises(DownloadError, match="answered 403"):
        fetch(shelf, tmp_path / "other")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/data"
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9: .*[Rr]efused"):
        download(WEB, url, tmp_path / "data", expected(DATA), meter(), pause=lambda _: None)


def test_a_stopped_transfer_keeps_what_it_has(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    (tmp_path / "data.part").write_bytes(DATA[:100])
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        download(WEB, f"{shelf.url}/data", tmp_path / "data", expected(DATA), meter(stop=stop))
    assert (tmp_path / "data.part").read_bytes() == DATA[:100]


def test_a_folder_that_is_not_there_is_said_in_words(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    with pytest.raises(UserError, match="data: cannot be written"):
        fetch(shelf, tmp_path / "missing" / "data")


def test_a_local_file_is_copied(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    url = (tmp_path / "source").as_uri()
    download(WEB, url, tmp_path / "data", expected(DATA), meter())
    assert (tmp_path / "data").read_bytes() == DATA


def test_the_password_of_an_index_serves_for_its_host_alone(shelf: Shelf) -> None:
    shelf.put("/page", b"x")
    host = shelf.url.removeprefix("http://")
    web = Web(passwords_from=[f"http://me:p%40ss@{host}/simple", "https://example.org"])
    web.open(f"{shelf.url}/page", {}).close()
    assert shelf.authorized["/page"] == "Basic bWU6cEBzcw=="
    port = host.partition(":")[2]
    web.open(f"http://localhost:{port}/page", {}).close()
    assert shelf.authorized["/page"] is None


def test_a_redirect_is_followed_with_the_range_and_without_the_password(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/data", DATA)
    shelf.redirects["/moved"] = f"{shelf.url}/data"
    (tmp_path / "data.part").write_bytes(DATA[:100])
    secret = {"Authorization": "Bearer secret"}
    download(WEB, f"{shelf.url}/moved", tmp_path / "data", expected(DATA), meter(), headers=secret)
    assert shelf.asked == [("/moved", "bytes=100-"), ("/data", "bytes=100-")]
    assert shelf.authorized == {"/moved": "Bearer secret", "/data": None}


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(UserError, match=r"/no/certs\.pem cannot be read: .*`pip config list`"):
        Web(cert="/no/certs.pem")


def test_a_url_is_shown_without_its_password_and_query() -> None:
    assert site("https://me:secret@example.org/a/b?token=1") == "example.org"
    assert site("file:///a/b") == "/a/b"
