"""What a recogniser makes up, and how to tell.

In: the words of a guess. Out: those of them that somebody can have said. Whisper loops where there is a rhythm or when
its attention loses its way, and where there is no speech for its words to lie on, they take no time. Pure policy: knows
no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from math import prod

from surtitle.pipeline.events import Word
from surtitle.pipeline.text import bare

_DOUBT = 0.3
"""Mean probability of a guess's words below which nothing was said: silence makes models invent."""
_LOOP_WORDS = 8
"""Words that a loop goes round at most; twice as many where they are pieces of words."""
_LOOP_ROUNDS = 3
"""Times that several words are said in a row: a fourth time is a loop."""
_WORD_ROUNDS = 5
"""Times that one word is said in a row: a sixth time is a loop."""
_RECITED = 3
"""Words, or all where there are fewer, that show that something is said again."""
_FAST_WORDS = 6
"""Words in a row that take at least `_FAST` seconds to say; twice as many where they are pieces of words."""
_FAST = 0.5
"""Seconds that `_FAST_WORDS` take at least."""
_AGAIN = 0.1
"""Seconds of speech that anybody takes at least to say something again."""
_BRIEF = 0.04
"""Seconds below which a word takes no time: two positions of the encoder."""
_FEW = 2
"""Words that, alone before others that take no time, were not said either."""
_INSTANT_WORDS = 5
"""Words in a row that take at least `_INSTANT` seconds to say; in less, they are made up after the last that was
said."""
_INSTANT = 0.2
"""Seconds that `_INSTANT_WORDS` take at least."""


def sureness(words: Sequence[Word]) -> float:
    """The mean probability of `words`; 0.0 of none."""
    return sum(word.probability for word in words) / max(1, len(words))


def doubted(words: Sequence[Word]) -> bool:
    """Whether the model itself does not believe in `words`."""
    return sureness(words) < _DOUBT


def unlikely(words: Sequence[Word]) -> bool:
    """Whether a model that knows nothing yet does not believe that somebody began so: by the mean of the logarithms, as
    Whisper doubts (Radford et al. 2022, 4.5). What is no speech makes phrases of which only the first word is unlikely:
    "Thank you very much."
    """
    return prod(word.probability for word in words) < _DOUBT ** len(words)


def heard(words: Sequence[Word], *, spaced: bool = True) -> list[Word]:
    """The first of `words`, as far as they can have been said: up to a loop's second round, or words without time.

    None of a guess that the model itself doubts, be it for what stays alone: each round of a loop is surer than the one
    before. Where nothing is `spaced` they are pieces of words.
    """
    if doubted(words):
        return []
    a_word = _FAST / _fast_words(spaced)
    rush = _before_rush(words, _fast_words(spaced), _FAST, a_word)
    if rush < len(words) and rush <= _FEW:
        return []
    instant = _before_rush(words, _INSTANT_WORDS, _INSTANT, a_word)
    kept = words[: min(rush, instant, _before_loop([bare(word.text) for word in words], _sizes(spaced)))]
    return [] if doubted(kept) else list(kept)


def loops(words: Sequence[Word], after: Sequence[Word], *, spaced: bool = True) -> bool:
    """Whether `words` do no more than go on with a loop that began in what was heard `after` which they come.

    Who repeats something and then says something else is no loop. Where nothing is `spaced` words are pieces of words.
    """
    texts = [bare(word.text) for word in (*after, *words)]
    return bool(words) and any(
        _repeated(texts, size) >= max(len(words), size * _rounds(size)) for size in _sizes(spaced)
    )


def recites(words: Sequence[Word], after: Sequence[Word]) -> bool:
    """Whether `words` begin with what was said in those `after` which they come: a model that must go on, and hears
    nothing to go on with, says something again.
    """
    begin = [bare(word.text) for word in words[:_RECITED]]
    said = [bare(word.text) for word in after]
    return any(said[at : at + len(begin)] == begin for at in range(len(said)))


def repeats(words: Sequence[Word], *, spaced: bool = True) -> bool:
    """Whether words of `words` stand twice in a row, one of them in no time: nobody says that, nor loops yet.

    A piece of a word may be one twice: where nothing is `spaced`, two at least.
    """
    texts = [bare(word.text) for word in words]
    return any(
        texts[at - size : at] == texts[at : at + size]
        and any(word.end - word.start < _BRIEF for word in words[at - size : at + size])
        for size in _sizes(spaced)[0 if spaced else 1 :]
        for at in range(size, len(texts) - size + 1)
    )


def said_once(words: Sequence[Word], after: Sequence[Word], *, until: float, spaced: bool = True) -> list[Word]:
    """The first of `words`, up to those that say what comes just before them again, with no speech to lie on, or less
    of it than so many words take.

    Speech ended at `until` (seconds, as the words have them), and the words begin behind those `after` which they come.
    In the silence behind speech a model at times says once more what it heard. A piece of a word may be one twice.
    """
    every = [*after, *words]
    texts = [bare(word.text) for word in every]
    a_word = _FAST / _fast_words(spaced)
    for at in range(len(after), len(every)):
        for size in _sizes(spaced)[0 if spaced else 1 : min(at, len(every) - at)]:
            spoken = min(every[at + size - 1].end, until) - every[at].start
            if spoken < max(_AGAIN, size * a_word) and texts[at - size : at] == texts[at : at + size]:
                return every[len(after) : at]
    return list(words)


def _sizes(spaced: bool) -> range:
    """How many words, or pieces of them, a loop may go round."""
    return range(1, (_LOOP_WORDS if spaced else 2 * _LOOP_WORDS) + 1)


def _fast_words(spaced: bool) -> int:
    """How many words, or pieces of them, take at least `_FAST`."""
    return _FAST_WORDS if spaced else 2 * _FAST_WORDS


def _rounds(size: int) -> int:
    """Times that `size` words are said in a row before the next time is a loop."""
    return _WORD_ROUNDS if size == 1 else _LOOP_ROUNDS


def _repeated(texts: Sequence[str], size: int) -> int:
    """How many of the last `texts` are what stands `size` before them."""
    pairs = zip(reversed(texts), reversed(texts[:-size]), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _before_loop(texts: Sequence[str], sizes: range) -> int:
    """Words up to the end of the first round of a loop; all where there is none."""
    for end in range(1, len(texts) + 1):
        for size in sizes:
            again = size * _rounds(size)
            if _repeated(texts[:end], size) >= again:
                return end - again
    return len(texts)


def _before_rush(words: Sequence[Word], count: int, seconds: float, a_word: float) -> int:
    """Words before the first `count` that together take less than so many seconds; all where there are none.

    Where most words from there on do take the time of `a_word`, it was only guessed too late where they begin.
    """
    takes_time = [word.end - word.start >= a_word for word in words]
    for i in range(len(words) - count + 1):
        if words[i + count - 1].end - words[i].start < seconds and 2 * sum(takes_time[i:]) < len(words) - i:
            return i
    return len(words)
