"""Operations as JSON lines: who came and went, and why; what sessions there were; how much went through.

In: what happened, as a name and plain figures. Out: lines in a file, each whole and there when the call returns.
Knows no server, and is told nothing that was said and no token.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from surtitle.pipeline.errors import unwritable
from surtitle.pipeline.lines import LineWriter

Field = str | int | float | None


class AccessLog:
    """A file that lines are added to until the process ends, and another of its name once it was renamed or removed, as
    logs are that run for weeks. Its owner alone may read it: it has people's addresses.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Go on with the file at `path`, or begin it; `clock` is in seconds since 1970.

        Raises:
            UserError: it can't be written.
        """
        self._path = path
        self._clock = clock
        self._failing = False
        try:
            self._file = self._open()
        except OSError as error:
            raise unwritable(path, error) from error
        self._lines = LineWriter(self._append)

    def write(self, event: str, **fields: Field) -> None:
        """Add a line. On a full disk it is lost, which is said once: captions go on without it."""
        record = {"time": round(self._clock(), 3), "event": event, **fields}
        line = json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"
        try:
            self._lines.push(line.encode("ascii"))
            self._failing = False
        except OSError as error:
            if not self._failing:
                logging.getLogger("surtitle.server").error("%s cannot be written: %s", self._path, error.strerror)
            self._failing = True

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _append(self, data: bytes) -> int:
        if not self._is_there():
            before, self._file = self._file, self._open()
            os.close(before)
        return os.write(self._file, data)

    def _is_there(self) -> bool:
        """Whether the file that is open still has its name."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False
