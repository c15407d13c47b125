"""The interpreter: a translator for each language that is spoken, made when it is first heard.

In: final source text and its language, segment by segment, and the languages that are wanted, which may change between
two segments. Out: its translations, into every language that is wanted but the one it is in. Each direction has a
context of its own. A model that fails costs a translation and that context, and not the talk, unless it fails at
FAILURES segments in a row: a graphics card that another program has filled may have room again for the next one. Knows
no model, no audio and no viewers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from surtitle.pipeline.callbacks import Noted
from surtitle.pipeline.errors import UserError, one_line
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.state import SavedConversations


class OneSource(Protocol):
    """What `translator.Translator` does: it translates from one language."""

    def translate(
        self, text: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]: ...

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]: ...

    def abandon(self) -> None: ...

    def retarget(self, targets: Sequence[str]) -> None: ...

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None: ...

    def state(self) -> SavedConversations: ...

    def restore(self, state: SavedConversations) -> bool: ...

    def figures(self) -> Mapping[str, int]: ...


SPOKEN = 6
"""Languages that are spoken, the newest, whose contexts are kept: what was misheard must not cost memory for ever."""
FAILURES = 3
"""Segments in a row at which the model fails: the last of them ends the session, or nobody would look for the cause."""
_OF_NOW = ("names", "cache_tokens")
"""Figures of what is held, which nobody holds any more."""
_COUNTED = ("retries", "untranslated", "terms", "terms_missed", "evictions")
"""Figures of every translator, which are there where nothing was to be translated too."""
Make = Callable[[str, tuple[str, ...]], OneSource]
"""A translator from one language into others, by their ISO 639-1 codes."""


class Interpreter:
    """Translators by the language they translate from."""

    def __init__(
        self,
        make: Make,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        state: SavedConversations | None = None,
        tell: Callable[[str], object],
    ) -> None:
        """Make a translator from the first of `sources` at once, since that takes a moment; from others when needed.

        Go on from `state`. Raises ValueError where that does not fit. `tell` hears, once for each cause, why something
        is not translated.
        """
        self._make = make
        self._tell = tell
        self._told: set[str] = set()
        self._sources = tuple(sources)
        self._targets = tuple(targets)
        self._translators: dict[str, OneSource | None] = {}
        self._past = dict.fromkeys(_COUNTED, 0)  # figures of those that are gone
        self._promised: dict[tuple[str, str], str] = {}  # what the open segment's translations begin with
        self._failures = 0  # segments since the last one that was translated
        self._resting = ""  # whose rest was the last, and may have been cut short
        self._from(sources[0])
        self._restore(state or {})

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        """What `Translator.translate` does, of `text` in the language `spoken`; what can't be translated is marked."""
        left = self._owed(spoken)

        def wrote_wanted(target: str, tokens: int) -> None:
            if target in left:  # one that had to stay, where there was no room for others, is nobody's any more
                wrote(target, tokens)

        try:
            translator = self._from(spoken)
            if translator is not None:
                for target, translated in translator.translate(text, in_time=in_time, wrote=wrote_wanted):
                    # what viewers have read stands: a translator that was begun anew knows nothing of it
                    if target in left and translated.text.startswith(left[target]):
                        del left[target]
                        yield target, translated
                self._failures = 0
        except UserError as error:  # too long a segment, or no room for one more conversation: the next may do better
            self._tell_once(f"{find_language(spoken).name} is shown untranslated: {error}")
        except RuntimeError as error:
            self._failures += 1
            if self._failures >= FAILURES:
                raise
            self._begin_anew(spoken, error)
        yield from self._marked(text, left)

    def give_up(self, text: str, spoken: str) -> Iterator[tuple[str, Translated]]:
        """`text`, said in the language `spoken`, marked: its translations would come too late."""
        self._tell_once(
            "the translator does not keep up: what waited too long for it is shown untranslated; `surtitle check` says "
            "which models keep up here"
        )
        translator = self._translators.get(spoken)
        if translator is not None:  # what it drafted of this promises nothing of the next
            translator.abandon()
        yield from self._marked(text, self._owed(spoken))

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        """What `Translator.draft` does, of `text` in the language `spoken`."""
        try:
            translator, wanted = self._from(spoken), self._wanted(spoken)
            if translator is not None:
                for target, drafted in translator.draft(text, stop, binds=binds):
                    stands = drafted.text[: drafted.stable]
                    if target in wanted and stands.startswith(self._promised.get((spoken, target), "")):
                        self._promised[spoken, target] = stands
                        yield target, drafted
        except UserError:  # its final will say so
            return
        except RuntimeError as error:  # its final counts, if it fails too: drafts come every second
            self._begin_anew(spoken, error)

    def retarget(self, targets: Sequence[str]) -> None:
        """What `Translator.retarget` does, for every language that was spoken."""
        self._targets = tuple(targets)
        self._promised = {pair: said for pair, said in self._promised.items() if pair[1] in self._targets}
        for spoken, translator in list(self._translators.items()):
            wanted = self._wanted(spoken)
            if translator is None or not wanted:
                self._let_go(spoken)
            else:
                try:
                    translator.retarget(wanted)
                except UserError as error:  # there is no room for one more: what it can't translate is marked
                    name = find_language(spoken).name
                    self._tell_once(f"{name} can't be translated into all the languages asked for: {error}")
                except RuntimeError as error:
                    self._begin_anew(spoken, error)

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """What `Translator.rest` does, for one language that was spoken after the other."""
        # what was begun is finished first, so that there is no more than one of them
        paused = Noted(pause)
        for spoken, translator in sorted(self._translators.items(), key=lambda each: each[0] != self._resting):
            if translator is not None and not (paused.is_true or stop()):
                try:
                    translator.rest(stop, paused)
                    self._resting = spoken
                except RuntimeError as error:
                    self._begin_anew(spoken, error)

    def state(self) -> SavedConversations:
        """All that was said and is still known. Raises UserError where it can't be had."""
        made = filter(None, self._translators.values())
        try:
            return {pair: kept for translator in made for pair, kept in translator.state().items()}
        except RuntimeError as error:  # copies need room on the card, too
            raise UserError(f"the translator's state can't be saved ({one_line(error)})") from error

    def _owed(self, spoken: str) -> dict[str, str]:
        """The languages that wait for a translation, and what was promised in each."""
        owed = {target: self._promised.get((spoken, target), "") for target in self._wanted(spoken)}
        self._promised = {}
        return owed

    def _marked(self, text: str, owed: Mapping[str, str]) -> Iterator[tuple[str, Translated]]:
        for target, promised in owed.items():
            _add(self._past, {"untranslated": 1})
            yield target, Translated(f"{promised} …" if promised else text, untranslated=True)

    def _begin_anew(self, spoken: str, error: RuntimeError) -> None:
        """Have another translator where this one failed: its contexts, left in mid-forward, are not to be trusted.

        torch's errors of a card (no memory, a kernel that failed) are RuntimeErrors. Nothing wider is taken for one. A
        mistake of ours that is one too is told, and ends the session at the third segment.
        """
        self._let_go(spoken)
        name, why = find_language(spoken).name, one_line(error)
        self._tell_once(f"the translator from {name} failed, and starts again without its context: {why}")

    def _tell_once(self, message: str) -> None:
        cause = re.sub(r"\d+", "", message)  # every segment that is too long has a length of its own
        if cause not in self._told:
            self._told.add(cause)
            self._tell(message)

    def _restore(self, state: SavedConversations) -> None:
        taken = not (state and any(map(self._wanted, self._sources)))  # who translates nothing has no use for any
        for source in dict.fromkeys(pair.partition("-")[0] for pair in state):
            translator = self._from(source) if source in self._sources else None
            if translator is not None:
                mine = {pair: kept for pair, kept in state.items() if pair.startswith(f"{source}-")}
                taken = translator.restore(mine) or taken
        if not taken:
            expected = f"from {', '.join(self._sources)} into {', '.join(self._targets)}"
            raise ValueError(f"it holds {', '.join(state)}, expected translations {expected}")

    def figures(self) -> dict[str, int]:
        """`Translator.figures` of all together; `cache_tokens_max` is of one conversation."""
        found = dict(self._past)
        for translator in filter(None, self._translators.values()):
            _add(found, translator.figures())
        return found

    def _from(self, spoken: str) -> OneSource | None:
        """None where nothing is wanted but the language that is spoken."""
        if spoken not in self._translators:
            targets = self._wanted(spoken)
            self._translators[spoken] = self._make(spoken, targets) if targets else None
        translator = self._translators[spoken] = self._translators.pop(spoken)  # the newest at the end
        if len(self._translators) > SPOKEN:
            self._let_go(next(iter(self._translators)))
        return translator

    def _let_go(self, spoken: str) -> None:
        translator = self._translators.pop(spoken, None)  # making it may have failed
        figures = {} if translator is None else translator.figures()
        _add(self._past, {name: figure for name, figure in figures.items() if name not in _OF_NOW})

    def _wanted(self, spoken: str) -> tuple[str, ...]:
        return tuple(target for target in self._targets if target != spoken)


def _add(found: dict[str, int], figures: Mapping[str, int]) -> None:
    for name, figure in figures.items():
        found[name] = max(found.get(name, 0), figure) if name.endswith("_max") else found.get(name, 0) + figure
