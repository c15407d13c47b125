"""Captions in the terminal of the one who runs the session.

In: events of one room or several, how late they were so far, and how loud a microphone is. Out: lines on a console:
what was said, dimmed, and its translations; below them, on a terminal, that level, and how late the newest one's room
is at each stage; at the end of a session, what it did not bring. Knows no session.
"""

from __future__ import annotations

import errno
import math
import select
import sys
from collections import defaultdict
from contextlib import suppress
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from surtitle.pipeline.access import Access
from surtitle.pipeline.errors import NO_ROOM
from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, Targets
from surtitle.pipeline.interfaces import own_addresses
from surtitle.pipeline.invitation import code_of, is_sure, lines_of, origins_of, page_of, wildcard
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.shortfalls import Shortfalls, clock
from surtitle.pipeline.stats import LagStats

CELLS, QUIETEST = 20, -80.0
"""Of the meter: how many there are, and below how many decibels none is full."""
WHY = {
    "overload": "this machine could not keep up",
    "device": "the microphone was gone",
    "invalid": "the sound was damaged",
    "network": "the speaker's network was too slow",
}
"""What people are told of a gap's cause."""


class Terminal(Console):
    """A console whose reader may leave, as `head` does, or whose window is closed: then nothing is shown any more, and
    the session goes on. So it does while a terminal is held, by Ctrl-S or a lost network, or a file has no room: what
    would be shown is not.
    """

    def __init__(self, file: IO[str] | None = None) -> None:
        """Write to `file`, or standard output, what is given as it is: an address in brackets is no style."""
        super().__init__(file=file, markup=False, emoji=False)
        self.soft_wrap = not self.is_terminal  # a caption is a line in a pipe or a file, which have no width

    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):  # rich sends what is written on to nowhere, and then ends the program
            super().on_broken_pipe()

    def _check_buffer(self) -> None:
        # what rich calls to write: it waits for a terminal that takes nothing, and all viewers with it
        if self.file.isatty() and not select.select((), (self.file,), (), 0)[1]:
            self._buffer.clear()
            return
        # and takes a closed pipe alone for a reader who has left
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno in NO_ROOM:  # a file on a full disk: what comes when there is room again is in it
                self._buffer.clear()
            elif error.errno == errno.EIO:
                self.on_broken_pipe()
            else:
                raise


def show_invitation(console: Console, access: Access, room: str, *, asks_readers: bool) -> None:
    """Say where readers of `room` on other machines find the server, if they do, and show it to their cameras."""
    version = wildcard(access.host)
    origins = origins_of(access, own_addresses(version) if version else ())
    path = page_of("/read", room)
    sure = is_sure(origins, access)
    for line in lines_of(origins, path, asks_readers=asks_readers, sure=sure):
        console.print(Text(line, style="dim"), soft_wrap=True)
    able = console.is_terminal and console.encoding.startswith("utf")
    if not able or asks_readers or not sure:
        return
    code = code_of(origins[0] + path)
    if len(code[0]) <= console.width:
        console.print(Text("\n".join(code), style="#000000 on #ffffff", no_wrap=True))


class TerminalCaptions:
    """Prints final captions as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lags: dict[str, LagStats] = {}
        self._shortfalls: defaultdict[str, Shortfalls] = defaultdict(Shortfalls)
        self._meter = self._late = ""
        # what others say on standard error would stand behind these lines, and be taken back with them
        self._below = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        )

    def follow(self, lags: LagStats, room: str = "") -> None:
        """From now on, say below the captions of `room` what `lags` has; where lines can't be taken back, don't."""
        if self._console.is_terminal:
            self._lags[room] = lags

    def unfollow(self, room: str = "") -> None:
        """The session of `room` is over, its end shown or not: say no more how late it is, or what it did not bring."""
        self._shortfalls.pop(room, None)
        if self._lags.pop(room, None) is not None:
            self.close()  # whose line it is does not matter: the next caption brings that of its room

    def show_level(self, level: float) -> None:
        """Say below the captions how loud the microphone is, in decibels below full scale."""
        if self._console.is_terminal:
            self._meter = meter(level)
            self._say_below()

    def tell(self, line: str) -> None:
        """Say what is no caption."""
        self._console.print(Text(line, style="dim"))

    def close(self) -> None:
        """Take back what stands below the captions."""
        self._meter = self._late = ""
        self._below.stop()

    def show(self, event: Event, room: str = "") -> None:
        """Print what people want to see of `event`, with the name of its `room` where there are several."""
        where = f"{room} " if room else ""
        self._shortfalls[room].push(event)
        match event:
            case Caption(final=True):
                style = "dim" if event.role == "source" else "italic" if event.untranslated else "bold"
                when = f"{clock(event.start):>6}"
                line = Text(f"{when} {where}{event.language}  ", style="cyan" if event.role == "target" else "dim")
                self._console.print(line.append(clean_text(event.text), style=style))
                self._say_lags(room)
            case Gap():
                when = f"{event.start:.1f}-{event.end:.1f} s" if event.end > event.start else f"at {event.start:.1f} s"
                missed = f"{when} not recognised: {WHY.get(event.why, event.why)}"
                self._console.print(Text(f"  [{where}{missed}]", style="yellow"))
            case Targets():
                self.tell(f"  [{where}now translated into {', '.join(event.targets)}]")
            case SessionEnd():
                self.close()
                self.tell(f"{where}{_summary(event)}")
                for missing in self._shortfalls.pop(room).lines():
                    self._console.print(Text(f"{where}{missing}", style="yellow"))
            case _:
                pass

    def _say_lags(self, room: str) -> None:
        stages = self._lags[room].percentiles() if room in self._lags else {}
        if not stages:
            return
        seconds = [
            f"{stage.replace('_', ' ')} {median / 1000:.1f} ({late / 1000:.1f})"
            for stage, (median, late) in stages.items()
        ]
        where = f"{room}: " if room else ""
        self._late = f"{where}seconds after the words, median (95th percentile): {', '.join(seconds)}"
        self._say_below()

    def _say_below(self) -> None:
        self._below.start()  # nothing where it has begun
        lines = "\n".join(filter(None, (self._late, self._meter)))
        self._below.update(Text(lines, style="dim"), refresh=True)


def meter(level: float) -> str:
    """`level`, in decibels below full scale, as a bar and a number."""
    full = round(CELLS * (1 - max(level, QUIETEST) / QUIETEST))
    return f"level [{'#' * full:{CELLS}}] {f'{level:.0f} dBFS' if level > -math.inf else 'no sound'}"


def _summary(end: SessionEnd) -> str:
    lag = (
        f", captions {end.stats['lag_p50_ms']} ms after the words (p95 {end.stats['lag_p95_ms']})"
        if "lag_p50_ms" in end.stats
        else ""
    )
    return f"{end.audio:.1f} s of audio, {end.stats['segments']} segments{lag}"
