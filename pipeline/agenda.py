"""What is still to be captioned, in which order and in which languages.

In: segments as they are recognised, the languages that are wanted instead, and word of each segment that is captioned.
Out: whether what was said is published at once or waits, which segment is next, and when other languages apply. Finals
come in their order in each language, and as they were said; what was said before a change is translated as it was
before. Knows no translator and no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from surtitle.pipeline.events import Segment, Stamps


@dataclass(frozen=True, slots=True)
class Waiting:
    """A segment that is not captioned yet."""

    segment: Segment
    stamps: Stamps
    behind: float
    """Seconds by which its source was late when it was recognised."""
    is_told: bool
    """Whether it was published as it was said: if not, it is when its turn comes."""


class Agenda:
    """One session's; languages are ISO 639-1 codes."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.targets = targets
        """What is translated into."""
        self._next = targets
        self._owed = 0  # segments that are to be captioned before that applies
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        """Segments that wait."""
        return len(self._waiting)

    @property
    def first(self) -> Waiting:
        """The oldest one; there must be one."""
        return self._waiting[0]

    def add(self, segment: Segment, stamps: Stamps, behind: float) -> Waiting:
        """The next segment, which was recognised `behind` seconds late by its source."""
        waiting = Waiting(segment, stamps, behind, is_told=not self.holds(segment.language))
        self._waiting.append(waiting)
        return waiting

    def holds(self, language: str) -> bool:
        """Whether what is said in `language` now is published later: behind translations into it of what was said
        before, and behind what waits for such."""
        may_be = {*self.targets, *self._next}
        return any(
            not each.is_told or (each.segment.language != language and language in may_be) for each in self._waiting
        )

    def done(self) -> None:
        """The oldest segment is captioned."""
        self._waiting.popleft()
        self._owed = max(0, self._owed - 1)

    @property
    def changes(self) -> bool:
        """Whether other languages are wanted."""
        return self._next != self.targets

    @property
    def due(self) -> bool:
        """Whether it is time for them."""
        return self.changes and not self._owed

    def want(self, targets: tuple[str, ...]) -> None:
        """Translate into `targets` what is said from now on."""
        # what was wanted before, and came to nothing, waits for no more than it did
        self._owed = min(self._owed, len(self)) if self.changes else len(self)
        self._next = targets

    def change(self) -> tuple[str, ...]:
        """Those that are wanted are translated into from now on."""
        self.targets = self._next
        return self.targets
