"""How long work is shown to people.

In: what is being done, how much of it there is, how much more is done. Out: a bar on a terminal, lines
elsewhere, or nothing. Knows nothing of what the work is.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichBars


class Progress(Protocol):
    """One piece of work at a time. `advance` may be called from several threads."""

    def start(self, label: str, total_bytes: int) -> None:
        """Begin a piece of work; ends the previous one."""

    def advance(self, n: int) -> None:
        """`n` more bytes are done; negative when some must be done again."""

    def done(self) -> None:
        """The piece of work is over, done or not."""


class SilentProgress:
    """Shows nothing."""

    def start(self, label: str, total_bytes: int) -> None:
        """Ignored."""

    def advance(self, n: int) -> None:
        """Ignored."""

    def done(self) -> None:
        """Ignored."""


class TerminalProgress:
    """A bar with size, speed and time left on a terminal; one line for each piece of work elsewhere.

    Use as a context manager, so that the terminal is left tidy whatever happens.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = RichBars(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done()
        self._bars.stop()

    def start(self, label: str, total_bytes: int) -> None:
        """Begin a piece of work; ends the previous one."""
        self.done()
        self._task = self._bars.add_task(label, total=total_bytes)
        if not self._console.is_terminal:
            self._console.print(f"{label} ({total_bytes / 1e6:.0f} MB)", highlight=False)

    def advance(self, n: int) -> None:
        """`n` more bytes are done; negative when some must be done again."""
        if self._task is not None:
            self._bars.advance(self._task, n)

    def done(self) -> None:
        """Leave the bar where it is."""
        if self._task is not None:
            self._bars.stop_task(self._task)
            self._task = None
