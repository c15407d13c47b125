"""The translator: one living conversation per target language, in a sink cache.

In: final source text, segment by segment. Out: its translations. All languages are written in step: what they read
next goes through the model in one forward, and each is there when it is finished. The pinned prefix (instruction and
a worked example) is the attention sink; whole turns roll behind it, and are evicted whole between forwards; nothing
is ever reset, so context lasts through pauses and for hours. Of the session's files, the one that
knows `surtitle.sinks`. Knows no audio and no viewers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.guards import fault
from surtitle.pipeline.languages import Language
from surtitle.pipeline.prompts import instruction, turn_format
from surtitle.sinks.cache import Mark
from surtitle.sinks.load import load_model
from surtitle.sinks.lockstep import Steps, together
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

WINDOW = 1024
"""Tokens in the cache, the pinned prefix included."""
_LONGEST_TURN = 900
"""Tokens of one turn, source and translation."""
_LONGEST_SOURCE = 280
"""Tokens of one segment: longer ones are refused, for no speech segment is."""


def convert_gguf(gguf: Path, out_dir: Path, progress: Callable[[float], None]) -> None:
    """Convert a fetched model to the engine's form, once: see `surtitle.sinks.convert`."""
    # imported here: it needs transformers, which takes seconds, and a running session does not
    from surtitle.sinks.convert import convert_gguf as convert

    convert(gguf, out_dir, progress)


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _ignore(*tokens: object) -> None:
    """Nobody counts."""


class Engine:
    """Weights and tokenizer, shared by all streams; used from one thread at a time."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        """Map the model in `folder` and use `threads` cores. Raises UserError if it can't be loaded."""
        torch.set_num_threads(1)  # what torch does here, moving keys at an eviction, is over in a millisecond
        try:
            self.tokenizer = Tokenizer(folder)
            self.model = load_model(folder, threads=threads)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{folder} holds no loadable translator model ({error}): mend it with `surtitle models fetch`"
            ) from error


class Translator:
    """One speaker's words in several languages: a conversation for each, in step."""

    def __init__(self, engine: Engine, source: Language, targets: Sequence[Language], *, window: int = WINDOW) -> None:
        """`window` is the tokens that each conversation holds. Raises UserError for one that is too small."""
        self._engine = engine
        caches = engine.model.caches(len(targets), window)
        self._conversations = {
            target.code: Conversation(engine, source, target, TokenStream(engine.model, cache))
            for target, cache in zip(targets, caches, strict=True)
        }
        self._cache_tokens_max = 0

    def translate(
        self,
        text: str,
        *,
        in_time: Callable[[], bool] = _always,
        wrote: Callable[[str, int], None] = _ignore,
    ) -> Iterator[tuple[str, str]]:
        """The language and the translation of the next segment, language by language as they are finished; all of them
        and their source join the context.

        What is no translation (`guards.py`) is made once more without context, if `in_time` says that there is time,
        and if that fails too, is shown but does not join the context. `wrote` hears of which language there are how
        many tokens, from each one on: 1 once more where it is made once more.
        """
        languages = list(self._conversations)
        steps = [each.translating(text, in_time, partial(wrote, code)) for code, each in self._conversations.items()]
        for index, translation in together(self._engine.model, steps):
            yield languages[index], translation
        self._cache_tokens_max = max(self._cache_tokens_max, *(each.cache_tokens for each in self.conversations))

    def draft(self, text: str, stop: Callable[[], bool]) -> None:
        """Translate how the next segment begins, as far as time allows, and leave no trace in the context.

        Where the final translation agrees with the draft, several of its tokens are read in one forward; its result
        is the same with and without drafts, but where two tokens are equally likely. `stop` is asked after every
        token: true ends the draft there.
        """
        for _ in together(self._engine.model, [each.drafting(text, stop) for each in self.conversations]):
            """Nobody sees a draft."""

    @property
    def tokens_written(self) -> int:
        """Tokens of all translations so far."""
        return sum(each.tokens_written for each in self.conversations)

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """In the order of the targets."""
        return tuple(self._conversations.values())

    def figures(self) -> dict[str, int]:
        """For the log's end line, all languages together but for `cache_tokens_max`, which is of one."""
        return {
            "retries": sum(each.retries for each in self.conversations),
            "evictions": sum(each.evictions for each in self.conversations),
            "cache_tokens": sum(each.cache_tokens for each in self.conversations),
            "cache_tokens_max": self._cache_tokens_max,
        }


@dataclass(frozen=True, slots=True)
class _Answer:
    tokens: list[int]
    text: str
    fault: str | None


