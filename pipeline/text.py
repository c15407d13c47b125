"""How words become text in the languages of the world, as far as segmenting and joining need it.

In: words, codes. Out: text. Pure functions; knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable

_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_SENTENCE_ENDS = ".?!…。？！؟।"
_CLAUSE_ENDS = ",;:，；：、،—–"
_CLOSERS = "\"'”’»)]}」』）"
# fmt: off
_ABBREVIATIONS = frozenset(
    {
        "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "no", "vol", "fig",
        "approx", "inc", "ltd", "co", "gen", "col", "sgt", "capt", "rev", "hon", "pp", "cf", "z.b", "d.h",
        "u.a", "bzw", "ca", "nr", "bspw", "usw", "ggf", "sra", "srta", "ud", "uds", "p.ej", "aprox", "núm",
        "pág", "m", "mme", "mlle",
    }
)
# fmt: on


def is_spaced(language: str) -> bool:
    """Whether words of `language` are written with spaces between them."""
    return language not in _UNSPACED


def joined(words: Iterable[str], language: str) -> str:
    """One line of text: spaces between words where the language has them, none before closing punctuation."""
    if not is_spaced(language):
        return "".join(words)
    text = ""
    for word in words:
        text += word if not text or is_punctuation(word) or is_rest(word) else f" {word}"
    return text


def is_punctuation(word: str) -> bool:
    """True for marks that cling to the word before them."""
    return bool(word) and all(mark in _SENTENCE_ENDS + _CLAUSE_ENDS + _CLOSERS for mark in word)


def is_rest(word: str) -> bool:
    """True for the second half of a hyphenated word, recognised after its first (`-attention`)."""
    return len(word) > 1 and word[0] == "-" and word[1].isalpha()


def ends_sentence(word: str) -> bool:
    """True if `word` ends a sentence: not after an abbreviation, an initial or an ordinal."""
    bare = word.rstrip(_CLOSERS)
    if not bare or bare[-1] not in _SENTENCE_ENDS:
        return False
    if bare[-1] != "." or bare.endswith("..."):
        return True
    stem = bare[:-1].lstrip("\"'“‘«([{¿¡").lower()
    is_initial = len(stem) == 1 and stem.isalpha() and stem != "i"
    return not (stem in _ABBREVIATIONS or is_initial or (stem.isdigit() and len(stem) < 3) or "." in stem)


def ends_clause(word: str) -> bool:
    """True if a reader could pause after `word`."""
    bare = word.rstrip(_CLOSERS)
    return bool(bare) and (bare[-1] in _CLAUSE_ENDS or ends_sentence(word))
