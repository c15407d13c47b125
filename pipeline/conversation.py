"""One language pair's endless conversation with the language model.

In: source text, segment by segment. Out: steps (`sinks/lockstep.py`) whose result is its translation, or how it begins.
The pinned prefix (instruction and a worked example) is the attention sink; whole turns roll behind it, and are evicted
whole between forwards; nothing is ever reset, so context lasts through pauses and for hours. A term of the glossary
that is said is read before as a turn of its own, unless one is still in the window. Knows no other conversation and no
audio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.glossary import Rendering, missed, put_in
from surtitle.pipeline.guards import Fault, Guards
from surtitle.pipeline.languages import Language
from surtitle.pipeline.prompts import Prompt, turn_format
from surtitle.pipeline.text import is_spaced
from surtitle.sinks.cache import Mark
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.lockstep import Steps
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

_LONGEST_SOURCE = 280
"""Tokens of one segment: longer ones are refused, for no speech segment is."""
_TERMS = 4
"""Terms of one segment that are looked after, and which together may have _TERM_TOKENS tokens as turns."""
_TERM_TOKENS = 160
_CUT_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What a token decodes to that ends within a character."""


Terms = Callable[[str], Sequence[Rendering]]
"""The terms of a glossary that a text mentions, with the words wanted for them."""


def _never() -> bool:
    return False


def _ignore(*tokens: object) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class _Answer:
    tokens: list[int]
    text: str
    fault: Fault | None
    missed: int
    """Terms that it does not have."""


