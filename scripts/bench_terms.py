"""How often a glossary's terms are translated as it says, with the glossary and without.

In: a glossary (`suites/terms.csv`), English sentences that mention its terms (`suites/terms.txt`). Out: for each target
language the share of mentions whose translation has the wanted words, twice in one run: with the glossary and without;
a row of each sentence, to be read. The wanted words may have other endings, as the product's own check lets them. Knows
no audio.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import bench_common as common
import text_files
from bench_common import Row

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Glossary, missed, parse
from surtitle.pipeline.languages import Language, find_language, parse_languages
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.translator import Translator

MODEL = "qwen2.5-coder-1.5b"
TERMS = Path(__file__).parent / "suites" / "terms.csv"
SENTENCES = TERMS.with_suffix(".txt")
ENGLISH = find_language("en")


@dataclass(frozen=True, slots=True)
class Translated:
    """What became of the terms of one sentence in one language."""

    to: str
    """Language code."""
    glossary: bool
    """Whether the translator had it."""
    source: str
    """What was said."""
    text: str
    """Its translation."""
    untranslated: bool
    """Whether there was none, and `text` is what was said."""
    wanted: tuple[str, ...]
    """What its terms should be called."""
    missed: tuple[str, ...]
    """Those of them that `text` lacks."""


def read_sentences(path: Path, glossary: Glossary, targets: Sequence[Language]) -> list[str]:
    """The lines of a file. Raises UserError for one that mentions no term that each of `targets` has words for."""
    lines = text_files.read_lines(path)
    for number, line in enumerate(lines, 1):
        for target in targets:
            if not glossary.renderings(line, ENGLISH.code, target.code):
                raise UserError(f"{path}, line {number}: expected a term that the glossary has in {target.code}")
    if not lines:
        raise UserError(f"{path} has no sentence, expected one a line")
    return lines


def translated(
    engine: Engine, targets: Sequence[Language], sentences: Sequence[str], glossary: Glossary, *, window: int
) -> Iterator[Translated]:
    """Every sentence in every language, as live speech would be: with the glossary, then without."""
    for given in (glossary, Glossary()):
        translator = Translator(engine, ENGLISH, targets, window=window, glossary=partial(Glossary, given.terms))
        for source in sentences:
            for code, found in translator.translate(source):
                renderings = glossary.renderings(source, ENGLISH.code, code)
                lacks = missed(renderings, "" if found.untranslated else found.text, code)
                yield Translated(
                    to=code,
                    glossary=given is glossary,
                    source=source,
                    text=found.text,
                    untranslated=found.untranslated,
                    wanted=tuple(each.wanted for each in renderings),
                    missed=tuple(each.wanted for each in lacks),
                )


def summary(found: Sequence[Translated]) -> dict[str, dict[str, Row]]:
    """By language, then with and without: how many terms were said, and the share that has the wanted words."""
    figures: dict[str, dict[str, Row]] = {}
    for each in found:
        row = figures.setdefault(each.to, {}).setdefault("with" if each.glossary else "without", {"said": 0, "as": 0})
        row["said"] += len(each.wanted)
        row["as"] += len(each.wanted) - len(each.missed)
    return {
        code: {name: {"said": row["said"], "accuracy": round(row["as"] / row["said"], 3)} for name, row in both.items()}
        for code, both in figures.items()
    }


def parse_flags() -> argparse.Namespace:
    """The flags."""
    parser = common.parser_of("terms", "A glossary's terms, with the glossary and without.", model=MODEL)
    parser.add_argument(
        "--to", type=parse_languages, default=("es", "de", "fr"), metavar="CODES", help="targets (default es,de,fr)"
    )
    parser.add_argument("--glossary", type=Path, default=TERMS, help="TOML or CSV (default suites/terms.csv)")
    parser.add_argument("--sentences", type=Path, default=SENTENCES, help="English sentences, a line each")
    parser.add_argument("--window", type=common.positive, default=1024, help="tokens of context (default 1024)")
    return parser.parse_args()


def main() -> None:
    arguments = parse_flags()
    targets = [find_language(code) for code in arguments.to]
    glossary = parse(text_files.read(arguments.glossary), arguments.glossary.suffix)
    sentences = read_sentences(arguments.sentences, glossary, targets)
    engine = Engine(common.model_folder(arguments.model), threads=arguments.threads)
    path = common.new_rows(arguments.out, "terms")
    found: list[Translated] = []
    for each in translated(engine, targets, sentences, glossary, window=arguments.window):
        found.append(each)
        common.add_row(path, asdict(each))
        if not len(found) % (20 * len(targets)):
            common.say(f"{len(found)} of {2 * len(sentences) * len(targets)}")
    figures = summary(found)
    rows = [
        [code, str(both["with"]["said"]), *(f"{100 * both[name]['accuracy']:.1f} %" for name in ("with", "without"))]
        for code, both in figures.items()
    ]
    print(common.table([["to", "terms said", "with the glossary", "without"], *rows]))
    common.conclude("terms", {"model": arguments.model, "to": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench terms", main))
