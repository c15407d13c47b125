"""Sounds that are no speech, made from numbers: what a recogniser must hear nothing in.

In: a length in seconds and a seed. Out: samples at `SAMPLE_RATE`, the same for the same seed. Knows no recogniser.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from surtitle.pipeline.events import SAMPLE_RATE, Samples

_SCALE = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of a major scale."""
_CHORDS = (0, 5, 3, 4)
"""Degrees of it on which chords stand, one after the other."""


def silence(seconds: float, chance: Generator) -> Samples:
    """Nothing but the last bit of a converter."""
    return (chance.standard_normal(_length(seconds)) * 2**-16).astype(np.float32)


def room(seconds: float, chance: Generator) -> Samples:
    """Air conditioning: noise that falls by 3 dB an octave, at -45 dB, coming and going, and a mains hum."""
    count = _length(seconds)
    spectrum = np.fft.rfft(chance.standard_normal(count))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)
    time = np.arange(count) / SAMPLE_RATE
    swell = 1 + 0.5 * np.sin(2 * np.pi * time / 7)
    return _at(pink / pink.std() * swell + 0.3 * np.sin(2 * np.pi * 50 * time), -45)


def music(seconds: float, chance: Generator) -> Samples:
    """A band: chords of many partials, a melody with vibrato, and a drum, at -20 dB."""
    out = np.zeros(_length(seconds) + 2 * SAMPLE_RATE)
    for beat in range(int(seconds * 2)):
        place = beat * SAMPLE_RATE // 2
        root = _CHORDS[beat // 8 % len(_CHORDS)]
        if beat % 4 == 0:
            for third in (0, 2, 4):
                _add(out, place, _note(_pitch(root + third), 2.0, partials=8))
        _add(out, place, 0.7 * _note(_pitch(7 + root + int(chance.integers(0, 8))), 0.6, partials=5, vibrato=0.006))
        _add(out, place, 0.8 * chance.standard_normal(2000) * np.exp(-np.arange(2000) / 300))
    return _at(out[: _length(seconds)], -20)


def applause(seconds: float, chance: Generator) -> Samples:
    """A hundred people who clap three times a second, in a hall, louder and softer, at -20 dB."""
    count = _length(seconds)
    claps = np.zeros(count)
    places = chance.integers(0, count, int(300 * seconds))
    np.add.at(claps, places, chance.exponential(1.0, len(places)))
    clap = chance.standard_normal(400) * np.exp(-np.arange(400) / 60)
    hall = chance.standard_normal(SAMPLE_RATE // 2) * np.exp(-np.arange(SAMPLE_RATE // 2) / 1500)
    sound = _convolved(claps, _convolved(clap, hall))[:count]
    return _at(sound * (1.1 + np.sin(2 * np.pi * np.arange(count) / SAMPLE_RATE / 15)), -20)


def dial_tone(seconds: float, chance: Generator) -> Samples:
    """A telephone's: 425 Hz, busy for half a second in every one (ITU-T E.180), at -20 dB, on a line that hisses."""
    time = np.arange(_length(seconds)) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 425 * time) * (time % 1.0 < 0.5)
    return _at(tone + 0.003 * chance.standard_normal(len(time)), -20)


SOUNDS: dict[str, Callable[[float, Generator], Samples]] = {
    "silence": silence,
    "room": room,
    "music": music,
    "applause": applause,
    "dial tone": dial_tone,
}


def _length(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _pitch(degree: int) -> float:
    octave, step = divmod(degree, len(_SCALE))
    return float(220 * 2 ** (octave + _SCALE[step] / 12))


def _note(hertz: float, seconds: float, *, partials: int, vibrato: float = 0.0) -> np.ndarray:
    time = np.arange(_length(seconds)) / SAMPLE_RATE
    phase = 2 * np.pi * hertz * (time + vibrato * np.sin(2 * np.pi * 5.5 * time) / 5.5)
    tones = sum(np.sin(partial * phase) / partial for partial in range(1, partials + 1))
    return np.asarray(tones * np.exp(-2 * time / seconds) * np.minimum(1, time / 0.01))


def _add(out: np.ndarray, place: int, sound: np.ndarray) -> None:
    out[place : place + len(sound)] += sound[: len(out) - place]


def _convolved(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    count = len(one) + len(other) - 1
    return np.fft.irfft(np.fft.rfft(one, count) * np.fft.rfft(other, count), count)


def _at(sound: np.ndarray, decibels: float) -> Samples:
    """`sound` at that level below full scale, nowhere beyond it."""
    level = np.sqrt(np.square(sound).mean())
    samples: Samples = np.clip(sound / level * 10 ** (decibels / 20), -1, 1).astype(np.float32)
    return samples
