from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.sinks.blocks import BLOCKS, block_of, quantise_blocks, widen_blocks

BLOCK = BLOCKS[0]


@given(seed=st.integers(0, 1000), size=st.sampled_from([1e-6, 1.0, 1e4]))
def test_a_quantised_weight_is_at_most_half_a_step_away(seed: int, size: float) -> None:
    weight = (np.random.default_rng(seed).standard_normal((7, 3 * BLOCK)) * size).astype(np.float32)
    quantised, scale = quantise_blocks(weight)
    assert (np.abs(quantised.astype(int) - 128).max(axis=2) == 127).all()  # the whole range is used
    steps = np.repeat(scale, BLOCK, axis=1)
    assert (np.abs(widen_blocks(quantised, scale) - weight) <= steps * 0.5001).all()


def test_a_large_weight_leaves_other_blocks_as_they_were() -> None:
    weight = np.random.default_rng(0).standard_normal((2, 2 * BLOCK)).astype(np.float32)
    alone = widen_blocks(*quantise_blocks(weight))
    weight[0, 3] = 1000.0
    beside = widen_blocks(*quantise_blocks(weight))
    assert np.array_equal(alone[:, BLOCK:], beside[:, BLOCK:])


def test_what_was_rounded_once_is_not_rounded_again() -> None:
    once = widen_blocks(*quantise_blocks(np.random.default_rng(0).standard_normal((4, 2 * BLOCK)).astype(np.float32)))
    assert np.allclose(widen_blocks(*quantise_blocks(once)), once, rtol=1e-6)


def test_weights_of_zero_stay_zero() -> None:
    quantised, scale = quantise_blocks(np.zeros((2, BLOCK), np.float32))
    assert not widen_blocks(quantised, scale).any()


@pytest.mark.parametrize(("k", "block"), [(896, 128), (1536, 128), (576, 64), (96, 32)])
def test_the_largest_block_that_fills_the_rows_is_taken(k: int, block: int) -> None:
    quantised, scale = quantise_blocks(np.ones((2, k), np.float32))
    assert block_of(k) == block
    assert quantised.shape == (2, k // block, block)
    assert scale.shape == (2, k // block)


def test_rows_that_blocks_do_not_fill_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 33 weights, expected a multiple of 32"):
        quantise_blocks(np.zeros((2, 33), np.float32))
