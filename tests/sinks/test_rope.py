from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from surtitle.sinks.positions import positions_of
from surtitle.sinks.rope import Rotation

FREQUENCIES = 10_000.0 ** -(torch.arange(0, 16, 2) / 16)  # (8,)


def some_keys(seed: int = 0, width: int = 16) -> Tensor:
    return torch.randn(1, 2, 5, width, generator=torch.Generator().manual_seed(seed))  # (B, H, T, d)


@pytest.mark.parametrize("delta", [0, 1, -7, 100, -1000])
def test_a_moved_key_is_the_key_that_transformers_makes_at_the_new_position(delta: int, make_model) -> None:
    model = make_model("llama")
    rotary: LlamaRotaryEmbedding = model.model.rotary_emb
    keys = some_keys()
    first = torch.arange(2000, 2005)[None]

    def at(positions: Tensor) -> Tensor:
        rotated: Tensor = apply_rotary_pos_emb(keys, keys, *rotary(keys, positions))[1]
        return rotated

    moved = at(first)
    positions_of(model).rotations[0].rotate_(moved, delta)
    torch.testing.assert_close(moved, at(first + delta), atol=2e-4, rtol=0)  # fp32 angles near 2000: 1e-4 rad


@given(a=st.integers(-5000, 5000), b=st.integers(-5000, 5000))
def test_two_moves_are_one_and_there_and_back_is_nowhere(a: int, b: int) -> None:
    rotation = Rotation(FREQUENCIES)
    twice, once, back = some_keys(), some_keys(), some_keys()
    rotation.rotate_(twice, a)
    rotation.rotate_(twice, b)
    rotation.rotate_(once, a + b)
    rotation.rotate_(back, a)
    rotation.rotate_(back, -a)
    torch.testing.assert_close(twice, once, atol=2e-6, rtol=0)
    torch.testing.assert_close(back, some_keys(), atol=2e-6, rtol=0)


def test_a_move_by_nothing_changes_no_bit() -> None:
    keys = some_keys()
    Rotation(FREQUENCIES).rotate_(keys, 0)
    assert torch.equal(keys, some_keys())


def test_dimensions_beyond_the_rotary_ones_pass_through() -> None:
    rotation, keys = Rotation(FREQUENCIES), some_keys(width=24)
    rotation.rotate_(keys, 9)
    assert rotation.dimensions == 16
    assert torch.equal(keys[..., 16:], some_keys(width=24)[..., 16:])
    assert not torch.equal(keys[..., :16], some_keys(width=24)[..., :16])


def test_bfloat16_keys_are_rounded_once() -> None:
    keys = some_keys().bfloat16()
    exact = keys.float()
    Rotation(FREQUENCIES).rotate_(exact, 3)
    Rotation(FREQUENCIES).rotate_(keys, 3)
    assert torch.equal(keys, exact.bfloat16())


def test_angles_are_positions_times_frequencies() -> None:
    angles = Rotation(FREQUENCIES).angles(4)
    assert angles.shape == (4, 8)
    torch.testing.assert_close(angles[3], FREQUENCIES.double() * 3)
