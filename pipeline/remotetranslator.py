"""The translator whose model is behind an endpoint: a dialogue for each language, all asked side by side.

In: final source text, segment by segment, and the languages that are wanted, which may change between two segments.
Out: its translations, or what was said, marked, where none came in time (`remote.py`). Knows no HTTP, no audio and no
viewers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from surtitle.pipeline.callbacks import always, ignore
from surtitle.pipeline.dialogue import Dialogue
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.glossary import Glossary, terms_of
from surtitle.pipeline.guards import Guards
from surtitle.pipeline.languages import Language, find_language
from surtitle.pipeline.remote import LIVE, Budget, Remote
from surtitle.pipeline.state import SavedConversations
from surtitle.pipeline.text import is_mute


class RemoteTranslator:
    """One speaker's words in several languages: what `translator.Translator` is, without a model here."""

    def __init__(
        self,
        remote: Remote,
        source: Language,
        targets: Sequence[Language],
        *,
        window: int,
        budget: Budget = LIVE,
        glossary: Callable[[], Glossary] = Glossary,
    ) -> None:
        """`window` is about the tokens of earlier turns that are sent with each segment."""
        self._remote = remote
        self._source = source
        self._window = window
        self._budget = budget
        self._glossary = glossary
        self._dialogues = {target.code: self._begun(target) for target in targets}
        self._past = Counter[str]()  # of dialogues that are over
        self._failures = self._outages = 0

    def retarget(self, targets: Sequence[str]) -> None:
        """What `Translator.retarget` does."""
        before = self._dialogues
        self._dialogues = {code: before.get(code) or self._begun(find_language(code)) for code in targets}
        for code in before.keys() - self._dialogues.keys():
            self._past.update(before[code].figures())

    def _begun(self, target: Language) -> Dialogue:
        prompts = self._remote.profile.prompts(self._source, target)
        guards = Guards(prompts, self._remote.identifier)
        terms = terms_of(self._glossary, self._source.code, target.code)
        return Dialogue(prompts, guards, window=self._window, terms=terms)

    def translate(
        self,
        text: str,
        *,
        in_time: Callable[[], bool] = always,
        wrote: Callable[[str, int], None] = ignore,
    ) -> Iterator[tuple[str, Translated]]:
        """What `Translator.translate` does; `wrote` hears of pieces of text instead of tokens."""
        if is_mute(text):
            yield from ((language, Translated(text)) for language in self._dialogues)
            return
        steps = {language: each.translating(text, in_time) for language, each in self._dialogues.items()}
        fared = yield from self._remote.translations(steps, self._budget, in_time, wrote)
        self._failures += fared.failed
        self._outages += fared.left_alone

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool = True) -> Iterator[tuple[str, Drafted]]:
        """Nothing: a draft would send all again, and nothing could hold the translation to what it promised."""
        yield from ()

    def abandon(self) -> None:
        """Nothing was drafted."""

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """Nothing to put in order: all is sent again each time."""

    def state(self) -> SavedConversations:
        """Nothing that could be taken up."""
        return {}

    def restore(self, state: SavedConversations) -> bool:
        """False: nothing of it is taken up (and `--state` is refused beside an endpoint)."""
        return False

    def figures(self) -> dict[str, int]:
        """For the log's end line, all languages together."""
        found = Counter(self._past)
        for dialogue in self._dialogues.values():
            found.update(dialogue.figures())
        return {
            **found,
            "endpoint_failures": self._failures,
            "endpoint_outages": self._outages,
        }
