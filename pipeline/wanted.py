"""The languages that are translated into, and those that are wanted instead.

In: other languages, and the captions that are made. Out: when it is time to change: as soon as all that was said before
is captioned. Knows no translator.
"""

from __future__ import annotations


class Wanted:
    """One session's; languages are ISO 639-1 codes."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.now = targets
        """What is translated into."""
        self._next = targets
        self._owed = 0  # segments that are to be captioned before that applies

    @property
    def changes(self) -> bool:
        """Whether others are wanted."""
        return self._next != self.now

    @property
    def due(self) -> bool:
        """Whether it is time for them."""
        return self.changes and not self._owed

    def may_be(self, language: str) -> bool:
        """Whether what was said so far is translated into `language`, perhaps after a change."""
        return language in self.now or language in self._next

    def want(self, targets: tuple[str, ...], waiting: int) -> None:
        """Translate into `targets` what is said from now on, while so many segments wait to be captioned."""
        # what was wanted before, and came to nothing, waits for no more than it did
        self._owed = min(self._owed, waiting) if self.changes else waiting
        self._next = targets

    def captioned(self) -> None:
        """A segment was."""
        self._owed = max(0, self._owed - 1)

    def change(self) -> tuple[str, ...]:
        """Those that are wanted are translated into from now on."""
        self.now = self._next
        return self.now
