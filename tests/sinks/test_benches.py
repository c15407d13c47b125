"""The benches' arithmetic, and each bench once at a tiny size."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from surtitle.pipeline.errors import UserError
from surtitle.sinks import static
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.stock import StockDecoder

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
MakeModel = Callable[..., PreTrainedModel]


def bench(name: str) -> ModuleType:
    """`scripts/bench_NAME.py`: scripts is no package."""
    full = f"bench_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, SCRIPTS / f"{full}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


common, perplexity, speed, endless, recall, engine = (
    bench(name) for name in ("common", "perplexity", "speed", "endless", "recall", "engine")
)
rivals = engine.rivals


class Uniform:
    """A reader that knows nothing: every token costs log(V)."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary
        self.seen: list[int] = []

    def read(self, ids: list[int]) -> Tensor:
        self.seen += ids
        return torch.zeros(len(ids), self.vocabulary)


@given(st.integers(1, 200), st.integers(0, 9), st.integers(1, 40))
def test_pieces_cover_all_tokens_in_order(tokens: int, first: int, chunk: int) -> None:
    cuts = perplexity.pieces(tokens, first=first, chunk=chunk)
    assert [place for start, end in cuts for place in range(start, end)] == list(range(tokens))
    assert all(0 < end - start <= max(first, chunk) for start, end in cuts)
    assert not first or cuts[0] == (0, min(first, tokens))


def test_every_token_but_the_first_gets_a_loss_and_rows_come_every_thousand() -> None:
    rows: list[dict[str, Any]] = []
    reader = Uniform(50)
    ids = [index % 50 for index in range(2300)]
    losses = perplexity.measure(reader, ids, perplexity.pieces(len(ids) - 1, first=4, chunk=16), rows.append)
    assert reader.seen == ids[:-1]
    assert losses.shape == (2299,)
    np.testing.assert_allclose(losses, math.log(50), rtol=1e-6)
    assert [row["tokens_seen"] for row in rows] == [1012, 2004, 2299]
    assert rows[-1]["ppl_so_far"] == pytest.approx(50, abs=0.01)


def test_losses_are_paired_with_recomputation_at_the_same_token(make_model: MakeModel) -> None:
    model = make_model("llama")
    ids = [(7 * index) % 260 for index in range(80)]
    whole = perplexity.measure(
        perplexity.DenseReader(model), ids, perplexity.pieces(79, first=0, chunk=16), lambda row: None
    )
    at = np.array([40])
    one = perplexity.recompute(model, ids, at, 41)  # its window reaches to the beginning: it sees all that dense saw
    np.testing.assert_allclose(one.losses, whole[at], atol=1e-4)


