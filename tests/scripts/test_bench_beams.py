"""The bench of beams: what it compares, on a tiny model and on texts whose scores are known."""

from __future__ import annotations

from pathlib import Path

from bench_beams import judge, translated
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