class Conversation:
    """One language pair's endless conversation. What it does are steps, to be made together with others'."""

    def __init__(
        self, engine: Engine, source: Language, target: Language, stream: TokenStream, *, promises: bool, terms: Terms
    ) -> None:
        """Pin the prompt in the empty `stream`. `terms` tells which terms of the glossary a text mentions."""
        self._tokenizer = engine.tokenizer
        prompts = engine.profile.prompts(source, target)
        ladder = [_Prompt(engine.tokenizer, prompt) for prompt in prompts]
        self._prompt = ladder[0]
        if stream.cache.capacity < self._prompt.room:
            raise UserError(
                f"a window of {stream.cache.capacity} tokens is too small beside a prompt of "
                f"{len(self._prompt.prefix)}: expected at least {self._prompt.room}"
            )
        self._stream = stream
        self._stream.pin(self._prompt.prefix)
        self._ladder = tuple(_Aside(engine.model, prompt) for prompt in ladder)
        in_source = engine.identifier.likelihood(source.code, other=target.code)
        self._guards = Guards(source, target, prompt="\n".join(prompt.shown for prompt in prompts), in_source=in_source)
        self._source, self._target = source, target
        self._terms = terms
        self._recalled: dict[Rendering, int] = {}  # how many tokens had been held or evicted before a term's turn
        self._turn: Mark | None = None  # where the open turn began
        self._read: list[int] = []  # what the cache holds of the open turn's source
        self._draft: list[int] = []
        self._promised: list[int] = []  # what the open turn's translation begins with
        self._promises = promises
        self._spaced = is_spaced(target.code)
        self.tokens_written = 0
        """Tokens of all translations so far."""
        self.retries = 0
        """Segments whose translation was made again, without context."""
        self.untranslated = 0
        """Segments that had none in the end."""
        self.terms = 0
        """Terms of the glossary that were said, once a segment."""
        self.terms_missed = 0
        """Of them, those whose translations have other words."""

    def translating(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Translated]:
        """See `Translator.translate`."""
        answer = yield from self._answering(text, _never, wrote)
        if answer.fault is not None and in_time():
            self.retries += 1
            answer = yield from self._retrying(text, in_time, wrote)
        elif answer.missed and in_time():
            answer = yield from self._insisting(text, answer, wrote)
        if answer.fault is None:
            self._stream.cache.end_turn()
            self.terms += len(self._terms_of(text))
            self.terms_missed += answer.missed
        elif self._turn is not None:
            self._stream.rollback(self._turn)
        promised = self._text(self._promised)
        self._turn, self._read, self._draft, self._promised = None, [], [], []
        self.tokens_written += len(answer.tokens)
        if answer.fault is None:
            return Translated(answer.text)
        self.untranslated += 1
        return Translated(f"{promised} …" if promised else text, untranslated=True)

    def drafting(self, text: str, stop: Callable[[], bool]) -> Steps[Drafted]:
        """See `Translator.draft`. What is no translation is not shown: of it there is no more than was promised."""
        answer = yield from self._answering(text, stop, _ignore)
        before, self._draft = self._draft, answer.tokens
        if answer.fault is None and self._promises:
            agreed = self._whole_words(answer.tokens, _shared(before, answer.tokens))
            self._promised = answer.tokens[: max(agreed, len(self._promised))]
        promised = self._text(self._promised)
        return Drafted(promised if answer.fault else answer.text, len(promised))

    def _answering(self, text: str, stop: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[_Answer]:
        source, limit = self._source_of(text)
        left = limit - len(self._promised)
        yield from self._recalling(text)
        yield from self._reading_turn([*self._prompt.turn(source), *self._promised], left)
        written = _Told(self._promised, wrote)
        draft = self._draft[len(self._promised) :]
        yield from _until(self._stream.writing(written.push, stop=self._prompt.stop, limit=left, draft=draft), stop)
        return self._judged(text, written.tokens, limit)

    def _retrying(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[_Answer]:
        """The first answer of those who know no context that has no fault, read in its place; or the last one."""
        source, limit = self._source_of(text)
        for aside in self._ladder:
            answer = yield from self._asking(aside, text, wrote)
            if answer.fault is None:
                yield from self._reading_turn(self._prompt.turn(source), limit)
                yield from self._stream.reading(answer.tokens)
            if answer.fault is None or not in_time():
                break
        return answer

    def _insisting(self, text: str, answer: _Answer, wrote: Callable[[int], None]) -> Steps[_Answer]:
        """`answer`, or another with more of the glossary's words, made without context and read in its place."""
        shown = put_in(self._terms_of(text), text, self._source.code)
        again = yield from self._asking(self._ladder[0], text, wrote, shown=shown)
        if again.fault is not None or again.missed >= answer.missed:
            return answer
        source, limit = self._source_of(text)
        yield from self._reading_turn(self._prompt.turn(source), limit)
        yield from self._stream.reading(again.tokens)
        return again

    def _asking(
        self, aside: _Aside, text: str, wrote: Callable[[int], None], *, shown: str | None = None
    ) -> Steps[_Answer]:
        """What one who knows no context makes of `text`, or of what is `shown` in its place."""
        source, limit = self._source_of(shown or text)
        written = _Told(self._promised, wrote)
        terms = [self._tokens_of(term) for term in self._terms_of(text)]
        yield from aside.answering(terms, source, self._promised, limit, written.push)
        return self._judged(text, written.tokens, limit)

    def _recalling(self, text: str) -> Steps[None]:
        """Read the terms of `text` that no turn in the window tells the translation of."""
        cache = self._stream.cache
        for term in self._terms_of(text):
            if self._recalled.get(term, -1) >= cache.evicted + cache.pinned:
                continue
            if self._turn is not None:
                self._stream.rollback(self._turn)
                self._turn, self._read = None, []
            said, wanted = self._tokens_of(term)
            ids = [*self._prompt.turn(said), *wanted]
            cache.make_room(len(ids))
            self._recalled[term] = cache.evicted + cache.length
            yield from self._stream.reading(ids)
            cache.end_turn()

    def _terms_of(self, text: str) -> Sequence[Rendering]:
        found: list[Rendering] = []
        tokens = 0
        for term in self._terms(text)[:_TERMS]:
            tokens += len(self._prompt.turn(())) + sum(map(len, self._tokens_of(term)))
            if tokens <= _TERM_TOKENS:
                found.append(term)
        return found

    def _tokens_of(self, term: Rendering) -> tuple[list[int], list[int]]:
        return self._tokenizer.encode_plain(term.said), self._tokenizer.encode_plain(term.wanted)

    def _whole_words(self, tokens: Sequence[int], count: int) -> int:
        """How many of the first `count` of `tokens` end before a space: what follows begins a word of its own."""
        for length in range(min(count, len(tokens) - 1), 0, -1):
            before, after = (self._tokenizer.decode(tokens[:end]) for end in (length, length + 1))
            rest = after.removeprefix(before)
            cut = before.endswith(_CUT_CHARACTER)
            if after.startswith(before) and rest and not cut and (rest[0].isspace() or not self._spaced):
                return length
        return 0

    def _source_of(self, text: str) -> tuple[list[int], int]:
        """The tokens of a segment, and how many its translation may have."""
        source = self._tokenizer.encode_plain(text)
        if len(source) > _LONGEST_SOURCE:
            raise UserError(
                f"a segment of {len(source)} tokens, expected at most {_LONGEST_SOURCE}: cut it into sentences"
            )
        return source, _limit(len(source))

    def _judged(self, source: str, written: list[int], limit: int) -> _Answer:
        text = self._text(written)
        fault = self._guards.fault(source, text, finished=len(written) < limit)
        return _Answer(written, text, fault, len(missed(self._terms_of(source), text, self._target.code)))

    def _text(self, tokens: Sequence[int]) -> str:
        return " ".join(self._tokenizer.decode(tokens).split())

    def _reading_turn(self, ids: list[int], limit: int) -> Steps[None]:
        """Have the cache end in `ids`, with room for `limit` more; what a draft already read of them stays."""
        cache = self._stream.cache
        need = len(ids) + limit
        if self._turn is None or self._turn.length + need > cache.capacity:
            if self._turn is not None:
                self._stream.rollback(self._turn)
            cache.make_room(need)
            self._turn, self._read = self._stream.mark(), []
        same = _shared(self._read, ids[:-1])  # the last token is read again, for its logits
        self._stream.rollback(replace(self._turn, length=self._turn.length + same))
        yield from self._stream.reading(ids[same:])
        self._read = ids

    @property
    def evictions(self) -> int:
        """How many times turns were evicted."""
        return self._stream.cache.evictions

    @property
    def cache_tokens(self) -> int:
        """Tokens in the cache now."""
        return self._stream.cache.length


class _Prompt:
    """A prompt in tokens, as the model's chat template writes it."""

    def __init__(self, tokenizer: Tokenizer, prompt: Prompt) -> None:
        turns = turn_format(tokenizer.render, prompt)
        self.prefix = tokenizer.encode(turns.beginning)
        self._before_speech = tokenizer.encode(turns.before_speech)
        self._before_answer = tokenizer.encode(turns.before_answer)
        # the first mark behind an answer ends it: not a space, which stands before many a word
        ends = [tokenizer.encode(text) for text in prompt.stop]
        ends.append(tokenizer.encode(turns.before_speech.lstrip())[:1])
        self.stop = frozenset({tokenizer.eos, *(ids[0] for ids in ends if len(ids) == 1)})
        self.room = len(self.prefix) + len(self.turn(())) + _LONGEST_SOURCE + _limit(_LONGEST_SOURCE)
        """Tokens that it takes with the longest turn behind it."""

    def turn(self, source: Sequence[int]) -> list[int]:
        """What stands between two translations."""
        return [*self._before_speech, *source, *self._before_answer]


class _Aside:
    """One who knows nothing but a prompt. It is read when it is first needed, since that takes a second."""

    def __init__(self, model: Decoder, prompt: _Prompt) -> None:
        self._model = model
        self._prompt = prompt
        self._stream: TokenStream | None = None

    def answering(
        self,
        terms: Sequence[tuple[Sequence[int], Sequence[int]]],
        source: Sequence[int],
        promised: Sequence[int],
        limit: int,
        say: Callable[[int], object],
    ) -> Steps[None]:
        """Tell `say` the tokens of a translation, at most `limit` with those that were `promised`; then forget them.

        `terms` are said and translated before, each as a turn.
        """
        if self._stream is None:
            self._stream = TokenStream(self._model, capacity=self._prompt.room + _TERM_TOKENS)
            self._stream.pin(self._prompt.prefix)
        mark = self._stream.mark()
        for said, wanted in terms:
            yield from self._stream.reading([*self._prompt.turn(said), *wanted])
        yield from self._stream.reading([*self._prompt.turn(source), *promised])
        yield from self._stream.writing(say, stop=self._prompt.stop, limit=limit - len(promised))
        self._stream.rollback(mark)


class _Told:
    """The tokens of a translation: what was promised, and what comes, which is counted."""

    def __init__(self, promised: Sequence[int], wrote: Callable[[int], None]) -> None:
        self.tokens = list(promised)
        self._count = 0
        self._wrote = wrote

    def push(self, token: int) -> None:
        self.tokens.append(token)
        self._count += 1
        self._wrote(self._count)


def _until(steps: Steps[None], stop: Callable[[], bool]) -> Steps[None]:
    """`steps` until they end, or `stop` says so between two of them."""
    try:
        read = next(steps)
        while True:
            read = steps.send((yield read))
            if stop():
                return
    except StopIteration:
        return


def _limit(source: int) -> int:
    """Tokens of a translation at most: it is about as long as its source; twice that and a little is runaway."""
    return 2 * source + 24


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
