"""What viewers see of a caption that is not finished.

In: how a caption begins so far, and how much of that will stand. Out: the revision to show, if it says anything new.
Three ways: `final` shows whole captions alone; `steady` shows what will stand, so that no character that was shown ever
changes; `live` shows more, of what is not whole all but the last word, which changes most from draft to draft
(Arivazhagan et al. 2020). Knows no model and no clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from surtitle.pipeline.events import CaptionMode
from surtitle.pipeline.text import is_spaced


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
        stable = min(stable, len(shown))
        if (shown, stable) == ((before.text, before.stable) if before else ("", 0)):
            return None
        revision = Revision(before.number + 1 if before else 0, shown, stable)
        self._shown[cue, language] = revision
        return revision

    def withdraw(self, cue: int) -> list[tuple[str, Revision]]:
        """Nothing was said there after all: for each language in which something is shown, the revision without it."""
        shown = [(language, before) for (of, language), before in self._shown.items() if of == cue and before.text]
        taken = [(language, Revision(before.number + 1, "", 0)) for language, before in shown]
        self._shown.update({(cue, language): revision for language, revision in taken})
        return taken

    def drop(self, languages: Collection[str]) -> None:
        """Nothing is shown in `languages` any more."""
        gone = {key: before for key, before in self._shown.items() if key[1] in languages}
        self._shown.update({key: Revision(before.number, "", 0) for key, before in gone.items()})

    def finish(self, cue: int, language: str) -> int:
        """The number of the final revision; there are no more."""
        before = self._shown.pop((cue, language), None)
        return before.number + 1 if before else 0


def steady_part(text: str, stable: int, language: str) -> str:
    """`text` without its last word, or two characters where there are no spaces, but with all that will stand."""
    end = text.rfind(" ") if is_spaced(language) else len(text) - 2
    return text[: max(stable, end, 0)]
