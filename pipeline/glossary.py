"""The glossary: terms that have one translation, and names that have none.

In: the text of a file that a user wrote. Out: which of its terms a source text mentions, with the words that are wanted
for them; whether a translation has them; what the recogniser should expect to hear. Knows no file, model or prompt.

    [[term]]                        # in TOML: a table for each term, what it is called by language code
    en = "attention sink"
    es = "sumidero de atención"
    [[term]]
    keep = "Kessler"                # the same in every language

    en,es,de,keep                   # or in CSV: a column for each language, an empty cell where there is nothing to say
    attention sink,sumidero de atención,,
    ,,,Kessler
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import LANGUAGES
from surtitle.pipeline.text import is_latin, is_spaced

KEEP = "keep"
"""The key of a name that is the same in every language."""
MAX_TERMS = 4
"""Terms of one segment that are looked after: each is something more for the model to read."""
_REMEMBERED = 256
"""Texts whose terms are remembered: those in a window are asked for again and again, and a glossary may be long."""
_TABLE = re.compile(r"^[ \t]*\[\[\s*term\s*\]\]", re.MULTILINE)
_ENDING = 2
"""Letters that an inflection adds, or takes the place of."""
_STEM = 4
"""Letters that a word has at least for its last ones to be taken for an ending."""
_PARTICLES = (
    "(?:들)?(?:은|는|이|가|을|를|의|에|에서|에게|에는|에도|로|으로|로서|으로서|와|과|도|만|까지|부터|처럼|보다|이나|나|랑|이랑"
    "|라는|이라는|라고|이라고|입니다|이다|인|이며|이고|에서는|에서도|에게는|으로는|로는|과는|와는)?"
)
"""Of Korean: they stand behind words of any length."""
_LONG_ENDINGS = {"fi": 4, "hu": 4, "tr": 4}
"""Letters that endings have where they take the place of small words (Pálnak: to Pál)."""
_SPELT = {"'": "['’ʼ]", "’": "['’ʼ]", "ё": "[её]", "Ё": "[ЕЁ]"}
"""Characters that one may write otherwise, and recognisers and models do: a glossary's apostrophes are a word
processor's, theirs a keyboard's."""
_POINTS = re.compile("[\u0591-\u05bd\u05bf-\u05c7\u064b-\u0652\u0670]")
_LATIN = "[0-9A-Za-z]"
_SIGNS = "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
"""Of Hindi: vowels and the like, which are marks behind a letter and end no word (जल is not in बिजली)."""
_LETTER = rf"[\w{_SIGNS}]"
_BEFORE_THAI, _BEHIND_THAI = "(?<![เแโใไ])", "(?![ะาำๅ\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])"
"""Where a syllable of Thai is not cut: vowels and tones stand around its letters (สี is not in สี่)."""
_BEFORE = {"he": "[והבלכמש]{0,3}", "ar": "[وفبلك]{0,2}(?:ال|لل)?"}
"""The article and the small words that are written as one with what follows them."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """A term in one language pair."""

    said: str
    """As the glossary writes it in the source language."""
    wanted: str
    """As the translation should have it."""


GlossaryTerms = Callable[[str], Sequence[Rendering]]
"""The terms of a glossary that a text mentions, with the words wanted for them."""


@dataclass(frozen=True, slots=True)
class Glossary:
    """Terms, in the order of their file."""

    terms: tuple[Mapping[str, str], ...] = ()
    """What each is called, by language code, or by KEEP for all."""

    def renderings(self, text: str, source: str, target: str) -> tuple[Rendering, ...]:
        """Of the terms that `text` mentions those that have a translation, in the order of the text.

        A word may have an ending more than the glossary's. Of two terms at one place the longer one is meant, which may
        have no translation: an attention sink is no sink.
        """
        both = [(_called(term, source), _called(term, target)) for term in self.terms]
        known = [Rendering(said, wanted) for said, wanted in both if said]
        return tuple(dict.fromkeys(each for _, _, each in _places(known, text, source) if each.wanted))

    def hot_words(self, language: str, limit: int) -> str:
        """What the terms are called in `language`, as a recogniser's context: as many as `limit` characters hold."""
        text = ""
        for word in dict.fromkeys(filter(None, (_called(term, language) for term in self.terms))):
            longer = f"{text}, {word}" if text else word
            if len(longer) >= limit:
                break
            text = longer
        return f"{text}." if text else ""


