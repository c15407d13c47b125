"""`surtitle.pipeline.whisper`: what is refused, and a real recording."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from ctranslate2 import get_cuda_device_count

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.files import decode
from surtitle.pipeline.store import open_store
from surtitle.pipeline.whisper import LONGEST, Whisper


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(open_store(os.environ).path("whisper-base"), threads=1)


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Eleven seconds of a real speech."""
    return np.concatenate(list(decode(open_store(os.environ).path("jfk") / "jfk.wav")))


def test_a_folder_without_a_model_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no loadable Whisper model .*surtitle models fetch whisper-base"):
        Whisper(tmp_path, threads=1)


@pytest.mark.skipif(get_cuda_device_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--asr-device cuda: CTranslate2 finds no GPU"):
        Whisper(tmp_path, threads=1, device="cuda")


@pytest.mark.weights
def test_a_recording_is_heard_with_times_in_order(whisper: Whisper, speech: Samples) -> None:
    words = whisper.transcribe(speech, language="en")
    text = " ".join(word.text for word in words)
    assert "ask not what your country can do for you" in text
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end <= len(speech) / SAMPLE_RATE for word in words)


@pytest.mark.weights
def test_committed_words_are_not_said_again(whisper: Whisper, speech: Samples) -> None:
    words = [word.text for word in whisper.transcribe(speech, language="en")]
    rest = whisper.transcribe(speech, language="en", committed=" ".join(words[:6]))
    assert [word.text for word in rest] == words[6:]


@pytest.mark.weights
def test_more_audio_than_a_call_takes_is_refused(whisper: Whisper) -> None:
    with pytest.raises(ValueError, match=r"25\.1 s of audio, expected at most 25\.0 s"):
        whisper.transcribe(np.zeros(round((LONGEST + 0.1) * SAMPLE_RATE), np.float32), language="en")


@pytest.mark.weights
def test_what_is_a_thousand_times_quieter_is_heard_too(whisper: Whisper, speech: Samples) -> None:
    quiet = speech * np.float32(0.001 / np.abs(speech).max())
    text = " ".join(word.text for word in whisper.transcribe(quiet, language="en"))
    assert "ask not what your country can do for you" in text
