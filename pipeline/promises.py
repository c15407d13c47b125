"""What was drafted of the open turn, and what of that is promised.

In: answers to drafts. Out: tokens that the next answer may begin with, and those that it must. Where drafts are shown,
what two of them in a row begin with is promised, in whole words: nothing takes back what viewers have read. Knows no
model and no cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from surtitle.pipeline.answers import Answer
from surtitle.pipeline.halves import is_within
from surtitle.pipeline.text import goes_on, is_fraction, is_one, is_one_number, shared

DRAFT_BIAS = 1.0
"""Nats by which a token of the draft before may be less likely than another, and stays where drafts are shown."""


@dataclass(frozen=True, slots=True)
class Draft:
    """How the open turn's translation would have begun."""

    source: str = ""
    tokens: Sequence[int] = ()
    """What was written of it last."""
    is_whole: bool = False
    """Whether they are all that the model writes for it."""
    misleads: bool = False
    """Whether they are no translation, and drafts are shown: then nothing else is to begin as they do."""

    @property
    def leads(self) -> Sequence[int]:
        """What another translation may begin with."""
        return () if self.misleads else self.tokens

    def is_of(self, text: str) -> bool:
        """Whether `text` goes on as what was translated: that may have been a wrong guess."""
        return goes_on(text, self.source)


@dataclass(frozen=True, slots=True)
class Shown:
    """What viewers may have read of the open turn."""

    spoken: str = ""
    """As the model has it."""
    text: str = ""
    """As it is shown."""

    def begins(self, spoken: str, write: Callable[[str], str]) -> str:
        """What is shown of `spoken`: of what goes on from here what `write` makes of the rest alone, whatever it would
        make of the beginning by now.
        """
        if not spoken.startswith(self.spoken):
            return write(spoken)
        return self.text + write(spoken[len(self.spoken) :])


class Promises:
    """Of one conversation, turn after turn."""

    def __init__(self, decode: Callable[[Sequence[int]], str], *, spaced: bool, shown: bool) -> None:
        """`decode` makes text of tokens, in a language whose words are `spaced` or not. Where no drafts are `shown`,
        nothing is promised.
        """
        self._decode = decode
        self._spaced = spaced
        self._shown = shown
        self.draft = Draft()
        """The newest that says something."""
        self.tokens: list[int] = []
        """What the turn's translation begins with, whatever comes."""
        self.shown = Shown()
        """What they say."""

    def drop(self) -> None:
        """The turn is over, or left."""
        self.draft, self.tokens, self.shown = Draft(), [], Shown()

    @property
    def guess(self) -> Sequence[int]:
        """What may come behind what is promised."""
        return self.draft.leads[len(self.tokens) :]

    def bias(self, text: str) -> float:
        """Nats by which a translation of `text` leans towards that."""
        return DRAFT_BIAS if self._shown and self.draft.is_of(text) else 0.0

    def note(self, text: str, answer: Answer, *, binds: bool) -> None:
        """`answer`, which begins with what is promised, is the draft of `text`. It promises nothing unless it `binds`:
        that of a guess, which another segment may take the place of, does not.
        """
        if answer.is_whole:
            before = self.draft.leads if self.draft.is_of(text) else ()
            misleads = self._shown and not answer.is_sound
            self.draft = Draft(text, answer.tokens, is_whole=True, misleads=misleads)
            if answer.is_sound and self._shown and binds:
                agreed = self._whole_words(answer.tokens, shared(before, answer.tokens))
                self.tokens = answer.tokens[: max(agreed, len(self.tokens))]
        elif answer.fault in (None, "answer") and len(answer.tokens) > len(self.draft.leads):
            self.draft = Draft(text, answer.tokens)  # the final goes on from there; half a question has no mark yet

    def _whole_words(self, tokens: Sequence[int], count: int) -> int:
        """How many of the first `count` of `tokens` end before a space, or where there are none within no Latin word,
        number or syllable, nor within katakana: what follows begins a word of its own.
        """
        text = self._decode(tokens)
        for length in range(min(count, len(tokens) - 1), 0, -1):
            before = self._decode(tokens[:length])
            rest = text[len(before) :]
            if not (before and rest and text.startswith(before)):  # it ends within a character
                continue
            # models set a space behind a mark too, and it is not shown; languages set one between thousands
            is_between_digits = before[-1].isdigit() and rest.lstrip()[:1].isdigit()
            if is_between_digits or is_one_number(before, rest.lstrip()) or is_fraction(before, rest):
                continue
            if rest[0].isspace() or not (self._spaced or is_one(before, rest) or is_within(before, rest)):
                return length
        return 0
