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


@given(st.floats(0, 1), st.integers(1, 300))
def test_a_share_lies_in_its_interval_which_more_pairs_make_narrower(share: float, count: int) -> None:
    low, high = discourse.interval(share, count)
    assert -1e-9 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1 + 1e-9
    more_low, more_high = discourse.interval(share, 4 * count)
    assert more_high - more_low < high - low


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


@pytest.mark.weights
def test_a_fresh_process_is_timed_to_its_first_token() -> None:
    result, _ = run("start", "--turns", "1")
    assert 0 < result["loaded_s"] < result["prompt_read_s"] < result["first_token_s"]
    assert np.isfinite(result["peak_to_weights"])
