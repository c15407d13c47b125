"""When a source's audio comes, so that its delays are not called ours.

In: pieces of audio, and when each came. Out: by how much the source is behind the audio's clock, or ahead of it, when
the next piece is due, and how late something is that came of the audio. A device that opens slowly, a clock that drifts
and a client that is muted and says nothing are behind for good; a network that catches up is not. A device whose clock
is fast is further ahead each hour. Knows no clock.
"""

from __future__ import annotations

from collections import deque

STALL = 3.0
"""Seconds for which a source may send nothing, as one does that is muted, before what was said is over."""
RECENT = 60.0
"""Seconds: a source is as late as the least late of the pieces within them, and as early as the least early."""


class Arrivals:
    """When one source's audio came. Times are seconds since the audio began."""

    def __init__(self, *, punctual: bool = False) -> None:
        """A `punctual` source is never late by itself, so what comes late of it was held up here."""
        self._punctual = punctual
        self._behind, self._ahead = _Least(), _Least()
        self._end = self._length = 0.0  # of the newest piece

    def push(self, start: float, end: float, now: float) -> None:
        """The audio from `start` to `end` came at `now`."""
        late = 0.0 if self._punctual else now - end
        if late - self.late > STALL:  # nothing came for so long: what it was before tells nothing of what follows
            self._behind, self._ahead = _Least(), _Least()
        self._behind.push(max(0.0, late), now)
        self._ahead.push(max(0.0, -late), now)
        self._end, self._length = end, end - start

    @property
    def late(self) -> float:
        """Seconds by which the source is behind the audio's clock; below 0, ahead of it."""
        return self._behind.value - self._ahead.value

    def stalls(self, now: float) -> float:
        """When the source has stalled, if nothing comes from `now` on: as much later than a piece is long."""
        return max(now, self._end - self._ahead.value) + self._length + STALL

    def lateness(self, end: float, now: float) -> float:
        """Seconds from the moment at which the audio up to `end` was there to `now`."""
        return now - end - self.late


class _Least:
    """The least of the numbers that came within `RECENT`; 0.0 before any."""

    def __init__(self) -> None:
        self._numbers: deque[tuple[float, float]] = deque()  # when each came, and it: later ones are larger

    def push(self, number: float, now: float) -> None:
        while self._numbers and self._numbers[-1][1] >= number:
            self._numbers.pop()
        self._numbers.append((now, number))
        while self._numbers[0][0] < now - RECENT:
            self._numbers.popleft()

    @property
    def value(self) -> float:
        return self._numbers[0][1] if self._numbers else 0.0
