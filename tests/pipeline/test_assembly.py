"""`surtitle.pipeline.assembly`: how cores are shared, and what the recogniser's parts hear together."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.assembly import Cores, Ears, available_cores, share_cores
from surtitle.pipeline.events import Word
from surtitle.pipeline.files import decode
from surtitle.pipeline.store import open_store


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


@pytest.mark.weights
@pytest.mark.parametrize(
    ("peak", "said"), [(1.0, "ask not what your country"), (0.001, "what your country can do for you")]
)
def test_words_between_two_pauses_and_very_quiet_ones_are_heard(peak: float, said: str) -> None:
    store = open_store(os.environ)
    speech = np.concatenate(list(decode(store.path("jfk") / "jfk.wav")))
    ears = Ears(store.path("whisper-base"), threads=1).recognizer(["en"])
    heard = ears.push(speech * np.float32(peak / np.abs(speech).max())) + ears.flush()
    words = (item.text.strip(",.?!").lower() for item in heard if isinstance(item, Word))
    assert said in " ".join(words)
