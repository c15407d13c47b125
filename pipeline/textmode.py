"""`surtitle translate`: the translator alone, on lines of text.

In: a text, a line a segment. Out: a line a translation (with several targets, marked with their code), as
they are made, through the same endless stream as speech. Knows no audio.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.languages import Pair, find_language
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.translator import Translator


def translate_lines(
    lines: Iterable[str], engine: Engine, pair: Pair, *, window: int, glossary: Callable[[], Glossary] = Glossary
) -> None:
    """Translate to standard output; empty lines stay empty."""
    source = find_language(pair.sources[0])
    translator = Translator(
        engine, source, [find_language(code) for code in pair.targets], window=window, glossary=glossary
    )
    for line in lines:
        found = dict(translator.translate(line)) if line else {}
        for code in pair.targets:
            text = clean_text(found[code].text) if line else ""
            print(f"{code}\t{text}" if len(pair.targets) > 1 else text, flush=True)


def lines_of(file: Path | None) -> Iterator[str]:
    """A file is read at once, and so its faults are said before a model is loaded; standard input is read as it comes.

    Raises UserError for what is no UTF-8 text: of standard input, when it comes.
    """
    if file is None:
        return _from_stdin()
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"can't read {file} ({error}): expected a UTF-8 text file, a line a segment") from error
    return (line.strip() for line in text.removesuffix("\n").split("\n"))


def _from_stdin() -> Iterator[str]:
    try:
        for line in sys.stdin.buffer:
            yield line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise UserError(f"can't read standard input ({error}): expected UTF-8 text, a line a segment") from error
