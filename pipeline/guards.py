"""What an LLM writes instead of a translation, and how to tell.

In: a source text and what the translator made of it. Out: what is wrong with it, or nothing. A turn that
fails must not join the context: one echoed sentence teaches the next to be echoed too. Pure functions;
knows no model.
"""

from __future__ import annotations

import re

_PLAIN_WORD = re.compile(r"[^\W\d_]{4,}")
_ECHO_WORDS = 3
"""Words in lower case that must be there to judge an echo: names and cognates are the same in many languages."""
_ECHO_SHARE = 0.6


def fault(source: str, translation: str, *, finished: bool) -> str | None:
    """`empty`, `runaway`, `echo`, or None for a text that can be a translation.

    `finished` says that the model ended its turn by itself. Echo: most of the source's longer words, names (capitals)
    left out, stand in the translation unchanged.
    """
    if not translation:
        return "empty"
    if not finished:
        return "runaway"
    words = [word for word in _PLAIN_WORD.findall(source) if word.islower()]
    kept = set(_PLAIN_WORD.findall(translation))
    same = sum(word in kept for word in words)
    if len(words) >= _ECHO_WORDS and same >= _ECHO_SHARE * len(words):
        return "echo"
    return None
