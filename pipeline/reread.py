"""A file of the user's, read again when it has changed.

In: a path, and what makes a value of its text. Out: the value as the file has it now. A mistake ends the program at its
start; later, while people listen, it is told and the last good value stays. Knows nothing of what the file says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from surtitle.pipeline.errors import UserError

T = TypeVar("T")
AGAIN = 1.0
"""Seconds after which a file that could not be read is tried again."""
EMPTIED = 1.0
"""Seconds for which a file must have been empty to be meant so."""


class Reread(Generic[T]):
    """One file; asked from several threads, each of which may be the one that finds it changed."""

    def __init__(
        self,
        path: Path,
        parse: Callable[[str], T],
        tell: Callable[[str], object],
        *,
        what: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read `path`; `tell` hears of what is wrong with it later; `now` is what files' times count from.

        Raises UserError for what is no `what`.
        """
        self._path = path
        self._now = now
        self._parse = parse
        self._tell = tell
        self._what = what
        self._seen = self._stamp()
        self._value = self._read()
        self._told = ""
        self._again = 0.0  # when it may be read, by `now`

    def current(self) -> T:
        """What the file says."""
        stamp = self._stamp()
        if stamp == self._seen:
            self._told = ""  # it is as it was: should it vanish again, that is news
        elif not self._is_being_written(stamp) and self._now() >= self._again:
            try:
                self._value, self._seen, self._told = self._read(), stamp, ""
            except UserError as error:
                if isinstance(error.__cause__, OSError):  # who may read it can change, and the file does not
                    self._again = self._now() + AGAIN
                else:
                    self._seen = stamp
                if str(error) != self._told:
                    self._tell(f"{error}; what it said before stays")
                self._told = str(error)
        return self._value

    def _is_being_written(self, stamp: tuple[int, int, int] | None) -> bool:
        """Whether it was emptied just now, as by an editor that writes it next: what it says then is not meant."""
        return stamp is not None and not stamp[1] and 0 <= self._now() - stamp[0] / 1e9 < EMPTIED

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # reading it will say why
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> T:
        try:
            return self._parse(self._path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"can't read {self._path} ({error}), expected {self._what} in UTF-8") from error
        except UserError as error:
            raise UserError(f"{self._path}: {error}") from error