def test_what_was_measured_before_is_told_with_the_machine_that_measured_it(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, ids = make_model("llama"), [(7 * index) % 260 for index in range(80)]
    settings = perplexity.Settings("", "tiny", "", len(ids), 24, 8)
    for machine in ("then", "now"):
        monkeypatch.setattr(common, "hardware", lambda machine=machine: machine)
        study = perplexity.Study(model, ids, settings, tmp_path)
        _, losses, rows = study.sinks(3)
        recomputed = study.recomputed(4)
        figures = perplexity.figures_of(losses, rows, len(ids), recomputed)
        assert figures["measured_by"]["hardware"] == recomputed.by["hardware"] == "then"
        assert figures["measured_by"]["threads"] == torch.get_num_threads()


def test_the_sinks_are_pinned_and_the_window_is_never_passed(make_model: MakeModel) -> None:
    decoder = StockDecoder(make_model("llama"))
    reader = perplexity.SinkReader(decoder, window=24, sinks=3)
    ids = [(7 * index) % 260 for index in range(120)]
    for start, end in perplexity.pieces(len(ids), first=3, chunk=8):
        assert reader.read(ids[start:end]).shape == (end - start, 260)
    assert reader._cache.pinned == 3
    assert reader._cache.evictions > 4


def test_places_lie_in_the_last_quarter_behind_a_whole_window() -> None:
    assert perplexity.places(400, window=64, wanted=4).tolist() == [300, 333, 366, 399]
    assert perplexity.places(10, window=9, wanted=50).tolist() == [8, 9]
    with pytest.raises(ValueError, match="expected more text"):
        perplexity.places(10, window=11, wanted=4)


@given(st.floats(0.5, 2.0), st.integers(2, 50))
def test_the_ratio_is_of_perplexities_token_by_token(factor: float, count: int) -> None:
    theirs = np.linspace(0, 5, count, dtype=np.float32)
    found, low, high = common.ratio(theirs + np.float32(math.log(factor)), theirs)
    assert found == pytest.approx(factor, rel=1e-4)
    assert low <= found <= high
    assert high - low < 1e-3 * factor  # what differs by the same everywhere is certain


def test_a_ratio_of_one_token_says_that_it_knows_nothing() -> None:
    assert common.ratio(np.zeros(1, np.float32), np.zeros(1, np.float32)) == (1.0, 0.0, math.inf)


@given(st.floats(-50, 50), st.floats(100, 1000))
def test_the_slope_of_a_line_is_found(per_hour: float, at_start: float) -> None:
    readings = [(60.0 * minute, at_start + per_hour * minute / 60) for minute in range(30)]
    assert common.slope(readings) == pytest.approx(per_hour, abs=0.01)


def test_the_warm_up_does_not_count_as_a_slope_and_few_readings_make_none() -> None:
    readings = [(60.0 * minute, min(500.0, 100.0 + 60 * minute)) for minute in range(40)]
    assert common.slope(readings) == pytest.approx(0.0, abs=0.01)
    assert common.slope(readings[:5]) is None


def test_an_infinite_figure_is_null_in_json() -> None:
    line = common.as_json({"ppl": math.inf, "bounds": [1.0, math.nan], "n": 3})
    assert json.loads(line) == {"ppl": None, "bounds": [1.0, None], "n": 3}


def test_the_last_line_tells_the_revision_where_git_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(common, "ROOT", tmp_path)  # no clone
    common.conclude("speed", {"ms": 1})
    assert "revision" not in json.loads(capsys.readouterr().out)
    monkeypatch.setattr(common, "revision", lambda: "abc")
    common.conclude("speed", {"ms": 1})
    found = json.loads(capsys.readouterr().out)
    assert (found["ms"], found["revision"]) == (1, "abc")


def test_the_four_ways_read_the_same_logits(make_model: MakeModel) -> None:
    model = make_model("llama")
    decoder = StockDecoder(model)
    ids = [(7 * index) % 260 for index in range(40)]
    ways = {
        "sinks": speed.Sinks(decoder, ids),
        "dense": speed.Dense(model, ids),
        "rotating": speed.Rotating(model, decoder.rotations[0], ids),
        "recompute": speed.Recompute(model, ids),
    }
    times, apart = speed.take_turns(ways, steps=6, rare={"recompute": 2})
    assert {name: len(each) for name, each in times.items()} == {"sinks": 6, "dense": 6, "rotating": 6, "recompute": 2}
    assert apart < 1e-4
    assert model.config._attn_implementation == "sdpa"


def test_evictions_are_shared_out_over_the_tokens_they_made_room_for() -> None:
    found = speed.Evictions(count=2, tokens=500, evicting=1.0, decoding=49.0)
    assert found.ms_per_token == 2.0
    assert found.share == 0.02


def test_an_eviction_run_uses_up_the_room_that_it_made(make_model: MakeModel) -> None:
    found = speed.run_evictions(StockDecoder(make_model("llama")), list(range(44)), sinks=4, wanted=3)
    assert (found.count, found.tokens) == (3, 30)
    assert 0 < found.share < 1


def test_the_first_thousand_behind_a_full_window_is_held_against_the_last() -> None:
    ms = np.repeat(np.array([1, 2, 9, 4], np.float32), 1000)  # filling, full, between, last
    assert endless.edges(ms, 1000) == (2.0, 4.0)
    assert endless.edges(ms[:1500], 1000) == (2.0, 2.0)
    assert endless.edges(ms, None) is None
    assert endless.edges(ms, len(ms)) is None


@pytest.mark.parametrize(
    ("place", "evicted", "held"),
    [(0, 0, True), (0, 50, True), (2, 50, False), (4, 50, False), (53, 50, False), (54, 50, True)],
)
def test_a_line_is_held_if_none_of_it_was_evicted(place: int, evicted: int, held: bool) -> None:
    assert recall.is_held(place, 3, pinned=4, evicted=evicted) is held


@pytest.mark.parametrize(
    ("said", "number"), [(" 48213.\n", "48213"), ("<48213>", "48213"), (" 482130", "482130"), (" unknown 1", None)]
)
def test_the_answer_is_the_number_that_is_said_first(said: str, number: str | None) -> None:
    assert recall.first_number(said) == number


def test_answers_are_counted_by_distance_and_by_what_was_held() -> None:
    answers = [
        recall.Answer(lines=2, tokens=16, held=True, right=True),
        recall.Answer(lines=2, tokens=18, held=True, right=False),
        recall.Answer(lines=9, tokens=150, held=False, right=False),
    ]
    assert recall.summary(answers) == [
        {"lines": 2, "tokens": 17, "asked": 2, "accuracy": 0.5, "held": 1.0},
        {"lines": 9, "tokens": 150, "asked": 1, "accuracy": 0.0, "held": 0.0},
    ]
    assert recall.accuracy(answers, held=True) == 0.5
    assert recall.accuracy(answers[:2], held=False) is None


def test_a_question_leaves_no_trace_and_knows_how_far_back_its_line_is(make_lean: Callable[..., LeanDecoder]) -> None:
    class Letters:
        """A token a letter."""

        def encode_plain(self, text: str) -> list[int]:
            return [ord(letter) for letter in text]

        def decode(self, ids: list[int]) -> str:
            return "".join(chr(token % 128) for token in ids)

    lines = recall.make_lines(Letters(), 12, seed=0)
    config = recall.Config("4+400", sinks=4, capacity=404, limit=None)
    examiner = recall.Examiner(make_lean("llama"), Letters(), config)
    answers = list(recall.examine(examiner, lines, every=4, distances=(1, 3, 12)))
    assert [answer.lines for answer in answers] == [1, 3, 1, 3, 1, 3, 12]
    assert [answer.tokens for answer in answers[:2]] == [0, sum(len(line.ids) for line in lines[2:4])]
    cache = examiner._stream.cache
    assert cache.length + cache.evicted == sum(len(line.ids) for line in lines)
    assert not answers[-1].held


def test_a_cache_that_holds_all_is_stopped_before_it_is_full(make_lean: Callable[..., LeanDecoder]) -> None:
    class Words:
        """A token a word."""

        def encode_plain(self, text: str) -> list[int]:
            return [len(word) for word in text.split()]

        def decode(self, ids: list[int]) -> str:
            return ""

    lines = recall.make_lines(Words(), 40, seed=0)
    examiner = recall.Examiner(make_lean("llama"), Words(), recall.Config("dense", sinks=0, capacity=60, limit=60))
    assert len(list(recall.examine(examiner, lines, every=4, distances=(1,)))) == 2  # 20 tokens each
    assert examiner._stream.cache.evictions == 0


def run(name: str, *arguments: str) -> tuple[dict[str, Any], str]:
    """A bench as its users start it, on the smallest model: the last line, and what went to stderr.

    On one core: two threads that wait for each other by spinning are many times slower where other work runs.
    """
    command = [sys.executable, str(SCRIPTS / f"bench_{name}.py"), *arguments]
    command += ["--model", "smollm2-135m", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert result["bench"] == name
    assert result["command"].startswith(f"scripts/bench {name} ")
    assert result["hardware"]
    assert result["versions"]["torch"] == torch.__version__
    return result, done.stderr


@pytest.mark.weights
def test_perplexity_is_measured_once_and_read_the_second_time(tmp_path: Path) -> None:
    arguments = (
        *(str(ROOT / "LICENSE"), "--tokens", "300", "--window", "64", "--sinks", "0,4", "--recompute", "8"),
        *("--dense", "--dense-tokens", "100", "--out", str(tmp_path)),
    )
    first, _ = run("perplexity", *arguments)
    assert first["configs"].keys() == {"0+64", "4+60", "dense"}
    four = first["configs"]["4+60"]
    assert four["tokens"] == 299
    assert 2 < four["ppl"] < first["configs"]["0+64"]["ppl"]
    assert four["vs_recompute_95"][0] < four["vs_recompute"] < four["vs_recompute_95"][1]
    assert first["configs"]["dense"]["ppl_last_quarter"] is None
    assert first["recompute"]["places"] == 8
    assert (tmp_path / "perplexity.png").stat().st_size > 10_000
    again, said = run("perplexity", *arguments)
    assert again["configs"] == first["configs"]
    assert said.count("already in") == 4


@pytest.mark.weights
def test_speed_is_compared_in_four_ways(tmp_path: Path) -> None:
    sizes = ("--window", "32", "--steps", "4", "--recompute-steps", "2", "--evictions", "2")
    result, _ = run("speed", *sizes, "--out", str(tmp_path))
    assert result["ms"].keys() == {"sinks", "dense", "rotating", "recompute"}
    assert result["ratios"].keys() == {"dense/sinks", "rotating/sinks", "recompute/sinks"}
    assert result["largest_logit_difference"] < 1e-2
    assert result["evictions"] == 2
    assert 0 < result["eviction_share"] < 0.5


@pytest.mark.weights
@pytest.mark.parametrize("engine", ["stock", "lean"])
def test_an_endless_text_is_watched(tmp_path: Path, engine: str) -> None:
    arguments = ("60", "--window", "40", "--engine", engine, "--memory-every", "0.2")
    result, _ = run("endless", *arguments, "--out", str(tmp_path))
    assert result["tokens"] == 60
    assert result["nans"] == 0
    assert result["last/first"] > 0
    assert result["old/young"] == pytest.approx(result["ms_old"] / result["ms_young"], abs=1e-3)
    assert len((tmp_path / f"endless-{engine}.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / f"endless-{engine}.png").stat().st_size > 10_000


@pytest.mark.weights
def test_recall_is_asked_at_every_distance(tmp_path: Path) -> None:
    arguments = ("--window", "150", "--lines", "30", "--distances", "1,15", "--dense-tokens", "400")
    result, _ = run("recall", *arguments, "--out", str(tmp_path))
    assert result["configs"].keys() == {"4+150", "0+150", "dense"}
    near, far = result["configs"]["4+150"]["distances"]
    assert (near["lines"], near["held"], near["asked"]) == (1, 1.0, 3)
    assert (far["lines"], far["held"], far["asked"]) == (15, 0.0, 2)
    assert result["configs"]["dense"]["accuracy_evicted"] is None
    assert (tmp_path / "recall.png").stat().st_size > 10_000


@pytest.mark.weights
def test_the_engine_takes_turns_with_the_stock_loop_in_8_and_in_32_bits(tmp_path: Path) -> None:
    source, reference = tmp_path / "en", tmp_path / "es"
    source.write_text("Good morning.\n")
    reference.write_text("Buenos días.\n")
    arguments = ("--context", "40", "--turns", "1", "--source", str(source), "--reference", str(reference))
    result, _ = run("engine", *arguments, "--out", str(tmp_path))
    engines = {"surtitle", "int8", "fp32"}
    kinds = {"read", "verify", "step", "step of 4", "segment", "segment of 4"}
    assert result["ms"].keys() == result["times_first"].keys() == kinds
    assert all(by.keys() == engines for by in result["ms"].values())
    assert all(by["surtitle"] == 1 for by in result["times_first"].values())
    assert result["ms"]["segment"]["surtitle"] > 5 * result["ms"]["step"]["surtitle"]
    assert 3.5 < result["weights_gb"]["fp32"] / result["weights_gb"]["int8"] < 4.5
    assert result["chrf"].keys() == result["share_of_bandwidth"].keys() == engines


def test_sentences_that_can_not_be_scored_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    source, reference = tmp_path / "en", tmp_path / "es"
    source.write_text("One.\nTwo.\u2028And more.\nThree.\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"can't read {reference}"):
        engine.read_sentences(source, reference, 2)
    reference.write_text("Uno.\nDos.\n")
    assert engine.read_sentences(source, reference, 2) == (["One.", "Two.\u2028And more."], ["Uno.", "Dos."])
    with pytest.raises(UserError, match=f"{reference} has 2 lines, expected 3"):
        engine.read_sentences(source, reference, 40)


@pytest.mark.parametrize("decoder", ["lean", "static"])
def test_work_is_undone_and_the_same_in_every_turn(decoder: str, make_lean, make_model) -> None:
    engine = (
        make_lean("llama")
        if decoder == "lean"
        else static.StaticDecoder(make_model("llama"), sequences=5, capacity=200)
    )
    ours = rivals.Ours(engine, [n % 260 for n in range(70)], weight_bytes=1)
    ours._random = Always()
    for work in (lambda: ours.read(9), lambda: ours.verify(8), lambda: ours.step(4, 3), lambda: ours.segment(4, 9, 5)):
        assert work() > 0
        assert [cache.length for cache in ours._caches] == [70] * 4
    alone = engine.cache(80)
    engine.decode([n % 260 for n in range(64)], alone, keep=1)
    engine.decode([n % 260 for n in range(64, 70)], alone, keep=1)
    torch.testing.assert_close(alone.layers[0].held(), ours._caches[3].layers[0].held())


def test_linear_layers_in_8_bits_are_nearly_the_stock_models(make_model) -> None:
    expected = make_model("llama")(torch.tensor([[1, 2, 3]])).logits
    model = make_model("llama")
    before = rivals.parameters_of(model)
    with pytest.warns(UserWarning, match="deprecated"):
        got = rivals.to_int8(model)(torch.tensor([[1, 2, 3]])).logits
    assert 0 < (got - expected).norm() / expected.norm() < 0.2
    assert before == sum(each.numel() for each in make_model("llama").parameters()) - 260 * 64


def test_many_conversations_in_one_process_are_counted(make_model, monkeypatch, capsys) -> None:
    monkeypatch.setattr(engine, "STREAMS", (1, 3))
    context = [n % 260 for n in range(40)]
    decoder = static.StaticDecoder(make_model("llama"), sequences=3, capacity=40 + rivals.ROOM)
    monkeypatch.setattr(rivals, "fresh", lambda source, tokens: [7] * tokens)
    figures = engine.serve_streams(decoder, context, argparse.Namespace(turns=1), weights=1000)
    assert figures["streams"].keys() == {"1", "3"}
    for streams, found in figures["streams"].items():
        assert found["tokens_per_s"] == pytest.approx(1000 * int(streams) / found["ms"], rel=0.01)
        assert found["sessions"] > 0
    assert figures["device"] == "cpu"
    assert "tokens/s" in capsys.readouterr().out


class Always:
    """Token 7."""

    def randrange(self, start: int, stop: int) -> int:
        return 7
