"""The speech gate: which stretches of audio are worth recognising.

In: a speech probability per frame. Out: `Opened`, `Closed` and `Quiet`, in seconds on the audio clock. Hysteresis:
speech must be likely to open the gate, and unlikely for a while to close it. Pure policy: knows no samples,
no model, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Opened:
    """Speech began."""

    time: float
    """Seconds on the audio clock, padding before the speech included."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Speech ended."""

    time: float
    """Seconds on the audio clock, padding after the speech included."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody has spoken for long enough that what was said stands alone."""

    time: float
    """Seconds on the audio clock: the end of the last speech, padding included."""


GateEvent = Opened | Closed | Quiet


@dataclass(frozen=True, slots=True)
class GateSettings:
    """When the gate opens and closes."""

    frame: float = 0.032
    """Seconds that a probability stands for."""
    open_above: float = 0.5
    """Probability from which a frame counts as speech."""
    close_below: float = 0.35
    """Probability under which a frame counts as silence once the gate is open."""
    minimum_speech: float = 0.096
    """Seconds of speech in a row that open the gate: a click does not."""
    minimum_silence: float = 0.7
    """Seconds of silence in a row that close it: a breath does not."""
    long_silence: float = 1.8
    """Seconds of silence in a row after which what was said stands alone."""
    padding: float = 0.3
    """Seconds kept before the first and after the last frame of speech."""
    lead: float = 1.0
    """Seconds before the frames that open the gate that may belong to the speech: many words begin softly."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Frames, counted from the first of the audio: from, to."""

    start: int
    end: int


class SpeechGate:
    """Turns frame probabilities into openings and closings; `flush` closes what is open."""

    def __init__(self, settings: GateSettings | None = None) -> None:
        self._settings = settings or GateSettings()
        self._frames = 0
        self._run = 0
        self._last_speech = 0
        self._soft_run = 0
        self._soft: _Stretch | None = None
        self._ended = 0.0
        self._is_quiet = True
        self.is_open = False

    @property
    def spoke_until(self) -> float:
        """Seconds on the audio clock: the end of the last frame of speech."""
        return self._last_speech * self._settings.frame

    def push(self, probabilities: Sequence[float]) -> list[GateEvent]:
        """The openings and closings that these frames decide."""
        s = self._settings
        events: list[GateEvent] = []
        for probability in probabilities:
            self._frames += 1
            silence = (self._frames - self._last_speech) * s.frame
            if not self.is_open and not self._is_quiet and silence >= s.long_silence:
                events.append(Quiet(self._ended))
                self._is_quiet = True
            if not self.is_open:
                self._run = self._run + 1 if probability >= s.open_above else 0
                self._note_soft(probability)
                if self._run * s.frame >= s.minimum_speech:
                    events.append(self._open())
            elif probability >= s.close_below:
                self._last_speech = self._frames
            elif silence >= s.minimum_silence:
                events.append(self._close())
        return events

    def skip(self, frames: int) -> None:
        """So many frames are missing; `flush` before, so that nobody speaks across them."""
        assert not self.is_open, "somebody speaks, expected a closed gate"
        self._frames += frames
        self._run = self._soft_run = 0
        self._soft = None

    def flush(self) -> list[GateEvent]:
        """The end of the audio closes the gate, and is quiet."""
        events: list[GateEvent] = [self._close()] if self.is_open else []
        if not self._is_quiet:
            events.append(Quiet(self._ended))
            self._is_quiet = True
        return events

    def _note_soft(self, probability: float) -> None:
        """Speech may begin with what would keep an open gate open, as long in a row as what opens it; in several parts,
        with no more than padding between."""
        s = self._settings
        self._soft_run = self._soft_run + 1 if probability >= s.close_below else 0
        if self._soft_run * s.frame < s.minimum_speech:
            return
        start = self._frames - self._soft_run
        if self._soft and (start - self._soft.end) * s.frame <= s.padding:
            start = self._soft.start
        self._soft = _Stretch(start, self._frames)

    def _open(self) -> Opened:
        s = self._settings
        first = self._frames - self._run
        if self._soft:
            first = max(min(first, self._soft.start), first - round(s.lead / s.frame))
        self.is_open, self._is_quiet = True, False
        self._soft, self._soft_run = None, 0
        self._last_speech = self._frames
        return Opened(max(0.0, first * s.frame - s.padding))

    def _close(self) -> Closed:
        self.is_open = False
        self._run = 0
        padded = self._last_speech + self._settings.padding / self._settings.frame
        self._ended = min(self._frames, padded) * self._settings.frame
        return Closed(self._ended)
