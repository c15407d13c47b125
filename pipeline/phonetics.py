"""How alike two words of different scripts sound, and where in a longer one the shorter is heard.

In: a name in letters, and characters of any script. Out: their likeness, and the stretch of the characters that has it.
Both are read as Latin letters (anyascii), letters become classes of sounds, as in Soundex (Russell 1918), and the name
is laid along the characters where the fewest sounds have to be changed, with nothing to pay for what stands around it
(Sellers 1980). The costs are those of names in Chinese, Japanese and Korean. Knows no text and no language.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from anyascii import anyascii

_VOWELS = frozenset("aeiouy")
_CLASSES = dict(zip("pbfvwtdkgqzsmnlrhjcx", "PPFFWTTKKKSSMNLLHJKS", strict=True))
_CLASSES_OF_PINYIN = _CLASSES | dict.fromkeys("cz", "S") | dict.fromkeys("jqx", "J")
_TOGETHER = {"sch": "S", "tch": "J", "sh": "S", "ch": "J", "th": "T", "ph": "F", "ck": "K", "kh": "K", "gh": "K"}
_TOGETHER_IN_PINYIN = {"zh": "S", "ch": "S", "sh": "S", "ng": "n"}
_SOFT = {"c": "S", "g": "J"}
"""What those are before e, i and y."""

_LEFT_OUT = {"V": 0.2, "W": 0.5, "L": 0.5, "H": 0.3, "N": 0.8}
"""What it costs, if not 1, that a sound of the name is not heard: few of their syllables end in consonants."""
_PUT_IN = {"V": 0.05, "W": 0.1, "n": 0.15, "H": 0.5, "L": 0.8}
"""And that one is heard which is not in the name: they have vowels between consonants."""
_CHANGED = {"Nn": 0.2, "Mn": 0.5, "MN": 0.5, "FP": 0.5, "FH": 0.5, "HK": 0.5, "ST": 0.5, "KS": 0.5, "JK": 0.2,
            "JS": 0.2, "JT": 0.5, "FW": 0.1, "PW": 0.5, "VW": 0.1}  # fmt: skip
_ANOTHER = 1.2
_VOWEL = 0.2
"""What a vowel counts for, where a consonant counts for 1, in how much there is to a name."""
_READ_IN_PINYIN = re.compile(r"[\u4e00-\u9fff]")
_DOUBLES_THE_NEXT = frozenset("ッっ")


class Heard(NamedTuple):
    """Where characters sound like a name."""

    likeness: float
    """1.0 where all sounds are the same."""
    start: int
    """Characters before."""
    end: int


class _Way(NamedTuple):
    """One of laying the beginning of a name along the characters so far."""

    cost: float
    start: int


@lru_cache(4096)
def sounds(name: str) -> str:
    """A letter for each sound of a name: its class, V for vowels."""
    return _sounds(anyascii(name).lower(), is_pinyin=False)


def consonants(name: str) -> int:
    """How many sounds of a name are none of vowels."""
    return len(sounds(name).replace("V", ""))


def sound_alike(name: str, word: str) -> float:
    """How alike the name and all of the word are, 0 to 1."""
    return max(0.0, hear_whole(name, word).likeness) if sounds(name) else 0.0


def hear_whole(name: str, characters: str) -> Heard:
    """All of the characters. `name` has sounds."""
    said = sounds(name)
    ways = [_Way(cost, 0) for cost in _left_out(said)]
    for character in characters:
        ways = _past(said, ways, character)
    return Heard(1 - ways[-1].cost / _weight(said), 0, len(characters))


def hear(name: str, characters: str) -> Heard:
    """The stretch most like the name. `name` has sounds."""
    said = sounds(name)
    weight, costs = _weight(said), _left_out(said)
    ways = [_Way(cost, 0) for cost in costs]
    best = Heard(-1.0, 0, 0)
    for index, character in enumerate(characters):
        starting = (_Way(cost, index) for cost in costs)
        ways = [min(pair, key=_cost) for pair in zip(ways, starting, strict=True)]
        ways = _past(said, ways, character)
        best = max(best, Heard(1 - ways[-1].cost / weight, ways[-1].start, index + 1), key=lambda heard: heard.likeness)
    likeness, start, end = best
    while end < len(characters) and _sounds_of(characters[end]) == "V":
        end += 1  # vowels cost something, but a name ends in all of them: Bolivian, 玻利维亚
    return Heard(likeness, start, end)


def _past(name: str, ways: list[_Way], character: str) -> list[_Way]:
    """The ways once the character is heard: a row of the table of edit distances for each of its sounds."""
    for sound in _sounds_of(character):
        put_in = _PUT_IN.get(sound, 1.0)
        after = [_Way(ways[0].cost + put_in, ways[0].start)]
        for index, own in enumerate(name):
            changed = 0.0 if own == sound else _CHANGED.get("".join(sorted((own, sound))), _ANOTHER)
            steps = ((ways[index], changed), (ways[index + 1], put_in), (after[index], _LEFT_OUT.get(own, 1.0)))
            after.append(min((_Way(way.cost + cost, way.start) for way, cost in steps), key=_cost))
        ways = after
    return ways


def _cost(way: _Way) -> float:
    return way.cost


def _left_out(name: str) -> list[float]:
    """What it costs that the first sounds are not heard, for none of them, one, and so on."""
    costs = [0.0]
    for sound in name:
        costs.append(costs[-1] + _LEFT_OUT.get(sound, 1.0))
    return costs


def _weight(name: str) -> float:
    return sum(_VOWEL if sound == "V" else 1.0 for sound in name)


@lru_cache(4096)
def _sounds_of(character: str) -> str:
    if character in _DOUBLES_THE_NEXT:
        return ""
    return _sounds(anyascii(character).lower(), is_pinyin=bool(_READ_IN_PINYIN.match(character)))


def _sounds(letters: str, *, is_pinyin: bool) -> str:
    """The same sound twice in a row is one."""
    found, index = "", 0
    while index < len(letters):
        sound, length = _sound_at(letters, index, is_pinyin=is_pinyin)
        found += sound if found[-1:] != sound else ""
        index += length
    return found


def _sound_at(letters: str, index: int, *, is_pinyin: bool) -> tuple[str, int]:
    """A sound, or two, or none, and of how many letters."""
    letter = letters[index]
    if letter in _VOWELS:
        return "V", 1
    together = _TOGETHER_IN_PINYIN if is_pinyin else _TOGETHER
    for several in together:
        if letters.startswith(several, index):
            return together[several], len(several)
    if is_pinyin:
        at_the_end = letter == "n" and index
        return "n" if at_the_end else _CLASSES_OF_PINYIN.get(letter, ""), 1
    if letter == "x":
        return "KS", 1
    is_soft = letters[index + 1 : index + 2] in tuple("eiy")
    return (_SOFT.get(letter, "") if is_soft else "") or _CLASSES.get(letter, ""), 1
