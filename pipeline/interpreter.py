"""The interpreter: a translator for each language that is spoken, made when it is first heard.

In: final source text and its language, segment by segment. Out: its translations, into every language that is wanted
but the one it is in. Each direction has a context of its own. Knows no model, no audio and no viewers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.state import State


class OneSource(Protocol):
    """What `translator.Translator` does: it translates from one language."""

    def translate(
        self, text: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]: ...

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]: ...

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None: ...

    def state(self) -> State: ...

    def restore(self, state: State) -> None: ...

    def figures(self) -> Mapping[str, int]: ...


Make = Callable[[str, tuple[str, ...]], OneSource]
"""A translator from one language into others, by their ISO 639-1 codes."""


class Interpreter:
    """Translators by the language they translate from."""

    def __init__(
        self, make: Make, sources: Sequence[str], targets: Sequence[str], *, state: State | None = None
    ) -> None:
        """Make a translator from the first of `sources` at once, since that takes a moment; from others when needed.

        Go on from `state`. Raises ValueError where that does not fit.
        """
        self._make = make
        self._sources = tuple(sources)
        self._targets = tuple(targets)
        self._translators: dict[str, OneSource | None] = {}
        self._from(sources[0])
        self._restore(state or {})

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        """What `Translator.translate` does, of `text` in the language `spoken`."""
        translator = self._from(spoken)
        if translator is not None:
            yield from translator.translate(text, in_time=in_time, wrote=wrote)

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        """What `Translator.draft` does, of `text` in the language `spoken`."""
        translator = self._from(spoken)
        if translator is not None:
            yield from translator.draft(text, stop, binds=binds)

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """What `Translator.rest` does, for one language that was spoken after the other."""
        for translator in self._translators.values():
            if translator is not None and not stop():
                translator.rest(stop, pause)

    def state(self) -> State:
        """All that was said and is still known."""
        made = filter(None, self._translators.values())
        return {pair: kept for translator in made for pair, kept in translator.state().items()}

    def _restore(self, state: State) -> None:
        for source in dict.fromkeys(pair.partition("-")[0] for pair in state):
            translator = self._from(source) if source in self._sources else None
            if translator is None:
                raise ValueError(f"it is from {source}, expected one of {', '.join(self._sources)}")
            translator.restore({pair: kept for pair, kept in state.items() if pair.startswith(f"{source}-")})

    def figures(self) -> dict[str, int]:
        """`Translator.figures` of all together; `cache_tokens_max` is of one conversation."""
        found: dict[str, int] = {}
        for translator in self._translators.values():
            for name, figure in {} if translator is None else translator.figures().items():
                found[name] = max(found.get(name, 0), figure) if name.endswith("_max") else found.get(name, 0) + figure
        return found

    def _from(self, spoken: str) -> OneSource | None:
        """None where nothing is wanted but the language that is spoken."""
        if spoken not in self._translators:
            targets = tuple(target for target in self._targets if target != spoken)
            self._translators[spoken] = self._make(spoken, targets) if targets else None
        return self._translators[spoken]
