from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from msgspec.structs import replace
from score_quality import chrf_of, quality, summed
from suite_compare import Change, as_json, compare, lines
from suite_row import Row, Statistics

NOUNS, KINDS = ("Hund", "Baum", "Weg", "Tag"), ("alt", "lang", "gut")
REFERENCES = [f"Der {noun} ist sehr {kind}." for noun in NOUNS for kind in KINDS]
GOOD = [*REFERENCES[:-1], "Der Tag ist ziemlich gut."]
POOR = [line.replace("sehr", "ein").replace("Der", "Das") for line in REFERENCES]


def row(case: str = "talk en-de real default", said: list[str] = GOOD, **figures: float | None) -> Row:
    found = quality(said, REFERENCES, "de")
    return Row(
        case=case,
        recording="talk",
        source="en",
        target="de",
        clock="real",
        settings="default",
        commands=[],
        revision="abc",
        hardware="two cores",
        versions={},
        figures={"bleu": found.bleu, "chrf": found.chrf, **figures},
        statistics=Statistics(bleu=found.bleu_counts, chrf=found.chrf_counts),
    )


def changes(old: Row, new: Row) -> dict[str, Change]:
    (case,) = compare([old], [new]).cases
    return {change.name: change for change in case.changes}


def test_the_same_system_is_the_same_without_a_doubt() -> None:
    found = changes(row(), row())
    assert {name: change.verdict for name, change in found.items()} == {"bleu": "same", "chrf": "same"}
    assert found["chrf"].interval == (0.0, 0.0)


def test_a_clearly_better_translation_is_better_and_the_other_way_round_worse() -> None:
    found = changes(row(said=POOR), row(said=GOOD))
    assert found["chrf"].verdict == found["bleu"].verdict == "better"
    low, high = found["chrf"].interval or (0.0, 0.0)
    assert 0 < low < (found["chrf"].new or 0) - (found["chrf"].old or 0) < high
    assert changes(row(said=GOOD), row(said=POOR))["chrf"].verdict == "worse"


def test_one_better_segment_of_many_is_no_proof() -> None:
    assert changes(row(said=GOOD), row(said=REFERENCES))["chrf"].verdict == "same"


def test_the_interval_is_that_of_segments_drawn_one_by_one() -> None:
    old, new = row(said=POOR), row(said=GOOD)
    chance = np.random.default_rng(0)
    draws = chance.integers(0, len(REFERENCES), (1000, len(REFERENCES)))  # for bleu, which comes first
    draws = chance.integers(0, len(REFERENCES), (1000, len(REFERENCES)))
    apart = [
        chrf_of(summed([new.statistics.chrf[at] for at in drawn]))
        - chrf_of(summed([old.statistics.chrf[at] for at in drawn]))
        for drawn in draws.tolist()
    ]
    assert changes(old, new)["chrf"].interval == pytest.approx(np.percentile(apart, (2.5, 97.5)).tolist())


def test_word_errors_are_drawn_too_and_fewer_are_better() -> None:
    old = replace(row(wer=50.0), statistics=Statistics(wer=[[10, 20]] * 9))
    new = replace(row(wer=5.0), statistics=Statistics(wer=[[1, 20]] * 9))
    assert changes(old, new)["wer"] == Change("wer", 50.0, 5.0, "better", (-45.0, -45.0))


def test_against_another_reference_or_too_little_of_it_nothing_is_said() -> None:
    short = replace(row(), statistics=Statistics(bleu=row().statistics.bleu[:7], chrf=row().statistics.chrf[:3]))
    assert changes(row(), short)["bleu"].verdict == "not comparable"
    assert changes(short, replace(short, figures={"chrf": 1.0}))["chrf"].verdict == "not comparable"


@pytest.mark.parametrize(
    ("name", "old", "new", "verdict"),
    [
        ("longyaal_cu_ms", 2000.0, 1800.0, "better"),
        ("longyaal_cu_ms", 2000.0, 1950.0, "same"),
        ("lag_p95_ms", 100.0, 115.0, "same"),
        ("longap_cu", 0.98, 1.1, "worse"),
        ("longap_ca", 0.1, 0.115, "same"),
        ("segments_empty_soft", 0.0, 1.0, "worse"),
        ("segments_empty_mwer", 3.0, 0.0, "better"),
        ("lag_drift_ms_per_h", 100.0, 900.0, "worse"),
        ("lag_drift_ms_per_h", 100.0, 250.0, "same"),
        ("lag_drift_ms_per_h", -900.0, 150.0, "same"),
        ("rtf", 0.5, 0.7, "worse"),
        ("erasure", 0.0, 0.009, "same"),
        ("comet", 0.5, 0.8, "better"),
        ("rss_max_mb", 1000.0, 900.0, "better"),
        ("lag_p50_ms", None, 900.0, "new"),
        ("lag_p50_ms", 900.0, None, "gone"),
    ],
)
def test_other_figures_are_judged_by_how_far_they_moved(
    name: str, old: float | None, new: float | None, verdict: str
) -> None:
    assert changes(row(**{name: old}), row(**{name: new}))[name].verdict == verdict


def test_figures_that_are_neither_good_nor_bad_are_not_judged() -> None:
    assert "audio_s" not in changes(row(audio_s=10.0), row(audio_s=99.0))


def test_another_machine_is_no_faster_program() -> None:
    then = dict.fromkeys(("rtf", "lag_drift_ms_per_h", "longyaal_cu_ms", "longyaal_ca_ms", "streamlaal_cu_ms"), 900.0)
    now = dict.fromkeys(then, 100.0)

    def comparable(clock: str) -> set[str]:
        other = replace(row(**now), hardware="ten cores", clock=clock)
        found = changes(replace(row(**then), clock=clock), other)
        return {name for name in then if found[name].verdict != "not comparable"}

    assert comparable("real") == set()
    assert comparable("virtual") == {"longyaal_cu_ms", "streamlaal_cu_ms"}


def test_cases_are_paired_by_name_and_those_that_are_not_there_are_said() -> None:
    failed = replace(row("c"), error="no such file")
    comparison = compare([row("a"), row("b"), row("c")], [failed, row("b"), row("d")])
    assert [case.case for case in comparison.cases] == ["b"]
    assert dict(comparison.left_out) == {
        "a": "was not run now",
        "c": "failed now: no such file",
        "d": "was not run then",
    }


def test_people_are_told_what_is_not_the_same_and_programs_everything() -> None:
    comparison = compare([row(said=POOR, rtf=0.5)], [row(said=GOOD, rtf=0.5)])
    said = lines(comparison)
    assert "talk en-de real default" in said
    assert " better" in said
    assert "rtf" not in said
    assert said.endswith("1 figures of 1 cases are the same")
    assert as_json(comparison)["cases"]["talk en-de real default"][2] == asdict(Change("rtf", 0.5, 0.5, "same"))
