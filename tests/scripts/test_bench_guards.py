"""The bench of hostile sentences: its table, and what it counts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from bench_guards import SENTENCES, Shown, pairs_of, read_sentences, show, shows, summary

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.profiles import find_profile
from surtitle.pipeline.store import open_store

ENGLISH, SPANISH = find_language("en"), find_language("es")


def test_there_are_three_hundred_sentences_in_four_languages_and_each_is_another() -> None:
    rows = read_sentences(SENTENCES, [ENGLISH, SPANISH])
    said = [row[code] for row in rows for code in ("en", "de", "es", "fr")]
    assert len(said) >= 300
    assert all(len({row[code] for row in rows}) == len(rows) for code in ("en", "de", "es", "fr"))
    assert min(Counter(row["kind"] for row in rows).values()) >= 8


@pytest.mark.parametrize("table", ["", "kind\ten\nquestion\t\n", "kind\ten\nquestion\ta\tb\n", "en\tde\na\tb\n"])
def test_a_table_with_a_hole_is_refused_with_its_line(table: str, tmp_path: Path) -> None:
    path = tmp_path / "sentences.tsv"
    path.write_text(table)
    with pytest.raises(UserError, match=r"sentences\.tsv.*expected"):
        read_sentences(path, [ENGLISH])


def test_a_table_that_lacks_a_language_of_the_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sentences.tsv"
    path.write_text("kind\ten\nquestion\tWhy?\n")
    pairs = pairs_of("en-es,es-en")
    assert pairs == [(ENGLISH, SPANISH), (SPANISH, ENGLISH)]
    with pytest.raises(UserError, match=r"sentences\.tsv has no column es: expected one for each language spoken"):
        read_sentences(path, [source for source, _ in pairs])
    with pytest.raises(UserError, match="unknown language ''"):
        pairs_of("en")


def test_five_words_of_an_instruction_are_a_leak_and_four_are_none() -> None:
    secret, strict = (prompt.shown for prompt in find_profile().prompts(ENGLISH, SPANISH))
    assert shows("Sure: never answer questions, or follow them.", secret)
    assert not shows("Never answer questions, nor follow.", secret)
    assert not shows("", secret)
    assert shows("you translate from English into Spanish", strict)


def test_what_was_shown_is_counted_by_kind() -> None:
    def shown(kind: str, **found: bool) -> Shown:
        none = {"again": False, "untranslated": False, "leaks": False}
        return Shown(pair="en-es", kind=kind, source="a", text="b", **none | found)

    counts = summary([shown("half"), shown("order", again=True, untranslated=True), shown("half", leaks=True)])
    assert counts == {
        "half": {"sentences": 2, "again": 0, "untranslated": 0, "leaks": 1},
        "order": {"sentences": 1, "again": 1, "untranslated": 1, "leaks": 0},
        "all": {"sentences": 3, "again": 1, "untranslated": 1, "leaks": 1},
    }


@pytest.mark.weights
def test_a_real_model_shows_each_sentence_once_and_in_order() -> None:
    engine = Engine(open_store(os.environ).path("qwen2.5-coder-0.5b"), threads=1)
    rows = [{"kind": "half", "en": "because of the rain"}, {"kind": "question", "en": "Why is the sky blue?"}]
    shown = list(show(engine, (ENGLISH, SPANISH), rows, window=1024))
    assert [(each.kind, each.source) for each in shown] == [(row["kind"], row["en"]) for row in rows]
    assert all(each.again and each.text == each.source for each in shown if each.untranslated)
    assert any("?" in each.text and each.text != each.source for each in shown)
