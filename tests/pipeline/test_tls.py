"""Certificates and keys: what is loaded, and what is said of files that do not do."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tls import load_tls


def written(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key, made now."""
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def test_a_certificate_and_its_key_make_a_context_of_modern_tls(tmp_path: Path) -> None:
    assert load_tls(*written(tmp_path, "a")).minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_page_over_tls_is_served_without_complaints(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = load_tls(*written(tmp_path, "a"))
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tls=context) as server:
        trusting = ssl.create_default_context(cafile=tmp_path / "a.pem")
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
        writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
    assert not caplog.records


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    certificate, key = written(tmp_path, "a")
    key.unlink()
    with pytest.raises(UserError, match=r"a\.key: can not be read \(No such file"):
        load_tls(certificate, key)


def test_what_does_not_belong_together_is_said(tmp_path: Path) -> None:
    certificate, _ = written(tmp_path, "a")
    _, key = written(tmp_path, "b")
    with pytest.raises(UserError, match="KEY_VALUES_MISMATCH; expected a certificate and its own private key"):
        load_tls(certificate, key)


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_what_is_no_certificate_is_said(tmp_path: Path, text: str) -> None:
    certificate, key = written(tmp_path, "a")
    certificate.write_text(text)
    with pytest.raises(UserError, match=r"a\.pem and .*a\.key: .*expected a certificate"):
        load_tls(certificate, key)
