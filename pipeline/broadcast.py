"""Where a session's events go: the log first, then files, viewers and the terminal.

In: events, on the event loop. Out: calls on the outputs that were asked for. Every final is in the log
before it is sent: there is no await between, and the hub only wakes its viewers. Knows no model and no
source.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from surtitle.pipeline.events import MAIN_ROOM, Caption, Event, SessionStart
from surtitle.pipeline.outputs import Format, JsonLog, SubtitleFiles
from surtitle.pipeline.protocol import to_wire
from surtitle.pipeline.rooms import Room
from surtitle.pipeline.stats import LagStats
from surtitle.pipeline.terminal import TerminalCaptions


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Files to write; None where not wanted."""

    log: Path | None = None
    srt: Path | None = None
    vtt: Path | None = None


class Outputs:
    """What one run writes: files, and captions on the terminal."""

    def __init__(self, paths: OutputPaths, targets: tuple[str, ...], terminal: TerminalCaptions | None) -> None:
        """Open the files. Raises UserError for a path that can't be written, before any work is done."""
        self._terminal = terminal
        self._files = ExitStack()
        with ExitStack() as opened:
            self._log = opened.enter_context(JsonLog(paths.log)) if paths.log else None
            self._subtitles = [
                opened.enter_context(SubtitleFiles(path, targets, form)) for path, form in _subtitles(paths) if path
            ]
            self._files = opened.pop_all()

    def write(self, event: Event, seq: int, **fields: str) -> None:
        """Write `event` into the files; its line in the log also has `fields`. Raises UserError if a file can't be."""
        if self._log:
            self._log.write({**to_wire(event, seq), **fields})
        if isinstance(event, Caption):
            for subtitles in self._subtitles:
                subtitles.write(event)

    def show(self, event: Event, room: str) -> None:
        """Print what people want to see of `event`."""
        if self._terminal:
            self._terminal.show(event, "" if room == MAIN_ROOM else room)

    def follow(self, lags: LagStats) -> None:
        """Show how late the session is that begins."""
        if self._terminal:
            self._terminal.follow(lags)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        if self._terminal:
            self._terminal.close()


class Broadcast:
    """One room's way out; its sessions go it one after the other."""

    def __init__(self, room: Room, outputs: Outputs, *, shared: bool = False) -> None:
        """`shared`: sessions of other rooms write into the same log, so each line says which one it is of."""
        self.room = room
        self._outputs = outputs
        self._shared = shared
        self._fields: dict[str, str] = {}

    def publish(self, event: Event) -> None:
        """Send `event` everywhere. Raises UserError if a file can't be written any more."""
        if isinstance(event, SessionStart) and self._shared:
            self._fields = {"session": event.session}
        hub = self.room.hub
        self._outputs.write(event, hub.seq + 1, **self._fields)
        hub.publish(event)
        self._outputs.show(event, self.room.name)

    def follow(self, lags: LagStats, painted: Callable[[int, str], None]) -> None:
        """Show how late the session is that begins, and tell `painted` what viewers have on their screens."""
        self.room.hub.on_painted = painted
        self._outputs.follow(lags)


def _subtitles(paths: OutputPaths) -> tuple[tuple[Path | None, Format], ...]:
    return (paths.srt, "srt"), (paths.vtt, "vtt")
