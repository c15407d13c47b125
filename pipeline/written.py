"""What a recogniser is shown before it hears: how a language is written, terms, and the text before.

In: that text, the terms, and words that were heard. Out: the tokens to show; whether the words are no more than the
example of how the language is written. Whisper writes Chinese and Japanese without any mark, and Chinese in either
script, until it has seen how: then nothing tells where a sentence ends. Knows no model but its tokenizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from surtitle.pipeline.events import Word
from surtitle.pipeline.text import bare

CONTEXT = 200
"""Tokens that are shown at most: with them and what is written, Whisper has 448."""
_TEXT = 60
"""Of them, those that are the text's however many terms there are: one letter takes two where a script is rare."""
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


def shown_before(before: str, language: str, tokenizer: Encodes, *, expected: str = "") -> list[int]:
    """The tokens to show: how `language` is written, as many of the terms that are `expected`, with commas between, as
    there is room for, the first ones, and the end of the text `before`. None where there are none of these.
    """
    example = _EXAMPLES.get(language, "")
    shown = tokenizer.encode(f" {example}") if example else []
    text = tokenizer.encode(f" {before}") if before else []
    shown += _first_terms(expected, tokenizer, CONTEXT - len(shown) - min(_TEXT, len(text)))
    known = text[-(CONTEXT - len(shown)) :]
    return [tokenizer.sot_prev, *shown, *known] if shown or known else []


def _first_terms(expected: str, tokenizer: Encodes, most: int) -> list[int]:
    tokens = tokenizer.encode(f" {expected}") if expected else []
    while len(tokens) > most:
        expected = expected.rpartition(", ")[0]
        tokens = tokenizer.encode(f" {expected}.") if expected else []
    return tokens


def echoes(words: Sequence[Word], language: str) -> bool:
    """Whether `words` are part of what is shown of `language`, and no more."""
    said = bare("".join(word.text for word in words))
    return len(said) >= _ECHO and said in bare(_EXAMPLES.get(language, ""))
