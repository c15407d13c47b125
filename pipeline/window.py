"""The audio that is still open, and what was heard just before it.

In: samples as they come, and from where on they are still open. Out: the open ones, those just before them, and their
places on the audio clock, in samples from its beginning. Knows no speech and no words.
"""

from __future__ import annotations

import numpy as np

from surtitle.pipeline.events import Samples

_ROOM = 16_000
"""Samples for which room is made at once: what is kept is moved once a second, not with each frame."""


class AudioWindow:
    """A stretch of audio that grows at its end and is trimmed at its beginning."""

    def __init__(self, past: int) -> None:
        """Keep `past` samples of what is trimmed."""
        self._most = past
        self._buffer: Samples = np.zeros(_ROOM, np.float32)
        self._from = self._to = 0  # in the buffer: where the window begins and ends
        self._open: Samples | None = None
        self.start = 0
        """Of the window, on the audio clock."""

    def __len__(self) -> int:
        return self._to - self._from

    @property
    def end(self) -> int:
        """Of the window, on the audio clock."""
        return self.start + len(self)

    @property
    def samples(self) -> Samples:
        """The window: the same array until it changes, and never changed itself."""
        if self._open is None:
            self._open = self._buffer[self._from : self._to]
        return self._open

    @property
    def past(self) -> Samples:
        """What was trimmed last."""
        return self._buffer[max(0, self._from - self._most) : self._from]

    def push(self, samples: Samples) -> None:
        """Take the next ones."""
        if self._to + len(samples) > len(self._buffer):  # arrays that were given out stay as they are
            first = max(0, self._from - self._most)
            kept = self._buffer[first : self._to]
            self._buffer = np.concatenate((kept, np.zeros(max(_ROOM, len(samples)), np.float32)))
            self._from, self._to = self._from - first, len(kept)
        self._buffer[self._to : self._to + len(samples)] = samples
        self._to += len(samples)
        self._open = None

    def trim(self, start: int) -> None:
        """It begins at `start` from now on, if that lies in it: later than its end is at its end."""
        gone = min(max(0, start - self.start), len(self))
        if gone:
            self._from += gone
            self.start += gone
            self._open = None

    def skip(self, samples: int) -> None:
        """The window is over, and so many samples are missing behind it: silence, as far as the past goes."""
        self.trim(self.end)
        silent = min(samples, self._most)
        self.push(np.zeros(silent, np.float32))
        self.trim(self.end)
        self.start += samples - silent
