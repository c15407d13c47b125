"""Words of the source that a translation into another script would leave as they are.

In: what was said, words that may stand as they are, and what a tokenizer's tokens say. Out: the tokens with which a
common word of what was said would begin in the translation, in whatever form. In Chinese or Russian a word in small
Latin letters is one that was not translated (`政治 spectrum上`), so it is never written; names, which begin with a
capital, and symbols may be. Knows no model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from surtitle.pipeline.languages import Language

_ENOUGH = 4
"""Letters of a word that is no part of a name (`van`, `del`), and of a stem."""
_ENDING = 3
"""Letters in which forms of a word differ: `facilitate`, `facilitating`."""
_TELLING = 3
"""Letters of a token that begins few other words."""
_SYMBOLS = frozenset("alpha beta gamma delta epsilon lambda omega sigma theta".split())  # noqa: SIM905, nine quotes tell nothing
_SMALL = re.compile("[a-zß-öø-ɏ]")
_COMMON = re.compile(rf"(?<![\w.@/]){_SMALL.pattern}{{{_ENOUGH},}}(?![\w@/]|['’.]\w)")
_NAME = re.compile(r"[^\W_]*[^\W\d_a-zß-öø-ɏ][^\W_]*")
_PIECE = re.compile(rf"[ -]?([A-Za-zÀ-ɏ]{{{_ENOUGH},}})")


def shows_leftovers(source: Language, target: Language) -> bool:
    """Whether `source` is written in Latin letters, and `target` is not."""
    return bool(_SMALL.search(source.example)) and not _SMALL.search(target.example)


class Leftovers:
    """Of one tokenizer."""

    def __init__(self, texts: Sequence[str], encode: Callable[[str], list[int]]) -> None:
        """`texts` are what its tokens say, in their order."""
        self._encode = encode
        self._texts = texts
        self._begin: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for token, text in enumerate(texts):
            if piece := _PIECE.fullmatch(text):
                letters = piece[1].lower()
                self._begin[letters[:_ENOUGH]].append((letters, token))

    def tokens(self, said: str, kept: Sequence[str]) -> list[int]:
        """With which the common words of what was `said` begin, and other forms of them, whatever is before them, and
        its names if they had no capital; but for those of its names and of what is `kept`.
        """
        spared = {token for name in (*_NAME.findall(said), *" ".join(kept).split()) for token in self._around(name)}
        common, found = {*_COMMON.findall(said)}, set[int]()
        for word in {*_COMMON.findall(said.lower())} - _SYMBOLS:  # where a sentence begins, any word has a capital
            forms = self._forms(word)
            found |= forms if word in common else {token for token in forms if self._texts[token].islower()}
        return sorted(found - spared)

    def _forms(self, word: str) -> set[int]:
        stem = word[: max(_ENOUGH, len(word) - _ENDING)]
        forms = {token for letters, token in self._begin.get(stem[:_ENOUGH], ()) if letters.startswith(stem)}
        first = {self._encode(f"{before}{word}")[0] for before in ("", " ")}
        return forms | {token for token in first if len(self._texts[token].strip()) >= _TELLING}

    def _around(self, name: str) -> list[int]:
        return [*self._encode(name), *self._encode(f" {name}")]
