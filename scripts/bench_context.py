"""What context is worth over a long text, and whether it decays.

In: documents, sentence by sentence, and their references. Out: for each target language chrF and BLEU of one endless
stream that keeps its context, beside the same model and prompt on isolated sentences, in the same run, with the
intervals of a paired bootstrap (Koehn 2004); the same for the first and the last quarter of the stream; evictions.
As the product serves it, but for its rests: what the guards refuse is made again without context, then with the
stricter prompt, and stays out of the context, and names are remembered when their turns are gone; a sentence alone is
made again with the stricter prompt. What fails is scored as it was said, and counted. With `--bare` what the model
writes is scored, and stays.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from pathlib import Path

import bench_common as common
import numpy as np
from bench_common import Row
from bench_quality import read_texts
from score_quality import Counts, Quality, bleu_of, chrf_of, quality, summed
from suite_compare import difference

from surtitle.pipeline.aside import Aside, PromptTokens, Told, source_tokens
from surtitle.pipeline.conversation import Conversation
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.guards import Guards
from surtitle.pipeline.languages import Language, find_language, parse_languages
from surtitle.pipeline.memory import CAPACITY, TermMemory
from surtitle.pipeline.process import exit_status
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.lockstep import Steps, together
from surtitle.sinks.stream import TokenStream

_ENGLISH = find_language("en")
_QUARTERS = {"all": (0.0, 1.0), "first quarter": (0.0, 0.25), "last quarter": (0.75, 1.0)}
Score = Callable[[Sequence[int]], float]


@dataclass(slots=True)
class Heard:
    """What comes out of one way."""

    file: Path | None = None
    """Where each text is a line as soon as it is there: a run that is lost can still be judged."""
    texts: list[str] = field(default_factory=list)
    retries: int = 0
    """Sentences that the guards had made again."""
    untranslated: int = 0
    """Sentences that were shown as they were said in the end."""

    def add(self, text: str) -> None:
        """One more."""
        self.texts.append(text)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")


class Sentences:
    """A language pair's prompt, and its sentences one by one: what the model writes, or what is served of it."""

    def __init__(self, engine: Engine, language: Language, *, bare: bool) -> None:
        self.tokenizer = engine.tokenizer
        ladder = engine.profile.prompts(_ENGLISH, language)
        tokens = [PromptTokens(engine.tokenizer, prompt) for prompt in ladder]
        self.prompt = tokens[0]
        self._guards = None if bare else Guards(ladder, engine.identifier)
        self._stricter = [Aside(engine.model, each) for each in tokens[1:]]

    def apart(self, stream: TokenStream, sources: Sequence[str], out: Heard) -> Steps[None]:
        """Translate each behind the prompt alone, which `stream` holds; with the stricter prompt where it must be."""
        mark = stream.mark()
        for source in sources:
            text, is_fine = yield from self.answering(stream, source)
            stream.rollback(mark)
            out.retries += not is_fine
            if not is_fine:
                text, is_fine = yield from self._insisting(source, text)
            out.untranslated += not is_fine
            out.add(text if is_fine else source)
            if not len(out.texts) % 10:
                common.say(f"{len(out.texts)} of {len(sources)}")

    def answering(self, stream: TokenStream, source: str) -> Steps[tuple[str, bool]]:
        """What the model makes of `source` behind what `stream` holds, and whether that can be a translation."""
        limit = self.prompt.limit(len(source_tokens(self.tokenizer, source)))
        written: list[int] = []
        yield from stream.reading(self.prompt.turn(source))
        yield from stream.writing(written.append, stop=self.prompt.stop, limit=limit)
        return self._judged(source, written, limit)

    def _insisting(self, source: str, text: str) -> Steps[tuple[str, bool]]:
        for aside in self._stricter:
            told = Told((), lambda tokens: None)
            limit = self.prompt.limit(len(source_tokens(self.tokenizer, source)))
            yield from aside.answering((), source, told, limit)
            text, is_fine = self._judged(source, told.tokens, limit)
            if is_fine:
                return text, True
        return text, False

    def _judged(self, source: str, written: Sequence[int], limit: int) -> tuple[str, bool]:
        text, is_finished = " ".join(self.tokenizer.decode(written).split()), len(written) < limit
        return text, self._guards is None or self._guards.fault(source, text, finished=is_finished) is None


def following(sentences: Sentences, stream: TokenStream, sources: Sequence[str], out: Heard) -> Steps[None]:
    """Translate one after the other, all turns kept as far as the window reaches; no guard looks at them."""
    stream.pin(sentences.prompt.prefix)
    for source in sources:
        limit = sentences.prompt.limit(len(source_tokens(sentences.tokenizer, source)))
        stream.cache.make_room(len(sentences.prompt.turn(source)) + limit)
        text, _ = yield from sentences.answering(stream, source)
        out.add(text)
        stream.cache.end_turn()


def served(conversation: Conversation, sources: Sequence[str], out: Heard) -> Steps[None]:
    """Translate one after the other in the product's own conversation, which keeps what is a translation."""
    for source in sources:
        translated = yield from conversation.translating(source, lambda: True, lambda tokens: None)
        out.add(translated.text)
    out.retries, out.untranslated = conversation.counts.retries, conversation.counts.untranslated


