"""What several beginnings of a translation give and cost: the product's translator with each width, in the same run.

In: sentences and their references, a line each. Out: for each target language and width chrF and BLEU of the sentences
in one stream, as the product serves them but for its rests, seconds for a sentence, and the gain in chrF over the first
width with the interval of a paired bootstrap (Koehn 2004).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import bench_common as common
from bench_common import Row
from bench_context import scores_over, shown_gain
from bench_quality import read_texts
from score_quality import Quality, quality

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.languages import Language, find_language, parse_languages
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.translator import Translator

_ENGLISH = find_language("en")


def translated(
    engine: Engine, language: Language, width: int, sources: Sequence[str], *, window: int
) -> tuple[list[str], float]:
    """The translations of one stream, and seconds for each on average."""
    translator = Translator(engine, _ENGLISH, [language], window=window, beams=width)
    texts: list[str] = []
    began = perf_counter()
    for source in sources:
        texts += [made.text for _, made in translator.translate(source)]
        if not len(texts) % 10:
            common.say(f"{language.code}, {width} beams: {len(texts)} of {len(sources)}")
    return texts, (perf_counter() - began) / len(sources)


def judge(found: Quality, first: Quality, seconds: float) -> Row:
    """Scores, their gains over the first width, and the seconds of a sentence."""
    return scores_over(found, first) | {"seconds_a_sentence": round(seconds, 2)}


def parse() -> argparse.Namespace:
    parser = common.parser_of("beams", "Hold translations of several beginnings against those of one.",
                              model="qwen2.5-coder-1.5b")  # fmt: skip
    add = parser.add_argument
    add("texts", type=Path, metavar="DIR", help="folder with LANG.txt for English and each target, line by line")
    add("--to", type=parse_languages, default=("es", "de", "fr"), metavar="CODES", help="targets (default es,de,fr)")
    add("--lines", type=common.positive, default=40, help="how many of the first lines (default 40)")
    add("--widths", type=common.numbers, default=(1, 4), help="beginnings that are kept (default 1,4)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="what the model runs on (default cpu)")
    add("--window", type=common.positive, default=1024, help="tokens in the cache, at least some 960 (default 1024)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    engine = Engine(folder, threads=arguments.threads, device=arguments.device, window=arguments.window)
    texts = read_texts(arguments.texts, arguments.to, arguments.lines)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, figures = [["to", "beams", "chrF", "gain, 95 %", "BLEU", "seconds a sentence"]], dict[str, dict[str, Row]]()
    for code in arguments.to:
        figures[code] = {}
        first: Quality | None = None
        for width in arguments.widths:
            lines, seconds = translated(engine, find_language(code), width, texts["en"], window=arguments.window)
            (arguments.out / f"beams.{code}.{width}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
            found = quality(lines, texts[code], code)
            first = first or found
            row = figures[code][str(width)] = judge(found, first, seconds)
            shown = (row["chrf"], shown_gain(row), row["bleu"], row["seconds_a_sentence"])
            rows.append([code, str(width), *map(str, shown)])
    print(common.table(rows))
    asked = {"model": arguments.model, "device": arguments.device, "window": arguments.window}
    common.conclude("beams", {**asked, "lines": len(texts["en"]), "to": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench beams", main))
