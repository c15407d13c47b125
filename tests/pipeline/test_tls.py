"""Certificates and keys: what is loaded, and what is said of files that do not do."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from certificates import written
from websockets.asyncio.client import connect
from websockets.typing import Origin

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tls import load_tls
from surtitle.pipeline.web import SPARE


def test_a_certificate_and_its_key_make_a_context_of_modern_tls(tmp_path: Path) -> None:
    assert load_tls(*written(tmp_path, "a"), print).minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_page_over_tls_is_served_without_complaints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = load_tls(*written(tmp_path, "a"), print)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=context) as server:
        trusting = ssl.create_default_context(cafile=tmp_path / "a.pem")
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
    assert not caplog.records


@pytest.mark.slow
async def test_an_answer_over_tls_that_is_the_last_ends_its_connection_at_once(tmp_path: Path) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=load_tls(*written(tmp_path, "a"), print)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(10):  # not when its time to read on is over, a place among --max-viewers till then
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


async def shown(server: CaptionServer, name: str | None = "localhost") -> bytes:
    """The certificate that a client which asks for `name` sees, and that what it asks then is answered."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting, server_hostname=name)
    writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


def der(certificate: Path) -> bytes:
    first, end, _ = certificate.read_text().partition("-----END CERTIFICATE-----\n")
    return ssl.PEM_cert_to_DER_cert(first + end)


@pytest.mark.parametrize("name", ["localhost", ""])
async def test_a_renewed_certificate_is_shown_to_who_connects_next_and_breaks_no_connection(
    tmp_path: Path, name: str
) -> None:
    told = list[str]()
    used, renewed = written(tmp_path, "a"), written(tmp_path, "b")
    before, after = der(used[0]), der(renewed[0])
    context = load_tls(*used, told.append)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=context) as server:
        url = server.url.replace("https", "wss") + "/captions"
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        async with connect(url, ssl=trusting, proxy=None, origin=Origin(server.url)) as viewer:
            assert await shown(server, name) == before
            for new, old in zip(renewed, used, strict=True):
                new.replace(old)
            assert await shown(server, name) == after
            await viewer.send('{"type":"hello","v":1,"langs":[]}')
            assert "welcome" in str(await viewer.recv())
    assert told == []


async def test_a_renewed_certificate_that_does_not_fit_its_key_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    told = list[str]()
    (certificate, key), (other, other_key) = written(tmp_path, "a"), written(tmp_path, "b")
    before, after = der(certificate), der(other)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=load_tls(certificate, key, told.append)) as server:
        other.replace(certificate)
        assert await shown(server) == await shown(server) == before
        (line,) = told
        assert "KEY_VALUES_MISMATCH" in line
        assert line.endswith("what it said before stays in force")
        other_key.replace(key)  # it came a moment later
        assert await shown(server) == after
    assert len(told) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    certificate, key = written(tmp_path, "a")
    key.unlink()
    with pytest.raises(UserError, match=r"a\.key: cannot be read \(No such file"):
        load_tls(certificate, key, print)


def test_what_does_not_belong_together_is_said(tmp_path: Path) -> None:
    certificate, _ = written(tmp_path, "a")
    _, key = written(tmp_path, "b")
    with pytest.raises(UserError, match="KEY_VALUES_MISMATCH; expected a certificate and its own private key"):
        load_tls(certificate, key, print)


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_what_is_no_certificate_is_said(tmp_path: Path, text: str) -> None:
    certificate, key = written(tmp_path, "a")
    certificate.write_text(text)
    with pytest.raises(UserError, match=r"a\.pem and .*a\.key: .*expected a certificate"):
        load_tls(certificate, key, print)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # asyncio's, of a connection that it lets go of
async def test_who_connects_and_never_speaks_tls_takes_a_place_as_others_do(tmp_path: Path) -> None:
    context = load_tls(*written(tmp_path, "a"), print)
    server = CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=context, max_viewers=1)
    async with server, asyncio.timeout(10), AsyncExitStack() as stack:
        for _ in range(1 + SPARE + 1):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.enter_context(closing(writer))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        stack.enter_context(closing(writer))
        assert await reader.read() == b""
