"""`surtitle.pipeline.silero`: the network that comes with a dependency, as a stream."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.pipeline.events import Samples
from surtitle.pipeline.silero import FRAME, SileroModel, SpeechProbability


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def noise(count: int) -> Samples:
    return (np.random.default_rng(3).standard_normal(count) * 0.1).astype(np.float32)


@settings(max_examples=15)
@given(st.lists(st.integers(0, 20 * FRAME), max_size=8))
def test_however_the_samples_are_cut_the_probabilities_are_the_same(model: SileroModel, cuts: list[int]) -> None:
    audio, stream = noise(20 * FRAME), SpeechProbability(model)
    pieces = [p for a, b in pairwise(sorted({0, len(audio), *cuts})) for p in stream.push(audio[a:b])]
    assert pieces == SpeechProbability(model).push(audio)


def test_there_is_a_probability_for_each_whole_frame(model: SileroModel) -> None:
    stream = SpeechProbability(model)
    assert stream.push(noise(FRAME - 1)) == []
    assert len(stream.push(noise(2 * FRAME + 1))) == 3
    assert stream.push(noise(0)) == []


def test_silence_is_hardly_speech(model: SileroModel) -> None:
    probabilities = SpeechProbability(model).push(np.zeros(30 * FRAME, np.float32))
    assert max(probabilities) < 0.3


def test_streams_over_one_model_know_nothing_of_each_other(model: SileroModel) -> None:
    one, other = SpeechProbability(model), SpeechProbability(model)
    one.push(noise(5 * FRAME))
    assert other.push(noise(5 * FRAME)) == SpeechProbability(model).push(noise(5 * FRAME))
