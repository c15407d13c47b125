"""The benches of quality and of the start: their arithmetic, and each once at a tiny size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .test_benches import bench, run

discourse, context, quality = (bench(name) for name in ("discourse", "context", "quality"))

ANAPHORA = {
    "1": {
        "src": ["The lamp is new.", "It is red."],
        "trg": [
            {"correct": ["La lampe", "Elle"], "incorrect": ["La lampe", "Il"], "type": "f"},
            {"semi-correct": ["Le bateau", "Il"], "incorrect": ["Le bateau", "Elle"], "type": "m"},
        ],
    }
}
CHOICE = {
    "1": {
        "type": "repet",
        "examples": [{"src": ["a", "b"], "trg": {"correct": ["c", "right"], "incorrect": ["c", "wrong"]}}],
    }
}


def test_a_pair_is_read_from_both_kinds_of_sets() -> None:
    found = [(pair.before.target, pair.right, pair.wrong) for pair in discourse.pairs_of(ANAPHORA)]
    assert found == [("La lampe", "Elle", "Il"), ("Le bateau", "Il", "Elle")]
    (pair,) = discourse.pairs_of(CHOICE)
    assert (pair.source, pair.right, pair.wrong) == ("b", "right", "wrong")


def pairs_about(choices: int) -> list:
    return [
        discourse.Pair(discourse.Turn(gender, gender), f"{number} of {choices}", right, wrong)
        for number in range(choices)
        for gender, right, wrong in (("f", "Elle", "Il"), ("m", "Il", "Elle"))
    ]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_a_share_lies_in_its_interval(choices: list[tuple[bool, bool]]) -> None:
    right = [each for both in choices for each in both]
    low, high = discourse.interval(pairs_about(len(choices)), right)
    assert 0 <= low <= sum(right) / len(right) <= high <= 1


def test_more_choices_make_an_interval_narrower() -> None:
    right = [True, True, True, False]
    few, many = (discourse.interval(pairs_about(2 * times), right * times) for times in (5, 50))
    assert few[0] < many[0] < 0.75 < many[1] < few[1]


@pytest.mark.slow
@given(st.integers(1, 60), st.data())
def test_who_ignores_the_sentence_before_is_right_in_a_half_without_doubt(choices: int, data: st.DataObject) -> None:
    pairs, likes = pairs_about(choices), data.draw(st.lists(st.sampled_from(["Il", "Elle"]), min_size=choices))
    right = [pair.right == likes[number // 2] for number, pair in enumerate(pairs)]
    assert discourse.interval(pairs, right) == (0.5, 0.5)


def test_fewer_pairs_are_whole_choices(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"1": ANAPHORA["1"], "2": ANAPHORA["1"] | {"src": ["a", "b"]}}), encoding="utf-8")
    assert len(discourse.read_pairs(path, 4)) == 4
    assert [pair.right for pair in discourse.read_pairs(path, 2)] == ["Elle", "Il"]


def test_other_turns_are_taken_from_the_end_each_once() -> None:
    pairs = list(discourse.pairs_of(ANAPHORA))
    assert [turn.target for turn in discourse.other_turns([*pairs, *pairs], 1)] == ["Le bateau"]
    with pytest.raises(SystemExit, match="2 different turns, expected at least the distance of 3"):
        discourse.other_turns(pairs, 3)


def test_what_is_translated_better_has_gained_and_the_same_has_not() -> None:
    references = [f"Satz {number} ist lang genug, um gezählt zu werden." for number in range(30)]
    worse = [line.replace("gezählt", "xx") for line in references]
    found = context.judge(references, worse, references, "de")["all"]
    gain, low, high = found["chrf_gain"]
    assert 0 < low <= gain <= high
    assert gain == pytest.approx(found["chrf"] - found["chrf_isolated"], abs=0.02)
    assert context.judge(worse, worse, references, "de")["last quarter"]["chrf_gain"] == [0, 0, 0]


def test_rows_are_padded_behind_what_they_share_and_the_padding_is_masked() -> None:
    ids, mask = quality._padded([1, 2], [[5], [6, 7, 8]])
    assert ids.tolist() == [[1, 2, 0, 0, 5], [1, 2, 6, 7, 8]]
    assert mask.tolist() == [[1, 1, 0, 0, 1], [1, 1, 1, 1, 1]]


def texts(folder: Path) -> Path:
    lines = {
        "en": ["The train is late.", "It is red."] * 2,
        "es": ["El tren llega tarde.", "Es rojo."] * 2,
        "de": ["Der Zug ist spät.", "Er ist rot."] * 2,
    }
    for code, said in lines.items():
        (folder / f"{code}.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
    return folder


@pytest.mark.weights
def test_eight_bits_are_held_against_fp32(tmp_path: Path) -> None:
    result, _ = run("quality", str(texts(tmp_path)), "--to", "es", "--lines", "2")
    ours, theirs = result["to"]["es"]["surtitle"], result["to"]["es"]["fp32"]
    assert ours["perplexity"] == pytest.approx(theirs["perplexity"], rel=0.05)


@pytest.mark.weights
def test_a_stream_is_held_against_isolated_sentences(tmp_path: Path) -> None:
    result, _ = run("context", str(texts(tmp_path)), "--to", "es,de", "--out", str(tmp_path / "out"))
    assert result["lines"] == 4
    assert result["to"].keys() == {"es", "de"}
    written = (tmp_path / "out" / "context.es.isolated.txt").read_text(encoding="utf-8").splitlines()
    alone = (tmp_path / "out" / "context.es.context.txt").read_text(encoding="utf-8").splitlines()
    assert written[0] == alone[0]  # the first sentence has no context


@pytest.mark.weights
def test_pairs_are_weighed_at_each_distance(tmp_path: Path) -> None:
    (tmp_path / "anaphora.json").write_text(json.dumps(ANAPHORA), encoding="utf-8")
    result, _ = run("discourse", str(tmp_path / "anaphora.json"), "--distances", "0,1", "--out", str(tmp_path))
    assert result["sets"]["anaphora"].keys() == {"0", "1"}
    assert all(row["pairs"] == 2 and row["right"] in (0, 0.5, 1) for row in result["sets"]["anaphora"].values())
    assert (tmp_path / "discourse.png").stat().st_size
    rows = [json.loads(line) for line in (tmp_path / "discourse.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["distance"], row["right"]) for row in rows] == [(0, "Elle"), (0, "Il"), (1, "Elle"), (1, "Il")]
    found = [sum(row["margin"] > 0 for row in rows if row["distance"] == far) / 2 for far in (0, 1)]
    assert found == [row["right"] for row in result["sets"]["anaphora"].values()]


@pytest.mark.weights
def test_a_fresh_process_is_timed_to_its_first_token() -> None:
    result, _ = run("start", "--turns", "1")
    assert 0 < result["loaded_s"] < result["prompt_read_s"] < result["first_token_s"]
    assert np.isfinite(result["peak_to_weights"])