def terms_of(glossary: Callable[[], Glossary], source: str, target: str) -> GlossaryTerms:
    """The terms of one language pair, of whatever the glossary is when a text asks for them."""
    current, found = glossary(), dict[str, Sequence[Rendering]]()

    def terms(text: str) -> Sequence[Rendering]:
        nonlocal current, found
        if (newest := glossary()) is not current:
            current, found = newest, {}
        if text not in found:
            if len(found) == _REMEMBERED:
                del found[next(iter(found))]
            found[text] = current.renderings(text, source, target)
        return found[text]

    return terms


def put_in(renderings: Iterable[Rendering], text: str, source: str) -> str:
    """`text` with the wanted words where the terms were said: what stands there in the target language already, a model
    mostly leaves (Dinu et al. 2019)."""
    for start, end, each in reversed(_places(renderings, text, source)):
        text = text[:start] + each.wanted + text[end:]
    return text


def missed(renderings: Iterable[Rendering], translation: str, target: str) -> tuple[Rendering, ...]:
    """Those whose wanted words `translation` does not have; the last letters of each word may differ."""
    return tuple(each for each in renderings if not _stems(each.wanted, target).search(translation))


def parse(text: str, suffix: str) -> Glossary:
    """A glossary in the form that a file's `suffix` says: .csv, or TOML. Raises UserError, with the line."""
    return parse_csv(text) if suffix.lower() == ".csv" else parse_toml(text)


