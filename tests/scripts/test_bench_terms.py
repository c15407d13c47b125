"""The bench of terms: its sentences, what it counts, and a run of it on a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
import text_files
from bench_terms import SENTENCES, TERMS, Translated, read_sentences, summary, translated
from tiny_translator import SMALLEST, SPANISH, write_model
from tiny_translator import TERMS as ROOM_FOR_TERMS

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.glossary import Glossary, parse
from surtitle.pipeline.languages import find_language

ONE = Glossary(({"en": "bank", "es": "orilla"},))


def test_each_term_is_said_in_two_sentences() -> None:
    glossary = parse(text_files.read(TERMS), ".csv")
    sentences = read_sentences(SENTENCES, glossary, [find_language(code) for code in ("es", "de", "fr")])
    said = [each.said for line in sentences for each in glossary.renderings(line, "en", "es")]
    assert {said.count(term) for term in said} == {2}
    assert len(set(said)) == len(glossary.terms) == 24


@pytest.mark.parametrize("text", ["", "The bank is green.\nNothing of it here.\n"])
def test_a_sentence_without_a_term_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(UserError, match=r"s\.txt.*expected"):
        read_sentences(tmp_path / "s.txt", ONE, [SPANISH])


def test_terms_are_counted_with_the_glossary_and_without() -> None:
    def one(glossary: bool, *missed: str) -> Translated:
        return Translated("es", glossary, "said", "shown", untranslated=False, wanted=("a", "b"), missed=missed)

    found = summary([one(True), one(True, "a"), one(False, "a", "b"), one(False, "a")])
    assert found == {"es": {"with": {"said": 4, "accuracy": 0.75}, "without": {"said": 4, "accuracy": 0.25}}}


def test_every_sentence_is_translated_with_the_glossary_and_without(tmp_path: Path) -> None:
    engine = Engine(write_model(tmp_path, ending=3.0, seed=6), threads=1)
    found = list(translated(engine, [SPANISH], ["the bank", "a bank"], ONE, window=SMALLEST + ROOM_FOR_TERMS))
    assert [(each.glossary, each.source) for each in found] == [
        (True, "the bank"),
        (True, "a bank"),
        (False, "the bank"),
        (False, "a bank"),
    ]
    assert all(each.wanted == ("orilla",) and each.to == "es" for each in found)
