"""`surtitle translate`: the translator alone, on text.

In: a text, a line a segment, or JSON lines with the times of each (a log's too). Out: a line a translation (with
several targets, marked with their code), or the same JSON with translations, as they are made, through the same
endless stream as speech. Knows no audio and no model.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from surtitle.pipeline.callbacks import always, ignore
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Translated
from surtitle.pipeline.interpreter import OneSource
from surtitle.pipeline.protocol import clean_text

_EXPECTED = 'expected {"text": "…", "start_ms": 0, "end_ms": 1000}, or a line of a surtitle log'
Milliseconds = Annotated[int, Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Line:
    """A segment of the input."""

    number: int
    """Of its line, from 1."""
    text: str
    start_ms: int = 0
    end_ms: int = 0


class _Kind(Struct):
    type: str = "caption"


class _Timed(Struct):
    text: str
    start_ms: Milliseconds
    end_ms: Milliseconds
    role: str = "source"
    final: bool = True
    lang: str | None = None
    words: Any = None
    """What was said has them, also where it is said in a language that is wanted, and so a caption of its own."""


class _Out(Struct, omit_defaults=True):
    text: str
    start_ms: int
    end_ms: int
    translations: dict[str, str]
    untranslated: list[str] = []
    """Languages in which there is no translation: their texts are what was said."""


Translations = Mapping[str, Translated]
"""Of one line, by language; none for an empty line."""


def translate_lines(
    lines: Iterable[Line],
    translator: OneSource,
    show: Callable[[Line, Translations], str],
    after_each: Callable[[], object] = ignore,
    *,
    untranslated: Callable[[Line, Sequence[str]], object] = ignore,
) -> None:
    """Translate to standard output, as `show` says; `untranslated` hears of languages in which what was said stands
    there instead. Raises UserError, with the line, for what can't be translated.
    """
    for line in lines:
        try:
            made = translator.translate(line.text, in_time=always, wrote=ignore)
            found = dict(made) if line.text else {}
        except UserError as error:
            raise UserError(f"line {line.number}: {error}") from error
        print(show(line, found), flush=True)
        untranslated(line, [code for code, each in found.items() if each.untranslated])
        after_each()


def tell_untranslated(line: Line, codes: Sequence[str]) -> None:
    """Say on standard error what a line of text can't say."""
    if codes:
        print(
            f"line {line.number}: could not be translated into {', '.join(codes)}, and stands there as it was",
            file=sys.stderr,
        )


def as_text(targets: Sequence[str]) -> Callable[[Line, Translations], str]:
    """A line for each of `targets`, marked with its code where there are several; empty lines stay empty."""

    def show(line: Line, found: Translations) -> str:
        texts = {code: clean_text(found[code].text) if found else "" for code in targets}
        return "\n".join(f"{code}\t{text}" if len(targets) > 1 else text for code, text in texts.items())

    return show


def as_json(targets: Sequence[str]) -> Callable[[Line, Translations], str]:
    """The line's text and times with its translations."""

    def show(line: Line, found: Translations) -> str:
        translations = {code: clean_text(found[code].text) if found else "" for code in targets}
        untranslated = [code for code in targets if found and found[code].untranslated]
        return msgspec.json.encode(_Out(line.text, line.start_ms, line.end_ms, translations, untranslated)).decode()

    return show


def lines_of(file: Path | None) -> Iterator[Line]:
    """Every line of `file`, or of standard input.

    A file is read at once, and so its faults are said before a model is loaded; standard input is read as it comes.
    Raises UserError for what is no UTF-8 text, of standard input when it comes.
    """
    if file is None:
        return _numbered(sys.stdin.buffer, "standard input")
    return iter(_read(file))


def timed_lines_of(file: Path | None, source: str) -> Iterator[Line]:
    """The segments in the JSON lines of `file`, or of standard input, read as `lines_of` does.

    Of a log they are the final captions of what was said. Raises UserError, with the line, for what is no segment, and
    for one that is not in the language `source`.
    """
    if file is None:
        return _timed(_numbered(sys.stdin.buffer, "standard input"), "standard input", source)
    return iter(list(_timed(_read(file), str(file), source)))


def _composed(text: str) -> str:
    """`text` as recognisers write it, and glossaries are read: what is copied from a PDF has its accents apart, and no
    word of it would be one."""
    return unicodedata.normalize("NFC", text)


def _read(file: Path) -> list[Line]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"can't read {file} ({error}): expected a UTF-8 text file, a segment on each line") from error
    return list(_numbered(io.BytesIO(content), str(file)))


def _numbered(lines: Iterable[bytes], name: str) -> Iterator[Line]:
    for number, line in enumerate(lines, 1):
        try:
            yield Line(number, _composed(line.decode("utf-8-sig" if number == 1 else "utf-8")).strip())
        except UnicodeDecodeError as error:
            raise UserError(
                f"can't read {name}, line {number} ({error}): expected a UTF-8 text file, a segment on each line"
            ) from error


def _timed(lines: Iterable[Line], name: str, source: str) -> Iterator[Line]:
    for line in lines:
        if not line.text:
            continue
        try:
            if msgspec.json.decode(line.text, type=_Kind).type != "caption":
                continue
            segment = msgspec.json.decode(line.text, type=_Timed)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UserError(f"{name}, line {line.number}: {error}, {_EXPECTED}") from error
        if not segment.final or (segment.role != "source" and not (segment.words and segment.lang == source)):
            continue
        if segment.lang not in (None, source):
            raise UserError(f"{name}, line {line.number}: saw a caption in {segment.lang}, expected --from {source}")
        if segment.end_ms < segment.start_ms:
            raise UserError(
                f"{name}, line {line.number}: saw end_ms {segment.end_ms}, before start_ms {segment.start_ms}; "
                f"{_EXPECTED}"
            )
        yield Line(line.number, " ".join(_composed(segment.text).split()), segment.start_ms, segment.end_ms)
