"""Large numbers and fractions, as the language of a translation writes them.

In: a translation, what was said, both languages. Out: the translation, in which no number of what was said reads as
another: `3.499 Euro` are three thousand in German, and in English not even four. Of a longer translation it is the
beginning, if that ends where a word does. Knows no model.
"""

from __future__ import annotations

import re

_POINT = frozenset({"en", "he", "hi", "ja", "ko", "th", "zh"})
"""They write 12,345.6."""
_COMMA = frozenset({"ca", "da", "de", "el", "id", "it", "nl", "pt", "ro", "tr", "vi"})
"""They write 12.345,6."""
_SPACE = frozenset({"cs", "es", "fi", "fr", "hu", "no", "pl", "ru", "sv", "uk"})
"""They write 12 345,6. (Spanish in Mexico is as English; this is read everywhere.)"""
_BARE = frozenset({"es", "pl"})
"""They write 1234 without a space."""
_ALONE = r"(?<![0-9A-Za-z.,])(?:{})(?![0-9A-Za-z]|[.,][0-9])"
_MARK = re.compile("[.,:]")
_GAP = re.compile("[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]")
_MARKED = "[0-9]+(?:[.,:][0-9]+)+"
_NUMBER = re.compile(_ALONE.format(_MARKED))
_NUMBER_WITH_GAPS = re.compile(_ALONE.format(f"[1-9][0-9]{{0,2}}(?:{_GAP.pattern}[0-9]{{3}})+(?:,[0-9]+)?|{_MARKED}"))
_BY_COMMAS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
# three digits behind a comma may be thousands: who speaks Spanish may write as in Mexico
_BY_POINTS = re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]{3}")


def numbers_as(text: str, said: str, source: str, target: str) -> str:
    """`text`, a translation of what was `said`, with its numbers as `target` writes them, and without the spaces that
    models like to set within them (`10. 000`).

    `source` and `target` are ISO 639-1 codes; where it is not known what is usual in one of them, the marks stay. So
    does a point before a fraction: it may be a version's (Python 3.11), and nobody takes it for another number.
    """
    numbers = _NUMBER_WITH_GAPS if source in _SPACE else _NUMBER
    for number in dict.fromkeys(_GAP.sub(".", found) for found in numbers.findall(said)):
        text = _put(number, _as_usual(number, source, target), text)
    return text


def _put(number: str, wanted: str, text: str) -> str:
    """`text` with what is `wanted` where `number` stands, with whatever marks; but no time or verse (`3:16`) is a
    fraction, and what has no mark is read everywhere, or may be a telephone's number."""
    mark = "(?:[.,] ?| ?)" if wanted else "[.,] ?"
    there = re.compile(_ALONE.format(_MARK.sub(lambda found: "[.,:] ?" if found[0] == ":" else mark, number)))

    def written(found: re.Match[str]) -> str:
        return (wanted or found[0].replace(" ", "")) if _MARK.search(found[0]) else found[0]

    return there.sub(written, text)


def _as_usual(number: str, source: str, target: str) -> str:
    """How `target` writes the `number` of `source`; empty where it is no large one and no fraction, or may be none."""
    if not {source, target} <= _POINT | _COMMA | _SPACE:
        return ""
    usual, group, mark = (_BY_COMMAS, ",", ".") if source in _POINT else (_BY_POINTS, ".", ",")
    if not usual.fullmatch(number):
        return ""
    whole, _, fraction = number.partition(mark)
    if group in whole:
        whole = _grouped(whole.replace(group, ""), target)
    return f"{whole}{'.' if target in _POINT else ','}{fraction}" if fraction else whole


def _grouped(digits: str, target: str) -> str:
    if target in _BARE and len(digits) <= 4:
        return digits
    mark = "," if target in _POINT else "." if target in _COMMA else "\N{NO-BREAK SPACE}"
    return f"{int(digits):,}".replace(",", mark)
