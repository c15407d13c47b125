"""Where a session's events go: the log first, then files, viewers and the terminal.

In: events, on the event loop. Out: calls on the outputs that were asked for. Every final is in the log
before it is sent: there is no await between, and the hub only wakes its viewers. Knows no model and no
source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import MAIN_ROOM, Caption, Event, SessionEnd, SessionStart
from surtitle.pipeline.operations import Operations
from surtitle.pipeline.outputs import CaptionFiles, JsonLog, Recorder
from surtitle.pipeline.posting import Service
from surtitle.pipeline.protocol import to_wire
from surtitle.pipeline.rooms import Retarget, Room
from surtitle.pipeline.stats import LagStats
from surtitle.pipeline.subtitles import Format
from surtitle.pipeline.terminal import TerminalCaptions
from surtitle.pipeline.textnow import TextNow


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Files to write, None where not wanted; and whom to post to."""

    log: Path | None = None
    keeps: bool = False
    """Whether what an earlier run wrote stays, under other names."""
    captions: Mapping[Format, Path] = field(default_factory=dict)
    """Each format's, for the first target language; those of the others stand beside it."""
    text_now: Path | None = None
    """That of the newest caption, likewise."""
    record: Path | None = None
    """The folder in which every session is kept."""
    services: tuple[Service, ...] = ()
    """Other people's services that show captions; posting is for a session on the real clock."""


class Outputs:
    """What one run writes: files, captions on the terminal, what it posts, and counts of it all."""

    def __init__(
        self,
        paths: OutputPaths,
        targets: tuple[str, ...],
        terminal: TerminalCaptions,
        post: Callable[[Event], None] | None = None,
        operations: Operations | None = None,
    ) -> None:
        """Open the files. Raises UserError for a path that can't be written, before any work is done."""
        self._post = post
        self._terminal = terminal
        self._operations = operations
        keep = terminal.tell if paths.keeps else None
        with ExitStack() as opened:
            self._log = opened.enter_context(closing(JsonLog(paths.log, keep=keep))) if paths.log else None
            self._captions: list[CaptionFiles | TextNow] = [
                opened.enter_context(closing(CaptionFiles(path, targets, form, keep=keep)))
                for form, path in paths.captions.items()
            ]
            if paths.text_now:
                self._captions.append(opened.enter_context(closing(TextNow(paths.text_now, targets))))
            self._record = paths.record
            self._recorders: dict[str, Recorder] = {}
            if paths.record:
                self._recorders[MAIN_ROOM] = Recorder(paths.record, MAIN_ROOM)
            self._files = opened.pop_all()

    def write(self, event: Event, seq: int, room: str, **fields: str) -> None:
        """Write `event` of `room` into the files; its line in the log also has `fields`.

        Raises UserError if a file can't be written any more.
        """
        if self._log:
            self._log.write({**to_wire(event, seq), **fields})
        for files in self._captions:
            files.publish(event)
        if self._record is not None:
            self._keep(self._record, event, room)

    def show(self, event: Event, room: str) -> None:
        """Count `event`, post what services are to show of it, and print what people want to see."""
        if self._operations:
            self._operations.published(event, room)
        if self._post:
            self._post(event)
        self._terminal.show(event, _shown(room))

    def follow(self, lags: LagStats, room: str) -> None:
        """Show how late the session is that begins in `room`."""
        self._terminal.follow(lags, _shown(room))

    def show_level(self, level: float) -> None:
        """Show how loud the microphone is, in decibels below full scale."""
        self._terminal.show_level(level)

    def leave(self, room: str) -> None:
        """The session of `room` is over: where its end could not be written, its files are closed here."""
        self._terminal.unfollow(_shown(room))
        if room in self._recorders:
            self._recorders.pop(room).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as last:  # each, also where another's disk is full
            last.callback(self._terminal.close)
            for recorder in self._recorders.values():
                last.callback(recorder.close)
            last.callback(self._files.close)

    def _keep(self, folder: Path, event: Event, room: str) -> None:
        if room not in self._recorders:
            self._recorders[room] = Recorder(folder, room)
        self._recorders[room].publish(event)
        if isinstance(event, SessionEnd):
            self._recorders.pop(room).close()


def _shown(room: str) -> str:
    """What the terminal calls `room`: the main one is often the only one, and needs no name."""
    return "" if room == MAIN_ROOM else room


Painted = Callable[[int, str], None]
"""Told the cue and the language of a final that is on a screen."""


class WayOut(Protocol):
    """Where one session's events go."""

    @property
    def name(self) -> str:
        """What the session is known by, to viewers and in the log."""

    def publish(self, event: Event) -> None: ...

    def follow(self, lags: LagStats, painted: Painted, retarget: Retarget) -> None: ...

    def unfollow(self) -> None: ...


class CollectedEvents:
    """The way out of a session that nobody watches: what it says is counted, and kept for who asked for it."""

    def __init__(self, name: str, operations: Operations) -> None:
        self.name = name
        self.events: list[Event] = []
        """Finals, and what begins and ends."""
        self._operations = operations

    def publish(self, event: Event) -> None:
        """Keep `event`, unless it is a draft."""
        self._operations.published(event, self.name)
        if not isinstance(event, Caption) or event.final:
            self.events.append(event)

    def follow(self, lags: LagStats, painted: Painted, retarget: Retarget) -> None:
        """Nobody is shown how late it is, or asks for more."""

    def unfollow(self) -> None:
        """Nobody was."""


class Broadcast:
    """One room's way out; its sessions go it one after the other."""

    def __init__(self, room: Room, outputs: Outputs, *, shared: bool = False) -> None:
        """`shared`: sessions of other rooms write into the same log, so each line says which one it is of."""
        self.room = room
        self._outputs = outputs
        self._shared = shared
        self._fields: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self.room.name

    def publish(self, event: Event) -> None:
        """Send `event` everywhere. Raises UserError if a file can't be written any more."""
        if isinstance(event, SessionStart) and self._shared:
            self._fields = {"session": event.session}
        hub = self.room.hub
        try:
            self._outputs.write(event, hub.seq + 1, self.room.name, **self._fields)
        except UserError:
            if isinstance(event, SessionEnd):  # who reads is told that it is over all the same
                hub.publish(event)
            raise
        hub.publish(event)
        self._outputs.show(event, self.room.name)

    def follow(self, lags: LagStats, painted: Painted, retarget: Retarget) -> None:
        """Show how late the session is that begins, tell `painted` what viewers have on their screens, and `retarget`
        which other translations are wanted.
        """
        self.room.hub.on_painted = painted
        self.room.retarget = retarget
        self._outputs.follow(lags, self.room.name)

    def unfollow(self) -> None:
        """The session is over, however it ended: nothing here holds it any more."""
        self.room.hub.on_painted = ignore
        self.room.retarget = None
        self._outputs.leave(self.room.name)
