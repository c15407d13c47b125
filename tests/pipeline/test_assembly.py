"""`surtitle.pipeline.assembly`: how cores are divided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.assembly import Cores, available_cores, divide_cores


@pytest.mark.parametrize(
    ("available", "expected"),
    [(1, Cores(1, 1)), (2, Cores(1, 1)), (3, Cores(1, 2)), (4, Cores(2, 2)), (9, Cores(4, 5))],
)
def test_each_model_gets_half_of_the_cores_and_at_least_one(available: int, expected: Cores) -> None:
    assert divide_cores(available) == expected


@given(st.integers(2, 128))
def test_together_they_have_all_the_cores_and_no_more(available: int) -> None:
    cores = divide_cores(available)
    assert cores.asr + cores.llm == available


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_what_is_given_is_kept(available: int, asr: int, llm: int) -> None:
    assert divide_cores(available, asr, llm) == Cores(asr, llm)
    assert divide_cores(available, asr=asr) == Cores(asr, max(1, available - asr))
    assert divide_cores(available, llm=llm) == Cores(max(1, available - llm), llm)


def test_this_process_may_use_a_core() -> None:
    assert available_cores() >= 1
