from __future__ import annotations

import pytest
import torch

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.stock import StockDecoder

TEXT = [(5 * token + 11) % 260 for token in range(60)]


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_the_lean_forward_is_the_stock_forward(family: str, make_model, as_lean) -> None:
    stock_model = make_model(family)
    lean, stock = as_lean(stock_model), StockDecoder(stock_model)
    ours = SinkCache(layers=lean.layers, capacity=40, rotation=lean.rotation)
    theirs = SinkCache(layers=stock.layers, capacity=40, rotation=stock.rotation)
    for start in range(0, len(TEXT), 10):
        part = TEXT[start : start + 10]
        assert ours.make_room(10) == theirs.make_room(10)
        expected, got = stock.decode(part, theirs, keep=10), lean.decode(part, ours, keep=10)
        # the weights are the same int8 rows: what is left is 13-bit activations
        assert (got - expected).norm() / expected.norm() < 2e-3
        ours.end_turn()
        theirs.end_turn()
    assert ours.evictions > 0
    for layer, reference in zip(ours.layers, theirs.layers, strict=True):
        torch.testing.assert_close(layer.held(), reference.held(), atol=1e-2, rtol=0)


def test_only_the_wanted_rows_reach_the_head(make_lean) -> None:
    lean = make_lean("qwen2")

    def decode(keep: int) -> torch.Tensor:
        return lean.decode(TEXT[:9], SinkCache(layers=lean.layers, capacity=9, rotation=lean.rotation), keep=keep)

    assert decode(1).shape == (1, 260)
    assert torch.equal(decode(4), decode(9)[-4:])


def test_positions_keep_their_angles_when_the_tables_grow(make_lean) -> None:
    short, long = make_lean("llama"), make_lean("llama")
    for lean in (short, long):
        long_cache = SinkCache(layers=lean.layers, capacity=300, rotation=lean.rotation)
        lean.decode(TEXT * (4 if lean is long else 1), long_cache, keep=1)
    caches = [SinkCache(layers=2, capacity=90, rotation=short.rotation) for _ in range(2)]
    results = [lean.decode(TEXT, cache, keep=60) for lean, cache in zip((short, long), caches, strict=True)]
    assert torch.equal(*results)
