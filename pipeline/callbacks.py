"""What is called where nobody listens, and asked where nobody decides.

In: anything. Out: nothing, yes, or no. Knows nothing.
"""

from __future__ import annotations


def ignore(*anything: object) -> None:
    """Nobody wants to know."""


def always() -> bool:
    """Nothing speaks against it."""
    return True


def never() -> bool:
    """Nothing speaks for it."""
    return False
