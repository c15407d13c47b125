"""Whisper on CTranslate2, with an encoder input as long as the audio needs.

In: up to 25 s of samples, what was heard before them, the text of that and the words already committed in them. Out:
words with times. The stock path pads every call to 30 s; features padded to the audio plus three seconds cost a
quarter, and where that makes the decoder loop, it reads 30 s. The encoder hears the past too, since how something
sounds depends on it, and the decoder is not shown what became of that: it would write it again. The committed words
are forced as its prefix, read in one pass, so only what is new is decoded. Knows no streaming: the same input gives the
same words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2 import Device as Place
from ctranslate2 import StorageView, get_cuda_device_count
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from surtitle.pipeline.aligned import words_of
from surtitle.pipeline.continuing import continued, is_worth_it, load_continuing
from surtitle.pipeline.cublas import load_cublas
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Device, Samples, Word
from surtitle.pipeline.inventions import doubted, heard, repeats, sureness
from surtitle.pipeline.text import is_spaced
from surtitle.pipeline.written import echoes, shown_before

LONGEST = 25.0
"""Seconds of audio that one call takes."""
PADDING = 3.0
"""Seconds of silence behind the audio. With fewer Whisper loops, with these seldom (`scripts/LOG.md`)."""
_WHOLE = 30.0
"""Seconds that Whisper was trained to read: in less it loops now and then."""
BEAMS = 5
"""Beginnings that the decoder keeps: a tenth fewer errors than with one, in a tenth more time."""
_SURE = 0.65
"""Mean probability below which the greedy guess is looked at too, where nothing is committed yet: of what is no speech
beams make a likely phrase."""
_PATIENCE = 1.4
"""Ends for each beam that a patient decoder finds before it stops: with one, it stops at times before it found the
likeliest, as it finds an end behind every word before. While somebody speaks that does no harm, and takes a third less
time."""
_STRAY = 0.05
"""Probability below which a word shows that the likeliest end was not found."""
_TOKENS_PER_SECOND = 12
"""More than anybody speaks: decoding that goes on is a loop."""
_LOUD_ENOUGH = 0.1
"""Peak below which audio is made louder: Whisper hears nothing in what is very quiet."""
_FRAME = 320
"""Samples of which the encoder makes a position: in fewer there is nothing that words could be aligned with."""
_NOTHING: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the decoder is to write."""

    tokenizer: Tokenizer
    """Of the language that is spoken."""
    prompt: list[int]
    """What it is shown before, and what it is to do."""
    prefix: list[int]
    """The committed words."""
    seconds: float
    """Of audio, without silence behind it."""
    patient: bool
    """Whether the likeliest end is to be found: there is no later look, or the first ones were not likely."""
    goes_on: bool
    """Whether at least one word is to follow the committed ones."""


