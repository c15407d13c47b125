from __future__ import annotations

from collections import Counter

import pytest
import torch

from surtitle.sinks.sampling import Sampler, likeliest

LOGITS = torch.log(torch.tensor([0.05, 0.5, 0.3, 0.15]))


def test_the_likeliest_is_the_likeliest() -> None:
    assert likeliest(LOGITS) == 1


def test_tokens_are_drawn_as_often_as_their_share_says() -> None:
    sampler = Sampler(temperature=1.0, nucleus=1.0)
    drawn = Counter(sampler(LOGITS) for _ in range(4000))
    assert [drawn[token] / 4000 for token in range(4)] == pytest.approx([0.05, 0.5, 0.3, 0.15], abs=0.04)


def test_what_lies_outside_the_nucleus_is_never_drawn() -> None:
    sampler = Sampler(temperature=1.0, nucleus=0.7)
    assert {sampler(LOGITS) for _ in range(500)} == {1, 2}


def test_a_narrow_nucleus_and_a_low_temperature_are_greedy() -> None:
    cold = [Sampler(temperature=temperature) for temperature in (0.01, 1e-38, 5e-324)]  # the last is the smallest float
    for sampler in (Sampler(temperature=1.0, nucleus=0.01), *cold):
        assert {sampler(LOGITS) for _ in range(100)} == {1}


def test_the_same_seed_draws_the_same() -> None:
    def drawn(seed: int) -> list[int]:
        sampler = Sampler(temperature=2.0, seed=seed)
        return [sampler(LOGITS) for _ in range(50)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


@pytest.mark.parametrize(
    ("temperature", "nucleus"), [(0.0, 0.9), (-1.0, 0.9), (1.0, 0.0), (1.0, 1.1), (float("nan"), 1)]
)
def test_what_is_no_temperature_or_no_share_is_refused(temperature: float, nucleus: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0, and a share"):
        Sampler(temperature=temperature, nucleus=nucleus)
