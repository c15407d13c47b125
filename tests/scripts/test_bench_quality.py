"""`scripts/bench_quality.py`: what it holds the engine against, on a real model."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from bench_quality import Fp32
from engine_rivals import Prompt, losses_of

from surtitle.pipeline.languages import find_language
from surtitle.pipeline.store import open_store
from surtitle.sinks.stock import load_stock

SOURCES = [
    "Good morning.",
    "The meeting is on the third of March, at half past two.",
    "Thank you very much, everybody.",
]
TARGETS = ["Buenos días.", "La reunión es el tres de marzo, a las dos y media.", "Muchas gracias a todos."]

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def rival() -> tuple[Fp32, Prompt]:
    folder = open_store(os.environ).path("smollm2-135m")
    return Fp32(load_stock(folder)), Prompt(folder, find_language("en"), find_language("es"))


def test_sentences_in_one_padded_batch_are_translated_as_each_alone(rival: tuple[Fp32, Prompt]) -> None:
    fp32, prompt = rival
    together = fp32.translate(prompt, SOURCES)
    assert together == [text for source in SOURCES for text in fp32.translate(prompt, [source])]
    assert all(together)


def test_a_beginning_that_is_read_once_changes_no_loss(rival: tuple[Fp32, Prompt]) -> None:
    fp32, prompt = rival
    expected = []
    for source, target in zip(SOURCES, TARGETS, strict=True):
        turn, _ = prompt.turn(source)
        said = [*prompt.tokenizer.encode_plain(target), prompt.end]
        with torch.inference_mode():
            logits = fp32.model(torch.tensor([[*prompt.prefix, *turn, *said[:-1]]]), logits_to_keep=len(said)).logits
        expected.append(losses_of(logits[0], said).numpy())
    assert fp32.losses(prompt, SOURCES, TARGETS) == pytest.approx(np.concatenate(expected), abs=1e-3)
