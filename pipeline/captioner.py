"""What viewers read of a session: captions, numbered, timed and in the order in which they came to be.

In: segments, what they were translated to, and how they begin so far. Out: captions, finals with the times of their
making and drafts without, and how late each stage was. Knows no model, no thread and no viewer; the clock comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from surtitle.pipeline.drafts import Drafts, Revision
from surtitle.pipeline.events import Caption, CaptionMode, Segment, Stamps, Translated
from surtitle.pipeline.segmenter import Opening
from surtitle.pipeline.stats import LagStats

REPORTS = 256
"""Final captions, the newest, of which viewers may still report that they were painted."""


class Captioner:
    """Makes the captions of one session."""

    def __init__(
        self, targets: Sequence[str], mode: CaptionMode, *, now: Callable[[], float], heard: Callable[[], float]
    ) -> None:
        """`now` tells the seconds since the audio began, `heard` how many seconds of it were heard."""
        self._targets = frozenset(targets)
        self._drafts = Drafts(mode)
        self._now = now
        self._heard = heard
        self._ends: dict[tuple[int, str], float] = {}  # of the newest finals' words, by cue and language
        self.lags = LagStats()
        """How late each stage was so far."""

    def retarget(self, targets: Sequence[str]) -> None:
        """From here on translations are into `targets`; drafts in those that are gone are shown no more."""
        before, self._targets = self._targets, frozenset(targets)
        self._drafts.drop(before - self._targets)

    def final(
        self, segment: Segment, language: str, made: Translated, stamps: Stamps, *, behind: float = 0.0
    ) -> Caption:
        """`segment` in `language`: its own, or one that it was translated into.

        `behind` is by how many seconds the source is (`Arrivals.late`): nobody else was late by those.
        """
        revision = Revision(self._drafts.finish(segment.id, language), made.text, len(made.text))
        words = segment.words if language == segment.language else ()
        caption = replace(
            self._caption(segment, language, revision, stamps), untranslated=made.untranslated, words=words
        )
        if self.awaits(segment, language):
            end = segment.end + behind
            self.lags.add(end, caption.elapsed - end, stamps)
            self._ends[segment.id, language] = end
            if len(self._ends) > REPORTS:
                del self._ends[next(iter(self._ends))]
        return caption

    def awaits(self, segment: Segment, language: str) -> bool:
        """Whether somebody waits for `segment` in `language`, and is late by as much as it is: nobody does for what
        stands as it was said, before it is translated for others."""
        return language in self._targets and (language != segment.language or self._targets == {language})

    def draft(self, opening: Opening, language: str, text: str, stable: int) -> Caption | None:
        """That the segment of `opening` begins with `text`, of which `stable` characters will stand; None where that
        tells nobody anything new."""
        segment = opening.segment
        revision = self._drafts.revise(segment.id, language, text, stable, is_whole=opening.is_whole)
        return None if revision is None else self._caption(segment, language, revision, None)

    def withdrawn(self, segment: Segment) -> Iterator[Caption]:
        """That nothing was said in `segment` after all, wherever something of it is shown."""
        for language, revision in self._drafts.withdraw(segment.id):
            yield self._caption(segment, language, revision, None)

    def painted(self, cue: int, language: str) -> None:
        """A viewer has the final caption of `cue` in `language` on its screen."""
        end = self._ends.get((cue, language))
        if end is not None:
            self.lags.painted(self._now() - end)

    def _caption(self, segment: Segment, language: str, revision: Revision, stamps: Stamps | None) -> Caption:
        """A final with its stamps, a draft without. What was said in a language that is wanted is for its readers."""
        return Caption(
            cue=segment.id,
            revision=revision.number,
            language=language,
            role="target" if language in self._targets else "source",
            text=revision.text,
            start=segment.start,
            end=segment.end,
            final=stamps is not None,
            stable=revision.stable,
            audio=self._heard(),
            elapsed=self._now(),
            stamps=stamps,
        )
