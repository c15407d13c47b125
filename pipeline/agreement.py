"""LocalAgreement-2: commit what two hypotheses in a row agree on (Liu et al. 2020; Machacek et al. 2023).

Words that lie well behind the end of the audio are committed without a second vote: a guess that flips between two
spellings would otherwise hold back everything after it.

In: the words that the recogniser hears after the committed ones, each guess replacing the last. Out: words
that are committed now, and never taken back. Knows no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from surtitle.pipeline.events import Word


class LocalAgreement:
    """The previous guess, against which the next one is held."""

    def __init__(self) -> None:
        self._pending: list[Word] = []

    @property
    def pending(self) -> tuple[Word, ...]:
        """The last guess beyond what is committed."""
        return tuple(self._pending)

    def push(self, words: Sequence[Word]) -> list[Word]:
        """Take the next guess; return its words that the last guess began with too, as they are written now.

        Case and punctuation may differ: the newer guess heard more of what follows. Not so for its very last word,
        where the end of the audio looks like the end of a sentence.
        """
        agreed = 0
        for old, new in zip(self._pending, words, strict=False):
            is_last = agreed == len(words) - 1
            if old.text != new.text and (is_last or _bare(old.text) != _bare(new.text)):
                break
            agreed += 1
        return self._commit(words, agreed)

    def settle(self, before: float) -> list[Word]:
        """Commit words of the last guess that ended before this time: what lies so far back changes no more."""
        settled = 0
        while settled < len(self._pending) and self._pending[settled].end <= before:
            settled += 1
        return self._commit(self._pending, settled)

    def flush(self) -> list[Word]:
        """Commit the last guess: nothing more will be heard."""
        words, self._pending = self._pending, []
        return words

    def _commit(self, words: Sequence[Word], count: int) -> list[Word]:
        self._pending = list(words[count:])
        return list(words[:count])


def _bare(text: str) -> str:
    """A word as it sounds; marks alone sound like nothing, and are themselves."""
    return "".join(mark for mark in text.casefold() if mark.isalnum()) or text
