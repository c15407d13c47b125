"""How a session fares: what viewers are told about it, and when.

In: gaps, audio that came, the lags of captions. Out: a `Status` when the state has changed, and every few seconds.
Knows no clock, model or socket.
"""

from __future__ import annotations

from surtitle.pipeline.events import Gap, SessionState, Status

EVERY = 5.0
"""Seconds after which a status is told again though nothing has changed."""
LATE = 5.0
"""Seconds of lag from which captions are behind."""
FRESH = 5.0
"""Seconds in which nothing waits and no caption comes after which the lag of the last one says nothing any more."""
SKIPPED = 10.0
"""Seconds for which a session that skipped audio is said to be overloaded: long enough to be read."""


class Condition:
    """One session's."""

    def __init__(self) -> None:
        self._lag: float | None = None
        self._late = 0.0  # the same, until it is too old
        self._late_until: float | None = None  # None: something came or waits
        self._overload_until = 0.0
        self._again_until = 0.0  # until when another loss of unknown length is no longer the only one
        self._device_gone = False
        self._told: Status | None = None

    def heard(self) -> None:
        """Audio came."""
        self._device_gone = False

    def missed(self, gap: Gap, now: float) -> None:
        """Audio is missing, as was found `now` seconds after the beginning."""
        match gap.why:
            case "device":
                self._device_gone = True
            case "overload":
                # a device that lost a moment, nobody knows how much, and not again, is no overload
                if gap.end > gap.start or now < self._again_until:
                    self._overload_until = now + SKIPPED
                self._again_until = now + SKIPPED

    def captioned(self, lag: float, *, awaited: bool = True) -> None:
        """A final caption for readers was sent `lag` seconds after the end of its words. One that is not `awaited`,
        since it stands as it was said and its translations are still to come, does not tell that those are in time.
        """
        if awaited:
            self._lag = lag
        if awaited or lag > self._late:
            self._late, self._late_until = lag, None

    def status(self, *, audio: float, now: float, waiting: float) -> Status | None:
        """What is to be told now, or None.

        Args:
            audio: Seconds of audio consumed.
            now: Seconds since the audio began.
            waiting: Seconds since the end of the oldest words that have no translation yet; 0.0 if all have.
        """
        self._age(now, waiting)
        status = Status(self._state(now, waiting), self._lag, audio, now)
        told = self._told
        if told is not None and told.state == status.state and now - told.elapsed < EVERY:
            return None
        self._told = status
        return status

    def _age(self, now: float, waiting: float) -> None:
        if waiting > 0:
            self._late_until = None
        elif self._late_until is None:
            self._late_until = now + FRESH
        elif now >= self._late_until:
            self._late = 0.0

    def _state(self, now: float, waiting: float) -> SessionState:
        if self._device_gone:
            return "device"
        if now < self._overload_until:
            return "overload"
        return "behind" if max(waiting, self._late) > LATE else "ok"
