"""What a recogniser makes up, and how to tell.

In: the words of a guess. Out: those of them that somebody can have said. Whisper loops where there is a rhythm or when
its attention loses its way, and where there is no speech for its words to lie on, they take no time. Pure policy: knows
no audio and no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from surtitle.pipeline.events import Word
from surtitle.pipeline.text import bare


@dataclass(frozen=True, slots=True)
class InventionSettings:
    """What people do not say, and what is not taken to be heard."""

    doubt: float = 0.3
    """Mean probability of a guess's words below which nothing was: silence makes models invent."""
    loop_words: int = 8
    """Words that a loop goes round at most."""
    loop_rounds: int = 3
    """Times that several words are said in a row: a fourth time is a loop."""
    word_rounds: int = 5
    """Times that one word is said in a row: a sixth time is a loop."""
    fast_words: int = 6
    """Words in a row that take at least `fast` seconds to say; twice as many where they are pieces of words."""
    fast: float = 0.5
    """Seconds that `fast_words` take at least."""
    few: int = 2
    """Words that, alone before others that take no time, were not said either."""
    instant_words: int = 5
    """Words in a row that take at least `instant` seconds to say; in less, they are made up after the last that was
    said."""
    instant: float = 0.2
    """Seconds that `instant_words` take at least."""

    def rounds(self, size: int) -> int:
        """Times that `size` words are said in a row before the next time is a loop."""
        return self.word_rounds if size == 1 else self.loop_rounds


def sureness(words: Sequence[Word]) -> float:
    """The mean probability of `words`; 0.0 of none."""
    return sum(word.probability for word in words) / max(1, len(words))


def doubted(words: Sequence[Word], settings: InventionSettings | None = None) -> bool:
    """Whether the model itself does not believe in `words`."""
    return sureness(words) < (settings or InventionSettings()).doubt


def heard(words: Sequence[Word], settings: InventionSettings | None = None, *, spaced: bool = True) -> list[Word]:
    """The first of `words`, as far as they can have been said: up to a loop's second round, or words without time.

    None of a guess that the model itself doubts. Where nothing is `spaced` they are pieces of words.
    """
    s = settings or InventionSettings()
    if doubted(words, s):
        return []
    rush = _before_rush(words, s.fast_words if spaced else 2 * s.fast_words, s.fast)
    if rush < len(words) and rush <= s.few:
        return []
    instant = _before_rush(words, s.instant_words, s.instant)
    return list(words[: min(rush, instant, _before_loop([bare(word.text) for word in words], s))])


def loops(words: Sequence[Word], after: Sequence[Word], settings: InventionSettings | None = None) -> bool:
    """Whether `words` do no more than go on with a loop that began in what was heard `after` which they come.

    Who repeats something and then says something else is no loop.
    """
    s = settings or InventionSettings()
    texts = [bare(word.text) for word in (*after, *words)]
    return bool(words) and any(
        _repeated(texts, size) >= max(len(words), size * s.rounds(size)) for size in range(1, s.loop_words + 1)
    )


def _repeated(texts: Sequence[str], size: int) -> int:
    """How many of the last `texts` are what stands `size` before them."""
    pairs = zip(reversed(texts), reversed(texts[:-size]), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _before_loop(texts: Sequence[str], s: InventionSettings) -> int:
    """Words up to the end of the first round of a loop; all where there is none."""
    for end in range(1, len(texts) + 1):
        for size in range(1, s.loop_words + 1):
            again = size * s.rounds(size)
            if _repeated(texts[:end], size) >= again:
                return end - again
    return len(texts)


def _before_rush(words: Sequence[Word], count: int, seconds: float) -> int:
    """Words before the first `count` that together take less than so many seconds; all where there are none."""
    starts = range(len(words) - count + 1)
    return next((i for i in starts if words[i + count - 1].end - words[i].start < seconds), len(words))
