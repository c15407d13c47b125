"""Audio that waits for the recogniser, within a bound.

In: chunks as they come. Out: what waits, as much at a time as is asked for; and past the bound gaps for the oldest
chunks, which are skipped. Nothing is skipped silently. Knows no recogniser and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap

BACKLOG = 60.0
"""Seconds of audio that may wait for the recogniser; what comes beyond that is skipped, and a gap says so."""


class Backlog:
    """Chunks in order."""

    def __init__(self) -> None:
        self._waiting: deque[AudioChunk] = deque()
        self._samples = 0  # that wait

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def seconds(self) -> float:
        """How much audio waits."""
        return self._samples / SAMPLE_RATE

    def push(self, chunks: Iterable[AudioChunk]) -> list[Gap]:
        """Let `chunks` wait too. Past the bound, skip the oldest audio down to half of it, and say so."""
        for chunk in chunks:
            self._waiting.append(chunk)
            self._samples += len(chunk.samples)
        if self.seconds <= BACKLOG:
            return []
        gaps: list[Gap] = []
        # a single chunk may be longer than the bound: the newest is kept whatever its length
        while len(self._waiting) > 1 and self.seconds > BACKLOG / 2:
            chunk = self._waiting.popleft()
            self._samples -= len(chunk.samples)
            # between chunks there may be what its source missed, which told that itself
            after = self._waiting[0].start
            end = after if after < chunk.end + 1 / SAMPLE_RATE else chunk.end
            start = gaps.pop().start if gaps and gaps[-1].end == chunk.start else chunk.start
            gaps.append(Gap(start, end, "overload"))
        return [gap for gap in gaps if gap.end > gap.start]

    def take(self, seconds: float) -> list[AudioChunk]:
        """The first `seconds` of what waits, or all of it, which waits no more; a chunk that reaches further is cut."""
        taken: list[AudioChunk] = []
        left = round(seconds * SAMPLE_RATE)
        while self._waiting and left:
            chunk = self._waiting.popleft()
            if len(chunk.samples) > left:
                rest = AudioChunk(chunk.samples[left:], chunk.start + left / SAMPLE_RATE)
                self._waiting.appendleft(rest)
                chunk = AudioChunk(chunk.samples[:left], chunk.start)
            taken.append(chunk)
            left -= len(chunk.samples)
            self._samples -= len(chunk.samples)
        return taken
