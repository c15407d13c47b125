"""Lines that are appended to a file which may take less than it is given, or nothing.

In: whole lines, and what writes bytes. Out: the bytes, so that a line which broke off in the middle does not take the
next one with it. Knows no file and no content.
"""

from __future__ import annotations

from collections.abc import Callable


class LineWriter:
    """Of one file."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        """`write` appends bytes and says how many it took; on a full disk it may take some, and then raises OSError."""
        self._write = write
        self._broke_off = False  # in the middle of a line

    def push(self, line: bytes) -> None:
        """Append `line`, which ends with its line feed. Raises what `write` raises."""
        left = b"\n" + line if self._broke_off else line
        while left:
            left = left[self._write(left) :]
            self._broke_off = left not in (b"", line)
