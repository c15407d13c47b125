"""A certificate and its key, for https and wss.

In: paths. Out: an `ssl.SSLContext` for a server, or what is wrong with the files; one that was renewed is shown to all
who connect from then on. Knows no server.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.reread import Watched


def load_tls(certificate: Path, key: Path, tell: Callable[[str], object]) -> ssl.SSLContext:
    """Return what makes a server speak TLS 1.2 and newer, by what the files hold when somebody connects.

    Args:
        certificate: PEM: the server's certificate, and those between it and one that browsers know.
        key: PEM: its private key, without a password.
        tell: Hears what is wrong with files that were changed; those before stay in force.

    Raises:
        UserError: a file can't be read, or is no such thing, or the two don't belong together.
    """
    files = Watched((certificate, key), partial(_load, certificate, key), tell)

    def renew(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = files.current()

    # Loading into the context that is in use would leave it without a key where the two files do not fit.
    context = files.current()
    context.sni_callback = renew  # called for every client, also one that says no name
    return context


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); expected a PEM file") from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # whatever this system's default is
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:  # of TLS, or of a file that has vanished since
        what = (error.reason if isinstance(error, ssl.SSLError) else None) or str(error)
        raise UserError(
            f"{certificate} and {key}: {what}; expected a certificate and its own private key without a password (PEM)"
        ) from error
    return context


def _no_password() -> str:
    """Called for a key with a password, instead of asking at the terminal: an empty one opens none."""
    return ""
