"""`surtitle.pipeline.terms`: what a conversation should know before it translates, with a token a byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from tiny_translator import ENGLISH, SPANISH, write_model

from surtitle.pipeline.aside import TERM_TOKENS, PromptTokens
from surtitle.pipeline.glossary import MAX_TERMS, Glossary, Rendering
from surtitle.pipeline.memory import TermMemory
from surtitle.pipeline.profiles import find_profile
from surtitle.pipeline.terms import Terms
from surtitle.sinks.tokenizer import Tokenizer

SINK = {"en": "attention sink", "es": "sumidero de atención"}
SAID = "the attention sink of Kessler"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(write_model(tmp_path_factory.mktemp("tiny"), ending=3.0))


@pytest.fixture(scope="module")
def prompts(tokenizer: Tokenizer) -> Sequence[PromptTokens]:
    return [PromptTokens(tokenizer, prompt) for prompt in find_profile().prompts(ENGLISH, SPANISH)]


def terms_of(tokenizer: Tokenizer, prompts: Sequence[PromptTokens], *glossary: Mapping[str, str]) -> Terms:
    terms, memory = Glossary(glossary), TermMemory(ENGLISH, SPANISH)
    return Terms(tokenizer, prompts, lambda text: terms.renderings(text, "en", "es"), memory, ENGLISH, SPANISH)


def test_the_glossary_gives_way_to_no_name(tokenizer: Tokenizer, prompts: Sequence[PromptTokens]) -> None:
    terms = terms_of(tokenizer, prompts, {"en": "Marenko", "es": "señor M"})
    for name in ("Marenko", "Kessler"):
        terms.memory.learn(f"then {name} left", f"luego {name} se fue")
    known = terms.known("we saw Kessler and Marenko")
    assert known == [Rendering("Marenko", "señor M"), Rendering("Kessler", "Kessler")]


@pytest.mark.parametrize("letters", [1, 8, 30, 80])
def test_no_more_are_told_than_have_room(tokenizer: Tokenizer, prompts: Sequence[PromptTokens], letters: int) -> None:
    words = [letter * letters for letter in "abcdef"]
    terms = terms_of(tokenizer, prompts, *({"keep": word} for word in words))
    each = max(len(prompt.turn("")) for prompt in prompts) + 2 * letters
    known = terms.known(" ".join(words))
    assert [term.said for term in known] == words[: min(MAX_TERMS, TERM_TOKENS // each)]


def test_a_term_that_has_no_room_keeps_none_out(tokenizer: Tokenizer, prompts: Sequence[PromptTokens]) -> None:
    terms = terms_of(tokenizer, prompts, {"keep": "a" * TERM_TOKENS}, {"keep": "Kessler"})
    assert [term.said for term in terms.known(f"{'a' * TERM_TOKENS}, said Kessler")] == ["Kessler"]


def test_what_a_translation_lacks_is_counted_and_what_it_has_is_told(
    tokenizer: Tokenizer, prompts: Sequence[PromptTokens]
) -> None:
    terms = terms_of(tokenizer, prompts, SINK, {"keep": "Kessler"})
    sink, kessler = terms.wanted(SAID)
    for translation, missed, told in (
        ("el sumidero de atención de Kessler", 0, (sink, kessler)),
        ("el sumidero de atención", 1, (sink,)),
        ("el lavabo", 2, ()),
    ):
        assert (terms.missed(SAID, translation), terms.told(SAID, translation)) == (missed, told)


def test_a_name_that_was_translated_before_is_told_and_nobody_misses_it(
    tokenizer: Tokenizer, prompts: Sequence[PromptTokens]
) -> None:
    terms = terms_of(tokenizer, prompts)
    terms.memory.learn("then Kessler left", "luego Kessler se fue")
    assert terms.told(SAID, "el sumidero de Kessler") == (Rendering("Kessler", "Kessler"),)
    assert terms.missed(SAID, "el lavabo") == 0


def test_the_wanted_words_stand_where_the_terms_were_said(
    tokenizer: Tokenizer, prompts: Sequence[PromptTokens]
) -> None:
    assert terms_of(tokenizer, prompts, SINK).put_in(SAID) == "the sumidero de atención of Kessler"