class Conversation:
    """One language pair's endless conversation. What it does are steps, to be made together with others'."""

    def __init__(self, engine: Engine, source: Language, target: Language, stream: TokenStream) -> None:
        """Pin the prompt in the empty `stream`."""
        turns = turn_format(engine.tokenizer.render, instruction(source, target))
        prefix = engine.tokenizer.encode(turns.before_example + source.example + turns.before_answer + target.example)
        window = stream.cache.capacity
        if window < len(prefix) + _LONGEST_TURN:
            raise UserError(
                f"a window of {window} tokens is too small beside a prompt of {len(prefix)}: "
                f"expected at least {len(prefix) + _LONGEST_TURN}"
            )
        self._tokenizer = engine.tokenizer
        self._before_speech = engine.tokenizer.encode(turns.before_speech)
        self._before_answer = engine.tokenizer.encode(turns.before_answer)
        self._stop = frozenset({engine.tokenizer.eos, self._before_speech[0]})
        self._stream = stream
        self._stream.pin(prefix)
        self._engine = engine
        self._prefix = prefix
        # a conversation with nothing behind it but the prompt, for what fails in context; made when first needed,
        # since reading the prompt takes a second
        self._bare: TokenStream | None = None
        self._turn: Mark | None = None  # where the open turn began
        self._read: list[int] = []  # what the cache holds of the open turn's source
        self._draft: list[int] = []
        self.tokens_written = 0
        """Tokens of all translations so far."""
        self._retries = 0

    def translating(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[str]:
        """See `Translator.translate`."""
        answer = yield from self._answering(text, _never, wrote)
        if answer.fault is not None and in_time():
            self._retries += 1
            answer = yield from self._retrying(text, wrote)
        if answer.fault is None:
            self._stream.cache.end_turn()
        elif self._turn is not None:
            self._stream.rollback(self._turn)
        self._turn, self._read, self._draft = None, [], []
        self.tokens_written += len(answer.tokens)
        return answer.text

    def drafting(self, text: str, stop: Callable[[], bool]) -> Steps[None]:
        """See `Translator.draft`."""
        answer = yield from self._answering(text, stop, _ignore)
        self._draft = answer.tokens

    def _answering(self, text: str, stop: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[_Answer]:
        turn, limit = self._turn_of(text)
        yield from self._reading_turn(turn, limit)
        written = _Told(wrote)
        writing = self._stream.writing(written.push, stop=self._stop, limit=limit, draft=self._draft)
        yield from _until(writing, stop)
        return self._judged(text, written.tokens, limit)

    def _retrying(self, text: str, wrote: Callable[[int], None]) -> Steps[_Answer]:
        turn, limit = self._turn_of(text)
        if self._bare is None:
            self._bare = TokenStream(self._engine.model, capacity=len(self._prefix) + _LONGEST_TURN)
            self._bare.pin(self._prefix)
        mark = self._bare.mark()
        yield from self._bare.reading(turn)
        written = _Told(wrote)
        yield from self._bare.writing(written.push, stop=self._stop, limit=limit)
        answer = self._judged(text, written.tokens, limit)
        self._bare.rollback(mark)
        if answer.fault is None:
            yield from self._reading_turn(turn, limit)
            yield from self._stream.reading(answer.tokens)
        return answer

    def _turn_of(self, text: str) -> tuple[list[int], int]:
        source = self._tokenizer.encode_plain(text)
        if len(source) > _LONGEST_SOURCE:
            raise UserError(
                f"a segment of {len(source)} tokens, expected at most {_LONGEST_SOURCE}: cut it into sentences"
            )
        # a translation is about as long as its source; twice that and a little is runaway
        return [*self._before_speech, *source, *self._before_answer], 2 * len(source) + 24

    def _judged(self, source: str, written: list[int], limit: int) -> _Answer:
        text = " ".join(self._tokenizer.decode(written).split())
        return _Answer(written, text, fault(source, text, finished=len(written) < limit))

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
    def retries(self) -> int:
        """How many segments were translated again without context."""
        return self._retries

    @property
    def evictions(self) -> int:
        """How many times turns were evicted."""
        return self._stream.cache.evictions

    @property
    def cache_tokens(self) -> int:
        """Tokens in the cache now."""
        return self._stream.cache.length


class _Told:
    """The tokens of a translation, as they come."""

    def __init__(self, wrote: Callable[[int], None]) -> None:
        self.tokens: list[int] = []
        self._wrote = wrote

    def push(self, token: int) -> None:
        self.tokens.append(token)
        self._wrote(len(self.tokens))


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


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
