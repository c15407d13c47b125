"""Measures the whole product, case by case, and holds it against what it was: the shell around `suite_*.py`.

In: a suite, a folder of recordings, earlier results. Out: `results.jsonl` (a row a case, there as soon as the case is
done), `report.html`, a comparison on the terminal, and one JSON object as the last line of stdout. What is there with
the same flags and the same revision of the product is not run again. Exit status 0 done, 1 a case failed or a failure
said in one line, 2 wrong usage, 130 interrupted. Knows no metric.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_common import ROOT, made_by, revision
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from suite_compare import as_json, compare, lines
from suite_plan import Case, Plan, plan
from suite_report import report
from suite_row import Row, read_rows, to_lines
from suite_run import Place, replay_of, run_case, without_folders
from text_files import read

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.process import exit_status

OUT = ROOT / "build" / "benchmark"


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return its exit status."""
    options = parse(arguments)
    return exit_status("scripts/benchmark", lambda: benchmark(options))


def benchmark(options: argparse.Namespace) -> int:
    """Run what is wanted and not there, report all that is there, and compare. Returns the exit status."""
    results = options.out / "results.jsonl"
    title = "surtitle"
    if options.suite is not None:
        suite = plan(read(options.suite))
        title = suite.title
        run(suite, options, results)
    rows = read_rows(results)
    page = options.out / "report.html"
    page.write_text(report(rows, title=title, command=shlex.join(["scripts/benchmark", *options.given])), "utf-8")
    figures: dict[str, Any] = {"cases": len(rows), "failed": [row.case for row in rows if row.error]}
    if options.compare is not None:
        comparison = compare(read_rows(options.compare), rows)
        print(lines(comparison))
        figures["compared"] = as_json(comparison)
    Console(stderr=True).print(f"results: {results}\nreport: {page}", highlight=False)
    figures |= made_by("scripts/benchmark", *options.given)
    print(json.dumps(figures, ensure_ascii=False))
    return 1 if figures["failed"] else 0


def run(suite: Plan, options: argparse.Namespace, results: Path) -> None:
    """Run the cases of `suite` that are wanted and not there. Every row is in the file before the next case begins."""
    if options.data is None:
        raise UsageError("no --data, expected the folder of the suite's recordings")
    place = Place(options.data, options.out / "logs", revision())
    options.out.mkdir(parents=True, exist_ok=True)
    there = read_rows(results) if results.exists() else []
    cases = left(suite, [] if options.again else there, place, options.only)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(cases))
        for case in cases:
            progress.update(task, description=case.name)
            row = run_case(case, place)
            there = [*(each for each in there if each.case != case.name), row]
            # whole or not at all: what is there took hours
            new = results.with_suffix(".new")
            new.write_text(to_lines(there), encoding="utf-8")
            new.replace(results)
            progress.advance(task)
            if row.error:
                progress.console.print(f"{case.name}: {row.error}", style="red", highlight=False, markup=False)


def left(suite: Plan, kept: Sequence[Row], place: Place, only: str) -> list[Case]:
    """The cases with `only` in their name, but for those that went well with the same revision, files and flags.

    A tree that has changes of its own has no revision to go by: it is all run again.
    """
    of = place.revision
    good = [row for row in kept if not row.error and row.revision == of and not of.endswith("-dirty")]
    begun = {row.case: row.commands[:1] for row in good}
    wanted = [case for case in suite.cases if only in case.name]
    if not wanted:
        raise UserError(f"--only {only}: no case is called so, expected part of a name such as {suite.cases[0].name}")
    return [case for case in wanted if begun.get(case.name) != [without_folders(replay_of(case, place))]]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the process where it is wrong."""
    return build_parser().parse_args(arguments, argparse.Namespace(given=list(arguments)))


def build_parser() -> argparse.ArgumentParser:
    """Every flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    add = parser.add_argument
    add("suite", nargs="?", type=Path, metavar="SUITE", help="what to run (TOML, such as scripts/suites/full.toml)")
    add("--data", type=Path, metavar="DIR", help="folder that the suite's paths are relative to")
    add("--out", type=Path, default=OUT, metavar="DIR", help="folder of results (default build/benchmark)")
    add("--only", default="", metavar="TEXT", help="run only cases with this in their name")
    add("--again", action="store_true", help="run again what already has results")
    add("--compare", type=Path, metavar="OLD.jsonl", help="say what got better or worse since these results")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
