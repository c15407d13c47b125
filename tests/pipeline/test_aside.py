"""`surtitle.pipeline.aside`: a turn in tokens, and how long a translation may be."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_translator import ENGLISH, write_model
from tokenizers import AddedToken, models, normalizers
from tokenizers import Tokenizer as Made

from surtitle.pipeline.aside import LONGEST_SOURCE, PromptTokens, longest
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.profiles import find_profile
from surtitle.sinks.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A token a byte: three for each letter of Hindi."""
    return Tokenizer(write_model(tmp_path_factory.mktemp("tiny"), ending=3.0))


def limit(tokenizer: Tokenizer, target: str, source: int) -> int:
    (prompt, *_) = find_profile().prompts(ENGLISH, find_language(target))
    return PromptTokens(tokenizer, prompt).limit(source)


@pytest.mark.parametrize("target", ["es", "de", "fr", "it", "pt"])
def test_a_translation_has_twice_the_tokens_of_its_source_at_most(tokenizer: Tokenizer, target: str) -> None:
    assert limit(tokenizer, target, 11) == longest(11) == 46


def test_in_a_language_that_is_spelled_out_it_may_have_more(tokenizer: Tokenizer) -> None:
    assert limit(tokenizer, "hi", 11) > longest(11)


@pytest.mark.parametrize("target", ["es", "hi"])
def test_the_longest_source_has_no_more_room_than_there_is(tokenizer: Tokenizer, target: str) -> None:
    assert limit(tokenizer, target, LONGEST_SOURCE) == longest(LONGEST_SOURCE)


def test_the_limit_grows_with_the_source(tokenizer: Tokenizer) -> None:
    limits = [limit(tokenizer, "hi", source) for source in range(0, LONGEST_SOURCE + 1, 20)]
    assert limits == sorted(limits)


CHAT = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


@pytest.mark.parametrize("model", ["towerinstruct", "eurollm", "qwen2"])
def test_what_is_said_is_tokenized_within_its_turn_as_transformers_does_it(model: str, tmp_path: Path) -> None:
    """A tokenizer such as Llama 2's sets a space where a text begins."""
    letters = ["<unk>", "<s>", "</s>", *map(chr, range(32, 127)), "▁", "\n"]
    made = Made(models.BPE({letter: index for index, letter in enumerate(letters)}, [], unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.add_special_tokens([AddedToken(mark, special=True) for mark in letters[:3]])
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (tmp_path / "chat_template.jinja").write_text(CHAT)
    tokenizer = Tokenizer(tmp_path)
    for prompt in find_profile(model).prompts(ENGLISH, find_language("es")):
        tokens = PromptTokens(tokenizer, prompt)
        whole = tokenizer.render(prompt.for_template(prompt.examples, "The sea."))
        assert [*tokens.prefix, *tokens.turn("The sea.")] == tokenizer.encode(whole)
