"""Captions for the tests of what is made of them, and text that nobody would say."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from surtitle.pipeline.events import Caption, Role, Word


def caption(
    text: str,
    start: float,
    end: float,
    *,
    language: str = "es",
    role: Role = "target",
    final: bool = True,
    audio: float | None = None,
    words: tuple[Word, ...] = (),
) -> Caption:
    """A caption of words said from `start` to `end`, in seconds."""
    return Caption(
        cue=0,
        revision=0,
        language=language,
        role=role,
        text=text,
        start=start,
        end=end,
        final=final,
        stable=len(text),
        audio=end if audio is None else audio,
        elapsed=end,
        words=words,
    )


HOSTILE = "1\n\n00:00:00,000 --> 00:00:09,000\r\n<script>x</script> {\\an8} A&B\x1b[31m\u2028-->\x00"

_SYNTAX = ["<b>", "-->", "&amp;", "{\\pos(1,1)}", "\\N", "\\h", "NOTE", "STYLE\n", "WEBVTT", "[Events]", "Dialogue: 0,"]
_TIMES = ["1", "00:00:01,000 --> 00:00:02,000", "0:00:01.00", "1:2:3.4"]
_CHARACTERS = ["\n\n", "\r", "\x00", "\x1b[2J", "\u2028", "\u202e", "\u200b", "\ud83d", "👩‍👩‍👧‍👦", "é", "क्षि"]
_PIECES = st.sampled_from([*_SYNTAX, *_TIMES, *_CHARACTERS])
SPOKEN = st.lists(
    st.text(string.printable + "áßñ你好。「」مرحباไทย한국\u0301", min_size=1, max_size=30) | _PIECES, max_size=12
).map(" ".join)
"""Text of any script, up to some 300 characters, with what parsers and players trip over."""
TIMES = st.floats(0, 5_000, allow_nan=False)
LANGUAGES = st.sampled_from(["en", "de", "ja", "zh", "ko", "th", "ar", "pt-BR", "xx"])
SPOKEN_AT = st.lists(st.tuples(SPOKEN, TIMES, st.floats(0, 30)), max_size=8)
"""Texts, when they were said, and for how long; in no order."""


def captions_of(said: list[tuple[str, float, float]], language: str = "es") -> list[Caption]:
    return [caption(text, start, start + length, language=language) for text, start, length in said]


def visible(text: str) -> str:
    """What can be seen of `text`, spaces apart."""
    return "".join(char for char in text if char.isprintable() and not char.isspace())
