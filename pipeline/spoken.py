"""Which of several languages is spoken now: slow to believe in a change, but for where somebody begins to speak.

In: how likely each language is, look after look at the open audio. Out: the language, and whether it is sure enough to
commit words in it: while a change is suspected nothing is committed, since a recogniser that is told the wrong language
translates or invents. Pure policy: knows no audio and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_LIKELY = 0.8
"""Share of its likelihood among the languages from which another language is believed."""
_LOOKS = 2
"""Looks in a row at audio, some words of which are committed already, that another language must be likely in."""
_PATIENCE = 3
"""Looks in a row at which another language is likelier, but not likely enough: then all stays as it was."""
_UNLIKELY = 0.1
"""Share below which the first language is not taken for granted, as long as none was likely: the likeliest is."""


@dataclass(frozen=True, slots=True)
class Speaks:
    """From here on another language is spoken."""

    language: str
    """ISO 639-1 code."""


class SpokenLanguage:
    """The language that is spoken, of those that may be."""

    def __init__(self, languages: Sequence[str]) -> None:
        """`languages` are ISO 639-1 codes; the first one is spoken until another is heard."""
        self.languages = tuple(languages)
        self.current = self.languages[0]
        self._is_believed = False  # whether one was likely so far
        self._doubts = 0  # looks in a row at which another language was likelier
        self._votes = 0  # of them, those at which it was likely, and the same as before
        self._rival = self.current

    def push(self, likelihoods: Mapping[str, float], *, fresh: bool, last: bool = False) -> bool:
        """Take another look; return whether words in `current`, which may have changed, can be committed.

        `likelihoods` holds one for each language. `fresh`: no word of the open audio is committed. `last`: there will
        be no other look at it.
        """
        total = sum(likelihoods[code] for code in self.languages)
        best = max(self.languages, key=lambda code: likelihoods[code])
        is_likely = likelihoods[best] >= _LIKELY * total > 0
        if best == self.current or not total:
            self._is_believed |= is_likely
            self._doubts = self._votes = 0
            return True
        self._doubts += 1
        self._votes = (self._votes + 1 if best == self._rival else 1) if is_likely else 0
        self._rival = best
        decides = last or self._doubts > _PATIENCE
        is_guess = decides and not self._is_believed and likelihoods[self.current] < _UNLIKELY * total
        if is_guess or (is_likely and (fresh or last or self._votes >= _LOOKS)):
            self.current = best
            self._is_believed |= is_likely
            self._doubts = self._votes = 0
            return True
        return decides
