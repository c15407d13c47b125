"""Turns in tokens, and those who translate one turn without knowing any other.

In: a segment, and the terms that it mentions. Out: steps (`sinks/lockstep.py`) that write its translation with nothing
before it but a prompt. Knows no context and no rule of what is a translation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.prompts import Prompt, turn_format
from surtitle.sinks.cache import Mark
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.lockstep import Steps
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

LONGEST_SOURCE = 280
"""Tokens of one segment: longer ones are refused, for no speech segment is."""
_USUAL = 1.6
"""Tokens of a translation for each of its source that are nothing unusual."""
LOOKS = 8
"""Tokens from one look at what is written to the next."""
TERM_TOKENS = 160
"""Tokens that the terms of one segment may have as turns."""


class PromptTokens:
    """A prompt in tokens, as the model's chat template writes it."""

    def __init__(self, tokenizer: Tokenizer, prompt: Prompt) -> None:
        turns = turn_format(tokenizer.render, prompt)
        self._tokenizer = tokenizer
        self._before_speech, self._before_answer = turns.before_speech, turns.before_answer
        self.prefix = tokenizer.encode(turns.beginning)
        # the first mark behind an answer ends it: not a space, which stands before many a word
        ends = [tokenizer.encode(text) for text in prompt.stop]
        ends.append(tokenizer.encode(turns.before_speech.lstrip())[:1])
        self.stop = frozenset({tokenizer.eos, *(ids[0] for ids in ends if len(ids) == 1)})
        said, translated = (len(tokenizer.encode_plain(side.example)) for side in (prompt.source, prompt.target))
        self._stretch = max(1.0, translated / said / _USUAL)
        self.room = len(self.prefix) + len(self.turn("")) + LONGEST_SOURCE + longest(LONGEST_SOURCE)
        """Tokens that it takes with the longest turn behind it."""

    @property
    def digest(self) -> str:
        """What tells this prompt from others."""
        return sha256(repr((self.prefix, self.turn(""))).encode()).hexdigest()

    def limit(self, source: int) -> int:
        """Tokens that the translation of `source` tokens may have; in a language that the tokenizer spells out letter
        by letter as many more as the worked example has.
        """
        return min(round(self._stretch * longest(source)), longest(LONGEST_SOURCE))

    def turn(self, said: str) -> list[int]:
        """What stands between two translations: what was `said`, and the template's words around it. Of one text, since
        a tokenizer may have a space before a word in its token, or set one itself where a text begins.
        """
        return self._tokenizer.encode_between(self._before_speech, said, self._before_answer)


class Told:
    """The tokens of a translation: what was promised, and what comes, which is counted."""

    def __init__(self, promised: Sequence[int], wrote: Callable[[int], None]) -> None:
        self.tokens = list(promised)
        self._count = 0
        self._wrote = wrote

    def push(self, token: int) -> None:
        self.tokens.append(token)
        self._count += 1
        self._wrote(self._count)


class Watch:
    """Looks now and then at what was told: what is no translation need not be written to its end, for seconds."""

    def __init__(self, told: Told, is_lost: Callable[[Sequence[int]], bool]) -> None:
        """`is_lost` says of tokens whether a translation can't begin so."""
        self._told = told
        self._is_lost = is_lost
        self._looked_at = len(told.tokens)
        self.is_lost = False

    def __call__(self) -> bool:
        """Whether to end it."""
        if not self.is_lost and len(self._told.tokens) >= self._looked_at + LOOKS:
            self._looked_at = len(self._told.tokens)
            self.is_lost = self._is_lost(self._told.tokens)
        return self.is_lost


class Aside:
    """One who knows nothing but a prompt. It is read when it is first needed, since that takes a second."""

    def __init__(self, model: Decoder, prompt: PromptTokens) -> None:
        self._model = model
        self._prompt = prompt
        self._stream: TokenStream | None = None
        self._begin: Mark | None = None

    def answering(self, terms: Sequence[tuple[str, Sequence[int]]], said: str, told: Told, limit: int) -> Steps[None]:
        """Write a translation of what was `said`, of `limit` tokens at most, behind what is already `told` of it;
        whatever was read before is forgotten. `terms` are said and translated before, each as a turn.
        """
        if self._stream is None or self._begin is None:
            self._stream = TokenStream(self._model, capacity=self._prompt.room + TERM_TOKENS)
            self._stream.pin(self._prompt.prefix)
            self._begin = self._stream.mark()
        self._stream.rollback(self._begin)
        for term, wanted in terms:
            yield from self._stream.reading([*self._prompt.turn(term), *wanted])
        yield from self._stream.reading([*self._prompt.turn(said), *told.tokens])
        yield from self._stream.writing(told.push, stop=self._prompt.stop, limit=limit - len(told.tokens))


def source_tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of a segment. Raises UserError for too long a segment."""
    source = tokenizer.encode_plain(text)
    if len(source) > LONGEST_SOURCE:
        raise UserError(f"a segment of {len(source)} tokens, expected at most {LONGEST_SOURCE}: cut it into sentences")
    return source


def longest(source: int) -> int:
    """Tokens of a translation at most: it is about as long as its source; twice that and a little is runaway."""
    return 2 * source + 24
