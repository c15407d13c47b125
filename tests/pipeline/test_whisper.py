"""`surtitle.pipeline.whisper`: what is refused, and a real recording."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ctranslate2 import get_cuda_device_count

from surtitle.pipeline.assembly import Ears
from surtitle.pipeline.continuing import WALKED, continued
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples, Word
from surtitle.pipeline.files import decode
from surtitle.pipeline.inventions import heard, sureness
from surtitle.pipeline.store import open_store
from surtitle.pipeline.text import bare
from surtitle.pipeline.whisper import BEAMS, LONGEST, Whisper, _Asked


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(open_store(os.environ).path("whisper-base"), threads=1)


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Eleven seconds of a real speech."""
    return np.concatenate(list(decode(open_store(os.environ).path("jfk") / "jfk.wav")))


def test_a_folder_without_a_model_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"holds no loadable Whisper model .*surtitle models verify {tmp_path.name}`"):
        Whisper(tmp_path, threads=1)


@pytest.mark.skipif(get_cuda_device_count() > 0, reason="there is a GPU")
@pytest.mark.slow
def test_a_model_without_its_tokenizer_is_refused_and_none_is_fetched(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(large, tmp_path / "bare")
    (folder / "tokenizer.json").unlink()
    monkeypatch.setattr("faster_whisper.transcribe.tokenizers.Tokenizer.from_pretrained", pytest.fail)
    with pytest.raises(UserError, match=r"no tokenizer.json in it"):
        Whisper(folder, threads=1)


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--asr-device cuda: CTranslate2 finds no GPU"):
        Whisper(tmp_path, threads=1, device="cuda")


def test_a_gpu_that_is_full_or_too_old_is_not_taken_for_a_folder_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    for name in ("model.bin", "tokenizer.json"):
        (tmp_path / name).touch()
    monkeypatch.setattr("surtitle.pipeline.whisper.get_cuda_device_count", lambda: 1)
    monkeypatch.setattr("surtitle.pipeline.whisper.load_cublas", lambda: None)
    monkeypatch.setattr("surtitle.pipeline.whisper.WhisperModel", full)
    with pytest.raises(UserError, match=r"^--asr-device cuda: .* can't be loaded there \(.* out of memory\): leave"):
        Whisper(tmp_path, threads=1, device="cuda")


class Written(Whisper):
    """Of which the guesses are written down."""

    def __init__(self, beams: list[Word], greedy: list[Word], patient: list[Word] | None = None) -> None:
        self._guesses = {BEAMS: beams, 1: greedy, -BEAMS: beams if patient is None else patient}
        self._beams = BEAMS

    def _decode(self, encoded: Any, asked: Any, beams: int) -> list[int]:
        return [-beams if asked.patient else beams]

    def _timed(self, encoded: Any, asked: Any, tokens: list[int]) -> list[Word]:
        return self._guesses[tokens[0]]


@pytest.mark.parametrize(("language", "is_said"), [("ja", True), ("en", False)])
def test_pieces_of_words_may_follow_each_other_faster_than_words(language: str, is_said: bool) -> None:
    beams = [Word("か", 0.0, 1.0, 0.5)]
    greedy = [Word(each, 0.05 * index, 0.05 * (index + 1), 0.5) for index, each in enumerate("あいうえおかき")]
    asked = _Asked(SimpleNamespace(language_code=language), [], [], 1.0, patient=False, goes_on=True)  # type: ignore[arg-type]
    assert Written(beams, greedy)._guess(None, asked) == (beams if is_said else greedy)


@pytest.mark.parametrize(("first", "patient", "expected"), [
    # whisper-base of "ask what you can do for your country", and of "CoNLL 2003", which it never heard of
    ("can 0.99 for 0.01 your 0.91", "can 0.99 do 0.97 for 0.99", "can do for"),
    ("code 0.60 NLO 0.01 2003. 0.9", "code 0.60 NLO 0.01 2003. 0.9 We 0.78 then 0.9", "code NLO 2003."),
    ("can 0.99 for 0.06", "can 0.99 do 0.97 for 0.99", "can for"),
])  # fmt: skip
def test_where_a_word_is_hardly_believed_a_likelier_end_is_looked_for(first: str, patient: str, expected: str) -> None:
    def words(text: str) -> list[Word]:
        pairs = zip(text.split()[::2], text.split()[1::2], strict=True)
        return [Word(each, 0.3 * i, 0.3 * i + 0.3, float(share)) for i, (each, share) in enumerate(pairs)]

    asked = _Asked(SimpleNamespace(language_code="en"), [], [], 1.0, patient=False, goes_on=True)  # type: ignore[arg-type]
    guess = Written(words(first), words(first), words(patient))._guess(None, asked)
    assert " ".join(word.text for word in guess) == expected


@pytest.mark.parametrize(("committed", "is_said"), [([], False), ([7], True)])
def test_where_nothing_is_committed_an_unsure_guess_is_none_if_greedily_nothing_is_heard(
    committed: list[int], is_said: bool
) -> None:
    beams, greedy = [Word("Thank", 0.0, 0.3, 0.5), Word("you.", 0.3, 0.6, 0.5)], [Word("Oh", 0.0, 0.3, 0.04)]
    asked = _Asked(SimpleNamespace(language_code="en"), [], committed, 1.0, patient=False, goes_on=True)  # type: ignore[arg-type]
    assert Written(beams, greedy)._guess(None, asked) == (beams if is_said else greedy)


@pytest.mark.slow
@pytest.mark.parametrize(("again", "is_taken"), [("one", True), ("one one", False)])
def test_what_is_written_twice_at_once_is_read_again_with_more_silence(large: Path, again: str, is_taken: bool) -> None:
    spans: list[float] = []

    def words(text: str) -> list[Word]:
        return [Word(each, 0.5 * min(i, 1), 0.5, 0.9) for i, each in enumerate(text.split())]

    class Twice(Whisper):
        def _read(self, samples: Samples, past: Samples, span: float) -> float:
            spans.append(span)
            return span

        def _guess(self, encoded: float, asked: _Asked) -> list[Word]:
            return words("two two" if encoded < 4.5 else again)

    heard = Twice(large, threads=1).transcribe(np.zeros(SAMPLE_RATE, np.float32), language="en")
    assert spans == [4.0, 7.0]
    assert heard == words(again if is_taken else "two two")


@pytest.mark.slow
@pytest.mark.parametrize(("shortest", "spans"), [(0.0, [28.0, 30.0]), (30.0, [30.0])])
def test_what_is_read_again_is_no_longer_than_what_the_encoder_takes(
    large: Path, shortest: float, spans: list[float]
) -> None:
    read: list[float] = []

    class Twice(Whisper):
        def _read(self, samples: Samples, past: Samples, span: float) -> Any:
            read.append(span)
            return super()._read(samples, past, span)

        def _guess(self, encoded: Any, asked: _Asked) -> list[Word]:
            return [Word("two", 0.0, 0.5, 0.9), Word("two", 0.5, 0.5, 0.9)]

    noise = np.random.default_rng(1).normal(0, 0.1, round(LONGEST * SAMPLE_RATE)).astype(np.float32)
    Twice(large, threads=1, shortest=shortest).transcribe(noise, language="en")
    assert read == spans


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of 128 bands, as large-v3 is, in which no file says so; of no use but for its shape."""
    import tiny_whisper  # it imports transformers, which takes seconds

    folder = tmp_path_factory.mktemp("models") / "large"
    tiny_whisper.make(folder, mels=128, alignment_heads=[(1, 0)])
    return folder


@pytest.mark.slow
def test_a_model_gets_as_many_bands_as_it_has(large: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    model = Whisper(large, threads=1)
    assert all(0 <= word.start <= word.end <= 1 for word in model.transcribe(noise, language="en"))
    assert model.stock.feature_extractor(noise).shape[0] == 128


@pytest.mark.slow
def test_a_model_that_knows_english_alone_is_not_asked_for_more(large: Path) -> None:
    assert Whisper(large, threads=1).knows_english_alone
    ears = Ears(large, threads=1)
    ears.recognizer(["en"])
    with pytest.raises(UserError, match=r"knows only English, and en, es may be spoken: choose another with --asr"):
        ears.recognizer(["en", "es"])


@pytest.mark.slow
def test_a_model_that_can_not_tell_when_a_word_was_said_is_refused(large: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(large, tmp_path / "old")
    (folder / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"names no alignment_heads.*convert the model again"):
        Whisper(folder, threads=1)


@pytest.mark.weights
def test_a_recording_is_heard_with_times_in_order(whisper: Whisper, speech: Samples) -> None:
    words = whisper.transcribe(speech, language="en")
    text = " ".join(word.text for word in words)
    assert "ask not what your country can do for you" in text
    starts = [word.start for word in words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end <= len(speech) / SAMPLE_RATE for word in words)


@pytest.mark.weights
@pytest.mark.parametrize("before", [0.593, 0.717])  # seconds
def test_every_word_is_heard_wherever_the_looks_fall(before: float, speech: Samples) -> None:
    """A decoder that stops with the first ends that it finds hears "what you can do for" or "what you can for" here."""
    ears = Ears(open_store(os.environ).path("whisper-base"), threads=1).recognizer(["en"])
    silence = np.zeros(round(before * SAMPLE_RATE), np.float32)
    heard = [*ears.push(np.concatenate((silence, speech, np.zeros(3 * SAMPLE_RATE, np.float32)))), *ears.flush()]
    text = " ".join(each.text for each in heard if isinstance(each, Word))
    assert text.endswith("you can do for your country.")


@pytest.mark.weights
@pytest.mark.parametrize("between", [2.5, 3.5, 4.5])  # seconds
def test_who_says_the_same_again_is_heard_twice_and_no_more_where_looks_are_late(
    between: float, speech: Samples
) -> None:
    """With the first time as context it is "Ask not. Ask not." here, the second in no time."""
    ears = Ears(open_store(os.environ).path("whisper-base"), threads=1).recognizer(["en"])
    silence = np.zeros(round(between * SAMPLE_RATE), np.float32)
    heard = [*ears.push(np.concatenate((speech, silence, speech, silence)), backlog=1.0), *ears.flush()]
    text = " ".join(bare(each.text) for each in heard if isinstance(each, Word))
    assert [text.count(each) for each in ("ask not", "fellow americans")] == [2, 2]


@pytest.mark.weights
def test_the_smallest_size_hears_it_too(speech: Samples) -> None:
    tiny = Whisper(open_store(os.environ).path("whisper-tiny.en"), threads=1)
    assert tiny.knows_english_alone
    assert "ask not what your country can do for you" in " ".join(
        word.text for word in tiny.transcribe(speech, language="en")
    )


@pytest.mark.weights
def test_where_less_than_it_was_trained_on_makes_it_loop_it_reads_as_much(whisper: Whisper, speech: Samples) -> None:
    begun = speech[: 2 * SAMPLE_RATE]  # without silence behind it: "And so my fellow America and so my fellow America"
    stingy = Whisper(open_store(os.environ).path("whisper-base"), threads=1, padding=0.0)
    looping = stingy.transcribe(begun, language="en")
    assert heard(looping) != looping
    for model in (stingy, whisper):
        words = model.transcribe(begun, language="en", last=True)
        assert [word.text for word in words][:4] == ["And", "so", "my", "fellow"]
        assert heard(words) == words


@pytest.mark.weights
def test_the_noise_between_two_phrases_is_not_read_again_until_it_says_something(
    whisper: Whisper, speech: Samples
) -> None:
    pause = speech[round(2.25 * SAMPLE_RATE) : round(3.25 * SAMPLE_RATE)]  # read with 30 s, it is "Thank you."
    # on some processors it is "That's it.", at 0.31
    assert sureness(heard(whisper.transcribe(pause, language="en", last=True))) < 0.4


@pytest.mark.weights
def test_committed_words_are_not_said_again(whisper: Whisper, speech: Samples) -> None:
    words = [word.text for word in whisper.transcribe(speech, language="en")]
    rest = whisper.transcribe(speech, language="en", committed=" ".join(words[:6]))
    assert [word.text for word in rest] == words[6:]


@pytest.mark.weights
@pytest.mark.parametrize("size", ["whisper-base", "whisper-tiny.en"])  # with vocabularies in different formats
def test_committed_words_are_read_in_one_pass_but_for_the_last_tokens(size: str, speech: Samples) -> None:
    class Counting(Whisper):
        stepped = 0

        def _decode(self, encoded: Any, asked: _Asked, beams: int) -> list[int]:
            copy = self._continuing
            assert copy is not None
            prompt, forced = continued(asked.prompt, asked.prefix, end=asked.tokenizer.eot)
            [found] = copy.generate(encoded, [[*prompt, *forced]], max_length=2 * len(prompt))
            written = found.sequences_ids[0]
            assert written[:WALKED] == asked.prefix[-WALKED:]  # what it walks through it returns
            self.stepped = len(written)
            tokens = super()._decode(encoded, asked, beams)
            assert tokens[: len(asked.prefix)] == asked.prefix
            return tokens

    model = Counting(open_store(os.environ).path(size), threads=1)
    committed = "And so, my fellow Americans, ask not what your country can do for you,"
    rest = model.transcribe(speech, language="en", committed=committed)
    assert " ".join(bare(word.text) for word in rest) == "ask what you can do for your country"
    assert model.stepped < WALKED + 15


@pytest.mark.weights
@pytest.mark.parametrize(
    ("start", "end", "said"),
    [  # alone: "It's not." and "What your country can do for you? What your country can do for you?"
        (2.5, 5.0, "ask not"),
        (5.0, 7.5, "what your country can do for you"),
    ],
)
def test_what_was_heard_before_makes_clear_what_is_heard_now_and_is_not_written_again(
    whisper: Whisper, speech: Samples, start: float, end: float, said: str
) -> None:
    past, now = np.split(speech[: round(end * SAMPLE_RATE)], [round(start * SAMPLE_RATE)])
    words = whisper.transcribe(now, past=past, language="en")
    assert " ".join(bare(word.text) for word in words) == said
    assert all(0 <= word.start <= word.end <= end - start for word in words)


@pytest.mark.weights
def test_of_the_past_there_is_as_much_as_fits(whisper: Whisper, speech: Samples) -> None:
    past, open_audio = np.tile(speech, 3), np.zeros(round(LONGEST * SAMPLE_RATE), np.float32)
    open_audio[: len(speech)] = speech
    assert "ask not what your country can do for you" in " ".join(
        word.text for word in whisper.transcribe(open_audio, past=past, language="en")
    )


@pytest.mark.weights
def test_more_audio_than_a_call_takes_is_refused(whisper: Whisper) -> None:
    with pytest.raises(ValueError, match=r"25\.1 s of audio, expected at most 25\.0 s"):
        whisper.transcribe(np.zeros(round((LONGEST + 0.1) * SAMPLE_RATE), np.float32), language="en")


@pytest.mark.weights
def test_what_is_a_thousand_times_quieter_is_heard_too(whisper: Whisper, speech: Samples) -> None:
    quiet = speech * np.float32(0.001 / np.abs(speech).max())
    text = " ".join(word.text for word in whisper.transcribe(quiet, language="en"))
    assert "ask not what your country can do for you" in text


@pytest.mark.weights
def test_what_is_clipped_to_a_square_is_heard_too(whisper: Whisper, speech: Samples) -> None:
    clipped = np.clip(speech * np.float32(30 / np.abs(speech).max()), -1, 1)
    assert np.mean(np.abs(clipped) == 1) > 0.2
    text = " ".join(word.text for word in whisper.transcribe(clipped, language="en"))
    assert "what your country can do for you" in text
