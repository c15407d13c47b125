"""Whether names are translated as at first when their turns have long left the window, with and without remembering.

In: invented names, each with an English sentence that introduces it and one that mentions it (`suites/names.tsv`); a
text of other sentences, and its translation if there is one: then it is read as what was said between, not translated,
which is cheap. Out: of each name how it was rendered at first and long after, twice in one run: with the memory of
names and without. Introductions and mentions go through the product's own translator. Knows no audio.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import bench_common as common
import text_files
from bench_common import Row

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import Language, find_language
from surtitle.pipeline.memory import CAPACITY
from surtitle.pipeline.names import names, same_name
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.transcribed import transcribed
from surtitle.pipeline.translator import Translator

MODEL = "qwen2.5-coder-1.5b"
NAMES = Path(__file__).with_name("suites") / "names.tsv"
ENGLISH = find_language("en")
_COLUMNS = ("name", "introduction", "mention")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of one name."""

    name: str
    remembered: bool
    """Whether with the memory."""
    introduced: str
    """The translation of its introduction; empty where there is none."""
    mentioned: str
    """That of its mention, long after."""
    first: str | None
    """Its word in the introduction's translation; None where no word is like it."""
    as_at_first: bool
    """Whether that word stands in the mention's translation."""


@dataclass(frozen=True, slots=True)
class Between:
    """Sentences that are said between."""

    sentences: Sequence[tuple[str, str | None]]
    """With their translations; those that have none are translated."""

    def turns(self, count: int) -> Iterator[tuple[str, str | None]]:
        """The first `count`; a shorter text is said again."""
        return islice(cycle(self.sentences), count)


