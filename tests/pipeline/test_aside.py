"""`surtitle.pipeline.aside`: how long a translation may be."""

from __future__ import annotations

import pytest
from tiny_translator import ENGLISH, write_model

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
