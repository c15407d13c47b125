"""Words that a translation writes half in one script and half in another, as they were said.

In: a translation, and what was said. Out: the translation, in which they are whole: of `Bologna` a model makes
`バologna` at times, which nobody can read. Katakana that go on in small Latin letters, and sound like a word that was
said, are that word. What begins in Latin letters is meant so (`webサイト`, `iPhoneケース`) and stays. Knows no model.
"""

from __future__ import annotations

import re

from surtitle.pipeline.phonetics import sound_alike

_WORD = re.compile(r"[^\W\d_]{4,}")
_KANA, _SMALL, _LATIN = "[ァ-ヺー]", "[a-zß-öø-ɏ]", "[A-Za-zÀ-ɏ]"
_HALVES = re.compile(f"{_KANA}+{_SMALL}{{2,}}{_KANA}*")
_WITHIN = re.compile(f"({_KANA}|{_LATIN}){{2}}")
_ALIKE = 0.6
"""How much halves sound like the word that they are of, at least."""


def made_whole(text: str, said: str) -> str:
    """`text`, a translation of what was `said`, with the words of it whole that it writes in two scripts.

    Of a longer translation it is the beginning, if that does not end within a word (`is_within`).
    """
    words = dict.fromkeys(_WORD.findall(said))

    def whole(found: re.Match[str]) -> str:
        halves = found[0]
        latin = "".join(re.findall(_LATIN, halves)).lower()
        near = (word for word in words if latin in word.lower() and latin != word.lower())
        likeness, word = max(((sound_alike(word, halves), word) for word in near), default=(0.0, ""))
        return word if likeness >= _ALIKE else halves

    return _HALVES.sub(whole, text)


def is_within(before: str, after: str) -> bool:
    """Whether what ends with `before` and begins with `after` may be cut within a word of two scripts."""
    return _WITHIN.fullmatch(before[-1:] + after[:1]) is not None
