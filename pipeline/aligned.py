"""What Whisper's alignment says, as words.

In: the words of an alignment as faster-whisper cuts them, each with its tokens, times and probability; how many tokens
are known. Out: the words after those. Knows no model and no audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from faster_whisper.transcribe import merge_punctuations

from surtitle.pipeline.events import Word
from surtitle.pipeline.sentences import DASHES
from surtitle.pipeline.text import is_ending, is_mark, is_mute, is_one, is_punctuation, is_spaced

Decode = Callable[[list[int]], str]
"""The text of some tokens."""

_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：；”)]}、」』）》】…"


def words_of(aligned: Sequence[dict[str, Any]], *, known: int, language: str, decode: Decode) -> list[Word]:
    """The words of `aligned` after its first `known` tokens, with times as it has them.

    What comes without a space belongs to the word before (`cross-attention`), and so does a mark behind one, as French
    has it (`Ça va ?`): alone it would come too late for a segment that ends with the word. In a language without
    spaces, where words are cut anywhere, that is so for Latin letters and numbers (`100.5`), and for what is no letter
    of its own: vowels and tones of Thai.
    """
    fresh = list(_after(aligned, known, decode))
    merge_punctuations(fresh, _PREPENDED, _APPENDED)
    spaced = is_spaced(language)
    words: list[Word] = []
    for item in fresh:
        text, start, end = item["word"].strip(), float(item["start"]), float(item["end"])
        if not text:
            continue
        last = words[-1] if words else None
        clings = last is not None and (spaced or is_one(last.text, text))
        if last is not None and spaced and is_punctuation(text) and text not in DASHES:
            words[-1] = replace(last, text=last.text + text)
        elif last is not None and clings and not item["word"][0].isspace():
            words[-1] = replace(last, text=last.text + text, end=max(last.end, end))
        else:
            words.append(Word(text, start, max(start, end), float(item["probability"])))
    return words


def _after(aligned: Sequence[dict[str, Any]], known: int, decode: Decode) -> Iterator[dict[str, Any]]:
    """What ends after the first `known` tokens. Of a word that begins before them there is the rest where that may come
    alone, else all of it once more: half a word would be none.
    """
    ends = accumulate(len(item["tokens"]) for item in aligned)
    for item, end in zip(aligned, ends, strict=True):
        if end <= known:
            continue
        begun, rest = item["tokens"][: known - end], item["tokens"][known - end :]
        is_cut = bool(begun) and _may_come_alone(decode(begun), decode(rest).strip())
        yield {**item, "tokens": rest, "word": decode(rest)} if is_cut else item


def _may_come_alone(begun: str, rest: str) -> bool:
    """Whether the word that has `begun` is whole there (`'s` of `that's`, the marks of `है।` and `here."`), or begins
    with its `rest` (`000` of `,000`)."""
    is_marks = bool(rest) and is_mute(rest) and not is_mark(rest[0])
    return is_ending(rest) or is_marks or is_mute(begun)
