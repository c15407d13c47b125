from __future__ import annotations

import json
import os
from pathlib import Path

import benchmark
import pytest
from benchmark import left, main
from suite_plan import Case, Plan, plan
from suite_row import Row, read_rows, to_lines
from suite_run import Place

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.store import open_store

SUITE = """
title = "quick"
clocks = ["virtual"]
[[recording]]
name = "jfk"
audio = "{clip}.wav"
transcript = "{clip}.txt"
pairs = ["en-es"]
"""
TWO = SUITE.replace('"en-es"', '"en-es", "en-de"')


def row(case: str, revision: str = "abc", command: str = "", **found: object) -> Row:
    return Row(
        case=case,
        recording="jfk",
        source="en",
        target="es",
        clock="virtual",
        settings="default",
        commands=[command],
        revision=revision,
        hardware="h",
        versions={},
        **found,  # type: ignore[arg-type]
    )


def names(suite: Plan, kept: list[Row], of: str, only: str = "") -> list[str]:
    return [case.name for case in left(suite, kept, Place(Path("/data"), Path("/out"), of), only)]


def played(target: str, recording: str = "jfk.wav") -> str:
    return f"surtitle replay {recording} --from en --to {target} --clock virtual --log jfk.jsonl"


def test_a_case_that_is_there_with_the_same_revision_is_not_run_again() -> None:
    es, de = "jfk en-es virtual default", "jfk en-de virtual default"
    assert names(plan(TWO), [], "abc") == [es, de]
    spanish = played("es")
    assert names(plan(TWO), [row(es, command=spanish)], "abc") == [de]
    assert names(plan(TWO), [row(es, command=spanish)], "def") == [es, de]
    assert names(plan(TWO), [row(es, command=spanish, error="it broke")], "abc") == [es, de]
    assert names(plan(TWO), [row(es, "abc-dirty", spanish)], "abc-dirty") == [es, de]


def test_a_case_is_run_again_where_its_name_now_stands_for_other_flags_or_files() -> None:
    es = "jfk en-es virtual default"
    flagged = plan(SUITE + '[settings]\ndefault = ["--window", "2048"]\n')
    assert names(flagged, [row(es, command=played("es"))], "abc") == [es]
    assert names(flagged, [row(es, command=played("es") + " --window 2048")], "abc") == []
    assert names(plan(SUITE), [row(es, command=played("es", "other.wav"))], "abc") == [es]


def test_what_is_run_again_takes_the_place_of_what_was_there_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    es, de = "jfk en-es virtual default", "jfk en-de virtual default"
    results, seen = tmp_path / "results.jsonl", list[list[Row]]()
    results.write_text(to_lines([row(es, command=played("es")), row(de, command=played("de"))]), encoding="utf-8")
    (tmp_path / "suite.toml").write_text(TWO, encoding="utf-8")

    def run(case: Case, place: Place) -> Row:
        seen.append(read_rows(results))
        return row(case.name, "def")

    monkeypatch.setattr(benchmark, "run_case", run)
    monkeypatch.setattr(benchmark, "revision", lambda: "abc")
    suite = [str(tmp_path / "suite.toml"), "--data", str(tmp_path), "--out", str(tmp_path)]
    assert main([*suite, "--again", "--only", "en-de"]) == 0
    assert [[each.case for each in rows] for rows in seen] == [[es, de]]  # kept until there is something better
    assert [(each.case, each.revision) for each in read_rows(results)] == [(es, "abc"), (de, "def")]


def test_cases_are_chosen_by_part_of_their_names() -> None:
    assert names(plan(TWO), [], "abc", "en-de") == ["jfk en-de virtual default"]
    with pytest.raises(UserError, match=r"--only xx: no case is called so, expected part of a name such as jfk en-es"):
        names(plan(TWO), [], "abc", "xx")


def test_results_are_reported_and_compared_without_running_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.jsonl").write_text(to_lines([row("a", figures={"rtf": 0.5})]), encoding="utf-8")
    (tmp_path / "results.jsonl").write_text(to_lines([row("a", figures={"rtf": 0.25})]), encoding="utf-8")
    assert main(["--out", str(tmp_path), "--compare", str(tmp_path / "old.jsonl")]) == 0
    out = capsys.readouterr().out.splitlines()
    last = json.loads(out[-1])
    assert last["compared"]["cases"]["a"][0]["verdict"] == "better"
    assert last["versions"]["ctranslate2"]
    assert (last["command"].split()[0], bool(last["hardware"])) == ("scripts/benchmark", True)
    assert "better" in out[1]
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "{}/nowhere"], "expected results of scripts/benchmark"),
        (["{}/suite.toml"], "no --data, expected the folder"),
        (["{}/nosuite.toml", "--data", "."], "nosuite.toml: No such file"),
        (["{}/suite.toml", "--data", ".", "--out", "{}/suite.toml"], "suite.toml: File exists; choose another path"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "suite.toml").write_text(SUITE, encoding="utf-8")
    assert main([argument.format(tmp_path) for argument in arguments]) in (1, 2)
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.weights
def test_a_suite_is_run_once_and_each_case_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = open_store(os.environ).path("jfk")
    suite = tmp_path / "suite.toml"
    suite.write_text(SUITE.replace("{clip}.txt", str(tmp_path / "said.txt")), encoding="utf-8")
    (tmp_path / "said.txt").write_text(
        "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country.",
        encoding="utf-8",
    )
    assert main([str(suite), "--data", str(data), "--out", str(tmp_path / "out")]) == 0
    assert {"cases": 1, "failed": []}.items() <= json.loads(capsys.readouterr().out.splitlines()[-1]).items()
    (found,) = read_rows(tmp_path / "out" / "results.jsonl")
    assert found.figures["wer"] is not None
    assert found.figures["wer"] <= 10
    assert sum(units for _, units in found.statistics.wer) == 22
    assert found.stats["segments"] >= 2
    assert max(mb for _, mb in found.series.memory) > 500
    assert len(found.series.lag) == found.stats["segments"]
    assert found.commands[0] == "surtitle replay jfk.wav --from en --to es --clock virtual --log jfk.jsonl"
