"""What is translated ahead of a segment that goes on, and what viewers see of a caption that is not finished.

In: how the open segment begins. Out: whether that is worth a draft by now, and whether an earlier one was for nothing.
In: how a caption begins so far, and how much of that will stand. Out: the revision to show, if it says anything new.
Three ways: `final` shows whole captions alone; `steady` shows what will stand, so that no character that was shown ever
changes; `live` shows more, of what is not whole all but the last word, which changes most from draft to draft
(Arivazhagan et al. 2020). Knows no model and no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surtitle.pipeline.events import CaptionMode, Segment
from surtitle.pipeline.segmenter import Opening
from surtitle.pipeline.text import goes_on, is_spaced, shared

STEP = 12
"""Characters by which the open text must grow to be translated ahead again: drafts cost the recogniser time."""

UNSTEADY_WORDS = 1
"""Words at the end of a draft that `live` holds back; in languages without spaces, twice as many characters."""


class Ahead:
    """The open segment, and what of it was translated ahead last."""

    def __init__(self) -> None:
        self.opening: Opening | None = None
        """How the segment begins that is not finished; None between two of them."""
        self._drafted = ""

    def push(self, segments: Sequence[Segment], opening: Opening | None) -> Segment | None:
        """`segments` are finished now, and the next one begins so; what was open before if that was a mere guess."""
        before, self.opening = self.opening, opening
        now = {(each.id, each.language) for each in (*segments, *([opening.segment] if opening else []))}
        gone = before.segment if before and (before.segment.id, before.segment.language) not in now else None
        if segments or gone:
            self._drafted = ""
        return gone

    @property
    def due(self) -> Opening | None:
        """What is worth a draft: enough of it was not in the one before, since it goes on or was guessed otherwise."""
        if self.opening is None:
            return None
        text, before = self.opening.segment.text, self._drafted
        grown = not goes_on(text, before) or len(text) >= shared(text, before) + STEP
        return self.opening if grown else None

    def begin(self, opening: Opening) -> None:
        """A draft of `opening` is being made."""
        self._drafted = opening.segment.text

    def is_current(self, opening: Opening) -> bool:
        """Whether its draft was begun last, and the segment did not end meanwhile, nor was taken back."""
        return self._drafted == opening.segment.text


@dataclass(frozen=True, slots=True)
class Revision:
    """One draft of a caption."""

    number: int
    """Counts from 0 within a cue and language."""
    text: str
    stable: int
    """Leading characters that will never change."""


class Drafts:
    """What is shown of the open cues."""

    def __init__(self, mode: CaptionMode) -> None:
        self._mode = mode
        self._shown: dict[tuple[int, str], Revision] = {}

    def revise(self, cue: int, language: str, text: str, stable: int, *, is_whole: bool = False) -> Revision | None:
        """What to show, now that the caption begins with `text`, whose first `stable` characters will stand.

        Where it `is_whole`, as it seems, its last words change no more than others.
        """
        if self._mode == "final":
            return None
        ahead = text if is_whole else steady_part(text, stable, language)
        shown = text[:stable] if self._mode == "steady" else ahead
        before = self._shown.get((cue, language))
        if shown == (before.text if before else ""):
            return None
        revision = Revision(before.number + 1 if before else 0, shown, min(stable, len(shown)))
        self._shown[cue, language] = revision
        return revision

    def withdraw(self, cue: int) -> list[tuple[str, Revision]]:
        """Nothing was said there after all: for each language in which something is shown, the revision without it."""
        shown = [(language, before) for (of, language), before in self._shown.items() if of == cue and before.text]
        taken = [(language, Revision(before.number + 1, "", 0)) for language, before in shown]
        self._shown.update({(cue, language): revision for language, revision in taken})
        return taken

    def finish(self, cue: int, language: str) -> int:
        """The number of the final revision; there are no more."""
        before = self._shown.pop((cue, language), None)
        return before.number + 1 if before else 0


def steady_part(text: str, stable: int, language: str) -> str:
    """`text` without its last words, but with all that will stand."""
    if is_spaced(language):
        end = len(text)
        for _ in range(UNSTEADY_WORDS):
            end = max(0, text.rfind(" ", 0, end))
    else:
        end = max(0, len(text) - 2 * UNSTEADY_WORDS)
    return text[: max(stable, end)]
