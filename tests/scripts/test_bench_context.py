"""The bench of context, on a tiny model that translates nothing: what is served of it, and what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_context import Heard, both_ways, judge
from tiny_translator import ENGLISH, SPANISH, TERMS, WINDOW, write_model

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.guards import Guards
from surtitle.sinks.lockstep import together

SAID = [f"{first} {second}" for first in ("one", "two", "many", "no") for second in ("ships", "of us?", "words")]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(write_model(tmp_path_factory.mktemp("model"), ending=3.0), threads=1, window=WINDOW + TERMS)


def written(engine: Engine, *files: Path, bare: bool) -> list[Heard]:
    out = [Heard(file) for file in files] or [Heard(), Heard()]
    steps = both_ways(engine, SPANISH, engine.model.caches(2, WINDOW), SAID, out, bare=bare)
    list(together(engine.model, steps))
    return out


def refused(engine: Engine, texts: list[str]) -> int:
    guards = Guards(engine.profile.prompts(ENGLISH, SPANISH), engine.identifier)
    pairs = zip(SAID, texts, strict=True)
    return sum(guards.fault(said, text, finished=True) is not None for said, text in pairs if said != text)


def test_what_is_served_with_context_and_apart_is_a_translation_or_the_source(engine: Engine) -> None:
    for way in written(engine, bare=False):
        assert refused(engine, way.texts) == 0
        assert way.retries >= way.untranslated > 0
        assert way.untranslated == sum(said == text for said, text in zip(SAID, way.texts, strict=True)) < len(SAID)


def test_what_the_model_writes_is_scored_as_it_is_where_that_is_asked(engine: Engine) -> None:
    with_context, apart = written(engine, bare=True)
    assert refused(engine, with_context.texts) > 0
    assert refused(engine, apart.texts) > 0
    assert with_context.texts[0] == apart.texts[0]
    assert with_context.texts != apart.texts
    assert with_context.untranslated == apart.untranslated == 0


def test_few_sentences_have_quarters_too() -> None:
    for count in (1, 2, 3):
        found = judge(["ein Haus"] * count, ["das Haus"] * count, ["ein Haus"] * count, "de")
        assert [found[part]["chrf"] for part in found] == [100, 100, 100]


def test_a_text_is_on_disk_before_the_next_is_made(tmp_path: Path) -> None:
    heard = Heard(tmp_path / "texts.txt")
    for count, text in enumerate(("uno", "dos"), 1):
        heard.add(text)
        assert (tmp_path / "texts.txt").read_text(encoding="utf-8").splitlines() == ["uno", "dos"][:count]


@pytest.mark.parametrize("bare", [False, True])
def test_all_that_is_written_is_on_disk_a_line_a_sentence(engine: Engine, tmp_path: Path, bare: bool) -> None:
    files = [tmp_path / "context.txt", tmp_path / "isolated.txt"]
    ways = written(engine, *files, bare=bare)
    for file, way in zip(files, ways, strict=True):
        assert file.read_text(encoding="utf-8") == "".join(f"{text}\n" for text in way.texts)
        assert len(way.texts) == len(SAID)
