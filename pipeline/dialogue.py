"""One language pair's conversation with a model that keeps nothing: all that it should know is said again each time.

In: source text, segment by segment, and the answers to what is asked. Out: what to ask (`Ask`), and then the
translation. Messages begin as they began before, so that a server's prefix cache knows them: the prompt, its example,
then turns, of which the oldest are cut in large steps. What is no translation is asked for once more without turns
before it, then with a stricter prompt, and never joins them. What `conversation.py` is without a cache of its own.
Knows no server and no clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from surtitle.pipeline.answers import Answer, made_again
from surtitle.pipeline.events import Translated
from surtitle.pipeline.glossary import MAX_TERMS, GlossaryTerms, Rendering, missed, put_in
from surtitle.pipeline.guards import Guards, repeats
from surtitle.pipeline.halves import made_whole
from surtitle.pipeline.negation import is_denial_lost
from surtitle.pipeline.numerals import numbers_as
from surtitle.pipeline.prompts import Message, Prompt, TextTurn
from surtitle.pipeline.text import as_spoken, calm

T = TypeVar("T")
TOKEN = 4
"""Bytes of UTF-8 that a token is taken for: about right in any script."""
_MARKS = 8 * TOKEN
"""Bytes that a chat template adds to a turn."""
_KEPT = 0.75
"""Of the longest history, what stays when it is cut."""
_MARK = re.compile(r"<(?=[|｜/\w])|\[(?=/?INST\])")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a model is asked."""

    messages: Sequence[Message]
    limit: int
    """Tokens of the answer at most."""
    stop: tuple[str, ...]
    """Texts that end it."""
    variables: Mapping[str, str | bool]
    """What the chat template is told beside the messages."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said."""

    text: str
    finished: bool
    """It ended by itself."""


class NoAnswer(Exception):
    """Thrown into steps whose question nobody answers."""


class TooMuch(NoAnswer):
    """The same where the question is refused: it may be longer than the model's context."""


Exchange = Generator[Ask, Reply, T]
"""Work that needs answers: yields questions, and returns its result."""


class History:
    """The newest turns that fit."""

    def __init__(self, limit: int) -> None:
        """`limit` is in tokens, as far as bytes tell."""
        self._limit = limit * TOKEN
        self._turns: list[TextTurn] = []
        self._size = 0
        self.cuts = 0
        """How many times the oldest turns were cut."""

    def add(self, turn: TextTurn) -> None:
        """Keep `turn`; where all are too long, cut whole turns until a quarter of the room is free."""
        self._turns.append(turn)
        self._size += _size_of(turn)
        if self._size > self._limit:
            self.cut(_KEPT * self._limit / self._size)

    def cut(self, share: float) -> None:
        """Keep no more than this `share` of it, the newest turns."""
        self.cuts += 1
        kept = share * self._size
        while self._turns and self._size > kept:
            self._size -= _size_of(self._turns.pop(0))

    def leave_out(self, is_wrong: Callable[[TextTurn], bool]) -> None:
        """Without the turns that are not to be shown again."""
        self._turns = [turn for turn in self._turns if not is_wrong(turn)]
        self._size = sum(map(_size_of, self._turns))

    @property
    def turns(self) -> tuple[TextTurn, ...]:
        """From the oldest."""
        return tuple(self._turns)


