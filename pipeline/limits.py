"""How much a client may send: a token bucket.

In: amounts, and when they came. Out: whether they are within the limit. Knows no socket, and what is counted.
"""

from __future__ import annotations


class Bucket:
    """Lets `rate` through a second, and up to `burst` at once after a pause."""

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
