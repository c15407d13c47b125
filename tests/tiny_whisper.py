"""A Whisper of random weights in any shape, as a folder that CTranslate2 loads: it hears nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from ctranslate2.converters.transformers import WhisperLoader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import WhisperConfig, WhisperForConditionalGeneration

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SPECIAL = [
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>"),
    *("<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
]
_TIMES = [f"<|{index * 0.02:.2f}|>" for index in range(10)]


def make(folder: Path, *, mels: int, alignment_heads: list[tuple[int, int]] | None) -> None:
    """Write one of so many `mels` bands, that knows English alone; nothing but the weights says how many."""
    words = [*_LETTERS, *(f"\u0120{letter}" for letter in _LETTERS), "\u0120"]
    tokenizer = Tokenizer(
        models.BPE({word: index for index, word in enumerate(words)}, [("\u0120", letter) for letter in _LETTERS])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    vocabulary = [*words, *_SPECIAL, *_TIMES]
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(vocabulary),
            num_mel_bins=mels,
            d_model=16,
            encoder_layers=1,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=len(words),
            decoder_start_token_id=len(words) + 1,
        )
    )
    spec = WhisperLoader().get_model_spec(model)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids, spec.config.suppress_ids_begin, spec.config.lang_ids = [], [], []
    spec.config.alignment_heads = alignment_heads
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
