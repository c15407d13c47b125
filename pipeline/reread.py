"""Files of the user's, read again when they have changed.

In: paths, and what makes a value of their contents. Out: the value as the files have it now. A mistake ends the program
at its start; later, while people listen, it is told and the last good value stays. Knows nothing of what they say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from surtitle.pipeline.errors import UserError

T = TypeVar("T")
Stamp = tuple[int, int, int]
"""Of a file: when it was changed (ns), its size, and which one it is."""
AGAIN = 1.0
"""Seconds after which a file that could not be read is tried again."""
EMPTIED = 1.0
"""Seconds for which a file must have been empty to be meant so."""


class Watched(Generic[T]):
    """Files that belong together; asked from several threads, each of which may be the one that finds them changed."""

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        tell: Callable[[str], object],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read `paths`; `tell` hears of what is wrong with them later; `now` is what files' times count from.

        `read` raises UserError for what is wrong; one caused by an OSError is tried again. It is raised here at first.
        """
        self._paths = paths
        self._now = now
        self._read = read
        self._tell = tell
        self._seen = self._stamps()
        self._value = read()
        self._told = ""
        self._unread: list[Stamp | None] = []  # of files that may be tried again as they are
        self._again = 0.0  # and when, by `now`

    def current(self) -> T:
        """What the files say."""
        stamps = self._stamps()
        waits = stamps == self._unread and self._now() < self._again
        if stamps == self._seen:
            self._told = ""  # they are as they were: should one vanish again, that is news
        elif not waits and not any(map(self._is_being_written, stamps)):
            try:
                self._value, self._seen, self._told = self._read(), stamps, ""
            except UserError as error:
                if isinstance(error.__cause__, OSError):  # who may read it can change, and the file does not
                    self._unread, self._again = stamps, self._now() + AGAIN
                else:
                    self._seen = stamps
                if str(error) != self._told:
                    self._tell(f"{error}; what it said before stays in force")
                self._told = str(error)
        return self._value

    def _is_being_written(self, stamp: Stamp | None) -> bool:
        """Whether it was emptied just now, as by an editor that writes it next: what it says then is not meant."""
        return stamp is not None and not stamp[1] and 0 <= self._now() - stamp[0] / 1e9 < EMPTIED

    def _stamps(self) -> list[Stamp | None]:
        return [_stamp(path) for path in self._paths]


class Reread(Watched[T]):
    """One file of text."""

    def __init__(
        self,
        path: Path,
        parse: Callable[[str], T],
        tell: Callable[[str], object],
        *,
        what: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read `path`, whose text `parse` makes a value of; raises UserError for what is no `what`. See `Watched`."""

        def read() -> T:
            try:
                return parse(path.read_text(encoding="utf-8-sig"))
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"can't read {path} ({error}), expected {what} in UTF-8") from error
            except UserError as error:
                raise UserError(f"{path}: {error}") from error

        super().__init__((path,), read, tell, now=now)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None  # reading it will say why
    return found.st_mtime_ns, found.st_size, found.st_ino