def both_ways(
    engine: Engine,
    language: Language,
    caches: Sequence[SinkCache],
    sources: Sequence[str],
    out: Sequence[Heard],
    *,
    bare: bool,
) -> list[Steps[None]]:
    """Steps that translate `sources` with their context and apart: a cache for each, and where what it writes comes."""
    streams = [TokenStream(engine.model, cache) for cache in caches]
    sentences = Sentences(engine, language, bare=bare)
    streams[1].pin(sentences.prompt.prefix)
    if bare:
        with_context = following(sentences, streams[0], sources, out[0])
    else:
        memory = TermMemory(_ENGLISH, language, capacity=CAPACITY)
        conversation = Conversation(
            engine, _ENGLISH, language, streams[0], promises=False, beams=None, terms=lambda text: (), memory=memory
        )
        with_context = served(conversation, sources, out[0])
    return [with_context, sentences.apart(streams[1], sources, out[1])]


def gained(with_context: Counts, without: Counts, score: Score) -> tuple[float, float, float]:
    """How much higher the first scores on the same sentences, and the bounds of 95 % around that."""
    counts = [np.array(each, dtype=np.int64) for each in (without, with_context)]  # (sentences, columns) each
    low, high = difference(counts[0], counts[1], score, np.random.default_rng(0))
    return score(summed(with_context)) - score(summed(without)), low, high


def scores_over(ours: Quality, theirs: Quality) -> Row:
    """What scores the first, and its gains over the second: each with the bounds of 95 % around it."""
    return {
        "chrf": round(ours.chrf, 2),
        "bleu": round(ours.bleu, 2),
        "chrf_gain": [round(each, 2) for each in gained(ours.chrf_counts, theirs.chrf_counts, chrf_of)],
        "bleu_gain": [round(each, 2) for each in gained(ours.bleu_counts, theirs.bleu_counts, bleu_of)],
    }


def shown_gain(row: Row) -> str:
    """The gain in chrF, for a table."""
    gain, low, high = row["chrf_gain"]
    return f"{gain:+.2f} ({low:+.2f} to {high:+.2f})"


def judge(with_context: Sequence[str], without: Sequence[str], references: Sequence[str], language: str) -> Row:
    """Scores of both, over all and in the first and the last quarter."""
    found: Row = {}
    for part, (start, end) in _QUARTERS.items():
        chosen = slice(floor(start * len(references)), ceil(end * len(references)))
        ours, theirs = (quality(lines[chosen], references[chosen], language) for lines in (with_context, without))
        isolated = {"chrf_isolated": round(theirs.chrf, 2), "bleu_isolated": round(theirs.bleu, 2)}
        found[part] = scores_over(ours, theirs) | isolated
    return found


def parse() -> argparse.Namespace:
    parser = common.parser_of("context", "Hold a stream that keeps context against isolated sentences.",
                              model="qwen2.5-coder-1.5b")  # fmt: skip
    add = parser.add_argument
    add("texts", type=Path, metavar="DIR", help="folder with LANG.txt for English and each target, line by line")
    add("--to", type=parse_languages, default=("es", "de", "fr"), metavar="CODES", help="targets (default es,de,fr)")
    add("--lines", type=common.positive, default=10_000, help="how many of the first lines (default all)")
    add("--bare", action="store_true", help="score what the model writes, without the product's guards")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="what the model runs on (default cpu)")
    add("--window", type=common.positive, default=1024,
        help="tokens in the cache, the prompt included; at least some 960 without --bare (default 1024)")  # fmt: skip
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    folder, count = common.model_folder(arguments.model), len(arguments.to)
    engine = Engine(folder, threads=arguments.threads, device=arguments.device, window=arguments.window)
    texts = read_texts(arguments.texts, arguments.to, arguments.lines)
    caches = engine.model.caches(2 * count, arguments.window)
    arguments.out.mkdir(parents=True, exist_ok=True)
    written: dict[str, list[Heard]] = {}
    steps = list[Steps[None]]()
    for index, code in enumerate(arguments.to):
        pair = caches[2 * index : 2 * index + 2]
        files = [arguments.out / f"context.{code}.{name}.txt" for name in ("context", "isolated")]
        for file in files:
            file.write_text("", encoding="utf-8")
        written[code] = [Heard(file) for file in files]
        steps += both_ways(engine, find_language(code), pair, texts["en"], written[code], bare=arguments.bare)
    list(together(engine.model, steps))
    rows, figures = [["to", "of the stream", "chrF", "isolated", "gain, 95 %", "BLEU", "isolated"]], dict[str, Row]()
    for index, code in enumerate(arguments.to):
        with_context, without = written[code]
        figures[code] = judge(with_context.texts, without.texts, texts[code], code)
        figures[code]["evictions"] = caches[2 * index].evictions
        for name in ("retries", "untranslated"):
            figures[code][name] = [getattr(way, name) for way in written[code]]
        for part in _QUARTERS:
            row = figures[code][part]
            scores = [str(row[key]) for key in ("chrf", "chrf_isolated")]
            rows.append([code, part, *scores, shown_gain(row), str(row["bleu"]),
                         str(row["bleu_isolated"])])  # fmt: skip
    print(common.table(rows))
    asked = {"model": arguments.model, "device": arguments.device, "window": arguments.window,
             "bare": arguments.bare}  # fmt: skip
    common.conclude("context", {**asked, "lines": len(texts["en"]), "to": figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench context", main))
