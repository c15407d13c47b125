"""Text into blocks of at most two lines, broken where a subtitler would break them.

In: one caption's text and its language. Out: blocks of lines, none wider than a reader of that language takes in at
once. Lines end at spaces that belong to no mark or number; in Japanese, Chinese and Thai, which have none, between
phrases (BudouX), and not before closing or after opening punctuation. A word is cut only where it is wider than a line,
and a grapheme cluster (UAX #29) never. Pure functions: knows no time (`cues.py`) and no format (`subtitles.py`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, zip_longest
from math import inf

import regex

from surtitle.pipeline.phrases import PARSERS
from surtitle.pipeline.sentences import CLOSERS, DASHES, OPENERS, ends_clause, ends_sentence
from surtitle.pipeline.text import is_punctuation


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader takes in. A cell is a narrow character; a wide one (UAX #11) is two."""

    line: int = 42
    """Cells that a line may have."""
    speed: int = 17
    """Cells read in a second."""


LINES = 2
"""Lines that are shown at once."""
# As Netflix has them: 13 wide characters a line and 4 a second, 16 and 12, 16 and 9.
_READING = {"ja": Reading(26, 8), "ko": Reading(32, 24), "zh": Reading(32, 18)}
_DEFAULT = Reading()


def reading(language: str) -> Reading:
    """What readers of `language`, an ISO 639-1 code with or without a region, take in."""
    return _READING.get(_base(language), _DEFAULT)


def width(text: str) -> int:
    """Cells that `text` takes; a grapheme cluster takes two at most."""
    if text.isascii():
        return len(text)
    return sum(min(2, sum(map(_cells, cluster))) for cluster in _clusters(text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


_ASTRAY = regex.compile(r" (?=[\p{M}\u200d])")
"""A space before what belongs to a character: both would be one cluster, which no line may end in."""


_LETTERS = r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Nd}]"
_LETTER = regex.compile(_LETTERS)
_WORD_SO_FAR = regex.compile(rf"{_LETTERS}[-.,:'’/@&_+]?\Z")
"""What goes on where a letter follows: `Open` of `OpenAI`, `COVID-` of `COVID-19`, `10:` of `10:30`."""


def _clusters(text: str) -> list[str]:
    clusters: list[str] = regex.findall(r"\X", text)
    return clusters


def _base(language: str) -> str:
    return language.partition("-")[0]


# --- where a line may end, and how well ---

_SENTENCE, _CLAUSE, _LINK, _SPACE, _INSIDE = 0, 10, 20, 30, 80
"""What it costs to break after a sentence, after a clause, before a linking word, elsewhere, and inside a word."""
_APART = 3
"""By how much more it matters where a block ends than where a line does."""
_BLOCK, _SLIVER, _UNEVEN = 200, 30, 30
"""What a block costs; an almost empty one on top of that; and a line that is empty beside a full one."""

# Conjunctions, relatives and prepositions: a line had better end before than after them.
_LINKS = {
    language: frozenset(words.split())
    for language, words in {
        "de": "und oder aber denn sondern dass weil wenn als ob damit obwohl während bevor nachdem der die das den dem "
        "mit von für auf in an bei nach zu über unter durch gegen ohne um aus",
        "en": "and or but so nor because that which who when where while if than as although since until before after "
        "of in on at for with from by about into over under between through without",
        "es": "y e o u pero sino porque que cuando donde mientras si como aunque para por con sin de del en a al desde "
        "hasta sobre entre",
        "fr": "et ou mais donc car ni que qui quand où si comme lorsque puisque parce pour par avec sans de du des en "
        "à au aux dans sur sous entre vers",
        "it": "e ed o ma perché che quando dove mentre se come per con senza di del della da dal in nel nella a al su "
        "tra fra",
        "nl": "en of maar want omdat dat die wanneer waar terwijl als om met van voor op in aan bij naar over onder "
        "door zonder uit",
        "pt": "e ou mas porque que quando onde enquanto se como embora para por com sem de do da em no na a ao desde "
        "até sobre entre",
        "ru": "и или но а потому что чтобы который когда где если как хотя в на с к по из от для без о об при через",
    }.items()
}


_OPENING = "".join(mark for mark in OPENERS if mark not in CLOSERS)
_OPENED, _CLOSED = ("'«", "’«", "(", *"（「『《【"), tuple("，。、！？：；）」』》】")
_COUNTED = regex.compile(r"[%€$£°]|\d{3}(?!\d)")
_EITHER_WAY = (*DASHES, '"', "'")
"""With a space on either side, these may begin something as well as end it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What no line end may divide."""

    text: str
    """With the space behind it."""
    cost: int
    """Of a line end behind it."""


def _pieces(text: str, language: str) -> list[_Piece]:
    """`text` cut wherever a line may end."""
    words = _words(text)
    links = _LINKS.get(_base(language), frozenset())
    pieces: list[_Piece] = []
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        parts = list(_parts(word, language))
        pieces += [_Piece(part, cost) for part, cost in parts[:-1]]
        is_within = bool(_LETTER.match(word.strip()[-1]) and _LETTER.match(after))  # a name of other letters
        is_clause = _base(language) in PARSERS and not is_within
        space = _CLAUSE if is_clause else _LINK if after.strip().lower() in links else _SPACE
        pieces.append(_Piece(parts[-1][0], min(_cost(word.strip(), language), space)))
    return pieces


def _words(text: str) -> list[str]:
    """`text` cut behind its spaces, but for those within what is read as one."""
    words: list[str] = []
    for word in regex.findall(r"\S+\s*", text):
        if words and _goes_on(words[-1].split()[-1], word.strip()):
            words[-1] += word
        else:
            words.append(word)
    return words


