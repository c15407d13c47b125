from __future__ import annotations

from pathlib import Path

import pytest
from suite_row import Row, Series, Statistics, read_rows, to_lines

from surtitle.pipeline.errors import UserError


def row(case: str, **found: object) -> Row:
    return Row(
        case=case,
        recording="r",
        source="en",
        target="de",
        clock="real",
        settings="default",
        commands=["surtitle replay r.wav"],
        revision="abc",
        hardware="two cores",
        versions={"python": "3"},
        **found,  # type: ignore[arg-type]
    )


FULL = row(
    "a",
    figures={"bleu": 20.5, "comet": None},
    stats={"lag_p50_ms": 1200.0},
    statistics=Statistics(bleu=[[3, 4, 2, 1, 0, 0, 3, 2, 1, 0]], wer=[[1, 9]]),
    series=Series(lag=[(1.0, 2.5)], memory=[(0.0, 12.5)]),
)


def test_what_was_written_is_read_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(to_lines([FULL, row("b", error="it broke")]), encoding="utf-8")
    assert read_rows(path) == [FULL, row("b", error="it broke")]


def test_a_case_that_was_run_again_counts_as_it_ran_last(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(to_lines([row("a", error="it broke"), row("b"), FULL]), encoding="utf-8")
    assert read_rows(path) == [FULL, row("b")]


def test_a_file_that_is_no_results_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(to_lines([FULL]) + to_lines([FULL])[:40], encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: .* expected a row of results"):
        read_rows(path)
    with pytest.raises(UserError, match="expected results of scripts/benchmark"):
        read_rows(tmp_path / "nowhere.jsonl")
