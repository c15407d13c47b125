from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from surtitle.sinks.int8 import Int8Product, quantise_rows

K, N = 96, 40


@pytest.fixture(autouse=True)
def fbgemm() -> None:
    torch.backends.quantized.engine = "fbgemm"


def weights(seed: int = 0, rows: int = N) -> tuple[Tensor, Tensor]:
    weight = torch.randn(rows, K, generator=torch.Generator().manual_seed(seed))
    quantised, scale = quantise_rows(weight.numpy())
    return torch.from_numpy(quantised), torch.from_numpy(scale)


def batch_with_a_sink(rows: int = 6) -> Tensor:
    """Ordinary rows, and one whose massive activation is a thousand times the others' (Sun et al. 2024)."""
    x = torch.randn(rows, K, generator=torch.Generator().manual_seed(3))
    x[2, 7] = 3000.0
    return x


def errors(product: Int8Product, x: Tensor) -> Tensor:
    """Of each row: the error that rounding activations makes, relative to the int8 weights' own product."""
    quantised, scale = weights()
    exact = x.double() @ (quantised.double() * scale.double()[:, None]).T  # (M, N)
    return (product(x) - exact).norm(dim=-1) / exact.norm(dim=-1)  # (M,)


@pytest.mark.parametrize("fine", [False, True])
def test_a_rows_product_does_not_depend_on_its_neighbours(fine: bool) -> None:
    product, x = Int8Product(*weights(), fine=fine), batch_with_a_sink()
    together = product(x)
    for index in range(len(x)):
        assert torch.equal(together[index : index + 1], product(x[index : index + 1])), index


def test_fine_activations_lose_less_than_a_thousandth_and_coarse_ones_less_than_a_fiftieth() -> None:
    x = batch_with_a_sink()
    fine, coarse = errors(Int8Product(*weights(), fine=True), x), errors(Int8Product(*weights(), fine=False), x)
    assert fine.max() < 1e-3
    ordinary = torch.arange(len(x)) != 2
    assert 1e-3 < coarse[ordinary].max() < 2e-2
    assert (coarse > 20 * fine)[ordinary].all()


def test_int8_weights_lose_less_than_a_hundredth() -> None:
    weight = torch.randn(N, K, generator=torch.Generator().manual_seed(0))
    x = torch.randn(8, K)
    exact = x @ weight.T
    assert ((Int8Product(*weights(), fine=True)(x) - exact).norm() / exact.norm()) < 1e-2


def test_one_scale_for_a_whole_batch_would_ruin_the_neighbours_of_a_sink() -> None:
    x = batch_with_a_sink()
    step = x.abs().max() / 63
    careless = (x / step).round() * step
    assert ((careless - x).norm(dim=-1) / x.norm(dim=-1))[0] > 0.9  # the ordinary rows round to nothing
    assert errors(Int8Product(*weights(), fine=False), x)[0] < 2e-2


@pytest.mark.parametrize("fine", [False, True])
def test_fused_layers_are_the_same_as_separate_ones(fine: bool) -> None:
    parts = [weights(seed, rows) for seed, rows in enumerate((16, 8, 24))]
    fused = Int8Product(torch.cat([w for w, _ in parts]), torch.cat([s for _, s in parts]), fine=fine)
    separate = [Int8Product(*part, fine=fine) for part in parts]
    x = batch_with_a_sink()
    assert torch.equal(fused(x), torch.cat([product(x) for product in separate], dim=-1))


@pytest.mark.parametrize("fine", [False, True])
def test_a_row_of_zeros_stays_zero(fine: bool) -> None:
    assert torch.equal(Int8Product(*weights(), fine=fine)(torch.zeros(2, K)), torch.zeros(2, N))


@pytest.mark.parametrize("fine", [False, True])
@given(exponent=st.integers(-20, 20))
def test_the_size_of_an_activation_does_not_matter(fine: bool, exponent: int) -> None:
    product, x = Int8Product(*weights(), fine=fine), batch_with_a_sink()
    torch.testing.assert_close(product(x * 2.0**exponent), product(x) * 2.0**exponent, rtol=1e-5, atol=0)


def test_activations_are_left_as_they_were() -> None:
    x = batch_with_a_sink()
    Int8Product(*weights(), fine=True)(x)
    assert torch.equal(x, batch_with_a_sink())


@given(seed=st.integers(0, 1000), size=st.sampled_from([1e-6, 1.0, 1e4]))
def test_a_quantised_weight_is_at_most_half_a_step_away(seed: int, size: float) -> None:
    weight = (np.random.default_rng(seed).standard_normal((7, 33)) * size).astype(np.float32)
    quantised, scale = quantise_rows(weight)
    assert np.abs(quantised.astype(int)).max(axis=1).tolist() == [127] * 7  # the whole range is used
    assert (np.abs(quantised * scale[:, None] - weight) <= scale[:, None] * 0.5001).all()


def test_a_weight_row_of_zeros_stays_zero() -> None:
    quantised, scale = quantise_rows(np.zeros((2, 8), np.float32))
    assert not quantised.any()
    assert np.isfinite(scale).all()
