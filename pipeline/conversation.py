"""One language pair's endless conversation with the language model.

In: source text, segment by segment. Out: steps (`sinks/lockstep.py`) whose result is its translation, or how it begins.
Turns join a context that is never reset (`context.py`), so it lasts through pauses and for hours. A term of the
glossary that is said, or a name that was translated before, is read first as a turn of its own, unless a turn in the
window tells it. What is no translation is made again; what the glossary has other words for by now too, in a pause.
Knows no other conversation and no audio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from surtitle.pipeline.answers import Answer, best_of
from surtitle.pipeline.aside import LONGEST_SOURCE, Aside, PromptTokens, Told, Watch, source_tokens, until
from surtitle.pipeline.context import Context
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.glossary import GlossaryTerms, Rendering, missed, put_in
from surtitle.pipeline.guards import Guards
from surtitle.pipeline.languages import Language
from surtitle.pipeline.ledger import Turn
from surtitle.pipeline.memory import TermMemory
from surtitle.pipeline.state import Counts, SavedConversation, Talk
from surtitle.pipeline.terms import Terms
from surtitle.pipeline.text import goes_on, is_spaced, shared
from surtitle.sinks.beams import Beams
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import NoRoom
from surtitle.sinks.lockstep import Steps
from surtitle.sinks.stream import TokenStream

_CUT_CHARACTER = "\N{REPLACEMENT CHARACTER}"
"""What a token decodes to that ends within a character."""
DRAFT_BIAS = 1.0
"""Nats by which a token of the draft before may be less likely than another, and stays where drafts are shown."""


def never() -> bool:
    """Nothing is more urgent."""
    return False


def _ignore(*tokens: object) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class _Draft:
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
        self._source, self._target = source, target
        self._terms = Terms(engine.tokenizer, ladder, terms, memory)
        self._draft = _Draft()
        self._promised: list[int] = []  # what it will begin with
        self._promises = promises
        self._beams = beams
        self._spaced = is_spaced(target.code)
        self.counts = Counts()
        """What happened so far."""

    def translating(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Translated]:
        """See `Translator.translate`."""
        if self._beams and in_time():
            answer = yield from self._weighing(self._beams, text, wrote)
        else:
            answer = yield from self._answering(text, never, wrote)
        if answer.fault is not None and in_time():
            self.counts.retries += 1
            answer = yield from self._retrying(text, in_time, wrote)
        elif answer.missed and in_time():
            answer = yield from self._insisting(text, answer, wrote)
        self.counts.tokens_written += len(answer.tokens)
        promised = self._text(self._promised)
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
        self._draft, self._promised = _Draft(), []

    def joining(self, text: str, translation: str) -> Steps[None]:
        """See `Translator.join`."""
        yield from self._reading_turn(text, self._tokenizer.encode_plain(translation))
        self._join(text, translation)

    def drafting(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Steps[Drafted]:
        """See `Translator.draft`. What is no translation is not shown: of it there is no more than was promised."""
        answer = yield from self._answering(text, stop, _ignore)
        if answer.is_whole:
            before = self._draft.leads if self._draft.is_of(text) else ()
            misleads = answer.fault is not None and self._promises
            self._draft = _Draft(text, answer.tokens, is_whole=True, misleads=misleads)
            if answer.fault is None and self._promises and binds:
                agreed = self._whole_words(answer.tokens, shared(before, answer.tokens))
                self._promised = answer.tokens[: max(agreed, len(self._promised))]
        elif answer.fault in (None, "answer") and len(answer.tokens) > len(self._draft.leads):
            self._draft = _Draft(text, answer.tokens)  # the final goes on from there; half a question has no mark yet
        promised = self._text(self._promised)
        return Drafted(promised if answer.fault else answer.text, len(promised))

    def _beginning(self, text: str) -> Steps[tuple[list[int], int, int]]:
        """Read the terms of `text` that are told nowhere, and begin its turn. What is still to be read up to what was
        promised of its translation, how many tokens that may have, and how many of them are left.
        """
        source = source_tokens(self._tokenizer, text)
        limit = self._prompt.limit(len(source))
        left = max(0, limit - len(self._promised))
        if known := self._terms.known(text):  # or what tells them would be evicted for this turn
            terms = sum(len(self._prompt.turn(said)) + len(wanted) for said, wanted in map(self._terms.ids, known))
            need = len(self._prompt.turn(source)) + len(self._promised) + left + terms
            cache = self._stream.cache
            self._context.make_room(min(need, cache.capacity - cache.pinned))
        yield from self._recalling(text)
        return self._context.begin_turn([*self._prompt.turn(source), *self._promised], left), limit, left

    def _answering(self, text: str, stop: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Answer]:
        if (drafted := self._drafted(text, wrote)) is not None:
            return drafted
        behind, limit, left = yield from self._beginning(text)
        told = Told(self._promised, wrote)
        draft = self._draft.leads[len(self._promised) :]
        bias = DRAFT_BIAS if self._promises and self._draft.is_of(text) else 0.0
        writing = self._stream.writing(
            told.push, stop=self._prompt.stop, limit=left, draft=draft, bias=bias, behind=behind
        )
        watch = self._watch(text, told)
        is_whole = yield from until(writing, lambda: watch() or stop())
        return self._judged(text, told.tokens, limit, is_whole=is_whole or watch.is_lost)

    def _drafted(self, text: str, wrote: Callable[[int], None]) -> Answer | None:
        """The draft of `text`, if the cache ends in all of it and no term has come up since: the model would write it
        again to the last token."""
        if not self._draft.is_whole or self._draft.source != text:
            return None
        source = source_tokens(self._tokenizer, text)
        ends_so = self._context.holds([*self._prompt.turn(source), *self._draft.tokens])
        if not ends_so or not all(map(self._context.ledger.tells, self._terms.known(text))):
            return None
        told = Told(self._promised, wrote)
        for token in self._draft.tokens[len(self._promised) :]:
            told.push(token)
        return self._judged(text, told.tokens, self._prompt.limit(len(source)))

    def _weighing(self, beams: Beams, text: str, wrote: Callable[[int], None]) -> Steps[Answer]:
        """The answer that the likely ones agree with most, read. Others wait for the search, which fills a forward."""
        behind, limit, left = yield from self._beginning(text)
        yield from self._stream.reading(behind)
        if left < 1:  # more was promised of it, when it was guessed to be longer, than it may have
            return self._judged(text, self._promised, limit)
        found = beams.search(self._stream, stop=self._prompt.stop, limit=left)
        answers = [self._judged(text, [*self._promised, *each.tokens], limit) for each in found]
        best, told = best_of(answers), Told(self._promised, wrote)
        written = best.tokens[len(self._promised) :]
        for token in written:
            told.push(token)
        yield from self._stream.reading(written)
        return best

    def _retrying(self, text: str, in_time: Callable[[], bool], wrote: Callable[[int], None]) -> Steps[Answer]:
        """The first answer of those who know no context that has no fault, read in its place; or the last one."""
        for aside in self._ladder:
            answer = yield from self._asking(aside, text, text, Told(self._promised, wrote))
            if answer.fault is None:
                yield from self._reading_turn(text, answer.tokens)
            if answer.fault is None or not in_time():
                break
        return answer

    def _insisting(self, text: str, answer: Answer, wrote: Callable[[int], None]) -> Steps[Answer]:
        """`answer`, or another with more of the glossary's words, made without context and read in its place."""
        shown = self._put_in(text)
        if not self._fits(shown):
            return answer
        again = yield from self._asking(self._ladder[0], text, shown, Told(self._promised, wrote))
        if again.fault is not None or again.missed >= answer.missed:
            return answer
        yield from self._reading_turn(text, again.tokens)
        return again

    def _asking(self, aside: Aside, text: str, shown: str, told: Told) -> Steps[Answer]:
        """What one who knows no context makes of `text`, or of what is `shown` in its place."""
        source = source_tokens(self._tokenizer, shown)
        limit = self._prompt.limit(len(source))
        terms = [self._terms.ids(term) for term in self._terms.known(text)]
        try:
            yield from until(aside.answering(terms, source, told, limit), self._watch(text, told))
        except NoRoom:  # a GPU that is full translates on, and makes nothing again
            return Answer([], "", "empty", 0)
        return self._judged(text, told.tokens, limit)

    def _reading_turn(self, text: str, written: Sequence[int]) -> Steps[None]:
        source = source_tokens(self._tokenizer, text)
        yield from self._context.reading_turn([*self._prompt.turn(source), *written])

    def _fits(self, text: str) -> bool:
        """Whether it is short enough to be translated: the glossary's words may be longer than those said."""
        return len(self._tokenizer.encode_plain(text)) <= LONGEST_SOURCE

    def _put_in(self, text: str) -> str:
        """`text` with the words that the glossary wants in it already."""
        return put_in(self._terms.wanted(text), text, self._source.code)

    def _recalling(self, text: str) -> Steps[None]:
        """Read the terms and names of `text` that no turn in the window tells the translation of."""
        for term in self._terms.known(text):
            if not self._context.ledger.tells(term):
                said, wanted = self._terms.ids(term)
                ids = (*self._prompt.turn(said), *wanted)
                yield from self._context.adding(Turn(term.said, term.wanted, ids, tells=(term,), term=True))
                self.counts.recalled_tokens += len(ids)

    def _join(self, text: str, translation: str) -> None:
        """The open turn is over, and stays."""
        self._terms.memory.learn(text, translation)
        told, asked = self._told(text, translation), tuple(self._terms.wanted(text))
        self._context.end_turn(Turn(text, translation, (), told, asked))
        self._draft, self._promised = _Draft(), []

    def _told(self, text: str, translation: str) -> tuple[Rendering, ...]:
        """The terms and names of `text` whose words stand in `translation`."""
        known = self._terms.known(text)
        absent = missed(known, translation, self._target.code)
        return tuple(term for term in known if term not in absent)

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
        source, written = (self._tokenizer.encode_plain(text) for text in (turn.source, translation))
        better = Turn(
            turn.source,
            translation,
            (*self._prompt.turn(source), *written),
            tells=self._told(turn.source, translation),
            asked=tuple(self._terms.wanted(turn.source)),
        )
        self._context.ledger.correct(turn, better)
        self.counts.corrected += 1

    def resting(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> Steps[None]:
        """See `Translator.rest`."""
        is_paused = False

        def pauses() -> bool:
            nonlocal is_paused
            is_paused = pause()
            return is_paused

        if (yield from until(self._remaking(pauses), stop)) and not is_paused:
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
                absent = len(missed(wanted, turn.translation, self._target.code))
                shown, better = self._put_in(turn.source), ""
                if absent and self._fits(shown):
                    answer = yield from self._asking(self._ladder[0], turn.source, shown, Told((), _ignore))
                    better = answer.text if answer.fault is None and answer.missed < absent else ""
                # not before: a rest that is cut short asks again
                looked_at = replace(turn, asked=wanted, tells=self._told(turn.source, turn.translation))
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
            raise ValueError("it is of another prompt")
        self._context.restore(kept.cache, talk.turns, talk.rebuilt)
        self._terms.memory.restore(talk.memory)
        self.counts = replace(talk.counts)

    def _whole_words(self, tokens: Sequence[int], count: int) -> int:
        """How many of the first `count` of `tokens` end before a space: what follows begins a word of its own."""
        for length in range(min(count, len(tokens) - 1), 0, -1):
            before, after = (self._tokenizer.decode(tokens[:end]) for end in (length, length + 1))
            rest = after.removeprefix(before)
            cut = before.endswith(_CUT_CHARACTER)
            if after.startswith(before) and rest and not cut and (rest[0].isspace() or not self._spaced):
                return length
        return 0

    def _watch(self, source: str, told: Told) -> Watch:
        return Watch(told, lambda tokens: self._guards.is_lost(source, self._tokenizer.decode(tokens)))

    def _judged(self, source: str, written: list[int], limit: int, *, is_whole: bool = True) -> Answer:
        text = self._text(written)
        fault = self._guards.fault(source, self._tokenizer.decode(written), finished=len(written) < limit)
        return Answer(written, text, fault, len(missed(self._terms.wanted(source), text, self._target.code)), is_whole)

    def _text(self, tokens: Sequence[int]) -> str:
        return " ".join(self._tokenizer.decode(tokens).split())

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
