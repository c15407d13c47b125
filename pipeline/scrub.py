"""The guard at the door: whatever a source sends, the samples behind it are finite and in [-1, 1].

In: audio chunks, and gaps that the source tells. Out: the same chunks mended, a `Gap` for each stretch that had to be
muted, and the silence that stands for a lost source. Knows no source. One NaN is enough to silence a recogniser for a
whole window (its features are normalised by the window's maximum), and a voice gate does not notice, so it can not be
left to those behind.
"""

from __future__ import annotations

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap

MERGE = SAMPLE_RATE // 10
"""Samples. Bad stretches with at most this much good audio between them are one gap, so that a source with
scattered bad samples causes a few gaps a second and not thousands."""

LONGEST = 10 * SAMPLE_RATE
"""Samples. A longer bad stretch is reported in pieces of this length: one that never ends is still
reported."""

PAUSE = 2.0
"""Seconds of silence that are heard where a device or a network is lost, so that what was said before is over."""


class Scrubber:
    """Mends one stream of chunks; however it is cut into chunks, the same samples and gaps come out."""

    def __init__(self) -> None:
        # The stretch not yet reported: its first sample, and one past its last.
        self._open: tuple[int, int] | None = None

    def push(self, chunk: AudioChunk) -> tuple[AudioChunk, list[Gap]]:
        """Return the chunk with NaN and infinity as 0 and the rest clipped, and the gaps that are now
        complete."""
        first = round(chunk.start * SAMPLE_RATE)
        finite = np.isfinite(chunk.samples)
        gaps: list[Gap] = []
        # Indices of bad samples, cut where more than MERGE good ones lie between two.
        bad = np.flatnonzero(~finite)
        for run in np.split(bad, np.flatnonzero(np.diff(bad) > MERGE + 1) + 1) if len(bad) else ():
            gaps += self._add(first + int(run[0]), first + int(run[-1]) + 1)
        if self._open is not None and first + len(finite) - self._open[1] > MERGE:
            gaps += self.flush()
        mended = np.clip(np.where(finite, chunk.samples, np.float32(0)), -1.0, 1.0)
        return AudioChunk(samples=mended.astype(np.float32, copy=False), start=chunk.start), gaps

    def flush(self) -> list[Gap]:
        """Return the gap still open, if any."""
        stretch, self._open = self._open, None
        return [_gap(*stretch)] if stretch is not None and stretch[0] < stretch[1] else []

    def _add(self, first: int, end: int) -> list[Gap]:
        gaps: list[Gap] = []
        if self._open is not None and first - self._open[1] > MERGE:
            gaps += self.flush()
        start = first if self._open is None else self._open[0]
        while end - start >= LONGEST:
            gaps.append(_gap(start, start + LONGEST))
            start += LONGEST
        self._open = (start, end)
        return gaps


def silence(gap: Gap) -> list[AudioChunk]:
    """What is heard instead of `gap`: where a device or a network is lost nobody speaks."""
    if gap.why not in ("device", "network") or gap.end <= gap.start:
        return []
    return [AudioChunk(np.zeros(round(min(gap.end - gap.start, PAUSE) * SAMPLE_RATE), np.float32), gap.start)]


def _gap(first: int, end: int) -> Gap:
    return Gap(start=first / SAMPLE_RATE, end=end / SAMPLE_RATE, why="invalid")
