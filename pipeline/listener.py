"""A session's ears: audio in, segments out.

In: chunks of audio, in order, and how much more waits after each. Out: the segments that they end, how the next one
begins so far, whether anybody speaks, and when the words up to a moment were first guessed. Audio that is missing
becomes silence, or is skipped, so that the recogniser's time stays the audio's. Knows no thread, and no clock but the
function that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Samples, Segment, Word
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.segmenter import Opening, Segmenter
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.stamps import Reach

HOLE = 2.0
"""Seconds of missing audio that are silence to the recogniser; over more it is told to skip, which takes no time."""


class Hears(Protocol):
    """What `recognizer.Recognizer` does."""

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]: ...

    def pause(self) -> list[Heard]: ...

    def skip(self, samples: int) -> list[Heard]: ...

    def flush(self) -> list[Heard]: ...

    @property
    def pending(self) -> tuple[Word, ...]: ...


class Listener:
    """Hears the audio of one session. Used by one thread at a time; what it says of now may be read by any."""

    def __init__(self, recognizer: Hears, language: str, *, now: Callable[[], float]) -> None:
        """`language` is what is spoken at first, an ISO 639-1 code; `now` tells seconds since the audio began."""
        self._recognizer = recognizer
        self._segmenter = Segmenter(language)
        self._now = now
        self._reach = Reach()
        self._samples = 0  # given to the recogniser
        self.silent = False
        """Whether nobody speaks, since somebody did."""
        self.pauses = 0
        """How often that was told: when speech ended, and once more when it was sure that nobody goes on."""

    @property
    def heard(self) -> float:
        """Seconds of audio that the recogniser was given."""
        return self._samples / SAMPLE_RATE

    def push(self, chunk: AudioChunk, *, backlog: float = 0.0) -> list[Segment]:
        """What `chunk` ends, while `backlog` seconds more wait after it."""
        missing = max(0, round(chunk.start * SAMPLE_RATE) - self._samples)
        self._samples += missing
        segments: list[Segment] = []
        if missing > HOLE * SAMPLE_RATE:
            segments += self._cut(self._recognizer.skip(missing))
            missing = 0
        samples = np.concatenate((np.zeros(missing, np.float32), chunk.samples)) if missing else chunk.samples
        self._samples += len(chunk.samples)
        segments += self._cut(self._recognizer.push(samples, backlog=backlog))
        if pending := self._recognizer.pending:
            self._speech_until(pending[-1].end)
        return segments

    def pause(self) -> list[Segment]:
        """What a source ends that sends nothing any more, for now."""
        return self._cut(self._recognizer.pause())

    def flush(self) -> list[Segment]:
        """What the end of the audio ends."""
        return self._cut(self._recognizer.flush()) + self._segmenter.flush()

    def opening(self, *, guessing: bool) -> Opening | None:
        """How the next segment begins: what is committed of it and, `guessing`, what is guessed after that too."""
        return self._segmenter.opening(self._recognizer.pending if guessing else ())

    def first_reached(self, end: float) -> float | None:
        """When a guess first reached `end`, seconds of the audio; None if none did. To be asked in order."""
        return self._reach.first(end)

    def _speech_until(self, end: float) -> None:
        self.silent = False
        self._reach.push(end, self._now())

    def _cut(self, heard: Sequence[Heard]) -> list[Segment]:
        segments: list[Segment] = []
        for item in heard:
            match item:
                case Word():
                    self._speech_until(item.end)
                    segments += self._segmenter.push(item)
                case Speaks():
                    segments += self._segmenter.speak(item.language)
                case Closed():
                    self._pause()
                    segments += self._segmenter.pause()
                case Quiet():
                    self._pause()
                    segments += self._segmenter.flush()
        return segments

    def _pause(self) -> None:
        self.silent = True
        self.pauses += 1
