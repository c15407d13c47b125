"""Words of the source that a translation into another script would leave as they are.

In: what was said, words that may stand as they are, and how a tokenizer writes. Out: the tokens with which a common
word of what was said would begin in the translation. In Chinese or Russian a word in small Latin letters is one that
was not translated (`政治 spectrum上`), so it is never written; names, which begin with a capital, and symbols may be.
Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from surtitle.pipeline.languages import Language

_ENOUGH = 4
"""Letters of a word that is no part of a name (`van`, `del`)."""
_TELLING = 3
"""Letters of a token that begins few other words."""
_SYMBOLS = frozenset("alpha beta gamma delta epsilon lambda omega sigma theta".split())  # noqa: SIM905, nine quotes tell nothing
_SMALL = re.compile("[a-zß-öø-ɏ]")
_COMMON = re.compile(rf"(?<![\w.@/'’]){_SMALL.pattern}{{{_ENOUGH},}}(?![\w@/'’]|\.\w)")
_NAME = re.compile(r"[^\W_]*[^\W\d_a-zß-öø-ɏ][^\W_]*")


def shows_leftovers(source: Language, target: Language) -> bool:
    """Whether `source` is written in Latin letters, and `target` is not."""
    return bool(_SMALL.search(source.example)) and not _SMALL.search(target.example)


def leftovers(
    said: str, kept: Sequence[str], encode: Callable[[str], list[int]], decode: Callable[[list[int]], str]
) -> list[int]:
    """The tokens with which the common words of what was `said` begin, whatever is before them, but for those of its
    names and of what is `kept`.
    """
    spared = {token for text in (*_NAME.findall(said), *kept) for token in (*encode(text), *encode(f" {text}"))}
    words = dict.fromkeys(_COMMON.findall(said)).keys() - _SYMBOLS
    first = {encode(f"{before}{word}")[0] for word in words for before in ("", " ")}
    return sorted(token for token in first - spared if len(decode([token]).strip()) >= _TELLING)
