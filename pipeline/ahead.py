"""What is translated ahead of a segment that goes on.

In: how the open segment begins, each time that more of it was heard. Out: whether that is worth a draft by now, and
whether an earlier one was for nothing. Knows no model and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from surtitle.pipeline.events import Segment
from surtitle.pipeline.segmenter import Opening
from surtitle.pipeline.text import goes_on, letters_in, shared

STEP = 12
"""Letters by which the open text must grow to be translated ahead again (`letters_in`): drafts cost the recogniser
time."""


class Ahead:
    """The open segment, and what of it was translated ahead last."""

    def __init__(self) -> None:
        self._opening: Opening | None = None
        self._drafted = ""
        self._repeated = ""

    def push(self, segments: Sequence[Segment], opening: Opening | None) -> Segment | None:
        """`segments` are finished now, and the next one begins so; what was open before if that was a mere guess."""
        before, self._opening = self._opening, opening
        now = {(each.id, each.language) for each in (*segments, *([opening.segment] if opening else []))}
        gone = before.segment if before and (before.segment.id, before.segment.language) not in now else None
        if segments or gone:
            self._drafted = self._repeated = ""
        return gone

    @property
    def due(self) -> Opening | None:
        """What is worth a draft: enough of it was not in the one before, since it goes on or was guessed otherwise."""
        if self._opening is None:
            return None
        text, before = self._opening.segment.text, self._drafted
        grown = not goes_on(text, before) or letters_in(text[shared(text, before) :]) >= STEP
        ends = self._opening.is_whole and text != before  # what is drafted to its end need not be translated again
        return self._opening if grown or ends else None

    def begin(self, opening: Opening) -> None:
        """A draft of `opening` is being made."""
        self._drafted = opening.segment.text

    def again(self) -> None:
        """What is open is worth a draft once more: in other languages."""
        self._drafted, self._repeated = "", self._drafted

    def binds(self, opening: Opening) -> bool:
        """Whether its draft may promise anything: that of a guess may not, nor one that is no second opinion."""
        return opening.committed > 0 and opening.segment.text != self._repeated

    def is_current(self, opening: Opening) -> bool:
        """Whether its draft was begun last, and the segment did not end meanwhile, nor was taken back."""
        return self._drafted == opening.segment.text
