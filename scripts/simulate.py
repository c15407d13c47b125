"""Judges the translator alone: the words of a reference are fed to the product at their times, without audio.

In: a table of segments on the command line. Out: the product's own log, which `scripts/evaluate` scores, and captions
on the terminal. All but recognition is the product's (`Run`): segments, drafts, translation, eviction, log. No
recogniser is loaded. Exit status 0 done, 1 a failure said in one line, 2 wrong usage, 130 interrupted. Knows no metric.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from rich.console import Console
from score_segments import column, from_tsv
from text_files import read
from timed_words import ReferenceEars, from_table, of_talk, sample_of, spread

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.flags import captions_flag, llm_threads_flag, pair_flags
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.options import single_pair_of
from surtitle.pipeline.process import INTERRUPTED, exit_status, set_up_libraries
from surtitle.pipeline.store import open_store

if TYPE_CHECKING:
    from surtitle.pipeline.languages import Pair
    from surtitle.pipeline.runner import Run

EARS = "reference words"
"""What the log says was the recogniser."""
_EPILOG = """
SEGMENTS is a table with columns talk, offset_s, duration_s and one for each language. Words are spread over their
segment by their length, unless --words says when each was spoken. To be scored, the log's name must have the talk's
in it, as in build/TALK.jsonl.
"""


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said."""

    words: tuple[Word, ...]
    samples: int
    """Of silence, to the end of the last word or segment."""


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    options = build_parser().parse_args(arguments)
    set_up_libraries()
    return exit_status("scripts/simulate", lambda: simulate(options))


def simulate(options: argparse.Namespace) -> int:
    """Caption the talk that `options` name; the exit status. Raises UserError for what is missing or wrong."""
    # imported here: these libraries look at the environment that was just set up
    from surtitle.pipeline.assembly import ModelNames, Models, available_cores, share_cores
    from surtitle.pipeline.engine import WINDOW, Engine
    from surtitle.pipeline.runner import Run

    pair = single_pair_of(options)
    talk = read_talk(options.segments, pair.sources[0], name=options.talk, words=options.words)
    store = open_store(os.environ)
    llm = options.model or store.manifest.defaults.llm
    threads = share_cores(available_cores(), llm=options.llm_threads).llm

    def hear(languages: Sequence[str], glossary: Callable[[], Glossary] = Glossary) -> ReferenceEars:
        return ReferenceEars(talk.words)

    def load() -> Engine:
        return Engine(store.path(llm), threads=threads)

    with Models(ModelNames(EARS, llm), ears=lambda: hear, engine=load) as models:
        run = Run(models, window=WINDOW, console=Console(), captions=options.captions)
        is_whole = asyncio.run(play(run, talk, pair, clock=options.clock, log=options.log))
    return 0 if is_whole else INTERRUPTED


async def play(run: Run, talk: Talk, pair: Pair, *, clock: Literal["real", "virtual"], log: Path) -> bool:
    """Run the session; whether all of `talk` was said. Raises UserError if `log` can't be written."""
    from surtitle.pipeline.broadcast import OutputPaths

    outputs = OutputPaths(log=log)
    return await run.replay(silence(talk.samples), pair, clock=clock, outputs=outputs, server=None, stay=False)


def read_talk(path: Path, source: str, *, name: str | None, words: Path | None) -> Talk:
    """The talk called `name` in the table at `path`, with the times of the table `words` if there is one.

    Raises:
        UserError: a table can't be read or lacks something; the message names the file.
        UsageError: there is no such talk, or several and no `name`.
    """
    text = read(path)
    try:
        segments = of_talk(from_tsv(text, source), name)
        if words is None and column(text, source) is None:
            raise UserError(f"has no column {source}, expected what was said, or --words")
    except UserError as error:
        raise type(error)(f"{path}: {error}") from error
    spoken = spread(segments, source) if words is None else _timed_by(words)
    if not spoken:
        raise UserError(f"{path}: the column {source} is empty, expected what was said")
    ends = [word.end for word in spoken] + [(segment.offset + segment.duration) / 1000 for segment in segments]
    return Talk(tuple(spoken), sample_of(max(ends)))


def _timed_by(path: Path) -> list[Word]:
    text = read(path)
    try:
        return from_table(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def silence(samples: int) -> Iterator[Samples]:
    """So many samples, in blocks of a second."""
    whole, rest = divmod(samples, SAMPLE_RATE)
    yield from repeat(np.zeros(SAMPLE_RATE, np.float32), whole)
    if rest:
        yield np.zeros(rest, np.float32)


def build_parser() -> argparse.ArgumentParser:
    """Every flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__, epilog=_EPILOG)
    add = parser.add_argument
    add("segments", type=Path, metavar="SEGMENTS", help="table of what was said when, and its translations (TSV)")
    pair_flags(parser, heard=False)
    add("--log", type=Path, required=True, metavar="OUT", help="write every event as a line of JSON")
    add("--talk", metavar="NAME", help="the recording to take from the table (default: the only one)")
    add("--words", type=Path, metavar="TSV", help="the words and their times: columns start_s, end_s, word")
    add(
        "--model",
        metavar="NAME",
        help="a name in `surtitle models list`, or a folder (default: the smaller default one)",
    )
    add(
        "--clock",
        choices=("real", "virtual"),
        default="virtual",
        help="keep the pace of speech (real), or don't wait and give the same captions on every run (virtual); default "
        "virtual",
    )
    captions_flag(parser)
    llm_threads_flag(parser, "translator")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
