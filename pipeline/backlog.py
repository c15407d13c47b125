"""Audio that waits for the recogniser, within a bound.

In: chunks as they come. Out: all that wait, at once; and past the bound a gap for the oldest of them, which are
skipped. Nothing is skipped silently. Knows no recogniser and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from surtitle.pipeline.events import AudioChunk, Gap

BACKLOG = 60.0
"""Seconds of audio that may wait for the recogniser; what comes beyond that is skipped, and a gap says so."""


class Backlog:
    """Chunks in order."""

    def __init__(self) -> None:
        self._waiting: deque[AudioChunk] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, chunks: Iterable[AudioChunk]) -> list[Gap]:
        """Let `chunks` wait too. Past the bound, skip the oldest audio down to half of it, and say so."""
        self._waiting.extend(chunks)
        waiting = sum(chunk.end - chunk.start for chunk in self._waiting)
        if waiting <= BACKLOG:
            return []
        start = self._waiting[0].start
        # a single chunk may be longer than the bound: the newest is kept whatever its length
        while len(self._waiting) > 1 and waiting > BACKLOG / 2:
            chunk = self._waiting.popleft()
            waiting -= chunk.end - chunk.start
        end = self._waiting[0].start
        return [Gap(start, end, "overload")] if end > start else []

    def take(self) -> list[AudioChunk]:
        """All that waited, which waits no more."""
        chunks = list(self._waiting)
        self._waiting.clear()
        return chunks
