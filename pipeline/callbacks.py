"""What is called where nobody listens, and asked where nobody decides; and a question whose answer is remembered.

In: anything. Out: nothing, yes, or no. Knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable


def ignore(*anything: object) -> None:
    """Nobody wants to know."""


def always() -> bool:
    """Nothing speaks against it."""
    return True


def never() -> bool:
    """Nothing speaks for it."""
    return False


class Noted:
    """A question, and what its last answer was."""

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._ask = ask
        self.is_true = False
        """Whether it was yes; no, before anybody asked."""

    def __call__(self) -> bool:
        self.is_true = self._ask()
        return self.is_true
