"""Attention alignment: commit words whose sound ends safely before the audio does (AlignAtt, Papi et al. 2023).

Where a word was said is read from the decoder's own attention (`whisper.py`), so no second guess is needed: a word
whose attention ends well before the audio does has been heard whole, one whose attention touches the end may go on. So
may the last one of a guess: what was heard of "celebraré" looks like "se" with some silence after it.

In: the words that the recogniser hears after the committed ones, each guess replacing the last. Out: words
that are committed now, and never taken back. Knows no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from surtitle.pipeline.agreement import SETTLE, LastGuess, ended_before
from surtitle.pipeline.events import Word

MARGIN = 0.65
"""Seconds between the end of a word and that of the audio from which it is committed, if another follows it."""


class Alignment(LastGuess):
    """The last guess, and where its words ended."""

    def __init__(self, margin: float = MARGIN) -> None:
        """`margin`: seconds between the end of a word and that of the audio from which it is committed."""
        super().__init__()
        self._margin = margin

    def push(self, words: Sequence[Word], end: float) -> list[Word]:
        """Take the next guess; return its words that ended far enough before `end`: the last one is only returned where
        nothing was heard after it for so long that nothing will be."""
        count = ended_before(words, end - self._margin)
        if count == len(words):
            count = max(count - 1, ended_before(words, end - SETTLE))
        return self._commit(words, count)
