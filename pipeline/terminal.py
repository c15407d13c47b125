"""Captions in the terminal of the one who runs the session.

In: events. Out: lines on a console: what was said, dimmed, and its translations. Knows no session.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd
from surtitle.pipeline.protocol import clean_text


class TerminalCaptions:
    """Prints final captions as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: Event) -> None:
        """Print what people want to see of `event`."""
        match event:
            case Caption(final=True):
                style = "dim" if event.role == "source" else "bold"
                clock = f"{int(event.start) // 60:3d}:{int(event.start) % 60:02d}"
                line = Text(f"{clock} {event.language}  ", style="cyan" if event.role == "target" else "dim")
                self._console.print(line.append(clean_text(event.text), style=style))
            case Gap():
                self._console.print(
                    f"  [{event.start:.1f}-{event.end:.1f} s not recognised: {event.why}]", style="yellow"
                )
            case SessionEnd():
                self._console.print(Text(_summary(event), style="dim"))
            case _:
                pass


def _summary(end: SessionEnd) -> str:
    lag = (
        f", captions {end.stats['lag_p50_ms']} ms after the words (p95 {end.stats['lag_p95_ms']})"
        if "lag_p50_ms" in end.stats
        else ""
    )
    return f"{end.audio:.1f} s of audio, {end.stats['segments']} segments{lag}"
