"""`surtitle.pipeline.pip_index`: where pip would look, without running what it would run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pip._internal.models.index import PyPI

from surtitle.pipeline.download import DownloadError
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.pip_index import PipConfig, PipIndex, parse_pip_config, read_pip_config

if TYPE_CHECKING:
    from .conftest import Shelf

WHEEL = "some_weights-1.0-py3-none-any.whl"
SHA = "0" * 64


def test_without_configuration_it_is_the_public_index() -> None:
    assert parse_pip_config("") == PipConfig(indexes=(PyPI.simple_url,))


def test_the_environment_wins_over_files_and_every_option_is_read() -> None:
    config = parse_pip_config(
        "global.index-url='https://a.example/simple'\n"
        "global.extra-index-url='https://b.example/simple\\nhttps://c.example/simple'\n"
        "global.cert='/etc/certs.pem'\n"
        "global.trusted-host='b.example'\n"
        "install.proxy='http://proxy.example:3128'\n"
        ":env:.index-url='https://d.example/simple'\n"
        ":env:.default-timeout='60'\n"
        "freeze.timeout='1'\n"
    )
    assert config.indexes == (
        "https://d.example/simple",
        "https://b.example/simple",
        "https://c.example/simple",
    )
    assert (config.cert, config.proxy, config.timeout) == (
        "/etc/certs.pem",
        "http://proxy.example:3128",
        60.0,
    )
    assert config.trusted_hosts == {"b.example"}


def test_no_index_leaves_the_links_alone() -> None:
    config = parse_pip_config("global.no-index='true'\nglobal.find-links='/a /b'\n")
    assert (config.indexes, config.find_links) == ((), ("/a", "/b"))


def test_pip_itself_is_asked_for_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://mirror.example/simple\n")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    config = read_pip_config({**environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_TIMEOUT": "7"})
    assert config.indexes[0] == "https://mirror.example/simple"
    assert config.timeout == 7.0


def test_certificates_that_pip_trusts_by_a_variable_are_trusted_here_too(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "CURL_CA_BUNDLE": "/etc/curl.pem", "REQUESTS_CA_BUNDLE": "/etc/own.pem"}
    assert read_pip_config(environ).cert == "/etc/own.pem"
    assert read_pip_config(environ | {"PIP_CERT": "/etc/pip.pem"}).cert == "/etc/pip.pem"


def test_a_configuration_that_pip_cannot_read_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("index-url = https://mirror.example/simple\n")
    with pytest.raises(UserError, match=r"pip can't tell where it fetches packages from.*pip\.conf"):
        read_pip_config({**os.environ, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})


def test_an_archive_is_found_on_a_json_page(shelf: Shelf) -> None:
    shelf.put_archive("some-weights", WHEEL, b"wheel")
    index = PipIndex(PipConfig(indexes=(f"{shelf.url}/simple/",)))
    sha = "10d6ec3a43a4d0f1e9e8b14d23b55a1e4a4f4bbe8d6c6fd3b40ab4e7b0b0b2f4"
    with pytest.raises(DownloadError, match="another file of that name"):
        index.find("Some_Weights", WHEEL, sha)
    shelf.put("/simple/some-weights/", b'{"files": [{"url": "/f/' + WHEEL.encode() + b'", "hashes": {}}]}', "a/json")
    assert index.find("Some_Weights", WHEEL, SHA) == (f"{shelf.url}/f/{WHEEL}",)


def test_an_archive_is_found_on_an_html_page_and_on_disk(shelf: Shelf, tmp_path: Path) -> None:
    page = f'<html><a href="{WHEEL}#sha256={SHA}">x</a><a name="y">y</a></html>'
    shelf.put("/simple/some-weights/", page.encode(), "text/html")
    local = tmp_path / "simple" / "some-weights"
    local.mkdir(parents=True)
    (local / "index.html").write_text(f'<a href="../../files/{WHEEL}">x</a>')
    index = PipIndex(PipConfig(indexes=(f"{shelf.url}/simple", (tmp_path / "simple").as_uri())))
    assert index.find("some-weights", WHEEL, SHA) == (
        f"{shelf.url}/simple/some-weights/{WHEEL}",
        (tmp_path / "files" / WHEEL).as_uri(),
    )


def test_a_folder_of_find_links_comes_first(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"wheel")
    index = PipIndex(PipConfig(indexes=(), find_links=(str(tmp_path),)))
    assert index.find("some-weights", WHEEL, SHA) == ((tmp_path / WHEEL).as_uri(),)


def test_a_page_of_find_links_is_read(shelf: Shelf) -> None:
    shelf.put("/links.html", f'<a href="{WHEEL}">x</a>'.encode(), "text/html")
    index = PipIndex(PipConfig(indexes=(), find_links=(f"{shelf.url}/links.html",)))
    assert index.find("some-weights", WHEEL, SHA) == (f"{shelf.url}/{WHEEL}",)


def test_a_page_that_is_not_an_index_is_no_crash(shelf: Shelf) -> None:
    shelf.put("/simple/some-weights/", b'{"error": "down"}', "application/json")
    with pytest.raises(DownloadError, match="missing required field `files`"):
        PipIndex(PipConfig(indexes=(f"{shelf.url}/simple",))).find("some-weights", WHEEL, SHA)


def test_every_place_that_was_asked_is_named_with_its_answer(shelf: Shelf, tmp_path: Path) -> None:
    shelf.put("/simple/some-weights/", b"<html></html>", "text/html")
    places = (f"{shelf.url}/simple", f"{shelf.url}/other", "http://127.0.0.1:9/simple")
    with pytest.raises(DownloadError) as refusal:
        PipIndex(PipConfig(indexes=places, find_links=(str(tmp_path),))).find("some-weights", WHEEL, SHA)
    for said in (WHEEL, "not there", "answered 404", "127.0.0.1:9", "pip config list"):
        assert said in str(refusal.value)
