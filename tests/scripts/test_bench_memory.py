"""The bench of names: its table, what it counts, and a run of it on a tiny model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_memory import NAMES, Between, judged, read_between, read_names, render, run
from tiny_translator import SMALLEST, SPANISH, TERMS, write_model

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Translated
from surtitle.pipeline.translator import Translator

ROW = {"name": "Marenko", "introduction": "He is called Marenko.", "mention": "We saw Marenko."}


def test_there_are_twenty_names_and_each_is_another() -> None:
    rows = read_names(NAMES)
    assert len({row["name"] for row in rows}) == len(rows) == 20


@pytest.mark.parametrize(
    "table",
    ["", "name\tmention\nA\tA\n", "name\tintroduction\tmention\nA\tA\t\n", "name\tintroduction\tmention\nA\tA\tB\n"],
)
def test_a_table_that_lacks_something_is_refused(table: str, tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_text(table)
    with pytest.raises(UserError, match=r"names\.tsv.*expected"):
        read_names(path)


@pytest.mark.parametrize(
    ("introduced", "mentioned", "first", "same"),
    [
        ("Se llama Marenko.", "Vimos a Marenko.", "Marenko", True),
        ("Se llama Marenco.", "Vimos a Marenco.", "Marenco", True),
        ("Se llama Marenco.", "Vimos a Marenko.", "Marenco", False),
        ("Se llama Marenko.", "La vimos.", "Marenko", False),
        ("Se llama así.", "Vimos a Marenko.", None, False),
    ],
)
def test_a_name_is_rendered_as_at_first_where_its_word_is_the_same(
    introduced: str, mentioned: str, first: str | None, same: bool
) -> None:
    found = judged(ROW, introduced, mentioned, SPANISH, remembered=True)
    assert (found.first, found.as_at_first) == (first, same)


class Silent(Translator):
    """Translates nothing: what was said is shown."""

    def __init__(self) -> None:
        """Without a model."""

    def translate(self, text: str, **_: object) -> Iterator[tuple[str, Translated]]:
        yield "es", Translated(text, untranslated=True)


def test_a_name_that_stands_in_what_could_not_be_translated_is_not_rendered() -> None:
    ((_, introduced, mentioned),) = render(Silent(), [ROW], lambda: None)
    found = judged(ROW, introduced, mentioned, SPANISH, remembered=True)
    assert (found.first, found.as_at_first) == (None, False)


def test_lines_without_text_are_left_out_of_both_files_and_a_short_text_is_said_again(tmp_path: Path) -> None:
    source, reference = tmp_path / "en.txt", tmp_path / "es.txt"
    source.write_text("one\n\ntwo\nthree\n")
    reference.write_text("uno\n\ndos\n \n")
    between = read_between(source, reference)
    assert list(between.turns(3)) == [("one", "uno"), ("two", "dos"), ("one", "uno")]
    assert list(read_between(source, None).turns(2)) == [("one", None), ("two", None)]
    reference.write_text("uno\u2028otra vez\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"has 1 lines, expected 4"):
        read_between(source, reference)


@pytest.mark.slow
def test_names_are_recalled_with_the_memory_and_not_without(tmp_path: Path) -> None:
    engine = Engine(write_model(tmp_path, ending=3.0, seed=6), threads=1)
    options = argparse.Namespace(window=SMALLEST + TERMS, turns=30, pause_every=10)
    # the sentences said between have the name first: what a random model makes of the introduction has none
    between = Between([("we saw Marenko", "vimos a Marenko"), *[("x" * 40, "y" * 40)] * 29])
    (remembering, with_memory), (forgetting, without) = run(engine, SPANISH, [ROW], between, options)
    assert [each.remembered for each in (*remembering, *forgetting)] == [True, False]
    assert (with_memory["names_known"], without["names_known"]) == (1, 0)
    assert with_memory["prompt_tokens_for_mentions"] > 0 == without["prompt_tokens_for_mentions"]
    assert min(with_memory["evictions"], without["rebuilds"]) > 0
