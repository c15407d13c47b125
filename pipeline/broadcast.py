"""Where a session's events go: the log first, then files, viewers and the terminal.

In: events, on the event loop. Out: calls on the outputs that were asked for. Every final is in the log
before it is sent: there is no await between, and the hub only wakes its viewers. Knows no model and no
source.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from surtitle.pipeline.events import Event
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.outputs import CaptionFiles, JsonLog, Recorder
from surtitle.pipeline.posting import Service
from surtitle.pipeline.protocol import to_wire
from surtitle.pipeline.stats import LagStats
from surtitle.pipeline.subtitles import Format
from surtitle.pipeline.terminal import TerminalCaptions


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Files to write, None where not wanted; and whom to post to."""

    log: Path | None = None
    captions: Mapping[Format, Path] = field(default_factory=dict)
    """Each format's, for the first target language; those of the others stand beside it."""
    record: Path | None = None
    """The folder in which every session is kept."""
    services: tuple[Service, ...] = ()
    """Other people's services that show captions; posting is for a session on the real clock."""


class Broadcast:
    """All outputs of one run."""

    def __init__(
        self,
        paths: OutputPaths,
        targets: tuple[str, ...],
        terminal: TerminalCaptions | None,
        post: Callable[[Event], None] | None = None,
    ) -> None:
        """Open the files. Raises UserError for a path that can't be written, before any work is done."""
        self._post = post
        self.hub = Hub(secrets.token_hex(8))
        self._terminal = terminal
        self._files = ExitStack()
        with ExitStack() as opened:
            self._log = opened.enter_context(JsonLog(paths.log)) if paths.log else None
            self._captions: list[CaptionFiles | Recorder] = [
                opened.enter_context(CaptionFiles(path, targets, form)) for form, path in paths.captions.items()
            ]
            if paths.record:
                self._captions.append(opened.enter_context(Recorder(paths.record, "main")))
            self._files = opened.pop_all()

    def publish(self, event: Event) -> None:
        """Send `event` everywhere. Raises UserError if a file can't be written any more."""
        seq = self.hub.seq + 1
        if self._log:
            self._log.write(to_wire(event, seq))
        for files in self._captions:
            files.publish(event)
        self.hub.publish(event)
        if self._post:
            self._post(event)
        if self._terminal:
            self._terminal.show(event)

    def follow(self, lags: LagStats, painted: Callable[[int, str], None]) -> None:
        """Show how late the session is that begins, and tell `painted` what viewers have on their screens."""
        self.hub.on_painted = painted
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
