from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from surtitle.sinks.blocks import WEIGHTS
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.convert import join_layers
from surtitle.sinks.decoder import Read
from surtitle.sinks.load import load_model
from surtitle.sinks.stock import StockDecoder, load_stock

from .conftest import lean_of

TEXT = [(5 * token + 11) % 260 for token in range(60)]
CAPACITY = 90


@pytest.fixture(scope="module")
def exact(make_model, as_lean):
    """Activations are not rounded: what is read side by side is what is read alone, to the last digits of a float."""
    return as_lean(make_model("llama"), exact=True)


@pytest.mark.parametrize(("exact", "tolerance"), [(True, 1e-5), (False, 1e-1)])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_the_lean_forward_is_the_stock_forward(family: str, exact: bool, tolerance: float, make_model, as_lean) -> None:
    stock_model = make_model(family)
    lean, stock = as_lean(stock_model, exact=exact), StockDecoder(stock_model)
    ours = lean.cache(40)
    theirs = stock.cache(40)
    for start in range(0, len(TEXT), 10):
        part = TEXT[start : start + 10]
        assert ours.make_room(10) == theirs.make_room(10)
        expected, got = stock.decode(part, theirs, keep=10), lean.decode(part, ours, keep=10)
        # the weights are the same; unless exact, activations have 8 bits, and a tiny random model averages little
        assert (got - expected).norm() / expected.norm() < tolerance
        ours.end_turn()
        theirs.end_turn()
    assert ours.evictions > 0
    for layer, reference in zip(ours.layers, theirs.layers, strict=True):
        torch.testing.assert_close(layer.held(), reference.held(), atol=1e-4 if exact else 0.5, rtol=0)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_layers_that_a_conversion_joins_give_what_they_give_apart(family: str, tmp_path: Path, make_model) -> None:
    model = make_model(family)
    apart = lean_of(tmp_path, model, exact=True)
    expected = apart.decode(TEXT, apart.cache(60), keep=60)
    tensors = load_file(tmp_path / WEIGHTS)
    join_layers(tensors, model.config.num_hidden_layers)
    assert not any("q_proj" in name or "up_proj.weight" in name.replace("gate_up", "") for name in tensors)
    (tmp_path / "joined").mkdir()
    save_file(tensors, tmp_path / "joined" / WEIGHTS)
    shutil.copy(tmp_path / "config.json", tmp_path / "joined")
    joined = load_model(tmp_path / "joined", threads=1, exact=True)
    torch.testing.assert_close(joined.decode(TEXT, joined.cache(60), keep=60), expected, atol=1e-5, rtol=0)
    ours, theirs = load_stock(tmp_path).state_dict(), load_stock(tmp_path / "joined").state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_more_tokens_are_read_at_once_than_a_row_has_slots(exact) -> None:
    text = [(7 * token + 3) % 260 for token in range(64)]
    many = exact.caches(6, CAPACITY)  # 384 tokens in one forward, and 256 slots a row
    alone = exact.cache(CAPACITY)
    expected = exact.decode(text, alone, keep=1)
    for got in exact.decode_rows([Read(text, cache, 1) for cache in many]):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)


def test_only_the_wanted_rows_reach_the_head(make_lean) -> None:
    lean = make_lean("qwen2")

    def decode(keep: int) -> torch.Tensor:
        return lean.decode(TEXT[:9], lean.cache(9), keep=keep)

    assert decode(1).shape == (1, 260)
    assert torch.equal(decode(4), decode(9)[-4:])


def test_a_cache_of_several_rows_is_refused(make_lean) -> None:
    lean = make_lean("llama")
    rows = lean.cache(9)
    lean.decode(TEXT[:3], rows, keep=1)
    rows.select(torch.tensor([0, 0]))
    with pytest.raises(ValueError, match=r"1 rows of 2 heads of 16 .* expected 2 of 2"):
        lean.decode(TEXT[:3], rows, keep=1)


