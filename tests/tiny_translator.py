"""A translator on a tiny random model, whose words mean nothing. It ends its turns by itself now and then, so that good
turns and refused ones both occur."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.events import Drafted
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.memory import CAPACITY
from surtitle.pipeline.translator import Translator
from surtitle.sinks.load import WEIGHTS

ENGLISH, SPANISH = find_language("en"), find_language("es")
WIDTH, INNER, LAYERS, HEADS, KV_HEADS, HEAD = 32, 64, 1, 4, 2, 16
SPECIAL = ["<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKS = 8 + 13
"""Tokens around what is said in a turn: the template's, a byte each but for the special ones."""
SEED = 10
"""Of weights that make a few good turns among bad ones."""
SMALLEST, ROOMY, WINDOW = 1247, 1400, 1600
"""Tokens: the tiny tokenizer's prompt in Spanish, or in any language, and a longest turn; and some more."""
TERMS = 160
"""Tokens that terms may take in a conversation without context."""


def write_tokenizer(folder: Path) -> tuple[int, set[int]]:
    """Bytes and two special tokens; the size of the vocabulary, and the tokens of small letters and the space."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return tokenizer.get_vocab_size(), {letters.index(letter) for letter in "abcdefghijklmnopqrstuvwxyzĠ"}


def write_model(folder: Path, *, ending: float, seed: int = SEED, layers: int = LAYERS) -> Path:
    """The engine's folder with random weights; `ending` is how loud the end of a turn is."""
    vocabulary, written = write_tokenizer(folder)
    random = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}

    def product(name: str, rows: int, columns: int) -> None:
        blocks = (rows, columns // 32)
        tensors[f"{name}.weight"] = torch.randint(1, 256, (*blocks, 32), generator=random, dtype=torch.uint8)
        tensors[f"{name}.scale"] = torch.full(blocks, 0.2 / 64)

    for index in range(layers):
        prefix = f"model.layers.{index}."
        product(f"{prefix}self_attn.q_proj", HEADS * HEAD, WIDTH)
        product(f"{prefix}self_attn.k_proj", KV_HEADS * HEAD, WIDTH)
        product(f"{prefix}self_attn.v_proj", KV_HEADS * HEAD, WIDTH)
        product(f"{prefix}self_attn.o_proj", WIDTH, HEADS * HEAD)
        product(f"{prefix}mlp.gate_proj", INNER, WIDTH)
        product(f"{prefix}mlp.up_proj", INNER, WIDTH)
        product(f"{prefix}mlp.down_proj", WIDTH, INNER)
        tensors[f"{prefix}input_layernorm.weight"] = torch.ones(WIDTH)
        tensors[f"{prefix}post_attention_layernorm.weight"] = torch.ones(WIDTH)
    product("lm_head", vocabulary, WIDTH)
    tensors["lm_head.scale"][vocabulary - 1] *= ending
    speechless = [index for index in range(vocabulary - 1) if index not in written]
    tensors["lm_head.scale"][speechless] = 0.0  # never the likeliest
    tensors["model.embed_tokens.weight"] = torch.randn(vocabulary, WIDTH, generator=random).half()
    tensors["model.norm.weight"] = torch.ones(WIDTH)
    save_file(tensors, folder / WEIGHTS)
    config = {
        "model_type": "llama",
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "num_hidden_layers": layers,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "rms_norm_eps": 1e-6,
        "vocab_size": vocabulary,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


class Spanish:
    """A translator of one language, and its conversation."""

    target = SPANISH

    def __init__(
        self,
        engine: Engine,
        window: int = WINDOW,
        *,
        promises: bool = False,
        beams: int = 1,
        glossary: Glossary | None = None,
        names: int = CAPACITY,
    ) -> None:
        self.glossary = glossary or Glossary()
        self.translator = Translator(
            engine,
            ENGLISH,
            [self.target],
            window=window,
            promises=promises,
            beams=beams,
            glossary=lambda: self.glossary,
            names=names,
        )
        (self.conversation,) = self.translator.conversations

    def translate(
        self, text: str, in_time: Callable[[], bool] = lambda: True, wrote: Callable[[int], None] = lambda count: None
    ) -> str:
        ((language, translation),) = self.translator.translate(
            text, in_time=in_time, wrote=lambda language, count: wrote(count)
        )
        assert language == self.target.code
        return translation.text

    def draft(self, text: str, stop: Callable[[], bool] | None = None, *, binds: bool = True) -> Drafted:
        ((language, drafted),) = self.translator.draft(text, stop or (lambda: False), binds=binds)
        assert language == self.target.code
        return drafted


def numbered(number: int) -> str:
    return f"text number {number}"
