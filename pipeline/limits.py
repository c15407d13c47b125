"""How much a client may send.

In: what came, and when. Out: whether it is within the limit. Knows no socket and no clock.
"""

from __future__ import annotations

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 20, 100
"""What a viewer may say."""
AUDIO_PACE, AUDIO_AT_ONCE = 2.0, 30.0
"""Seconds of audio a second that a publisher may send, and seconds at once."""
LEAST_SECONDS = 0.005
"""What a message of audio counts as at least, however little is in it."""


class Bucket:
    """A token bucket: lets `rate` through a second, and up to `burst` at once after a pause."""

    def __init__(self, *, rate: float, burst: float) -> None:
        """Start full. `rate` is units a second, `burst` units; the unit is the caller's."""
        assert min(rate, burst) > 0, "a limit that lets nothing through is a refusal"
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, amount: float, now: float) -> bool:
        """Whether `amount` units may pass at `now`, in seconds of a clock that never goes back.

        What may not pass is not counted.
        """
        if self._at is not None and self._left < self._burst:
            self._left = min(self._burst, self._left + self._rate * (now - self._at))
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def allow(self, amount: float) -> None:
        """Let `amount` units more pass, whenever they come."""
        self._left += amount


class Pace:
    """How fast a publisher's audio comes."""

    def __init__(self, rate: int, began: float) -> None:
        """`rate` is the samples' in hertz; it `began`, in seconds of the clock, when it might first have sent some."""
        self._rate = rate
        self._seconds = Bucket(rate=AUDIO_PACE, burst=AUDIO_AT_ONCE)
        self._began = began
        self._skipped = 0.0

    def take(self, samples: int, now: float) -> bool:
        """Whether a message of so many samples may come at `now`."""
        return self._seconds.take(max(samples / self._rate, LEAST_SECONDS), now)

    def skip(self, samples: int, now: float) -> bool:
        """Whether so many samples can have been left out, as is said at `now`: there was time for them all."""
        self._skipped += samples / self._rate
        return self._skipped <= now - self._began + AUDIO_AT_ONCE

    def waited(self, seconds: float) -> None:
        """Nobody listened for so long: what came meanwhile, came at its own pace."""
        self._seconds.allow(seconds)
