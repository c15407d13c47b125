"""`surtitle tokens`: who may read and publish, for people.

In: a tokens file and what is to be done with it. Out: the file, whole at every moment and as readable as it was, a new
one by its owner alone; and lines for people. A new token is shown once: the file has its digest. Knows no server.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.tokens import Right, Token, added, digest, parse, removed


def list_tokens(path: Path, console: Console) -> None:
    """Print names and rights."""
    table = Table(box=None, pad_edge=False)
    for heading in ("token", "right", "session"):
        table.add_column(heading)
    for token in parse(_read(path)).tokens or ():
        table.add_row(token.name, token.right, token.session or "any")
    console.print(table)


def add_token(path: Path, name: str, right: Right, session: str | None, server: str) -> None:
    """Make a token, and the file if there is none; print the token and links to `server` that carry it.

    Raises:
        UserError: The name is taken, or the file can not be read or written.
    """
    secret = secrets.token_urlsafe(32)
    text = _read(path) if path.exists() else ""
    _write(path, added(text, Token(name, right, digest(secret), session)))
    query = f"?session={session}" if session else ""
    print(f"token {name!r}, shown this once: {secret}")
    print(f"to read, on phones: {server}/read{query}#token={secret}")
    print(f"to read, on a screen or a stream: {server}/overlay{query}#token={secret}")
    if right == "publish":
        print(f"to speak: {server}/speak{query}#token={secret}")


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file; a server that runs closes its connections. Raises UserError if there is none."""
    _write(path, removed(_read(path), name))
    print(f"token {name!r} is revoked")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"can't read {path} ({error}), expected a tokens file; `add` creates one") from error


def _write(path: Path, text: str) -> None:
    """In one step: a server that looks at any moment sees the file as it was, or as it is."""
    try:
        path = Path(os.path.realpath(path))  # a server may read what a link leads to by its own name
        before = path.stat() if path.exists() else None
        # created with mode 0600
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            if before is not None:
                _keep(before, name)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); choose another file") from error


def _keep(before: os.stat_result, name: str) -> None:
    """Give the file `name` the owner and mode that the one `before` it had: a server that runs as another reads it."""
    mode = stat.S_IMODE(before.st_mode)
    try:
        os.chown(name, before.st_uid, before.st_gid)
    except OSError:
        try:
            os.chown(name, -1, before.st_gid)
        except OSError:  # another group is not to read what that one might
            mode &= ~stat.S_IRWXG
        print(
            "the file has another owner or group now, as only root can keep those it had: check that the server "
            "may read it"
        )
    os.chmod(name, mode)
