"""How loud the audio is, so that a speaker who is far from the microphone is heard as one who is near.

In: frames of samples. Out: the same frames, louder where all was quiet for some seconds. What is as loud as speech
usually is stays as it is, and what is too quiet to be anything but a converter's noise makes nothing louder. Pure
policy: knows no model and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surtitle.pipeline.events import SAMPLE_RATE, Samples


@dataclass(frozen=True, slots=True)
class LevelSettings:
    """Levels are root mean squares of a frame, in decibels below full scale."""

    everyday: float = -45.0
    """What is quieter is made as loud as this, as far as `most` goes."""
    nothing: float = -95.0
    """What is quieter is no sound: it makes nothing louder."""
    most: float = 40.0
    """Decibels that quiet audio is raised by at most."""
    release: float = 12.0
    """Decibels a second at which what was loud is forgotten."""


class Level:
    """The loudness of the last seconds."""

    def __init__(self, settings: LevelSettings | None = None) -> None:
        """As if what came before had been very quiet: the first words may be."""
        self._settings = settings or LevelSettings()
        self._loudness = self._settings.everyday - self._settings.most

    def push(self, frame: Samples) -> Samples:
        """`frame`, at the level that its past asks for. It is louder than everything before it at once, and quieter
        but slowly: a pause between two words raises nothing."""
        s = self._settings
        power = float(np.square(frame, dtype=np.float64).mean()) if len(frame) else 0.0
        loudness = 10 * np.log10(power) if power > 0 else -np.inf
        if loudness > s.nothing:
            self._loudness = max(loudness, self._loudness - s.release * len(frame) / SAMPLE_RATE)
        raised = min(s.most, s.everyday - self._loudness)
        return frame * np.float32(10 ** (raised / 20)) if raised > 0 else frame
