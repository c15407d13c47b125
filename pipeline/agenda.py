"""What is still to be captioned, in which order and in which languages.

In: segments as they are recognised, the languages that are wanted instead, and word of each segment that is captioned.
Out: whether what was said is published at once or waits, which segment is next, and when other languages apply. Finals
come in their order in each language, and as they were said; what was said before a change is translated as it was
before. Knows no translator and no clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import chain

from surtitle.pipeline.backlog import BACKLOG
from surtitle.pipeline.events import Segment, Stamps

PATIENCE = BACKLOG
"""Seconds for which a segment may wait for a translator that does not keep up, as audio may for the recogniser: then it
is given up, and so are the next ones until what is oldest waited for half of that."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A segment that is not captioned yet."""

    segment: Segment
    stamps: Stamps
    behind: float
    """Seconds by which its source was late when it was recognised."""
    is_told: bool
    """Whether it was published as it was said: if not, it is when its turn comes."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Other languages that are wanted from some segment on."""

    targets: tuple[str, ...]
    owed: int
    """Segments, said before, that are to be captioned before it applies."""


class Agenda:
    """The segments of one session that are not captioned yet. Languages are ISO 639-1 codes."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.targets = targets
        """What is translated into."""
        self._changes: deque[_Change] = deque()
        self._waiting: deque[Waiting] = deque()
        self._catches_up = False

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
        """Whether what is said in `language` now is published later: after translations into it of what was said
        before, and after what waits for such."""
        may_be = {*self.targets, *chain.from_iterable(change.targets for change in self._changes)}
        return any(
            not each.is_told or (each.segment.language != language and language in may_be) for each in self._waiting
        )

    def gives_up(self, now: float) -> bool:
        """Whether the oldest segment waited for too long, at `now` seconds, for a translation to be of use."""
        waited = now - self.first.stamps.committed
        self._catches_up = waited > (PATIENCE / 2 if self._catches_up else PATIENCE)
        return self._catches_up

    def tell(self) -> None:
        """The oldest segment is published as it was said; its translations are still made."""
        self._waiting[0] = replace(self._waiting[0], is_told=True)

    def done(self) -> None:
        """The oldest segment is captioned."""
        self._waiting.popleft()
        self._changes = deque(replace(change, owed=max(0, change.owed - 1)) for change in self._changes)

    @property
    def changes(self) -> bool:
        """Whether other languages are wanted."""
        return bool(self._changes)

    @property
    def due(self) -> bool:
        """Whether it is time for them."""
        return self.changes and not self._changes[0].owed

    def want(self, targets: tuple[str, ...]) -> None:
        """Translate into `targets` what is said from now on."""
        if targets != (self._changes[-1].targets if self._changes else self.targets):
            self._changes.append(_Change(targets, owed=len(self)))

    def change(self) -> tuple[str, ...]:
        """Those for which it is time are translated into from now on: of several the newest."""
        while self.due:
            self.targets = self._changes.popleft().targets
        return self.targets
