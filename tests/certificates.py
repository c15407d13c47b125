"""Certificates for servers on this machine."""

from __future__ import annotations

from pathlib import Path

import trustme


def written(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate and its key, made now."""
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key