class Whisper:
    """A loaded model, shared by all sessions; calls come from one thread at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        threads: int,
        device: Device = "cpu",
        shortest: float = 0.0,
        padding: float = PADDING,
        beams: int = BEAMS,
    ) -> None:
        """Load the CTranslate2 model in `folder`, in int8 for the cores, in float16 for a GPU.

        The encoder reads `padding` seconds of silence behind the audio, and at least `shortest` seconds in all: 30 is
        what Whisper was trained on, and what others pay for. The decoder keeps `beams` beginnings; with one it is
        greedy.

        Raises UserError for a folder that holds none, and where there is no GPU or no library for it.
        """
        if device == "cuda":
            if not get_cuda_device_count():
                raise UserError("--asr-device cuda: CTranslate2 finds no GPU, expected one: leave the flag out")
            load_cublas()
        try:
            if not (folder / "tokenizer.json").is_file():  # faster-whisper would ask the Hub for that of another size
                raise FileNotFoundError("no tokenizer.json in it")
            self._whisper = WhisperModel(
                str(folder),
                device=device,
                compute_type="int8" if device == "cpu" else "float16",
                cpu_threads=threads,
                num_workers=1,
                local_files_only=True,
            )
            # a GPU walks through the committed words in no time
            self._continuing = load_continuing(folder, threads=threads) if device == "cpu" else None
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (RuntimeError, ValueError, OSError) as error:
            raise _unloadable(folder, device, error) from error
        if not config.get("alignment_heads"):
            raise UserError(
                f"{folder}/config.json names no alignment_heads, which tell when a word was said: convert the model "
                "again with a current CTranslate2"
            )
        # as many bands as the model has: the file that says so is missing beside many models, and then 80 are assumed
        self._whisper.feature_extractor = FeatureExtractor(feature_size=self._whisper.model.n_mels)
        self._shortest, self._padding, self._beams = shortest, padding, beams
        self._tokenizers: dict[str, Tokenizer] = {}
        self._encoded: tuple[Samples, int, Any] | None = None

    @property
    def knows_english_alone(self) -> bool:
        """Whether it writes everything as English, whatever is spoken."""
        return not self._whisper.model.is_multilingual

    @property
    def stock(self) -> WhisperModel:
        """The library's model: whole recordings at once, to compare with."""
        return self._whisper

    def transcribe(
        self,
        samples: Samples,
        *,
        past: Samples = _NOTHING,
        language: str,
        expected: str = "",
        before: str = "",
        committed: str = "",
        last: bool = False,
        can_wait: bool = False,
        goes_on: bool = False,
    ) -> list[Word]:
        """The words of `samples` (16 kHz, at most LONGEST seconds) that follow the `committed` ones.

        What is said twice at once is read again, with twice the silence behind it. Where nothing follows (`last`), the
        decoder is patient; and a loop is read again, in the 30 s that Whisper was trained on, unless it `can_wait`:
        others end by themselves, with a second more of audio. Where the speaker `goes_on` behind the committed words,
        there is one more word at least: a model stops at times at a full stop.

        Times are seconds from the first sample. `past` is the audio just before `samples`, as much of it as fits, and
        `before` the text, for context; `expected` are terms that may be said, with commas between. A first word that is
        only punctuation belongs to the last committed word.
        """
        tokenizer = self._tokenizer(language)
        if len(samples) < _FRAME:
            return []
        shown = shown_before(before, language, tokenizer, expected=expected)
        prompt = [*shown, *tokenizer.sot_sequence, tokenizer.no_timestamps]
        spaced, span = is_spaced(language), self._span(samples)
        prefix = tokenizer.encode((" " if spaced else "") + committed) if committed else []
        seconds = len(samples) / SAMPLE_RATE
        asked = _Asked(tokenizer, prompt, prefix, seconds, patient=last, goes_on=goes_on or not committed)
        words = self._guess(self._encode(samples, past), asked)
        if span < _WHOLE and not doubted(words) and repeats(words, spaced=spaced):
            again = self._guess(self._read(samples, past, min(span + self._padding, _WHOLE)), asked)
            words = words if repeats(again, spaced=spaced) else again
        # what is doubted is not read again: of noise the whole 30 s make a phrase that is likely
        if span < _WHOLE and last and not can_wait and not doubted(words) and heard(words, spaced=spaced) != words:
            words = self._guess(self._read(samples, _NOTHING, _WHOLE), asked)
        return [] if not committed and echoes(words, language) else words

    def likelihoods(self, samples: Samples, languages: Sequence[str]) -> dict[str, float]:
        """How likely each of `languages` is to be spoken in `samples`: shares of 1 over all that the model knows.

        One step of the decoder; `transcribe` of the same samples next does not encode them again. A model of one
        language can't tell: it gives all the same.
        """
        if self.knows_english_alone:
            return dict.fromkeys(languages, 1 / len(languages))
        found = self._whisper.model.detect_language(self._encode(samples, _NOTHING))[0]
        shares = {token[2:-2]: share for token, share in found}  # from <|en|>
        return {language: shares.get(language, 0.0) for language in languages}

    def _encode(self, samples: Samples, past: Samples) -> Any:
        if self._encoded is None or self._encoded[0] is not samples or self._encoded[1] != len(past):
            self._encoded = samples, len(past), self._read(samples, past, self._span(samples))
        return self._encoded[2]

    def _span(self, samples: Samples) -> float:
        """Seconds that the encoder reads for `samples`."""
        return max(len(samples) / SAMPLE_RATE + self._padding, self._shortest)

    def _read(self, samples: Samples, past: Samples, span: float) -> Any:
        """What the encoder makes of `samples` behind `past`, and of silence up to `span` seconds: (1, T, d), 50
        positions a second. Those of the past are left out.
        """
        seconds = len(samples) / SAMPLE_RATE
        if seconds > LONGEST:
            raise ValueError(f"{seconds:.1f} s of audio, expected at most {LONGEST} s")
        fits = max(0, int((_WHOLE - span) * SAMPLE_RATE))
        positions = min(len(past), fits) // _FRAME
        before = past[len(past) - positions * _FRAME :]
        silence = np.zeros(round((span - seconds) * SAMPLE_RATE), np.float32)
        audio = np.concatenate((_loud_enough(np.concatenate((before, samples))), silence))
        features = self._whisper.feature_extractor(audio, padding=0)  # (80 or 128, T), 100 frames a second
        encoded = self._whisper.encode(features[:, : features.shape[1] // 2 * 2])  # (1, positions, d)
        return _without(encoded, positions) if positions else encoded

    def _guess(self, encoded: Any, asked: _Asked) -> list[Word]:
        """What is said. Where a word is hardly believed, patiently, if none is then; where beams are unsure at the very
        beginning, greedily, if that is what nobody can have said."""
        words = self._written(encoded, asked, self._beams)
        if self._beams == 1:
            return words
        if not asked.patient and _strays(words):
            patient = self._written(encoded, replace(asked, patient=True), self._beams)
            words = words if _strays(patient) else patient
        if words and not asked.prefix and sureness(words) < _SURE:
            greedy = self._written(encoded, asked, 1)
            return words if heard(greedy, spaced=is_spaced(asked.tokenizer.language_code)) else greedy
        return words

    def _written(self, encoded: Any, asked: _Asked, beams: int) -> list[Word]:
        return self._timed(encoded, asked, self._decode(encoded, asked, beams))

    def _decode(self, encoded: Any, asked: _Asked, beams: int) -> list[int]:
        model, end = self._whisper.model, asked.tokenizer.eot
        prompt, forced = asked.prompt, asked.prefix
        if self._continuing and is_worth_it(prompt, forced):
            model = self._continuing
            prompt, forced = continued(prompt, forced, end=end)
        count = len(forced) + 8 + int(asked.seconds * _TOKENS_PER_SECOND)
        result = model.generate(
            encoded,
            [[*prompt, *forced]],
            beam_size=beams,
            patience=_PATIENCE if asked.patient else 1.0,
            # of which CTranslate2 lets half be written, what is forced included, and no more than the prompt leaves
            max_length=min(448, max(len(prompt) + count, 2 * count)),
            suppress_blank=asked.goes_on,
            suppress_tokens=[-1],
        )[0]
        # CTranslate2 returns what it is forced to write, and nothing of the prompt
        known = asked.prefix[: len(asked.prefix) - len(forced)]
        return [*known, *(token for token in result.sequences_ids[0] if token < end)]

    def _timed(self, encoded: Any, asked: _Asked, tokens: list[int]) -> list[Word]:
        known = len(asked.prefix)
        if len(tokens) == known:
            return []
        aligned = self._whisper.find_alignment(asked.tokenizer, [tokens], encoded, int(asked.seconds * 100))[0]
        tokenizer = asked.tokenizer
        return words_of(aligned, known=known, language=tokenizer.language_code, decode=tokenizer.decode)

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._whisper.hf_tokenizer,
                self._whisper.model.is_multilingual,
                task="transcribe",
                language=language,
            )
        return self._tokenizers[language]


def _unloadable(folder: Path, device: Device, error: Exception) -> UserError:
    """What to say of `error`, which kept the model in `folder` from being loaded."""
    if device == "cuda" and (folder / "model.bin").is_file():  # the GPU is full, or too old for float16
        return UserError(
            f"--asr-device cuda: {folder} can't be loaded there ({error}): leave the flag out to use the cores, or "
            "choose a smaller model with --asr"
        )
    return UserError(
        f"{folder} holds no loadable Whisper model ({error}): expected a CTranslate2 model (model.bin, config.json, "
        f"tokenizer.json, vocabulary); if it was fetched, see what is wrong with `surtitle models verify {folder.name}`"
    )


def _without(encoded: Any, positions: int) -> Any:
    """`encoded` (1, T, d) without its first `positions`, in the memory of the cores: CTranslate2 moves it back."""
    kept = np.asarray(encoded.to_device(Place.cpu))[:, positions:]
    return StorageView.from_array(np.ascontiguousarray(kept))


def _strays(words: Sequence[Word]) -> bool:
    return any(word.probability < _STRAY for word in words)


def _loud_enough(samples: Samples) -> Samples:
    peak = float(np.abs(samples).max(initial=0.0))
    return samples * np.float32(_LOUD_ENOUGH / peak) if 0 < peak < _LOUD_ENOUGH else samples
