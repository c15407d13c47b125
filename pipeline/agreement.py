"""LocalAgreement-2: commit what two hypotheses in a row agree on (Liu et al. 2020; Machacek et al. 2023).

Words that end well before the audio does are committed without a second vote: a guess that flips between two
spellings would otherwise hold back everything after it.

In: the words that the recogniser hears after the committed ones, each guess replacing the last. Out: words
that are committed now, and never taken back. Knows no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from surtitle.pipeline.events import Word
from surtitle.pipeline.text import bare

SETTLE = 2.0
"""Seconds before the end of the audio at which a guessed word no longer changes."""


class CommitPolicy(Protocol):
    """Which words of a guess are said for good. `LocalAgreement` is one, `alignment.Alignment` the other."""

    @property
    def pending(self) -> tuple[Word, ...]:
        """The last guess beyond what is committed."""

    def push(self, words: Sequence[Word], end: float) -> list[Word]:
        """Take the next guess at what follows the committed words, in audio up to `end` seconds; return how much of
        its beginning is committed now."""

    def hold(self, words: Sequence[Word]) -> None:
        """Take the next guess, and commit nothing of it: all of it may change."""

    def flush(self) -> list[Word]:
        """Commit the last guess: nothing more will be heard."""


class LastGuess:
    """What both policies keep: the last guess, beyond what is committed of it."""

    def __init__(self) -> None:
        self._pending: list[Word] = []

    @property
    def pending(self) -> tuple[Word, ...]:
        """The last guess beyond what is committed."""
        return tuple(self._pending)

    def hold(self, words: Sequence[Word]) -> None:
        """Take the next guess, and commit nothing of it, whatever the one before it said."""
        self._pending = list(words)

    def flush(self) -> list[Word]:
        """Commit the last guess: nothing more will be heard."""
        words, self._pending = self._pending, []
        return words

    def _commit(self, words: Sequence[Word], count: int) -> list[Word]:
        self._pending = list(words[count:])
        return list(words[:count])


class LocalAgreement(LastGuess):
    """The previous guess, against which the next one is held."""

    def __init__(self, settle: float = SETTLE) -> None:
        """`settle`: seconds before the end of the audio at which a word is committed without a second vote."""
        super().__init__()
        self._settle = settle

    def push(self, words: Sequence[Word], end: float) -> list[Word]:
        """Take the next guess; return its words that the last guess began with too, as they are written now, and what
        lies so far before `end` that it no longer changes.

        Case and punctuation may differ: the newer guess heard more of what follows. Not so for its very last word,
        where the end of the audio looks like the end of a sentence.
        """
        agreed = 0
        for old, new in zip(self._pending, words, strict=False):
            is_last = agreed == len(words) - 1
            if old.text != new.text and (is_last or bare(old.text) != bare(new.text)):
                break
            agreed += 1
        return self._commit(words, max(agreed, ended_before(words, end - self._settle)))


def ended_before(words: Sequence[Word], time: float) -> int:
    """How many of the first words ended by `time`, in seconds."""
    return next((index for index, word in enumerate(words) if word.end > time), len(words))