def _goes_on(before: str, after: str) -> bool:
    """Whether the space between belongs to a mark, as in French (`« Ça va ? »`), or to a number (`20 000`, `63 %`)."""
    opens = not before.strip(_OPENING) or before.endswith(_OPENED)
    closes = after.startswith(_CLOSED) or (is_punctuation(after) and after not in _EITHER_WAY)
    return opens or closes or bool(before[-1].isdigit() and _COUNTED.match(after))


def _parts(word: str, language: str) -> Iterator[tuple[str, int]]:
    """What a run without spaces may be cut into, and what it costs behind each."""
    line = reading(language).line
    parser = PARSERS.get(_base(language))
    for phrase in _unbroken(parser().parse(word)) if parser and not word.isascii() else [word]:
        chopped = list(_chopped(phrase, line))
        yield from ((part, _INSIDE) for part in chopped[:-1])
        yield chopped[-1], _cost(phrase, language)


def _unbroken(phrases: list[str]) -> list[str]:
    """`phrases`, joined where a boundary is inside a cluster or a word of other letters, or would part a mark from its
    words."""
    joined: list[str] = []
    for phrase in phrases:
        if joined and (_clings(joined[-1], phrase) or len(_clusters(joined[-1][-1] + phrase[0])) == 1):
            joined[-1] += phrase
        else:
            joined.append(phrase)
    return joined


def _clings(before: str, after: str) -> bool:
    opening = unicodedata.category(before[-1]) in ("Ps", "Pi") or before[-1] in "\"'"
    closing = unicodedata.category(after[0]) in ("Pe", "Pf", "Po", "Pd", "Mn", "Mc", "Lm", "Zs")
    return opening or closing or bool(_WORD_SO_FAR.search(before) and _LETTER.match(after))


def _chopped(word: str, line: int) -> Iterator[str]:
    """`word`, in parts as wide as a line where it is wider; not cut before a mark, nor in a word of other letters, if
    there is any other place."""
    left = _clusters(word)
    while (fits := _fitting(left, line)) < len(left):
        ends = (end for end in range(fits, 0, -1) if not _clings("".join(left[max(0, end - 2) : end]), left[end]))
        end = next(ends, fits)
        yield "".join(left[:end])
        left = left[end:]
    yield "".join(left)


def _fitting(clusters: list[str], line: int) -> int:
    """How many of the first `clusters` a line holds; spaces behind them need no room."""
    filled = 0
    for at, cluster in enumerate(clusters):
        filled += width(cluster)
        if filled > line and not cluster.isspace():
            return at
    return len(clusters)


def _cost(piece: str, language: str) -> int:
    word = "".join(piece.split())
    if ends_sentence(word, _base(language)):
        return _SENTENCE
    return _CLAUSE if ends_clause(word, _base(language)) else _SPACE


# --- which of these ends are taken ---


def blocks(text: str, language: str) -> list[tuple[str, ...]]:
    """`text` in as few blocks of one or two lines as hold it, cut and broken at the least cost.

    The lines, joined, are what can be seen of `text`, but for the spaces at their ends.
    """
    visible = " ".join(word for word in text.split() if any(map(str.isprintable, word)))
    return _Layout(_pieces(_ASTRAY.sub("", visible), language), reading(language).line).best()


class _Layout:
    """The cheapest way to break pieces into blocks: shortest path, a node for each place that a block may end at."""

    def __init__(self, pieces: list[_Piece], line: int) -> None:
        self._pieces = pieces
        self._line = line
        self._bare = [width(piece.text.rstrip()) for piece in pieces]
        self._before = [0, *accumulate(width(piece.text) for piece in pieces)]

    def best(self) -> list[tuple[str, ...]]:
        count = len(self._pieces)
        costs, came = [0.0, *[inf] * count], [(0, 0)] * (count + 1)
        for start in range(count):
            for end in range(start + 1, count + 1):
                if self._width(start, end) > LINES * self._line:
                    break
                lines, middle = self._lines(start, end)
                cost = costs[start] + lines + self._block(start, end)
                if cost < costs[end]:
                    costs[end], came[end] = cost, (start, middle)
        return list(self._way(came))[::-1]

    def _way(self, came: list[tuple[int, int]]) -> Iterator[tuple[str, ...]]:
        end = len(self._pieces)
        while end:
            start, middle = came[end]
            cuts = [start, middle, end] if start < middle < end else [start, end]
            yield tuple(self._text(a, b) for a, b in pairwise(cuts))
            end = start

    def _text(self, start: int, end: int) -> str:
        return "".join(piece.text for piece in self._pieces[start:end]).rstrip()

    def _width(self, start: int, end: int) -> int:
        """Of a line from piece `start` up to, but without, `end`."""
        return self._before[end - 1] - self._before[start] + self._bare[end - 1]

    def _block(self, start: int, end: int) -> float:
        empty = 1 - self._width(start, end) / (LINES * self._line)
        last = end == len(self._pieces)
        return _BLOCK + _SLIVER * empty**2 + (0 if last else _APART * self._pieces[end - 1].cost)

    def _lines(self, start: int, end: int) -> tuple[float, int]:
        """The cost of the block's lines, and where its second one begins: at its end if one line is enough."""
        if self._width(start, end) <= self._line:
            return 0.0, end
        ways = [(inf, end)]
        for middle in range(start + 1, end):
            first, second = self._width(start, middle), self._width(middle, end)
            if max(first, second) <= self._line:
                uneven = _UNEVEN * abs(first - second) / self._line
                ways.append((self._pieces[middle - 1].cost + uneven, middle))
        return min(ways)
