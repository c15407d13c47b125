"""Tokens: who may read and who may publish, and in which room.

In: the text of a tokens file, and the secrets that clients show. Out: admissions, or `Refused`; the text with a token
more or less. Knows no file, clock or connection. The file holds digests: who reads it can't use it.

    [[token]]
    name = "obs"          # for people and logs
    right = "read"        # or "publish", which includes reading
    session = "main"      # optional: in this room only
    sha256 = "..."        # of the token, in hex
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tomllib
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.messages import CloseCode, Refused, RoomName

Right = Literal["read", "publish"]
_NAME_PATTERN = r"^[A-Za-z0-9._-]{1,64}\Z"
TokenName = Annotated[str, Meta(pattern=_NAME_PATTERN)]
_TABLE = re.compile(r"^(?=[ \t]*\[\[\s*token\s*\]\])", re.MULTILINE)


class Token(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the guest list."""

    name: TokenName
    right: Right
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """Of the secret's UTF-8, in hex."""
    session: RoomName | None = None
    """The only room that it is for; None for all."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a connection was let in for."""

    name: str
    """The token's; empty where none is asked for."""
    sha256: str
    """Of the secret that was shown."""
    right: Right
    session: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a file; or none, and then everybody may do everything, or read, where reading is public."""

    tokens: tuple[Token, ...] | None = None
    """None where there is no file."""
    public_read: bool = False
    """Whether everybody may read, and what else there is needs a token, be there a file or not."""

    @property
    def private(self) -> Tokens:
        """Those that ask for a token to read too: what is no caption is not for everybody."""
        return Tokens(self.tokens or ()) if self.public_read else self

    @property
    def asks_readers(self) -> bool:
        """Whether who wants to read needs a token."""
        return self.tokens is not None and not self.public_read

    def admit(self, secret: str | None, right: Right, session: str) -> Admission:
        """Let a client that shows `secret` read or publish in a room.

        Raises:
            Refused: the secret is none of ours (`UNAUTHORIZED`), or not for this (`FORBIDDEN`).
        """
        if self.public_read and self.tokens is None and right == "publish":
            raise Refused(
                CloseCode.UNAUTHORIZED, "anyone may read here, and nobody publish: the server has no --tokens"
            )
        if not secret and not self._is_open(right):
            raise Refused(CloseCode.UNAUTHORIZED, "saw no token, expected one that `surtitle tokens FILE add` made")
        return self.renew(Admission("", digest(secret or ""), right, session))

    def renew(self, admission: Admission) -> Admission:
        """Let a client stay that was let in before; raises `Refused` if it would not be let in now."""
        token = self._find(admission.sha256)
        if self._is_open(admission.right):
            return replace(admission, name=token.name if token else "")
        if token is None:
            raise Refused(CloseCode.UNAUTHORIZED, "saw a token that is not, or no longer, one of this server's")
        if admission.right == "publish" and token.right == "read":
            raise Refused(CloseCode.FORBIDDEN, f"token {token.name!r} may only read, expected one that may publish")
        if token.session not in (None, admission.session):
            raise Refused(
                CloseCode.FORBIDDEN,
                f"token {token.name!r} is good for session {token.session!r} only, saw {admission.session!r}",
            )
        return replace(admission, name=token.name)

    def _is_open(self, right: Right) -> bool:
        return right == "read" if self.public_read else self.tokens is None

    def _find(self, sha256: str) -> Token | None:
        """Compare with all, however early one fits: how long it takes tells nothing."""
        found = None
        for token in self.tokens or ():
            if secrets.compare_digest(token.sha256, sha256):
                found = token
        return found


class _File(Struct, forbid_unknown_fields=True):
    token: tuple[Token, ...] = ()


def digest(secret: str) -> str:
    """SHA-256 of a token, in hex. Tokens are 256 random bits, so it needs no salt and no slowness."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def parse(text: str, *, public_read: bool = False) -> Tokens:
    """Read a tokens file. Raises UserError: it is no TOML, or a table, field or value is not as it should be."""
    try:
        tokens = msgspec.convert(tomllib.loads(text), _File).token
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise UserError(
            f"{error}; expected [[token]] tables with name, right, sha256 and, if wanted, session"
        ) from error
    names = [token.name for token in tokens]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two tokens are called {name!r}, expected another name for one of them")
    return Tokens(tokens, public_read)


def added(text: str, token: Token) -> str:
    """The file's `text` with one token more, all else as it was. Raises UserError if the name is taken, or none."""
    if not re.search(_NAME_PATTERN, token.name):  # it was typed: a place in the file would say nothing
        raise UserError(f"got the name {token.name!r}, expected 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    fields = {"name": token.name, "right": token.right, "session": token.session, "sha256": token.sha256}
    table = "".join(f'{name} = "{value}"\n' for name, value in fields.items() if value is not None)
    longer = f"{text.rstrip()}\n\n[[token]]\n{table}".lstrip()
    parse(longer)
    return longer


def removed(text: str, name: str) -> str:
    """The file's `text` without the token called `name`, all else as it was. Raises UserError if that can't be."""
    known = _names(text)
    if name not in known:
        raise UserError(f"no token is called {name!r}, expected one of {', '.join(known) or 'none'}")
    head, *tables = _TABLE.split(text)
    shorter = head + "".join(table for table in tables if _names(table) != [name])
    if name in _names(shorter):
        raise UserError(
            f"token {name!r} is still in force, as it has no [[token]] table of its own: take it out by hand"
        )
    return shorter


def _names(text: str) -> list[str]:
    return [token.name for token in parse(text).tokens or ()]
