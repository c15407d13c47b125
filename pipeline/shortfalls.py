"""What a session did not bring, as is said at its end: captions without a translation, and audio that was not heard.

In: its events. Out: lines for people, with how much, and when at first. Memory is bounded by the number of languages.
Knows no console and no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from surtitle.pipeline.events import Caption, Event, Gap

NAMED = 5
"""Times, the first, that are named: by them the rest is found, in the recording or the log."""


def clock(seconds: float) -> str:
    """Minutes and seconds of the audio, as people say them: 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@dataclass(slots=True)
class _Times:
    """When something was missing."""

    count: int = 0
    first: list[float] = field(default_factory=list)
    """Seconds on the audio clock."""

    def add(self, start: float) -> None:
        self.count += 1
        self.first = [*self.first, start][:NAMED]

    def __str__(self) -> str:
        clocks = [clock(start) for start in self.first]
        return ", ".join([*clocks, "..."] if self.count > NAMED else clocks)


class Shortfalls:
    """One session's."""

    def __init__(self) -> None:
        self._wanted: Counter[str] = Counter()  # final translations, by language
        self._failed: dict[str, _Times] = {}
        self._gaps = _Times()
        self._unheard = 0.0  # seconds
        self._until = -1.0  # where the newest gap ends

    def push(self, event: Event) -> None:
        """The session's next event."""
        match event:
            # what was said in a wanted language, which has the words that were heard, needs no translation
            case Caption(final=True, role="target", words=(), language=language):
                self._wanted[language] += 1
                if event.untranslated:
                    self._failed.setdefault(language, _Times()).add(event.start)
            case Gap():
                self._unheard += event.end - event.start
                if event.start != self._until:  # what is told piece by piece, as it grows, is one gap
                    self._gaps.add(event.start)
                self._until = event.end

    def lines(self) -> list[str]:
        """What is missing so far: a line for each language, and one for the audio; none where all was brought."""
        lines = [
            f"{language}: {times.count} of {self._wanted[language]} captions could not be translated, at {times}"
            for language, times in self._failed.items()
        ]
        if self._gaps.count:
            length = f"{self._unheard:.1f} s of audio" if self._unheard else "some audio"
            lines.append(f"{length} could not be recognised, at {self._gaps}")
        return lines
