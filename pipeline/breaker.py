"""Whether a service that failed is asked again yet.

In: when it is wanted, and whether it did what it was asked. Out: whether to ask. What fails twice in a row is left
alone for a while, then one request finds out; the pauses grow. Knows no service and no clock: times are passed in.
"""

from __future__ import annotations

FAILURES = 2
"""Failures in a row after which a service is left alone."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 30.0
"""Seconds from a failure to the next try: twice as long after each failure, from the first to the longest."""


class Breaker:
    """Whether one service is asked. Times are seconds on any clock that does not go back."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = FIRST_PAUSE
        self._failing_since: float | None = None
        self._next_try = 0.0
        self._judged = 0.0  # when it did what it was asked, or failed, last

    def admits(self, now: float) -> bool:
        """Whether to ask it. If it is left alone, whoever is told to ask finds out for all others."""
        if self._failures < FAILURES:
            return True
        is_due = now >= self._next_try
        if is_due:
            self._next_try = now + self._pause
        return is_due

    def try_now(self, now: float) -> None:
        """It may be well again: the next request finds out."""
        self._next_try = min(self._next_try, now)

    def failed(self, now: float, *, began: float) -> bool:
        """It was asked when it `began`, and failed; true if that is why it is left alone from now on.

        Of many requests that were under way when it failed, one counts.
        """
        if began < self._judged:
            return False
        self._judged = now
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        if self._failures > FAILURES:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._next_try = now + self._pause
        return self._failures == FAILURES

    def succeeded(self, now: float) -> float | None:
        """It was asked, and did it; if it had been left alone, for how many seconds it had failed."""
        since, was_left = self._failing_since, self._failures >= FAILURES
        self._failures, self._pause, self._failing_since, self._judged = 0, FIRST_PAUSE, None, now
        return now - since if was_left and since is not None else None