def parse_toml(text: str) -> Glossary:
    """Raises UserError for what is no glossary, with the line."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter for brackets without end
        raise UserError(f"{error}, expected a [[term]] table for each term") from error
    tables = document.pop("term", [])
    if document or not isinstance(tables, list):
        seen = next(iter(document), "term")
        raise UserError(f"saw {seen!r}, expected nothing but [[term]] tables")
    lines = [text.count("\n", 0, place.start()) + 1 for place in _TABLE.finditer(text)]
    rows = ((lines[index] if index < len(lines) else 1, table) for index, table in enumerate(tables))
    return Glossary(tuple(_term(line, table) for line, table in rows))


def parse_csv(text: str) -> Glossary:
    """Raises UserError for what is no glossary, with the line."""
    reader = csv.DictReader(io.StringIO(text), strict=True)  # or a quote that is not closed takes all that follows
    terms = []
    try:
        _check_heading(reader.fieldnames or ())
        for row in reader:
            if None in row or None in row.values():
                seen = "more" if None in row else "fewer"
                raise UserError(f"line {reader.line_num}: saw {seen} cells than in the first line, expected as many")
            filled = {name.strip(): cell.strip() for name, cell in row.items() if cell.strip()}
            if filled:
                terms.append(_term(reader.line_num, filled))
    except csv.Error as error:
        raise UserError(f"line {reader.line_num + 1}: {error}, expected a cell's quotes to be closed") from error
    return Glossary(tuple(terms))


def _check_heading(heading: Iterable[str]) -> None:
    names = list(filter(None, map(str.strip, heading)))
    for name in names:
        if name != KEEP and name not in LANGUAGES:
            raise UserError(
                f"line 1: unknown language {name[:40]!r}, expected a heading such as en,es,{KEEP}, with commas between"
            )
        if names.count(name) > 1:
            raise UserError(f"line 1: saw {name} {names.count(name)} times, expected a column for each language")


def _term(line: int, table: Any) -> Mapping[str, str]:
    if not isinstance(table, dict):
        raise UserError(f"line {line}: saw {table!r}, expected a [[term]] table")
    for name, value in table.items():
        if name != KEEP and name not in LANGUAGES:
            raise UserError(f"line {line}: unknown language {name!r}, expected {KEEP} or one of {', '.join(LANGUAGES)}")
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"line {line}: saw {name} = {value!r}, expected the term's words in quotes")
    if KEEP not in table and len(table) < 2:
        raise UserError(f"line {line}: saw {_listed(table)}, expected a term in two languages or more, or {KEEP}")
    # as recognisers and models write it: what is copied from a PDF has its accents apart
    return {name: " ".join(unicodedata.normalize("NFC", value).split()) for name, value in table.items()}


def _listed(table: Mapping[str, str]) -> str:
    return ", ".join(table) or "nothing"


def _called(term: Mapping[str, str], language: str) -> str:
    return term.get(language) or term.get(KEEP, "")


def _places(renderings: Iterable[Rendering], text: str, source: str) -> list[tuple[int, int, Rendering]]:
    """Where in `text` which of them is said, in order: of two at one place the longer one, of two as long one that has
    a translation."""
    found = [
        (place.start(), place.end(), each)
        for each in renderings
        for place in _pattern(each.said, source).finditer(text)
    ]
    taken: list[tuple[int, int, Rendering]] = []
    for start, end, rendering in sorted(found, key=lambda each: (each[0] - each[1], not each[2].wanted)):
        if all(end <= other or start >= last for other, last, _ in taken):
            taken.append((start, end, rendering))
    return sorted(taken, key=lambda each: each[0])


@lru_cache(maxsize=2**16)  # `re` remembers 512, and a glossary may have thousands
def _pattern(said: str, language: str) -> re.Pattern[str]:
    """Where `said` stands in a text; its last word may have an ending if it is no short one (UN is not in "unit"). What
    is all capitals is no other word in small letters (US, us). Korean has particles behind short words too, and Hindi
    vowels; Hebrew and Arabic have the article and small words before.
    """
    words = r"\s+".join(map(_spelt, said.split()))
    flags = re.NOFLAG if said.isupper() else re.IGNORECASE
    if not is_spaced(language):
        return re.compile(_apart(said, words), flags)
    longest = _LONG_ENDINGS.get(language, _ENDING) if len(said.split()[-1]) >= _STEM else 0
    ending = _PARTICLES if language == "ko" else f"{_LETTER}{{0,{longest}}}"
    if language == "hi" and not longest:
        ending = f"[{_SIGNS}]{{0,{_ENDING}}}"
    return re.compile(rf"(?<!{_LETTER}){_BEFORE.get(language, '')}{words}{ending}(?!{_LETTER})", flags)


@lru_cache(maxsize=2**16)
def _stems(wanted: str, language: str) -> re.Pattern[str]:
    if not is_spaced(language):
        return re.compile(_apart(wanted, _spelt(wanted)), re.IGNORECASE)
    # what is cut off are letters: behind "People" of "People's" there would be another word
    words = [
        word[:-_ENDING] if len(word) >= _STEM + _ENDING and word[-_ENDING:].isalnum() else word
        for word in wanted.split()
    ]
    endings = 2 * _PARTICLES if language == "ko" else f"{_LETTER}{{0,{_LONG_ENDINGS.get(language, _ENDING)}}}"
    end = rf"{endings}(?!{_LETTER})" if len(words[-1]) < _STEM else ""  # "red" is not in "reduce"
    before = _BEFORE.get(language, "")
    flags = re.NOFLAG if wanted.isupper() else re.IGNORECASE  # EU is not in "euroa"
    return re.compile(rf"(?<!{_LETTER}){before}" + r"\w*\W+".join(map(_spelt, words)) + end, flags)


def _apart(term: str, words: str) -> str:
    """The pattern `words` of `term` where there are no spaces: Latin letters still make words there, so AI is not in
    OpenAI."""
    longest = _ENDING if len(term.split()[-1]) >= _STEM else 0
    before = f"(?<!{_LATIN})" if is_latin(term[0]) else ""
    behind = rf"{_LATIN}{{0,{longest}}}(?!{_LATIN})" if is_latin(term[-1]) else ""
    return f"{_BEFORE_THAI}{before}{words}{behind}{_BEHIND_THAI}"


def _spelt(word: str) -> str:
    """The pattern of `word` as anybody writes it: Hebrew and Arabic mostly without the vowels that prayers have."""
    return _POINTS.sub(r"\g<0>?", "".join(_SPELT.get(letter) or re.escape(letter) for letter in word))
