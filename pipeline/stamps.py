"""When a caption passed each stage on its way, for those who want to know where the time goes.

In: what each stage reports, with the session's time. Out: `Stamps`. Knows no model, thread or clock but the function
that it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

SLACK = 0.25
"""Seconds by which a word's end wanders from one guess to the next."""


class Reach:
    """How far into the audio the recogniser's guesses had got, and when."""

    def __init__(self) -> None:
        self._reached: deque[tuple[float, float]] = deque()
        self._furthest = float("-inf")

    def push(self, end: float, now: float) -> None:
        """At `now`, the guess's last word ended at `end` seconds of the audio."""
        if end > self._furthest:
            self._furthest = end
            self._reached.append((end, now))

    def first(self, end: float) -> float | None:
        """When a guess first reached `end`; None if none did. Ask in order: what lies before is forgotten."""
        while self._reached and self._reached[0][0] < end - SLACK:
            self._reached.popleft()
        return self._reached[0][1] if self._reached else None


class Written:
    """When the first and the last token of a translation were written."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.first: float | None = None
        """Seconds; None before anything was written."""
        self.last: float | None = None
        """Seconds; None before anything was written."""

    def __call__(self, tokens: int) -> None:
        """The translation has so many tokens now; with 1 it begins, perhaps anew."""
        self.last = self._now()
        if tokens == 1:
            self.first = self.last