def test_an_anchored_cache_is_refused(make_lean) -> None:
    lean = make_lean("llama")
    with pytest.raises(ValueError, match="expected another, or a StockDecoder"):
        lean.decode(TEXT[:3], SinkCache(capacity=9, rotations=lean.rotations, anchored=True), keep=1)


def test_caches_of_two_calls_are_read_one_forward_after_the_other(exact) -> None:
    (one, other), third = exact.caches(2, 40), exact.cache(40)
    got = exact.decode_rows([Read(TEXT[:3], one, 1), Read(TEXT[:9], third, 2), Read(TEXT[:5], other, 3)])
    for ids, logits in zip((TEXT[:3], TEXT[:9], TEXT[:5]), got, strict=True):
        torch.testing.assert_close(logits, exact.decode(ids, exact.cache(40), keep=len(logits)), atol=1e-4, rtol=0)
    assert (one.length, third.length, other.length) == (3, 9, 5)


def test_a_row_too_long_to_read_beside_others_is_refused_before_anything_is_written(make_lean) -> None:
    lean = make_lean("llama")
    one, other = lean.caches(2, 99)
    with pytest.raises(ValueError, match="65 tokens for one of several rows, expected at most 64"):
        lean.decode_rows([Read([1] * 65, one, 1), Read([2], other, 1)])
    assert one.length == other.length == 0


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_rows_read_side_by_side_are_what_they_are_alone(exact, data: st.DataObject) -> None:
    together = exact.caches(3, CAPACITY)
    alone = [exact.cache(CAPACITY) for _ in together]
    for _ in range(data.draw(st.integers(1, 4))):
        chosen = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
        reads = []
        for row in chosen:
            ids = data.draw(st.lists(st.integers(0, 259), min_size=1, max_size=CAPACITY // 2))
            assert together[row].make_room(len(ids), whole_turns=False) == alone[row].make_room(
                len(ids), whole_turns=False
            )
            reads.append((row, ids, data.draw(st.integers(1, len(ids)))))
        got = exact.decode_rows([Read(ids, together[row], keep) for row, ids, keep in reads])
        for (row, ids, keep), logits in zip(reads, got, strict=True):
            torch.testing.assert_close(logits, exact.decode(ids, alone[row], keep=keep), atol=1e-4, rtol=0)
            assert together[row].length == alone[row].length


def test_storage_grows_and_what_was_held_stays(exact) -> None:
    cache, whole = exact.cache(700), exact.cache(700)
    sizes = set()
    for _ in range(10):
        logits = exact.decode(TEXT, cache, keep=1)
        sizes.add(cache.nbytes())
    expected = exact.decode(TEXT * 10, whole, keep=1)
    assert len(sizes) == 3
    assert cache.length == whole.length == 600
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_what_was_restored_is_read_on_in_the_decoders_own_storage(exact) -> None:
    first = exact.cache(400)
    exact.decode(TEXT * 5, first, keep=1)  # more than the storage has at first
    second, neighbour = exact.caches(2, 400)
    second.restore(first.state())
    got = exact.decode_rows([Read(TEXT[:7], second, 7), Read(TEXT[:3], neighbour, 1)])[0]
    torch.testing.assert_close(got, exact.decode(TEXT[:7], first, keep=7), atol=1e-4, rtol=0)


def test_a_row_is_read_on_when_its_neighbours_are_gone(make_lean) -> None:
    lean = make_lean("llama")
    one, _, other = lean.caches(3, 40)  # nobody holds the one between
    got = lean.decode_rows([Read(TEXT[:9], one, 1), Read(TEXT[:9], other, 1)])
    torch.testing.assert_close(got[0], got[1])


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sinks.lean", "pipeline.silero"])
def test_who_loads_onnx_runtime_has_it_report_to_nobody(module: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    command = [sys.executable, "-c", f"import surtitle.{module}"]
    subprocess.run(command, env={**environment, **places, "PYTHONDONTWRITEBYTECODE": "1"}, check=True)
    assert [*tmp_path.iterdir()] == []  # in which it keeps its number of this machine, and what it has to report
