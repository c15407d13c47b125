"""The translator: a living conversation per target language, all in step.

In: final source text, segment by segment, and the languages that are wanted, which may change between two segments.
Out: its translations. What the languages read next goes through the model in one forward, and each is there when it is
finished. Knows no audio and no viewers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial

from surtitle.pipeline.aside import source_tokens
from surtitle.pipeline.callbacks import Noted, always, ignore, never
from surtitle.pipeline.conversation import Conversation
from surtitle.pipeline.engine import WINDOW, Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.glossary import Glossary, terms_of
from surtitle.pipeline.languages import Language, find_language
from surtitle.pipeline.memory import CAPACITY, TermMemory
from surtitle.pipeline.state import Counts, SavedConversations
from surtitle.pipeline.text import is_mute
from surtitle.sinks.beams import Beams
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import NoRoom
from surtitle.sinks.lockstep import alone, together
from surtitle.sinks.stream import TokenStream


def _counted(conversation: Conversation) -> dict[str, int]:
    return {**asdict(conversation.counts), "evictions": conversation.evictions}


class Translator:
    """One speaker's words in several languages: a conversation for each, in step."""

    def __init__(
        self,
        engine: Engine,
        source: Language,
        targets: Sequence[Language],
        *,
        window: int = WINDOW,
        promises: bool = False,
        beams: int = 1,
        glossary: Callable[[], Glossary] = Glossary,
        names: int = CAPACITY,
    ) -> None:
        """`window` is the tokens that each conversation holds, or as many as the model's profile says at least. Raises
        UserError for one that is too small, and where a GPU holds no more conversations.

        With `promises`, translations begin with what two drafts of them agreed on. With several `beams`, final
        translations are searched for, and of what comes of that the one is taken that the others agree with most
        (`consensus.py`); languages are then written one after the other. `glossary` is asked at each segment. As many
        `names` are remembered, for each language.
        """
        self._engine = engine
        self._source = source
        self._window = max(window, engine.profile.window)
        self._promises = promises
        self._width = beams
        self._glossary = glossary
        self._names = names
        self._conversations: dict[str, Conversation] = {}
        self._past = dict.fromkeys((*asdict(Counts()), "evictions"), 0)  # of conversations that are over
        self._cache_tokens_max = 0
        self._side_by_side(targets)

    def retarget(self, targets: Sequence[str]) -> None:
        """Translate into `targets` (ISO 639-1 codes) from now on; those that were there go on with all they know.

        Raises UserError as `__init__` does; then all is as it was.
        """
        self._side_by_side([find_language(code) for code in targets])

    def _side_by_side(self, targets: Sequence[Language]) -> None:
        if all(target.code in self._conversations for target in targets):
            return self._keep(self._conversations, targets)
        try:
            caches = self._engine.model.caches(len(targets), self._window)
            beams = self._engine.beams(self._width, self._window)
        except NoRoom as error:
            raise UserError(f"{error}, so no more languages can be translated at once; try again later") from error
        except ValueError as error:
            raise UserError(f"{error}; choose another --window") from error
        pairs = list(zip(targets, caches, strict=True))
        fresh = {
            target.code: self._begun(target, cache, beams)
            for target, cache in pairs
            if target.code not in self._conversations
        }
        for target, cache in pairs:
            if target.code in self._conversations:
                self._conversations[target.code].move(cache)
        return self._keep({**self._conversations, **fresh}, targets)

    def _keep(self, conversations: Mapping[str, Conversation], targets: Sequence[Language]) -> None:
        known = dict(conversations)
        self._conversations = {target.code: known.pop(target.code) for target in targets}
        self._past = {
            name: count + sum(_counted(each)[name] for each in known.values()) for name, count in self._past.items()
        }

    def _begun(self, target: Language, cache: SinkCache, beams: Beams | None) -> Conversation:
        return Conversation(
            self._engine,
            self._source,
            target,
            TokenStream(self._engine.model, cache),
            promises=self._promises,
            beams=beams,
            terms=terms_of(self._glossary, self._source.code, target.code),
            memory=TermMemory(self._source, target, capacity=self._names),
        )

    def translate(
        self,
        text: str,
        *,
        in_time: Callable[[], bool] = always,
        wrote: Callable[[str, int], None] = ignore,
    ) -> Iterator[tuple[str, Translated]]:
        """The language and the translation of the next segment, language by language as they are finished; all of them
        and their source join the context.

        What is no translation (`guards.py`) is made once more without context, and then with a stricter prompt, as long
        as `in_time` says that there is time. What fails in the end does not join the context, and what was said stands
        in its place. `wrote(language, count)` is called after each token with the count so far, which begins at 1 again
        where the translation is made again. Raises UserError for too long a segment: nothing is left of it.
        """
        try:
            if not is_mute(text):  # marks alone are not read, however many: a line that was drawn in a text
                source_tokens(self._engine.tokenizer, text)
        except UserError:
            self.abandon()
            raise
        languages = list(self._conversations)
        steps = [each.translating(text, in_time, partial(wrote, code)) for code, each in self._conversations.items()]
        for index, translation in together(self._engine.model, steps):
            yield languages[index], translation
        self._cache_tokens_max = max(self._cache_tokens_max, *(each.cache_tokens for each in self.conversations))

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool = True) -> Iterator[tuple[str, Drafted]]:
        """The language and the translation of how the next segment begins, as far as time allows, language by language
        as they are finished. They leave no trace in the context, but for what it is told of terms and names.

        The draft of all of the segment is its translation, and nothing is read again. Where the final one agrees with
        the draft of a part, or with one that was cut short, several of its tokens are read in one forward; with several
        beams it is searched for anew. Without `promises` its result is the same with and without drafts, but where two
        tokens are equally likely. With them, what two drafts in a row agree on is promised, unless this one `binds`
        nobody: that of a guess, which another segment may take the place of. `stop` is asked after every forward: true
        ends the drafts there.
        """
        languages = list(self._conversations)
        steps = [each.drafting(text, stop, binds=binds) for each in self.conversations]
        for index, drafted in together(self._engine.model, steps):
            yield languages[index], drafted

    def abandon(self) -> None:
        """The segment that was drafted is not translated: nothing stays of it."""
        for each in self.conversations:
            each.abandon()

    def join(self, text: str, translations: Mapping[str, str]) -> None:
        """The next segment was translated elsewhere: it joins the context of each language of `translations` so."""
        for language, translation in translations.items():
            alone(self._engine.model, self._conversations[language].joining(text, translation))

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool] = never) -> None:
        """Nobody speaks: read the contexts again that have lost turns or were corrected, without what is gone.

        One language after the other, what was begun first, so that there is one more context than languages at most.
        `stop` is asked after every slice of tokens: true ends it there, and the next rest goes on. `pause` is asked
        only where nothing is lost by it, so that rests which are paused again and again come to an end.
        """
        paused = Noted(pause)
        for each in sorted(self.conversations, key=lambda each: not each.is_reread):
            if not (paused.is_true or stop()):
                alone(self._engine.model, each.resting(stop, paused))

    def state(self) -> SavedConversations:
        """All that the conversations know."""
        return {f"{self._source.code}-{code}": each.state() for code, each in self._conversations.items()}

    def restore(self, state: SavedConversations) -> bool:
        """Go on where another was, in the languages that both have; before anything is translated. Whether any are.

        Raises ValueError where it had another prompt or model, or a larger window; then this one is of no use.
        """
        pairs = {f"{self._source.code}-{code}": each for code, each in self._conversations.items()}
        both = pairs.keys() & state.keys()
        for pair in both:
            pairs[pair].restore(state[pair])
            for name, count in _counted(pairs[pair]).items():
                self._past[name] -= count  # of a run before: figures are of this one
        return bool(both)

    @property
    def tokens_written(self) -> int:
        """Tokens of all translations so far."""
        return sum(each["tokens_written"] for each in (self._past, *map(_counted, self.conversations)))

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """In the order of the targets."""
        return tuple(self._conversations.values())

    def figures(self) -> dict[str, int]:
        """For the log's end line, all languages together but for `cache_tokens_max`, which is of one."""
        counts = [self._past, *map(_counted, self.conversations)]
        return {
            **{name: sum(each[name] for each in counts) for name in self._past if name != "tokens_written"},
            "names": sum(each.names for each in self.conversations),
            "cache_tokens": sum(each.cache_tokens for each in self.conversations),
            "cache_tokens_max": self._cache_tokens_max,
        }
