"""Names in a text, and what they became in its translation.

In: a text and its language; a source and its translation. Out: the words that look like names, and for one of them the
word that is the same name, if its spelling says so. No list of names: a capital where a common word has none, letters
beside digits, capitals throughout; where a script has no capitals, katakana and Latin letters. Spellings of two scripts
are compared in Latin letters (anyascii), katakana by the sound. Knows no memory and no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from anyascii import anyascii

from surtitle.pipeline.languages import Language
from surtitle.pipeline.phonetics import consonants, sound_alike
from surtitle.pipeline.sentences import ends_sentence
from surtitle.pipeline.text import is_spaced

_NOUNS_HAVE_CAPITALS = frozenset({"de"})
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_OF_A_SCRIPT_WITHOUT_CAPITALS = re.compile(r"[A-Z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*|[ァ-ヺー]{3,}")
_KATAKANA = re.compile(r"[ァ-ヺー]")
_POSSESSIVE = re.compile(r"['’]s?$")
_ELIDED = re.compile(r"^[a-zàè]{1,5}['’](?=\w)")
_ELIDE, _ARTICLE = frozenset({"fr", "it", "ca"}), re.compile(r"[A-ZÀ][a-zàè]{0,4}['’](?=\w)")
"""L'Europe, where a sentence begins so; elsewhere the name does (L'Oréal)."""
_APART = {"tr": re.compile(r"['’]\w+$"), "hu": re.compile(r"-[a-záéíóöőúüű]{1,5}$")}
"""Endings that are written so behind names (Ankara'dan, NATO-ban)."""
_OPENING = "\"'“”‘«»„([{¿¡-–—*"
_SHORTEST = 3
"""Letters of a name."""
_ALIKE, _ALIKE_IN_TWO_SCRIPTS = 0.8, 0.75
"""Share of letters that two spellings of a name have in common, in their order."""
_FEWEST = 3
"""Consonants of a name whose sound says enough."""
_MARGIN = 0.1
"""By how much the most similar word is more so than the next."""


@dataclass(frozen=True, slots=True)
class Name:
    """A word that looks like a name."""

    text: str
    sure: bool
    """Whether a common word would not look like that there."""


def names(text: str, language: Language) -> list[Name]:
    """The words of `text` that look like names, each once, in their order."""
    found: dict[str, bool] = {}
    is_shouted = _has_capitals(language) and text.isupper()
    says_little = is_shouted or language.code in _NOUNS_HAVE_CAPITALS
    for word, is_first in _words(text, language):
        if _looks_like_a_name(word):
            found[word] = found.get(word, False) or _is_code(word, is_shouted) or not (is_first or says_little)
    return [Name(word, sure) for word, sure in found.items()]


def common_words(text: str, language: Language) -> set[str]:
    """The words of `text` that stand there without a capital."""
    return {word for word, _ in _words(text, language) if word.islower()}


def same_name(name: str, others: Sequence[str]) -> str | None:
    """The one of `others` that is `name` in another spelling; the same word before all."""
    if name in others:
        return name
    ranked = sorted(((_likeness(name, other), other) for other in others), reverse=True)
    if not ranked:
        return None
    best, found = ranked[0]
    is_alone = len(ranked) == 1 or ranked[1][0] <= best - _MARGIN
    enough = _ALIKE_IN_TWO_SCRIPTS if name.isascii() != found.isascii() and not _plain(found).isascii() else _ALIKE
    return found if is_alone and best >= enough else None


def _words(text: str, language: Language) -> Iterator[tuple[str, bool]]:
    """Words, and whether each may look like a name for another reason: the first of a sentence or of what is quoted."""
    if not _has_capitals(language):
        for place in _OF_A_SCRIPT_WITHOUT_CAPITALS.finditer(text):
            yield place.group(), bool(_KATAKANA.match(place.group()))  # which writes common words too
        return
    is_first = True
    for token in text.split():
        for index, place in enumerate(_WORD.finditer(token)):
            word = _ELIDED.sub("", _POSSESSIVE.sub("", place.group()))
            opens = token[: place.start()]
            begins = (is_first and not index) or any(mark in _OPENING for mark in opens[-1:])
            if begins and (article := _ARTICLE.match(word)) and language.code in _ELIDE:
                word, begins = word[article.end() :], False
            if language.code in _APART:
                word = _APART[language.code].sub("", word)
            yield word, begins
        is_first = ends_sentence(token, language.code) or token.endswith((":", "…", "...", "–", "—"))


@lru_cache
def _has_capitals(language: Language) -> bool:
    return is_spaced(language.code) and language.example.swapcase() != language.example


def _looks_like_a_name(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    if letters < len(word) and any(map(str.isdigit, word)):
        return bool(letters)
    return letters >= _SHORTEST - word.isupper() and (word[0].isupper() or bool(_KATAKANA.match(word)))


def _is_code(word: str, is_shouted: bool) -> bool:
    """Such as F-16; or NATO, where not everything is in capitals."""
    return any(map(str.isdigit, word)) or (len(word) > 1 and word.isupper() and not is_shouted)


@lru_cache(4096)
def _plain(word: str) -> str:
    """Letters alone, Latin and small."""
    return "".join(filter(str.isalnum, anyascii(word))).casefold()


def _likeness(one: str, other: str) -> float:
    a, b = _plain(one), _plain(other)
    if min(len(a), len(b)) < _SHORTEST:
        return float(a == b)
    ratio = SequenceMatcher(None, a, b, autojunk=False).ratio()
    for letters, katakana in ((one, other), (other, one)):
        if _KATAKANA.match(katakana) and consonants(letters) >= _FEWEST:
            ratio = max(ratio, sound_alike(letters, katakana))
    return ratio
