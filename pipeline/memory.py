"""The names that were translated, and how: remembered when their turns have long left the window.

In: segments and their translations, as they are made. Out: for a text, the names in it whose words are known. A pair is
known at once where both are spelt nearly alike, or in another script sound so; otherwise when one word stood in the
translations of three segments that have the name, and no other did; a pair that translations do not follow is
forgotten. The least recently heard are forgotten first. Wrong words would be worse than none. Knows no model, no prompt
and no glossary.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from surtitle.pipeline.glossary import Rendering, missed
from surtitle.pipeline.languages import Language
from surtitle.pipeline.names import Name, common_words, names, same_name
from surtitle.pipeline.transcribed import Stretch, transcribed

CAPACITY = 4096
"""Pairs, guesses and common words that are remembered, of each."""
_SEEN = 3
"""Segments in which words that are not alike must have met."""
_LONG = 5
"""Letters of a word that is no common one by chance where it begins a sentence in both languages, and is the same."""
_MISSES = 2
"""Translations in a row without the words known, after which they are no longer."""
_ENDING = 2
"""Letters that an inflection adds to a name."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """A name and its words."""

    said: str
    wanted: str
    sure: bool
    """Whether it can be no common word."""
    missed: int = 0
    """Translations in a row that had other words."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A name that was said, and what may be its words."""

    said: str
    words: frozenset[str]
    """Those that stood in every translation so far."""
    seen: int
    """Segments that had the name."""


@dataclass(frozen=True, slots=True)
class Memorised:
    """All that a memory holds, the least recently heard first."""

    known: tuple[Known, ...] = ()
    guesses: tuple[Guess, ...] = ()
    common: tuple[str, ...] = ()
    """Words that were said without a capital."""


class TermMemory:
    """The names of one conversation."""

    def __init__(self, source: Language, target: Language, *, capacity: int = CAPACITY) -> None:
        """`capacity` bounds the pairs, and what may become one; with 0 nothing is remembered."""
        self._source, self._target = source, target
        self._known = _Recent[Known](capacity)
        self._guesses = _Recent[Guess](capacity)
        self._common = _Recent[bool](capacity)

    def __len__(self) -> int:
        return len(self._known)

    @property
    def held(self) -> Memorised:
        """All of it, for `restore`."""
        return Memorised(tuple(self._known.values()), tuple(self._guesses.values()), tuple(self._common))

    def restore(self, held: Memorised) -> None:
        """Go on with what another one held."""
        for known in held.known:
            self._known.put(known.said, known)
        for guess in held.guesses:
            self._guesses.put(guess.said, guess)
        for word in held.common:
            self._common.put(word, True)

    def renderings(self, text: str) -> tuple[Rendering, ...]:
        """Of the names in `text` those whose words are known."""
        known = (self._find(name.text) for name in names(text, self._source))
        return tuple(dict.fromkeys(Rendering(each.said, each.wanted) for each in known if each))

    def learn(self, source: str, translation: str) -> None:
        """`source` was translated so."""
        for common in common_words(source, self._source):
            self._common.put(common, True)
            unsure = self._known.get(common.capitalize())
            if unsure and not unsure.sure:
                del self._known[unsure.said]
        said, made = names(source, self._source), names(translation, self._target)
        found = {name.text: self._find(name.text) or _alike(name, made) for name in said}
        heard = self._heard(found, translation)
        wanted = {each.wanted if isinstance(each, Known) else each.text for each in found.values() if each}
        free = frozenset(each.text for each in made if each.sure) - found.keys() - wanted
        for name in said:
            match found[name.text]:
                case Known() as known:
                    self._look_at(known, translation)
                case _ if not name.sure and name.text.lower() in self._common:
                    pass
                case Name() as word:
                    is_sure = name.sure or word.sure
                    same = word.text == name.text and len(name.text) >= _LONG
                    self._see(name.text, word.text, sure=is_sure, at_once=is_sure or same)
                case _ if name.text in heard:
                    is_sure = name.sure and heard[name.text].sure
                    self._see(name.text, heard[name.text].text, sure=is_sure, at_once=is_sure)
                case _ if name.sure:
                    self._guess(name.text, free)

    def _find(self, name: str) -> Known | None:
        """What is known of `name`, or of what it is an inflection of."""
        endings = range(_ENDING + 1) if len(name) >= _LONG + _ENDING else (0,)
        return next(filter(None, (self._known.get(name[: len(name) - ending]) for ending in endings)), None)

    def _heard(self, found: Mapping[str, Known | Name | None], translation: str) -> Mapping[str, Stretch]:
        """Where `translation` writes the names of which nothing is `found` in another script, known words apart."""
        rest = _without(translation, [each.wanted for each in found.values() if isinstance(each, Known)])
        return transcribed([name for name, each in found.items() if each is None], rest, self._target)

    def _look_at(self, known: Known, translation: str) -> None:
        rendering = Rendering(known.said, known.wanted)
        misses = known.missed + 1 if missed([rendering], translation, self._target.code) else 0
        if misses >= _MISSES:
            self._known.discard(known.said)
        else:
            self._known.put(known.said, replace(known, missed=misses))

    def _see(self, name: str, word: str, *, sure: bool, at_once: bool) -> None:
        """`word` is like `name`; it is believed `at_once`, or when it comes twice."""
        before = self._guesses.get(name)
        if at_once or (before is not None and word in before.words):
            self._know(name, word, sure=sure)
        else:
            self._guesses.put(name, Guess(name, frozenset({word}), 1))

    def _guess(self, name: str, words: frozenset[str]) -> None:
        """One of `words` may be what `name` is called."""
        before = self._guesses.get(name)
        left, seen = (words & before.words, before.seen + 1) if before else (words, 1)
        if not left:
            self._guesses.discard(name)
        elif len(left) == 1 and seen >= _SEEN:
            self._know(name, next(iter(left)), sure=True)
        else:
            self._guesses.put(name, Guess(name, left, seen))

    def _know(self, said: str, wanted: str, *, sure: bool) -> None:
        self._guesses.discard(said)
        # the target language's ending belongs to that sentence, not to the name
        bare = said if wanted.startswith(said) and len(said) >= _LONG else wanted
        self._known.put(said, Known(said, bare, sure))


def _alike(name: Name, made: Sequence[Name]) -> Name | None:
    same = same_name(name.text, [word.text for word in made])
    return next((word for word in made if word.text == same), None)


def _without(text: str, words: Iterable[str]) -> str:
    """`text` with spaces for `words`, so that they are no other name's."""
    for word in words:
        text = text.replace(word, " ")
    return text


class _Recent(OrderedDict[str, T]):
    """As many as `capacity`, those that were put in last."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def put(self, key: str, value: T) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._capacity:
            self.popitem(last=False)

    def discard(self, key: str) -> None:
        self.pop(key, None)
