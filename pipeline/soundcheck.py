"""Whether a microphone gives any sound, for the one who runs the session.

In: its chunks and gaps. Out: how loud they are, and a line where nothing is heard, where it is lost and where it is
back. Time is that of the audio, so the same is told however that is cut. Knows no device, terminal or clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples
from surtitle.pipeline.level import loudness

NOTHING = -85.0
"""Decibels below full scale. No room is as quiet through a microphone; speech has been heard at -60."""
WITHIN = 20
"""Seconds without sound after which that is told."""
FRAME = SAMPLE_RATE // 5
"""Samples that are measured at a time."""
_NONE: Samples = np.empty(0, np.float32)


class Soundcheck:
    """One microphone's."""

    def __init__(self, name: str, tell: Callable[[str], object]) -> None:
        """`name` is the device's; `tell` is called with a line for people."""
        self.name = name
        self._tell = tell
        self._open: Samples = _NONE  # the beginning of a frame
        self._silent = 0  # samples without sound, the last ones
        self._is_lost = False

    def push(self, item: AudioChunk | Gap) -> list[float]:
        """The loudness of all that is complete with `item`, in decibels below full scale."""
        if isinstance(item, Gap):
            return self._lose() if item.why == "device" else []
        if self._is_lost:
            self._tell(f"microphone {self.name!r} is back")
            self._is_lost = False
        samples = np.concatenate((self._open, np.nan_to_num(item.samples, posinf=0.0, neginf=0.0)))
        whole = len(samples) // FRAME * FRAME
        self._open = samples[whole:]
        frames = samples[:whole].reshape(-1, FRAME)
        for frame in frames:  # a constant, as cheap converters add, is no sound
            self._count(loudness(frame - frame.mean(dtype=np.float64)))
        return [loudness(frame) for frame in frames]

    def _lose(self) -> list[float]:
        if not self._is_lost:
            self._tell(
                f"microphone {self.name!r} is gone: waiting until it is back. Check its cable and power, "
                "or stop with Ctrl-C"
            )
        self._is_lost, self._open, self._silent = True, _NONE, 0
        return [-math.inf]

    def _count(self, level: float) -> None:
        self._silent = self._silent + FRAME if level < NOTHING else 0
        if self._silent == WITHIN * SAMPLE_RATE:
            self._tell(
                f"nothing but silence from {self.name!r} for {WITHIN} s: is it muted, is it the right one "
                "(see `surtitle devices`), and may this terminal use the microphone?"
            )
