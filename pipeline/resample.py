"""Any sample rate to the pipeline's, as a stream.

In: float32 blocks as a device or a browser delivers them, mono or interleaved by frame. Out: mono float32 at
`SAMPLE_RATE`. Knows no device, file or clock. The filter's state is carried across blocks: a filter begun
afresh at every block would click at each border. What is no number is one where it was and nowhere else: a filter would
spread it over all that is near.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from surtitle.pipeline.events import SAMPLE_RATE, Samples

MIN_RATE, MAX_RATE = 4_000, 768_000
"""Hertz. Outside these a rate is a mistake (kilohertz given for hertz, a byte count), not audio of speech."""


class Resampler:
    """One stream of blocks at one rate; however it is cut into blocks, the same samples come out."""

    def __init__(self, rate: int) -> None:
        """Take blocks at `rate` hertz.

        Raises:
            ValueError: The rate is outside `MIN_RATE` to `MAX_RATE`.
        """
        if not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(f"sample rate {rate} Hz, expected {MIN_RATE} to {MAX_RATE} Hz")
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32")
        self._rate = rate
        self._begin()

    def _begin(self) -> None:
        self._taken = self._given = 0  # samples, at either rate
        self._holes: list[tuple[int, int]] = []  # from, to: samples still to be given that are no numbers

    def push(self, block: npt.NDArray[np.float32]) -> Samples:
        """Take the next block, shape [frames] or [frames, channels]; return what is ready, perhaps
        nothing."""
        mono = downmix(block)
        return mono if self._stream is None else self._resample(self._filled(mono), last=False)

    def flush(self) -> Samples:
        """End the stream: return what the filter still held. The next push begins a new stream."""
        rest = np.empty(0, np.float32)
        if self._stream is not None:
            rest = self._resample(rest, last=True)
            self._stream.clear()
            self._begin()
        return rest

    def _filled(self, mono: Samples) -> Samples:
        """`mono` with silence where there are no numbers; where that is, is noted."""
        bad = ~np.isfinite(mono)
        if bad.any():
            edges = np.flatnonzero(np.diff(bad, prepend=False, append=False)) + self._taken  # from, to, from, to
            for start, end in edges.reshape(-1, 2).tolist():
                self._holes.append((start * SAMPLE_RATE // self._rate, -(-end * SAMPLE_RATE // self._rate)))
            mono = np.where(bad, np.float32(0), mono)
        self._taken += len(mono)
        return mono

    def _resample(self, mono: Samples, *, last: bool) -> Samples:
        assert self._stream is not None, "called without a stream"
        out = np.asarray(self._stream.resample_chunk(mono, last=last), np.float32)
        for start, end in self._holes:
            out[max(0, start - self._given) : max(0, end - self._given)] = np.nan
        self._given += len(out)
        self._holes = [hole for hole in self._holes if hole[1] > self._given]
        return out


def downmix(block: npt.NDArray[np.float32]) -> Samples:
    """Mean of the channels of [frames, channels]; [frames] passes. The mean can not clip, as a sum could."""
    assert block.ndim in (1, 2), f"block of shape {block.shape}, expected [frames] or [frames, channels]"
    if block.ndim == 1:
        return np.ascontiguousarray(block, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # what that makes no number is told as a gap, in people's words
        return np.asarray(block.mean(axis=1), np.float32)
