"""How words become text in the languages of the world.

In: words, codes. Out: text. Pure functions; knows no model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from surtitle.pipeline.sentences import CLAUSE_ENDS, CLOSERS, DASHES, SENTENCE_ENDS, ends_clause

EXCLAMATIONS = frozenset("!！¡")
_SPACED = re.compile(r"\s+(?=[!！])")
_BESIDE = re.compile(r"(?<=[!！?？.。…])[!！]+|[!！]+(?=\s*[?？.。…,;，、])")
_LATIN_WORD = re.compile("[0-9A-Za-z]+")
_LETTERS_A_WORD = {"zh": 1.6, "yue": 1.6, "ja": 2.2, "th": 4.0, "lo": 4.0, "my": 5.0}
"""About, in languages without spaces: where a text is cut into words there, recognisers do not say."""
_SAY_AS_THREE, _SAY_AS_TWO = re.compile("[\u3400-\u9fff]"), re.compile("[\u3041-\u30ff\uac00-\ud7a3]")
_WITHOUT_SPACES = frozenset({"ja", "yue", "zh"})
_LEADING, _TRAILING = "เแโใไເແໂໃໄ", "ะาำๅๆฯະາຳໆຯ"
"""Vowels of Thai and Lao that are written before the consonant that they follow, and letters that begin no syllable."""
_WITHIN_NUMBERS = frozenset(".,:")
_CONTRACTED = frozenset({"'s", "'re", "'ll", "'ve", "'d", "'m", "'t"})
"""What English words end with that others were contracted to."""


def is_spaced(language: str) -> bool:
    """Whether words of `language` are written with spaces between them."""
    return language not in _LETTERS_A_WORD


def count_of(words: Iterable[str], language: str) -> float:
    """How many words, marks aside; in a language without spaces an estimate, by its letters, but for Latin words in it
    and numbers.
    """
    if is_spaced(language):
        return sum(not is_punctuation(word) for word in words)
    said = list(words)
    latin = sum(len(_LATIN_WORD.findall(word)) for word in said)
    letters = sum(letter.isalnum() and not is_latin(letter) for word in said for letter in word)
    return latin + letters / _LETTERS_A_WORD[language]


def letters_in(text: str) -> int:
    """Its characters, as letters of an alphabet that would say about as much: one of Chinese says as much as three, a
    kana and a syllable of Korean as much as two."""
    return len(text) + 2 * len(_SAY_AS_THREE.findall(text)) + len(_SAY_AS_TWO.findall(text))


def joined(words: Iterable[str], language: str) -> str:
    """One line of text: spaces between words where the language has them, none before closing punctuation nor within a
    number that was recognised in parts; a dash that is a word of its own was written with one, and so was one before
    what somebody else says (`-Sure? -Yes.`). In others there are some between Latin words.
    """
    spaced, text = is_spaced(language), ""
    for word in words:
        if spaced:
            closes = is_punctuation(word) and word not in DASHES
            goes_on = is_rest(word, language) and not ends_clause(text.rpartition(" ")[2], language)
            apart = bool(text) and not (closes or goes_on or is_fraction(text, word))
        else:
            apart = is_latin(text[-1:]) and is_latin(word[:1])
        text += f" {word}" if apart else word
    return text


def space_between(language: str) -> str:
    """What stands between two sentences of `language`: a space, in Thai too, but in Japanese and Chinese nothing."""
    return "" if language in _WITHOUT_SPACES else " "


def is_one(before: str, after: str) -> bool:
    """Whether what ends with `before` and begins with `after`, without a space between, is cut within a word of Latin
    letters, a number (`100.5`, `10:30`), or a syllable: Thai and Lao write some vowels before the consonant and some
    behind it.
    """
    last, first = before[-1], after[0]
    is_word = is_one_number(before, after) or (is_latin(last) and is_latin(first))
    return is_word or last in _LEADING or first in _TRAILING or is_mark(first)


def is_one_number(before: str, after: str) -> bool:
    """Whether a number may go on from one to the other: `100.` and `5`."""
    return before[-1:] in _WITHIN_NUMBERS and before[-2:-1].isdigit() and after[:1].isdigit()


def is_fraction(before: str, after: str) -> bool:
    """Whether a number goes on with a mark: `3` with `.5`, `10` with `:30`. Nobody writes a space there."""
    return before[-1:].isdigit() and after[:1] in _WITHIN_NUMBERS and after[1:2].isdigit()


def is_mark(letter: str) -> bool:
    """True for what is written with the letter before: a vowel's sign, a tone's."""
    return unicodedata.category(letter).startswith("M")


def is_latin(letter: str) -> bool:
    """True for a letter or a digit of ASCII."""
    return letter.isascii() and letter.isalnum()


def is_punctuation(word: str) -> bool:
    """True for marks that cling to the word before them."""
    return bool(word) and all(mark in SENTENCE_ENDS + CLAUSE_ENDS + CLOSERS for mark in word)


def is_rest(word: str, language: str) -> bool:
    """True for what belongs to the word before, recognised after it: `-attention`, in English `'s`. In Dutch that is a
    word: `'s avonds`."""
    return is_ending(word) and (word[0] == "-" or language == "en")


def is_ending(word: str) -> bool:
    """True for what may be the end of a word behind a hyphen or an apostrophe: `-attention`, `'s`."""
    is_second_half = len(word) > 1 and word[0] == "-" and word[1].isalpha()
    return is_second_half or word.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").lower() in _CONTRACTED


def is_mute(text: str) -> bool:
    """True for marks alone ("* * *", "♪"): no word is in them, and in no language another."""
    return not any(map(str.isalnum, text))


def exclaims(text: str) -> bool:
    """Whether a mark of exclamation is in `text`."""
    return not EXCLAMATIONS.isdisjoint(text)


def calm(text: str, source: str) -> str:
    """`text` without marks of exclamation, unless `source` has one: models that chat set many that nobody meant."""
    if exclaims(source):
        return text
    alone = _BESIDE.sub("", _SPACED.sub("", text))  # French has a space before it, and no full stop has
    return alone.replace("¡", "").replace("!", ".").replace("！", "。")


def as_spoken(text: str, source: str) -> str:
    """`text` on one line, without the marks of code that models like to set, unless they are in `source`: nobody says
    them. Of a longer text it is the beginning.
    """
    return " ".join((text if "`" in source else text.replace("`", "")).split())


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many characters, tokens or words both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def goes_on(text: str, before: str) -> bool:
    """True if both begin alike, for at least half of the shorter one."""
    return 2 * shared(before, text) >= min(len(before), len(text))


def bare(word: str) -> str:
    """A word as it sounds; marks alone sound like nothing, and are themselves."""
    return "".join(mark for mark in word.casefold() if mark.isalnum()) or word