def read_names(path: Path) -> list[dict[str, str]]:
    """A row a name. Raises UserError for what is no such table."""
    rows = list(csv.DictReader(text_files.read_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        if tuple(row) != _COLUMNS or not all(row.values()):
            raise UserError(f"{path}, line {number}: expected the columns {', '.join(_COLUMNS)}, and no empty cell")
        if any(row["name"] not in row[column] for column in _COLUMNS[1:]):
            raise UserError(f"{path}, line {number}: expected {row['name']} in both sentences")
    if not rows:
        raise UserError(f"{path} has no name: expected a table with the columns {', '.join(_COLUMNS)}")
    return rows


def read_between(source: Path, reference: Path | None) -> Between:
    """The lines of both files that have text. Raises UserError for files of different lengths, and for empty ones."""
    sources = text_files.read_lines(source)
    references = None if reference is None else text_files.read_lines(reference)
    if references is not None and len(references) != len(sources):
        raise UserError(f"{reference} has {len(references)} lines, expected {len(sources)}, as {source} has")
    others: Sequence[str | None] = references or [None] * len(sources)
    said = [
        (line, other)
        for line, other in zip(sources, others, strict=True)
        if line.strip() and (other is None or other.strip())
    ]
    if not said:
        raise UserError(f"{source} has no line of text")
    return Between(said)


def render(
    translator: Translator, rows: Sequence[dict[str, str]], say_between: Callable[[], None]
) -> Iterator[tuple[dict[str, str], str, str]]:
    """Each row with the translations of its introduction and of its mention."""
    introduced = [_translated(translator, row["introduction"]) for row in rows]
    say_between()
    for row, first in zip(rows, introduced, strict=True):
        yield row, first, _translated(translator, row["mention"])


def _translated(translator: Translator, text: str) -> str:
    ((_, found),) = translator.translate(text)
    return "" if found.untranslated else found.text  # in what was said the name stands as it was said


def read_turns(translator: Translator, target: Language, between: Between, turns: int, *, pause_every: int) -> int:
    """Say so many sentences, with a pause now and then; how many were left out, too long for a segment."""
    left_out = 0
    for number, (source, translation) in enumerate(between.turns(turns), 1):
        try:
            if translation is None:
                _translated(translator, source)
            else:
                translator.join(source, {target.code: translation})
        except UserError:
            left_out += 1
        if number % pause_every == 0:
            translator.rest(lambda: False)
        if number % 200 == 0:
            common.say(f"{number} of {turns} turns")
    return left_out


def judged(row: dict[str, str], introduced: str, mentioned: str, target: Language, *, remembered: bool) -> Rendered:
    """Whether the name has the same word in both translations, but for an ending."""
    name = row["name"]
    first, then = (_word_for(name, text, target) for text in (introduced, mentioned))
    same = first is not None and then is not None and (then.startswith(first) or first.startswith(then))
    return Rendered(name, remembered, introduced, mentioned, first, same)


def _word_for(name: str, text: str, target: Language) -> str | None:
    """As it is spelt, or in a script of its own as it sounds."""
    heard = transcribed([name], text, target).get(name)
    return same_name(name, [each.text for each in names(text, target)]) or (heard.text if heard else None)


def run(
    engine: Engine, target: Language, rows: Sequence[dict[str, str]], between: Between, options: argparse.Namespace
) -> Iterator[tuple[list[Rendered], Row]]:
    """What became of the names, and what it took: with the memory, then without."""
    for remembered in (True, False):
        began, capacity = time.perf_counter(), CAPACITY if remembered else 0
        translator = Translator(engine, ENGLISH, [target], window=options.window, names=capacity)
        before, left_out = {"recalled_tokens": 0}, 0

        def say_between(translator: Translator = translator) -> None:
            nonlocal before, left_out
            left_out = read_turns(translator, target, between, options.turns, pause_every=options.pause_every)
            before = translator.figures()

        found = [
            judged(row, introduced, mentioned, target, remembered=remembered)
            for row, introduced, mentioned in render(translator, rows, say_between)
        ]
        after = translator.figures()
        yield (
            found,
            {
                "as_at_first": round(sum(each.as_at_first for each in found) / len(found), 3),
                "rendered_at_first": sum(each.first is not None for each in found),
                "prompt_tokens_for_mentions": after["recalled_tokens"] - before["recalled_tokens"],
                "prompt_tokens": after["recalled_tokens"],
                "names_known": after["names"],
                "evictions": after["evictions"],
                "rebuilds": after["rebuilds"],
                "left_out": left_out,
                "seconds": round(time.perf_counter() - began, 1),
            },
        )


def parse() -> argparse.Namespace:
    """The flags."""
    parser = common.parser_of("memory", "Names long after their first turn, with and without memory.", model=MODEL)
    parser.add_argument("--to", default="es", metavar="LANG", help="language of the translations (default es)")
    parser.add_argument("--source", type=Path, required=True, help="English sentences said between, a line each")
    parser.add_argument("--reference", type=Path, help="their translations, a line each (default: they are translated)")
    parser.add_argument("--turns", type=common.positive, default=2000, help="how many of them are said (default 2000)")
    parser.add_argument(
        "--pause-every", type=common.positive, default=50, metavar="TURNS", help="turns up to a pause (default 50)"
    )
    parser.add_argument("--names", type=Path, default=NAMES, help="TSV: name, introduction, mention")
    parser.add_argument("--window", type=common.positive, default=1024, help="tokens of context (default 1024)")
    return parser.parse_args()


def main() -> None:
    options = parse()
    target, rows = find_language(options.to), read_names(options.names)
    between = read_between(options.source, options.reference)
    engine = Engine(common.model_folder(options.model), threads=options.threads)
    path = common.new_rows(options.out, "memory")
    results: dict[str, Row] = {}
    for found, figures in run(engine, target, rows, between, options):
        results["with" if found[0].remembered else "without"] = figures
        for each in found:
            common.add_row(path, asdict(each))
    columns = ["as_at_first", "rendered_at_first", "prompt_tokens_for_mentions", "evictions", "rebuilds", "seconds"]
    shown = ([name, *(str(figures[column]) for column in columns)] for name, figures in results.items())
    print(common.table([["memory", *columns], *shown]))
    common.conclude(
        "memory", {"model": options.model, "to": target.code, "names": len(rows), "turns": options.turns, **results}
    )


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench memory", main))
