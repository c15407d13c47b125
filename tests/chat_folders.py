"""Folders of tiny chat models, as their makers publish them, that write one token all the time.

In: whose marks and chat template, and what is written. Out: a folder for transformers and for `sinks.Tokenizer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

LETTERS = list(bytes_to_unicode().values())


@dataclass(frozen=True, slots=True)
class Maker:
    """Marks and template, as one maker has them."""

    marks: tuple[str, ...]
    """The first is what the tokenizer's settings call its end."""
    named: tuple[str, ...]
    """What `generation_config.json` calls one."""
    template: str


MAKERS: Mapping[str, Maker] = {
    "chatml": Maker(
        ("<|im_end|>", "<|im_start|>", "<|endoftext|>"),
        ("<|im_end|>", "<|endoftext|>"),
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ),
    "gemma": Maker(
        ("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        ("<eos>",),
        "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
        "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    ),
    "phi": Maker(
        ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"),
        ("<|endoftext|>",),
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
    ),
    "one turn": Maker(
        ("</s>",),
        ("</s>",),
        "{% if messages | length > 1 %}{{ raise_exception('expected one message') }}{% endif %}"
        "[INST]{{ messages[0].content }}[/INST]",
    ),
}
ENDS = [
    ("chatml", "<|im_end|>"),
    ("chatml", "<|endoftext|>"),
    ("gemma", "<end_of_turn>"),
    ("gemma", "<eos>"),
    ("phi", "<|end|>"),
    ("phi", "<|endoftext|>"),
]
"""Whose answers end with what: in Gemma and Phi the template alone says so."""


def chat_folder(folder: Path, maker: str, writes: str, *, adds_bos: bool = False) -> Path:
    """`folder`, now with a model that writes the token `writes` whatever it reads; `adds_bos` if its tokenizer, as
    Gemma's does, begins every text with `<bos>`.
    """
    made = MAKERS[maker]
    vocabulary = {token: index for index, token in enumerate([*LETTERS, *made.marks])}
    tokenizer = Tokenizer(models.BPE(vocab={letter: vocabulary[letter] for letter in LETTERS}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in made.marks])
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", vocabulary["<bos>"])]
        )
    begins = {"bos_token": "<bos>"} if "<bos>" in made.marks else {}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=made.marks[0], **begins)
    wrapped.chat_template = made.template
    wrapped.save_pretrained(folder)
    torch.manual_seed(1)
    model = PhiForCausalLM(
        PhiConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=None,
            eos_token_id=[vocabulary[name] for name in made.named],
        )
    )
    model.lm_head.bias.data[vocabulary[writes]] = 1e4
    model.save_pretrained(folder)
    return folder
