"""`surtitle.pipeline.assembly`: how cores are shared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.assembly import Cores, available_cores, share_cores


@pytest.mark.parametrize(
    ("available", "expected"),
    [(1, Cores(1, 1)), (2, Cores(1, 2)), (3, Cores(1, 3)), (4, Cores(2, 4)), (9, Cores(4, 8)), (64, Cores(4, 8))],
)
def test_the_recogniser_gets_half_of_the_cores_and_the_translator_may_use_all(available: int, expected: Cores) -> None:
    assert share_cores(available) == expected


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 64))
def test_what_is_given_is_kept(available: int, asr: int, llm: int) -> None:
    assert share_cores(available, asr, llm) == Cores(asr, llm)
    assert share_cores(available, asr=asr) == Cores(asr, share_cores(available).llm)
    assert share_cores(available, llm=llm) == Cores(share_cores(available).asr, llm)


def test_this_process_may_use_a_core() -> None:
    assert available_cores() >= 1
