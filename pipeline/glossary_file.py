"""The user's glossary file, read again when it has changed.

In: a path. Out: the glossary as it stands there now. A mistake ends the program at its start; later, while people
listen, it is told and the last good glossary stays. Knows nothing of terms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Glossary, parse


class GlossaryFile:
    """One file; asked from several threads, each of which may be the one that finds it changed."""

    def __init__(self, path: Path, tell: Callable[[str], object]) -> None:
        """Read `path`; `tell` hears of what is wrong with it later. Raises UserError for what is no glossary."""
        self._path = path
        self._tell = tell
        self._seen = self._stamp()
        self._glossary = self._read()

    def current(self) -> Glossary:
        """What the file says."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._glossary = self._read()
            except UserError as error:
                self._tell(f"{error}; the terms stay as they were")
        return self._glossary

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # reading it will say why
        return found.st_mtime_ns, found.st_size

    def _read(self) -> Glossary:
        try:
            return parse(self._path.read_text(encoding="utf-8-sig"), self._path.suffix)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"can't read {self._path} ({error}), expected a glossary in UTF-8") from error
        except UserError as error:
            raise UserError(f"{self._path}: {error}") from error
