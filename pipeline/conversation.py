"""One language pair's endless conversation with the language model.

In: source text, segment by segment. Out: steps (`sinks/lockstep.py`) whose result is its translation, or how it begins.
Turns join a context that is never reset (`context.py`), so it lasts through pauses and for hours. A term of the
glossary that is said, or a name that was translated before, is read first as a turn of its own, unless a turn in the
window tells it. What is no translation is made again; what the glossary has other words for by now too, in a pause.
Knows no other conversation and no audio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from surtitle.pipeline.answers import Answer, best_of, made_again
from surtitle.pipeline.aside import LONGEST_SOURCE, PromptTokens, Told, Watch, source_tokens
from surtitle.pipeline.callbacks import Noted, ignore, never
from surtitle.pipeline.context import Context
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.glossary import GlossaryTerms, Rendering
from surtitle.pipeline.guards import Guards, repeats
from surtitle.pipeline.halves import made_whole
from surtitle.pipeline.languages import Language
from surtitle.pipeline.ledger import Turn
from surtitle.pipeline.leftovers import shows_leftovers
from surtitle.pipeline.memory import TermMemory
from surtitle.pipeline.negation import is_denial_lost
from surtitle.pipeline.numerals import numbers_as
from surtitle.pipeline.promises import Promises, Shown
from surtitle.pipeline.state import Counts, SavedConversation, Talk
from surtitle.pipeline.terms import Terms
from surtitle.pipeline.text import as_spoken, exclaims, is_mute, is_spaced
from surtitle.sinks.beams import Beams
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import NoRoom
from surtitle.sinks.lockstep import Steps, until, without
from surtitle.sinks.stream import TokenStream


class Conversation:
    """One language pair's endless conversation. What it does are steps, to be made together with others'."""

    def __init__(
        self,
        engine: Engine,
        source: Language,
        target: Language,
        stream: TokenStream,
        *,
        promises: bool,
        beams: Beams | None,
        terms: GlossaryTerms,
        memory: TermMemory,
    ) -> None:
        """Pin the prompt in the empty `stream`.

        With `beams`, which others may use too, several translations are weighed. `terms` tells which terms of the
        glossary a text mentions; `memory` will learn the names.
        """
        self._tokenizer = engine.tokenizer
        prompts = engine.profile.prompts(source, target)
        ladder = [PromptTokens(engine.tokenizer, prompt) for prompt in prompts]
        self._prompt = ladder[0]
        if stream.cache.capacity < self._prompt.room:
            raise UserError(
                f"a window of {stream.cache.capacity} tokens is too small beside a prompt of "
                f"{len(self._prompt.prefix)}: expected at least {self._prompt.room}"
            )
        self._context = Context(engine.model, stream, self._prompt)
        self._stream = stream
        self._ladder = tuple(engine.aside(prompt) for prompt in ladder)
        self._guards = Guards(prompts, engine.identifier)
        self._terms = Terms(engine.tokenizer, ladder, terms, memory, source, target)
        self._promises = Promises(engine.tokenizer.decode, spaced=is_spaced(target.code), shown=promises)
        self._beams = beams
        self._exclaiming = engine.exclaiming
        self._leftovers = engine.leftovers if shows_leftovers(source, target) else None
        self._pair = source.code, target.code
        self.counts = Counts()
        """What happened so far."""

    def translating(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Translated]:
        """See `Translator.translate`."""
        if is_mute(text) and not self._promises.tokens:
            self.abandon()
            return Translated(text)
        if self._beams and in_time():
            answer = yield from self._weighing(self._beams, text, wrote)
        else:
            answer = yield from self._answering(text, never, wrote)
        if answer.fault == "repeat":
            self._leave_out(text, answer.text)
        if (not answer.is_sound or answer.missed) and in_time():
            self.counts.retries += not answer.is_sound
            answer = yield from self._mending(text, answer, in_time, wrote)
        self.counts.tokens_written += len(answer.tokens)
        promised = self._text(text, self._promises.tokens)
        if answer.fault is None:
            self.counts.terms += len(self._terms.wanted(text))
            self.counts.terms_missed += answer.missed
            self._join(text, answer.text)
            return Translated(answer.text)
        self.abandon()
        self.counts.untranslated += 1
        return Translated(f"{promised} …" if promised else text, untranslated=True)

    def abandon(self) -> None:
        """Nothing stays of the open turn, nor of what was promised of it."""
        self._context.leave_turn()
        self._promises.drop()

    def joining(self, text: str, translation: str) -> Steps[None]:
        """See `Translator.join`."""
        yield from self._reading_turn(text, self._tokenizer.encode_plain(translation))
        self._join(text, translation)

    def drafting(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Steps[Drafted]:
        """See `Translator.draft`. What is no translation is not shown: of it there is no more than was promised."""
        answer = yield from self._answering(text, stop, ignore)
        self._promises.note(text, answer, binds=binds)
        promised = self._text(text, self._promises.tokens)
        self._promises.shown = Shown(self._spoken(text, self._promises.tokens), promised)
        return Drafted(promised if answer.fault else answer.text, len(promised))

    def _beginning(self, text: str) -> Steps[tuple[list[int], int, int]]:
        """Read the terms of `text` that are told nowhere, and begin its turn. What is still to be read up to what was
        promised of its translation, how many tokens that may have, and how many of them are left.
        """
        promised = self._promises.tokens
        turn, limit = self._prompt.turn(text), self._limit(text)
        left = max(0, limit - len(promised))
        if known := self._terms.known(text):  # or what tells them would be evicted for this turn
            need = len(turn) + len(promised) + left + sum(len(self._telling(term)) for term in known)
            cache = self._stream.cache
            self._context.make_room(min(need, cache.capacity - cache.pinned))
        yield from self._recalling(text)
        return self._context.begin_turn([*turn, *promised], left), limit, left

    def _answering(self, text: str, stop: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Answer]:
        if (drafted := self._drafted(text, wrote)) is not None:
            return drafted
        behind, limit, left = yield from self._beginning(text)
        told = Told(self._promises.tokens, wrote)
        draft, bias = self._promises.guess, self._promises.bias(text)
        writing = self._calm(
            text,
            self._stream.writing(told.push, stop=self._prompt.stop, limit=left, draft=draft, bias=bias, behind=behind),
        )
        watch = self._watch(text, told)
        is_whole = yield from until(writing, lambda: watch() or stop())
        return self._judged(text, told.tokens, limit, is_whole=is_whole or watch.is_lost)

    def _drafted(self, text: str, wrote: Callable[[int], None]) -> Answer | None:
        """The draft of `text`, if the cache ends in all of it and no term has come up since: the model would write it
        again to the last token."""
        draft = self._promises.draft
        if not draft.is_whole or draft.source != text:
            return None
        ends_so = self._context.holds([*self._prompt.turn(text), *draft.tokens])
        if not ends_so or not all(map(self._context.ledger.tells, self._terms.known(text))):
            return None
        told = Told(self._promises.tokens, wrote)
        for token in draft.tokens[len(self._promises.tokens) :]:
            told.push(token)
        return self._judged(text, told.tokens, self._limit(text))

    def _weighing(self, beams: Beams, text: str, wrote: Callable[[int], None]) -> Steps[Answer]:
        """The answer that the likely ones agree with most, read. Others wait for the search, which fills a forward."""
        promised = self._promises.tokens
        behind, limit, left = yield from self._beginning(text)
        yield from self._calm(text, self._stream.reading(behind))
        if left < 1:  # more was promised of it, when it was guessed to be longer, than it may have
            return self._judged(text, promised, limit)
        found = beams.search(self._stream, stop=self._prompt.stop, limit=left, never=self._never(text))
        answers = [self._judged(text, [*promised, *each.tokens], limit) for each in found]
        best, told = best_of(answers), Told(promised, wrote)
        written = best.tokens[len(promised) :]
        for token in written:
            told.push(token)
        yield from self._stream.reading(written)
        return best

    def _mending(
        self, text: str, first: Answer, in_time: Callable[[], bool], wrote: Callable[[int], None]
    ) -> Steps[Answer]:
        """`first`, or what those who know no context make in its place, which is read there if it is a translation."""
        again = partial(self._again, text, self._promises.tokens, wrote)
        answer = yield from made_again(first, again, prompts=len(self._ladder), in_time=in_time)
        if answer is not first and answer.fault is None:
            yield from self._reading_turn(text, answer.tokens)
        return answer

    def _again(
        self, text: str, promised: Sequence[int], wrote: Callable[[int], None], prompt: int, with_words: bool
    ) -> Steps[Answer]:
        """See `made_again`: by one who knows no context, behind what was `promised`."""
        said = self._terms.put_in(text) if with_words else text
        length, nothing = len(self._tokenizer.encode_plain(said)), Answer([], "", "empty", 0)
        if length > LONGEST_SOURCE:  # the glossary's words may be longer than those said
            return nothing
        told, limit = Told(promised, wrote), self._prompt.limit(length)
        terms = [(term.said, self._tokenizer.encode_plain(term.wanted)) for term in self._terms.known(text)]
        try:
            answering = self._calm(text, self._ladder[prompt].answering(terms, said, told, limit))
            yield from until(answering, self._watch(text, told))
        except NoRoom:  # a GPU that is full translates on, and makes nothing again
            return nothing
        return self._judged(text, told.tokens, limit, before=())

    def _calm(self, text: str, steps: Steps[None]) -> Steps[None]:
        """`steps` that translate `text`, and leave no common word of it as it is where its script tells; and that set
        no mark of exclamation that is not there: models that chat set many, in Spanish every fourth turn has one, and
        professionals none."""
        tokens = self._never(text)
        return steps if tokens is None else without(steps, tokens)

    def _never(self, text: str) -> Tensor | None:
        """The tokens (n,) that its translation must not have, if there are any."""
        said = (text, *(term.wanted for term in self._terms.known(text)))
        found = [] if any(map(exclaims, said)) else [self._exclaiming]
        if self._leftovers:
            found.append(torch.tensor(self._leftovers.tokens(text, said[1:]), dtype=torch.long))
        return torch.cat(found) if found else None

    def _leave_out(self, text: str, translation: str) -> None:
        """The turns that `translation` of `text` repeats are left out of the context when it is read again."""
        for turn in self.turns:
            if repeats(text, translation, turn.source, turn.translation):
                self._context.ledger.correct(turn, replace(turn, ids=()))

    def _reading_turn(self, text: str, written: Sequence[int]) -> Steps[None]:
        yield from self._context.reading_turn([*self._prompt.turn(text), *written])

    def _recalling(self, text: str) -> Steps[None]:
        """Read the terms and names of `text` that no turn in the window tells the translation of."""
        for term in self._terms.known(text):
            if not self._context.ledger.tells(term):
                ids = tuple(self._telling(term))
                yield from self._context.adding(Turn(term.said, term.wanted, ids, tells=(term,), term=True))
                self.counts.recalled_tokens += len(ids)

    def _telling(self, term: Rendering) -> list[int]:
        """The tokens of `term`, as a turn."""
        return [*self._prompt.turn(term.said), *self._tokenizer.encode_plain(term.wanted)]

    def _limit(self, text: str) -> int:
        """Tokens that the translation of `text` may have. Raises UserError for too long a segment."""
        return self._prompt.limit(len(source_tokens(self._tokenizer, text)))

    def _join(self, text: str, translation: str) -> None:
        """The open turn is over, and stays."""
        self._terms.memory.learn(text, translation)
        told, asked = self._terms.told(text, translation), tuple(self._terms.wanted(text))
        self._context.end_turn(Turn(text, translation, (), told, asked))
        self._promises.drop()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is in the window."""
        return self._context.ledger.turns

    def move(self, cache: SinkCache) -> None:
        """Go on in `cache`, which is empty, beside others."""
        self._stream.move(cache)

    def correct(self, turn: Turn, translation: str) -> None:
        """Have `translation` in the context for one of `turns`, as soon as it is read again.

        Raises ValueError for a turn that is in the window no more.
        """
        better = Turn(
            turn.source,
            translation,
            (*self._prompt.turn(turn.source), *self._tokenizer.encode_plain(translation)),
            tells=self._terms.told(turn.source, translation),
            asked=tuple(self._terms.wanted(turn.source)),
        )
        self._context.ledger.correct(turn, better)
        self.counts.corrected += 1

    def resting(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> Steps[None]:
        """See `Translator.rest`."""
        paused = Noted(pause)
        if (yield from until(self._remaking(paused), stop)) and not paused.is_true:
            self.counts.rebuilds += yield from self._context.rereading(lambda: stop() or pause())

    def _remaking(self, pause: Callable[[], bool]) -> Steps[None]:
        """Where the glossary has other words by now, make turns again, and leave out those that tell the old ones.

        A turn that has not the words wanted then either stays as it is: nobody puts them in. A `pause` is made behind
        a turn that was made again.
        """
        ledger = self._context.ledger
        for turn in ledger.turns:
            wanted = tuple(self._terms.wanted(turn.source))
            if turn.term and turn.tells[0] not in self._terms.known(turn.source):
                ledger.correct(turn, replace(turn, ids=()))
            elif not turn.term and not set(wanted) <= set(turn.asked):
                absent, better = self._terms.missed(turn.source, turn.translation), ""
                if absent:
                    answer = yield from self._again(turn.source, (), ignore, prompt=0, with_words=True)
                    better = answer.text if answer.is_sound and answer.missed < absent else ""
                # not before: a rest that is cut short asks again
                looked_at = replace(turn, asked=wanted, tells=self._terms.told(turn.source, turn.translation))
                ledger.correct(turn, looked_at)
                if better:
                    self.correct(looked_at, better)
                if absent and pause():
                    return

    def state(self) -> SavedConversation:
        """All that it knows, for `restore`; a draft that is open is left."""
        cache = self._context.state()
        talk = Talk(
            self._prompt.digest, self.turns, self._terms.memory.held, replace(self.counts), self._context.rebuilt
        )
        return SavedConversation(talk, cache)

    def restore(self, kept: SavedConversation) -> None:
        """Go on where another was, which had said nothing yet.

        Raises ValueError where it had another prompt or model, or a larger window; then this one is of no use.
        """
        talk = kept.talk
        if talk.prompt != self._prompt.digest:
            raise ValueError("it was saved with another prompt")
        self._context.restore(kept.cache, talk.turns, talk.rebuilt)
        self._terms.memory.restore(talk.memory)
        self.counts = replace(talk.counts)

    def _watch(self, source: str, told: Told) -> Watch:
        return Watch(told, lambda tokens: self._guards.is_lost(source, self._tokenizer.decode(tokens)))

    def _judged(
        self,
        source: str,
        written: list[int],
        limit: int,
        *,
        is_whole: bool = True,
        before: Sequence[Turn] | None = None,
    ) -> Answer:
        """What was `written` for `source` by a model that was shown the turns `before`, or all in the window."""
        text = self._text(source, written)
        shown = [(turn.source, turn.translation) for turn in (self.turns if before is None else before)]
        decoded, finished = self._tokenizer.decode(written), len(written) < limit
        fault = self._guards.fault(source, decoded, finished=finished, is_whole=is_whole, before=shown)
        is_opposite = is_denial_lost(source, text, spoken=self._pair[0], wanted=self._pair[1])
        return Answer(written, text, fault, self._terms.missed(source, text), is_whole, is_opposite)

    def _text(self, source: str, tokens: Sequence[int]) -> str:
        spoken = self._spoken(source, tokens)
        return self._promises.shown.begins(
            spoken, lambda text: made_whole(numbers_as(text, source, *self._pair), source)
        )

    def _spoken(self, source: str, tokens: Sequence[int]) -> str:
        return as_spoken(self._tokenizer.decode(tokens), source)

    @property
    def is_reread(self) -> bool:
        """Whether its context is being read again, from pause to pause."""
        return self._context.is_reread

    @property
    def evictions(self) -> int:
        """How many times turns were evicted."""
        return self._stream.cache.evictions

    @property
    def cache_tokens(self) -> int:
        """Tokens in the cache now."""
        return self._stream.cache.length

    @property
    def names(self) -> int:
        """Names that are remembered, with their words."""
        return len(self._terms.memory)