class Dialogue:
    """One language pair's. What it does are steps, to be made beside others'."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        guards: Guards,
        *,
        window: int,
        terms: GlossaryTerms,
    ) -> None:
        """`prompts` are tried in their order; `terms` tells which terms of the glossary a text mentions."""
        self._prompts = tuple(prompts)
        self._guards = guards
        self._terms = terms
        self._source, self._target = prompts[0].source.code, prompts[0].target.code
        self._history = History(window)
        self._told: set[TextTurn] = set()  # terms that were turns of it
        self._counts = Counter(retries=0, untranslated=0, terms=0, terms_missed=0)

    def figures(self) -> dict[str, int]:
        """For the log's end line, as `Translator.figures` has them."""
        return {**self._counts, "evictions": self._history.cuts}

    def translating(self, text: str, in_time: Callable[[], bool]) -> Exchange[Translated]:
        """See `Translator.translate`; what nobody answers is as untranslated as what can't be translated."""
        terms = self._terms(text)[:MAX_TERMS]
        said = without_marks(text)
        try:
            found = yield from self._found(said, terms, in_time)
        except NoAnswer:
            found = None
        if found is None:
            self._counts["untranslated"] += 1
            return Translated(text, untranslated=True)
        self._history.add((said, without_marks(found.text)))
        self._counts["terms"] += len(terms)
        self._counts["terms_missed"] += found.missed
        return Translated(found.text)

    def _found(self, text: str, terms: Sequence[Rendering], in_time: Callable[[], bool]) -> Exchange[Answer | None]:
        try:
            answer = yield from self._in_context(text, terms)
        except TooMuch:  # a server may hold less than is kept here
            if not self._history.turns:
                raise
            self._history.cut(0.5)
            answer = yield from self._in_context(text, terms)
        if answer.fault == "repeat":
            self._history.leave_out(lambda turn: repeats(text, answer.text, *turn))
        if (not answer.is_sound or answer.missed) and in_time():
            self._counts["retries"] += not answer.is_sound
            again = partial(self._again, text, terms)
            with suppress(NoAnswer):  # the first stays
                answer = yield from made_again(answer, again, prompts=len(self._prompts), in_time=in_time)
        return None if answer.fault else answer

    def _in_context(self, text: str, terms: Sequence[Rendering]) -> Exchange[Answer]:
        self._recall(terms)
        return self._asking(self._prompts[0], self._history.turns, text, text, terms)

    def _again(self, text: str, terms: Sequence[Rendering], prompt: int, with_words: bool) -> Exchange[Answer]:
        """See `made_again`: without any turn but those that tell its terms."""
        shown = put_in(terms, text, self._source) if with_words else text
        return self._asking(self._prompts[prompt], _turns_of(terms), text, shown, terms)

    def _asking(
        self, prompt: Prompt, turns: Sequence[TextTurn], text: str, shown: str, terms: Sequence[Rendering]
    ) -> Exchange[Answer]:
        """What becomes of `text`, which mentions `terms`, or of what is `shown` in its place."""
        messages = prompt.messages([*prompt.examples, *turns], shown)
        reply = yield Ask(messages, limit_of(shown, prompt), prompt.stop, prompt.variables)
        spoken = made_whole(numbers_as(as_spoken(reply.text, text), text, self._source, self._target), text)
        found = calm(spoken, " ".join((text, *(term.wanted for term in terms))))
        fault = self._guards.fault(text, reply.text, finished=reply.finished, before=turns)
        is_opposite = is_denial_lost(text, found, spoken=self._source, wanted=self._target)
        return Answer([], found, fault, len(missed(terms, found, self._target)), is_opposite=is_opposite)

    def _recall(self, terms: Sequence[Rendering]) -> None:
        """Have a turn that tells a term's translation, where there is none any more, and none that tells what the
        glossary does not by now."""
        self._told.intersection_update(self._history.turns)
        old = {turn for turn in self._told if turn not in _turns_of(self._terms(turn[0]))}
        if old:
            self._history.leave_out(old.__contains__)
        told = _turns_of(terms)
        self._told.update(told)
        for turn in 2 * told:  # for one that is added, another that was there may be cut
            if turn not in self._history.turns:
                self._history.add(turn)


def without_marks(text: str) -> str:
    """`text` in which nothing looks like the marks of a chat template (`<|im_end|>`, `</s>`, `[INST]`): a server takes
    them for its own, and speech would end its turn."""
    return _MARK.sub(r"\g<0> ", text)


def limit_of(text: str, prompt: Prompt) -> int:
    """Tokens of a translation at most. Its own tokens are not known: one a byte and a little is runaway in any, the
    bytes being those of `text`, or as many more as the worked example has in its translation (Hindi, Korean)."""
    said, translated = (len(side.example.encode()) for side in (prompt.source, prompt.target))
    return 32 + round(len(text.encode()) * max(1.0, translated / said))


def _turns_of(terms: Sequence[Rendering]) -> list[TextTurn]:
    return [(term.said, term.wanted) for term in terms]


def _size_of(turn: TextTurn) -> int:
    return sum(len(text.encode()) for text in turn) + _MARKS
