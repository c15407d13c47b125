"""How a language is written, shown to a recogniser that leaves it out otherwise.

In: the text before what is to be heard, and words that were heard. Out: the tokens to show before them; whether the
words are no more than what was shown. Whisper writes Chinese and Japanese without any mark, and Chinese in either
script, until it has seen how: then nothing tells where a sentence ends. Knows no model but its tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from surtitle.pipeline.events import Word
from surtitle.pipeline.text import bare

CONTEXT = 200
"""Tokens that are shown at most: with them and what is written, Whisper has 448."""
_EXAMPLES = {
    "ja": "先週、友達と山に登りました。天気がよくて、景色がきれいでした。",
    "zh": "上周，我和朋友去爬山。天气很好，风景也很美。",
}
"""Not the translator's: one that is echoed must not be taken for something that it knows."""
_ECHO = 6
"""Letters in a row of them that nobody says by chance."""


class Encodes(Protocol):
    """What `faster_whisper.tokenizer.Tokenizer` does."""

    @property
    def sot_prev(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...


def shown_before(before: str, language: str, tokenizer: Encodes) -> list[int]:
    """The tokens to show: how `language` is written, and the end of the text `before`. None where there are neither."""
    example = _EXAMPLES.get(language, "")
    shown = tokenizer.encode(f" {example}") if example else []
    known = tokenizer.encode(f" {before}")[-(CONTEXT - len(shown)) :] if before else []
    return [tokenizer.sot_prev, *shown, *known] if shown or known else []


def echoes(words: Sequence[Word], language: str) -> bool:
    """Whether `words` are part of what is shown of `language`, and no more."""
    said = bare("".join(word.text for word in words))
    return len(said) >= _ECHO and said in bare(_EXAMPLES.get(language, ""))
