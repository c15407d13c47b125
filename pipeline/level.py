"""How loud the audio is, so that a speaker who is far from the microphone is heard as one who is near.

In: frames of samples. Out: the same frames, louder where all was quiet for some seconds. What is as loud as speech
usually is stays as it is, and what is too quiet to be anything but a converter's noise makes nothing louder. A constant
beside the sound, as cheap converters add, is no loudness, and goes where it would hide the sound: beside it no speech
would be found. Pure policy: knows no model and no clock.
"""

from __future__ import annotations

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, Samples

EVERYDAY = -45.0
"""What is quieter is made as loud as this, as far as `MOST` goes: root mean square of a frame, in decibels below full
scale."""
NOTHING = -95.0
"""What is quieter is no sound, in the same: it makes nothing louder."""
MOST = 40.0
"""Decibels that quiet audio is raised by at most."""
RELEASE = 12.0
"""Decibels a second at which what was loud is forgotten."""
_STEADY = 1.0
"""Seconds, about, over whose mean sound swings: what is slower than that is a converter's."""
_HIDES = 0.3
"""Share of the loudness of the last seconds from which a constant hides the sound: a voice detector finds no speech
beside one that is as loud."""


def loudness(frame: Samples) -> float:
    """The root mean square of `frame` in decibels below full scale; of nothing, minus infinity."""
    power = float(np.square(frame, dtype=np.float64).mean()) if len(frame) else 0.0
    return float(10 * np.log10(power)) if power > 0 else -np.inf


class Level:
    """The loudness of the last seconds."""

    def __init__(self) -> None:
        """As if what came before had been very quiet: the first words may be."""
        self._loudness = EVERYDAY - MOST
        self._constant: float | None = None

    def push(self, frame: Samples) -> Samples:
        """`frame`, at the level that its past asks for. It is louder than everything before it at once, and quieter
        but slowly: a pause between two words raises nothing."""
        if not len(frame) or frame.min() == frame.max():  # nothing swings: there is no sound in it
            return frame
        constant = self._follow(float(frame.mean()), len(frame) / SAMPLE_RATE)
        swing = frame - np.float32(constant)
        heard = loudness(swing)
        if heard > NOTHING:
            self._loudness = max(heard, self._loudness - RELEASE * len(frame) / SAMPLE_RATE)
        raised = min(MOST, EVERYDAY - self._loudness)
        if raised > 0:
            return swing * np.float32(10 ** (raised / 20))
        return swing if abs(constant) > _HIDES * 10 ** (self._loudness / 20) else frame

    def _follow(self, mean: float, seconds: float) -> float:
        """The constant, now that a frame of so many seconds had this mean."""
        before = mean if self._constant is None else self._constant
        self._constant = before + (mean - before) * min(1.0, seconds / _STEADY)
        return self._constant
