"""Captions in the terminal of the one who runs the session.

In: events, and how late they were so far. Out: lines on a console: what was said, dimmed, and its translations; below
them, on a terminal, how late captions are at each stage of their way. Knows no session.
"""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.text import Text

from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, Targets
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.stats import LagStats


class TerminalCaptions:
    """Prints final captions as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lags: LagStats | None = None
        self._below = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def follow(self, lags: LagStats) -> None:
        """From now on, say below the captions what `lags` has; where lines can't be taken back, don't."""
        self._lags = lags if self._console.is_terminal else None

    def close(self) -> None:
        """Take back the line below the captions."""
        self._below.stop()

    def show(self, event: Event, room: str = "") -> None:
        """Print what people want to see of `event`, with the name of its `room` where there are several."""
        match event:
            case Caption(final=True):
                style = "dim" if event.role == "source" else "italic" if event.untranslated else "bold"
                clock = f"{int(event.start) // 60:3d}:{int(event.start) % 60:02d}"
                label = f"{room} {event.language}" if room else event.language
                line = Text(f"{clock} {label}  ", style="cyan" if event.role == "target" else "dim")
                self._console.print(line.append(clean_text(event.text), style=style))
                self._say_lags()
            case Gap():
                self._console.print(
                    f"  [{event.start:.1f}-{event.end:.1f} s not recognised: {event.why}]", style="yellow"
                )
            case Targets():
                self._console.print(f"  [translations: {', '.join(event.targets)}]", style="dim", markup=False)
            case SessionEnd():
                self.close()
                self._console.print(Text(_summary(event), style="dim"))
            case _:
                pass

    def _say_lags(self) -> None:
        stages = self._lags.percentiles() if self._lags else {}
        if not stages:
            return
        seconds = [
            f"{stage.replace('_', ' ')} {median / 1000:.1f} ({late / 1000:.1f})"
            for stage, (median, late) in stages.items()
        ]
        self._below.start()  # nothing where it has begun
        line = f"seconds after the words, median (95th percentile): {', '.join(seconds)}"
        self._below.update(Text(line, style="dim"), refresh=True)


def _summary(end: SessionEnd) -> str:
    lag = (
        f", captions {end.stats['lag_p50_ms']} ms after the words (p95 {end.stats['lag_p95_ms']})"
        if "lag_p50_ms" in end.stats
        else ""
    )
    return f"{end.audio:.1f} s of audio, {end.stats['segments']} segments{lag}"
