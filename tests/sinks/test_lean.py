from __future__ import annotations

import pytest
import torch

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.stock import StockDecoder

TEXT = [(5 * token + 11) % 260 for token in range(60)]


@pytest.mark.parametrize(("exact", "tolerance"), [(True, 1e-5), (False, 5e-2)])
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


def test_only_the_wanted_rows_reach_the_head(make_lean) -> None:
    lean = make_lean("qwen2")

    def decode(keep: int) -> torch.Tensor:
        return lean.decode(TEXT[:9], lean.cache(9), keep=keep)

    assert decode(1).shape == (1, 260)
    assert torch.equal(decode(4), decode(9)[-4:])


def test_a_cache_of_several_rows_or_with_other_positions_than_its_slots_is_refused(make_lean) -> None:
    lean = make_lean("llama")
    rows = lean.cache(9)
    lean.decode(TEXT[:3], rows, keep=1)
    rows.select(torch.tensor([0, 0]))
    for cache in (rows, SinkCache(capacity=9, rotations=lean.rotations, anchored=True)):
        with pytest.raises(ValueError, match="whose slots are its positions"):
            lean.decode(TEXT[:3], cache, keep=1)
