"""What context is worth over a long text, and whether it decays.

In: documents, sentence by sentence, and their references. Out: for each target language chrF and BLEU of one endless
stream that keeps its context, beside the same model and prompt on isolated sentences, in the same run, with the
intervals of a paired bootstrap (Koehn 2004); the same for the first and the last quarter of the stream; evictions.
Knows no guards: what is scored is what the model writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import bench_common as common
import numpy as np
from bench_common import Row
from bench_quality import read_lines
from engine_rivals import Prompt, prompt_of
from score_quality import Counts, bleu_of, chrf_of, quality, summed
from suite_compare import difference

from surtitle.pipeline.languages import find_language, parse_languages
from surtitle.sinks.lockstep import Steps, together
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import Tokenizer

_QUARTERS = {"all": (0.0, 1.0), "first quarter": (0.0, 0.25), "last quarter": (0.75, 1.0)}
Score = Callable[[Sequence[int]], float]


def following(stream: TokenStream, prompt: Prompt, sources: Sequence[str], out: list[str]) -> Steps[None]:
    """Translate one after the other, all turns kept as far as the window reaches."""
    for source in sources:
        turn, limit = prompt.turn(source)
        stream.cache.make_room(len(turn) + limit)
        yield from _translating(stream, prompt, source, out)
        stream.cache.end_turn()


def apart(stream: TokenStream, prompt: Prompt, sources: Sequence[str], out: list[str]) -> Steps[None]:
    """Translate each behind the prompt alone."""
    mark = stream.mark()
    for source in sources:
        yield from _translating(stream, prompt, source, out)
        stream.rollback(mark)
        if not len(out) % 10:
            common.say(f"{len(out)} of {len(sources)}")


def _translating(stream: TokenStream, prompt: Prompt, source: str, out: list[str]) -> Steps[None]:
    turn, limit = prompt.turn(source)
    written: list[int] = []
    yield from stream.reading(turn)
    yield from stream.writing(written.append, stop=prompt.stop, limit=limit)
    out.append(" ".join(prompt.tokenizer.decode(written).split()))


def gained(with_context: Counts, without: Counts, score: Score) -> tuple[float, float, float]:
    """How much higher the first scores on the same sentences, and the bounds of 95 % around that."""
    counts = [np.array(each, dtype=np.int64) for each in (without, with_context)]  # (sentences, columns) each
    low, high = difference(counts[0], counts[1], score, np.random.default_rng(0).integers)
    return score(summed(with_context)) - score(summed(without)), low, high


def judge(with_context: Sequence[str], without: Sequence[str], references: Sequence[str], language: str) -> Row:
    """Scores of both, over all and in the first and the last quarter."""
    found: Row = {}
    for part, (start, end) in _QUARTERS.items():
        chosen = slice(round(start * len(references)), round(end * len(references)))
        ours, theirs = (quality(lines[chosen], references[chosen], language) for lines in (with_context, without))
        found[part] = {
            "chrf": round(ours.chrf, 2),
            "chrf_isolated": round(theirs.chrf, 2),
            "chrf_gain": [round(each, 2) for each in gained(ours.chrf_counts, theirs.chrf_counts, chrf_of)],
            "bleu": round(ours.bleu, 2),
            "bleu_isolated": round(theirs.bleu, 2),
            "bleu_gain": [round(each, 2) for each in gained(ours.bleu_counts, theirs.bleu_counts, bleu_of)],
        }
    return found


def parse() -> argparse.Namespace:
    parser = common.parser_of("context", "Hold a stream that keeps context against isolated sentences.",
                              model="qwen2.5-coder-1.5b")  # fmt: skip
    add = parser.add_argument
    add("texts", type=Path, metavar="DIR", help="folder with LANG.txt for English and each target, line by line")
    add("--to", type=parse_languages, default=("es", "de", "fr"), metavar="CODES", help="targets (default es,de,fr)")
    add("--lines", type=common.positive, default=10_000, help="how many of the first lines (default all)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="what the model runs on (default cpu)")
    add("--window", type=common.positive, default=1024, help="tokens in the cache, the prompt included (default 1024)")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    decoder = common.translator(folder, arguments.device, threads=arguments.threads, window=arguments.window)
    tokenizer = Tokenizer(folder)
    texts = {code: read_lines(arguments.texts, code, arguments.lines) for code in ("en", *arguments.to)}
    caches = decoder.caches(2 * len(arguments.to), arguments.window)
    written: dict[str, list[list[str]]] = {code: [[], []] for code in arguments.to}
    steps = []
    for index, code in enumerate(arguments.to):
        prompt = prompt_of(tokenizer, find_language("en"), find_language(code))
        for way, cache, out in zip((following, apart), caches[2 * index : 2 * index + 2], written[code], strict=True):
            stream = TokenStream(decoder, cache)
            stream.pin(prompt.prefix)
            steps.append(way(stream, prompt, texts["en"], out))
    list(together(decoder, steps))
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, figures = [["to", "of the stream", "chrF", "isolated", "gain, 95 %", "BLEU", "isolated"]], dict[str, Row]()
    for index, code in enumerate(arguments.to):
        with_context, without = written[code]
        figures[code] = judge(with_context, without, texts[code], code)
        figures[code]["evictions"] = caches[2 * index].evictions
        for part in _QUARTERS:
            row = figures[code][part]
            gain, low, high = row["chrf_gain"]
            scores = [str(row[key]) for key in ("chrf", "chrf_isolated")]
            rows.append([code, part, *scores, f"{gain:+.2f} ({low:+.2f} to {high:+.2f})", str(row["bleu"]),
                         str(row["bleu_isolated"])])  # fmt: skip
        for name, lines in (("context", with_context), ("isolated", without)):
            (arguments.out / f"context.{code}.{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(common.table(rows))
    asked = {"model": arguments.model, "device": arguments.device, "window": arguments.window}
    common.conclude("context", {**asked, "lines": len(texts["en"]), "to": figures})


if __name__ == "__main__":
    main()
