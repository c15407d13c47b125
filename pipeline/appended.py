"""Captions as text that only grows: for protocols in which nothing is ever taken back.

In: captions of one language, drafts and finals, in the order of their numbers; any draft may be missing. Or a session's
events, of which one language's translations are followed. Out: what is to be appended: of drafts what is stable. Knows
no protocol.
"""

from __future__ import annotations

from surtitle.pipeline.events import Caption, Event, Targets
from surtitle.pipeline.text import space_between


class Appended:
    """One language's text: all that was returned, joined, is the finals, with spaces between where it has spaces."""

    def __init__(self) -> None:
        self._cue = -1
        self._sent = ""  # of that cue
        self._began = False

    def push(self, caption: Caption) -> str:
        """Return what `caption` adds, perhaps nothing."""
        stable = caption.text[: caption.stable]
        if caption.cue < self._cue or not stable:  # a guess, which may be taken back, begins nothing
            return ""
        if caption.cue > self._cue:
            self._cue, self._sent = caption.cue, ""
        assert stable.startswith(self._sent) or self._sent.startswith(stable), "what is stable never changes"
        added = stable[len(self._sent) :]
        if not added:
            return ""
        space = space_between(caption.language) if self._began and not self._sent else ""
        self._sent, self._began = stable, True
        return space + added

    def follow(self, event: Event, language: str) -> str:
        """Return what `event` adds to the translation into `language`, whatever others the session has."""
        match event:
            case Targets(targets=targets) if language not in targets:
                self.begin_anew()
            case Caption(role="target") if event.language == language:
                return self.push(event)
        return ""

    def begin_anew(self) -> None:
        """What is stable of the open cue need not go on as it began: it is appended from its beginning."""
        self._sent = ""
