"""The bench of beams: what it compares, on a tiny model and on texts whose scores are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import bench_quality
import numpy as np
import pytest
from bench_beams import judge, translated
from bench_common import Losses
from bench_quality import read_texts
from engine_rivals import Prompt
from score_quality import quality
from tiny_translator import SMALLEST, SPANISH, numbered, write_model

from surtitle.pipeline.engine import Engine


def test_every_sentence_is_translated_once_and_several_beginnings_say_other_things(tmp_path: Path) -> None:
    engine = Engine(write_model(tmp_path, ending=3.0, seed=6), threads=1)
    sources = [numbered(number) for number in range(8)]
    (one, seconds), (several, _) = (translated(engine, SPANISH, width, sources, window=SMALLEST) for width in (1, 3))
    assert len(one) == len(several) == 8
    assert one != several
    assert seconds > 0


def test_the_gain_is_over_the_first_width_and_its_bounds_are_around_it() -> None:
    references = ["El tren llega a las nueve.", "Los niños juegan.", "Mañana no hay clase.", "La casa es verde."]
    first = quality(
        ["El tren viene a las nueve.", "Los niños corren.", "Hoy no hay clase.", "La casa es roja."], references, "es"
    )
    row = judge(quality(references, references, "es"), first, 1.234)
    gain, low, high = row["chrf_gain"]
    assert low <= gain <= high
    assert gain == round(100 - first.chrf, 2)
    assert row["seconds_a_sentence"] == 1.23
    assert judge(first, first, 1.0)["chrf_gain"] == [0.0, 0.0, 0.0]


def test_texts_that_are_not_equally_long_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("One.\nTwo.\u2028And more.\n\nThree.\n", encoding="utf-8")
    (tmp_path / "es.txt").write_text("Uno.\nDos.\x85Y más.\n\n", encoding="utf-8")
    found = read_texts(tmp_path, ["es"], 3)
    assert found == {"en": ["One.", "Two.\u2028And more.", ""], "es": ["Uno.", "Dos.\x85Y más.", ""]}
    with pytest.raises(SystemExit, match=r"saw 3 lines in .*es\.txt, expected 4 as in en\.txt$"):
        read_texts(tmp_path, ["es"], 40)


class Parrot:
    """Says what it hears, and is sure of it."""

    def translate(self, prompt: Prompt, sources: Sequence[str]) -> list[str]:
        return list(sources)

    def losses(self, prompt: Prompt, sources: Sequence[str], targets: Sequence[str]) -> Losses:
        return np.zeros(len(targets), np.float32)


def test_chinese_is_scored_by_its_characters_though_it_has_no_spaces() -> None:
    said = ["我们一起去公园散步吧。"]
    assert bench_quality.judge(Parrot(), cast(Prompt, None), said, said, "zh")["bleu"] == 100
