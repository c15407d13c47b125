"""Milliseconds of the engine's work, beside transformers', llama.cpp's, and what memory allows.

In: a model. Out: for every engine and the same threads, behind a context that is held, engines taking turns so that
noise hits all alike, medians of

- *read*: 30 tokens, as many as a spoken segment has;
- *verify*: 8 tokens of a draft, and what comes next after each;
- *step*: one token; *step of 4*: one in each of four conversations (languages);
- *segment*: 30 tokens read and 20 written; *segment of 4*: that in each of four conversations.

A step reads every weight once, so the bytes of the weights over the bandwidth measured in the same run are the least
that it can take (the roofline of Williams et al. 2009, at its memory-bound end). With `--source` and `--reference`,
every engine's chrF on the same sentences at the product's prompt. On a GPU, this project's engine for it alone, with
many conversations in a step. Knows no engine's inside.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter, sleep

import bench_common as common
import engine_rivals as rivals
import numpy as np
import torch
from bench_common import Row
from engine_rivals import LANGUAGES, LlamaCpp, Ours, Rival, Stock
from text_files import read_lines

from surtitle.pipeline.check import SPEECH
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.process import exit_status
from surtitle.sinks.load import load_model
from surtitle.sinks.static import StaticDecoder
from surtitle.sinks.stock import StockDecoder, load_stock

READS, WRITES, DRAFT, STEPS = 30, 20, 8, 10
STREAMS = (1, 8, 64)
_GIGABYTE = 1_000_000_000
_REST_S = 0.3
"""Seconds between two engines' turns: the threads of the one before have gone to sleep by then."""

Work = Callable[[Rival], float]
WORK: dict[str, Work] = {
    "read": lambda rival: rival.read(READS),
    "verify": lambda rival: rival.verify(DRAFT),
    "step": lambda rival: rival.step(1, STEPS),
    f"step of {LANGUAGES}": lambda rival: rival.step(LANGUAGES, STEPS),
    "segment": lambda rival: rival.segment(1, READS, WRITES),
    f"segment of {LANGUAGES}": lambda rival: rival.segment(LANGUAGES, READS, WRITES),
}


class Memory:
    """An array that no cache holds."""

    def __init__(self, threads: int) -> None:
        # ones, since zeros that nobody wrote are all the same page; and their maximum, since a sum would wait for sums
        self._parts = np.array_split(np.ones(100_000_000, np.int32), threads)

    def read(self) -> float:
        """Bytes a second that the threads read of it together, at best of three times."""
        return max(self._once() for _ in range(3))

    def _once(self) -> float:
        workers = [Thread(target=part.max) for part in self._parts]
        began = perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(part.nbytes for part in self._parts) / (perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the turns gave, a reading a turn."""

    seconds: dict[str, dict[str, list[float]]]
    """By kind of work, and engine."""
    bytes_per_s: list[float]
    """Of memory, by all threads together."""


def open_rivals(arguments: argparse.Namespace, folder: Path, context: list[int]) -> dict[str, Rival]:
    """The engines asked for, by name, each with `context` read."""
    torch.set_num_threads(arguments.threads)
    found: dict[str, Rival] = {}
    for name in arguments.engines:
        common.say(f"{name}: loading, and reading {len(context)} tokens")
        match name:
            case "surtitle":
                decoder = load_model(folder, threads=arguments.threads)
                found[name] = Ours(decoder, context, weight_bytes=rivals.bytes_of_ours(folder))
            case "fp32":
                model = load_stock(folder)
                found[name] = Stock(model, context, weight_bytes=4 * rivals.parameters_of(model))
            case "int8":
                model = load_stock(folder)
                weight_bytes, exact = rivals.parameters_of(model), StockDecoder(model)
                found[name] = Stock(rivals.to_int8(model), context, weight_bytes=weight_bytes, decoder=exact)
            case "llama.cpp":
                found[name] = _llama_cpp(arguments, context)
    return found


def _llama_cpp(arguments: argparse.Namespace, context: list[int]) -> Rival:
    if arguments.gguf is None:
        sys.exit("scripts/bench: llama.cpp reads another file than the engine: expected --gguf FILE")
    try:
        return LlamaCpp(arguments.gguf, context, threads=arguments.threads)
    except ModuleNotFoundError as missing:
        sys.exit(f"scripts/bench: {missing}; expected the package: pip install 'surtitle[rivals]'")


def take_turns(found: dict[str, Rival], turns: int, threads: int) -> Measured:
    """Each kind of work by each engine, turn after turn. The first turn warms up, and is not counted."""
    seconds: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in found} for kind in WORK}
    rates: list[float] = []
    memory = Memory(threads)
    for turn in range(turns + 1):
        for kind, work in WORK.items():
            for name, rival in found.items():
                sleep(_REST_S)
                seconds[kind][name].append(work(rival))
        rates.append(memory.read())
        common.say(f"turn {turn} of {turns}")
    counted = {kind: {name: each[1:] for name, each in by.items()} for kind, by in seconds.items()}
    return Measured(counted, rates[1:])


def compare(found: dict[str, Rival], measured: Measured, threads: int) -> Row:
    """Tables for people, and the figures: milliseconds, how many times the first engine's, shares of the bandwidth."""
    first = next(iter(found))
    ms = _by_engine(measured, lambda kind, name: 1000 * median(measured.seconds[kind][name]))
    least = _by_engine(measured, lambda kind, name: 1000 * min(measured.seconds[kind][name]))
    # each turn's ratio, and the middle one of these: what slowed a whole turn down is in both
    times = _by_engine(
        measured, lambda kind, name: _middle_ratio(measured.seconds[kind][name], measured.seconds[kind][first])
    )
    shares = {
        name: _middle_ratio(
            [rival.weight_bytes / rate for rate in measured.bytes_per_s], measured.seconds["step"][name]
        )
        for name, rival in found.items()
    }
    rate = median(measured.bytes_per_s) / _GIGABYTE
    rows = [["ms, median of turns", *found]]
    rows += [[kind, *(f"{ms[kind][name]:.0f} ({times[kind][name]:.2f})" for name in found)] for kind in ms]
    print(common.table(rows))
    print(f"in brackets: how many times {first}'s; {threads} threads read {rate:.1f} GB/s of memory")
    for name, rival in found.items():
        together = ms["step"][name] * READS / ms["read"][name]
        print(
            f"{name}: {rival.weight_bytes / _GIGABYTE:.2f} GB of weights, whose reading alone takes "
            f"{100 * shares[name]:.0f} % of a step; {READS} tokens at once {together:.1f} times as fast as one by one"
        )
    return {
        "ms": ms,
        "least_ms": least,
        "times_first": times,
        "share_of_bandwidth": {name: round(share, 3) for name, share in shares.items()},
        "gb_per_s": round(rate, 2),
        "weights_gb": {name: round(rival.weight_bytes / _GIGABYTE, 3) for name, rival in found.items()},
    }


def _by_engine(measured: Measured, figure: Callable[[str, str], float]) -> dict[str, dict[str, float]]:
    return {kind: {name: round(figure(kind, name), 3) for name in by} for kind, by in measured.seconds.items()}


def _middle_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return median(one / other for one, other in zip(above, below, strict=True))


def read_sentences(source: Path, reference: Path, count: int) -> tuple[list[str], list[str]]:
    """The first `count` lines of both. Raises UserError where one can't be read, or they do not belong together."""
    sources, references = (read_lines(path)[:count] for path in (source, reference))
    if len(sources) != len(references):
        raise UserError(f"{reference} has {len(references)} lines, expected {len(sources)}, as {source} has")
    return sources, references


def score(sources: Sequence[str], references: Sequence[str], to: str, found: dict[str, Rival], folder: Path) -> Row:
    """chrF of every engine on English `sources`."""
    from sacrebleu.metrics import CHRF

    prompt = rivals.Prompt(folder, find_language("en"), find_language(to))
    scores: dict[str, float] = {}
    for name, rival in found.items():
        lines = [rival.translate(prompt, source) for source in sources]
        scores[name] = round(CHRF().corpus_score(lines, [references]).score, 2)
        print(f"{name}: chrF {scores[name]} on {len(lines)} sentences, en to {to}")
    return {"chrf": scores}


def serve_streams(decoder: StaticDecoder, context: Sequence[int], arguments: argparse.Namespace, weights: int) -> Row:
    """One process, many conversations: tokens a second, share of the bandwidth, sessions in real time.

    Of memory a step reads the weights once, and the keys and values of every stream; a session in real time writes the
    tokens of one language as fast as somebody speaks.
    """
    ours = Ours(decoder, context, weight_bytes=weights, rows=max(STREAMS))
    rate = _device_bandwidth(decoder.device)
    held = ours.cache_bytes * len(context) // (len(context) + rivals.ROOM)
    rows, found = [["streams", "ms a step", "tokens/s", "of the bandwidth", "sessions in real time"]], {}
    for streams in STREAMS:
        works: dict[str, Callable[[], float]] = {
            "step": partial(ours.step, streams, STEPS),
            "segment": partial(ours.segment, streams, READS, WRITES),
        }
        # the first of each captures the graphs
        seconds = {name: median([work() for _ in range(arguments.turns + 1)][1:]) for name, work in works.items()}
        figures = {
            "ms": round(1000 * seconds["step"], 3),
            "tokens_per_s": round(streams / seconds["step"], 1),
            "share_of_bandwidth": round((weights + streams * held) / rate / seconds["step"], 3),
            "sessions": round(streams * WRITES / SPEECH / seconds["segment"], 1),
        }
        found[str(streams)] = figures
        rows.append([str(streams), *(str(figure) for figure in figures.values())])
    print(common.table(rows))
    print(f"{decoder.device}: {rate / _GIGABYTE:.0f} GB/s of its memory are read")
    return {"streams": found, "gb_per_s": round(rate / _GIGABYTE, 1), "device": str(decoder.device)}


def _device_bandwidth(device: torch.device) -> float:
    """Bytes a second that a device reads of its memory: the best maximum of an array that no cache holds."""
    numbers = torch.ones(100_000_000, dtype=torch.float32, device=device)
    best = 0.0
    for _ in range(8):
        began = perf_counter()
        numbers.max().item()
        best = max(best, 4 * len(numbers) / (perf_counter() - began))
    return best


def on_gpu(arguments: argparse.Namespace, folder: Path, context: Sequence[int]) -> Row:
    """The model in bf16 inside CUDA graphs. Ends the process where there is no GPU."""
    if not torch.cuda.is_available():
        sys.exit("scripts/bench: torch finds no GPU: expected one, or --device cpu")
    model = load_stock(folder, dtype=torch.bfloat16).to("cuda")
    decoder = StaticDecoder(model, sequences=max(STREAMS), capacity=len(context) + rivals.ROOM)
    return serve_streams(decoder, context, arguments, 2 * rivals.parameters_of(model))


def parse() -> argparse.Namespace:
    parser = common.parser_of("engine", "Time the engine's work beside other engines'.", model="qwen2.5-coder-0.5b")
    add, whole = parser.add_argument, common.positive
    names = ("surtitle", "int8", "fp32", "llama.cpp")
    add("--device", choices=("cpu", "cuda"), default="cpu",
        help="cuda: this project's engine for GPUs alone, with 1, 8 and 64 conversations (default cpu)")  # fmt: skip
    add("--engines", type=lambda text: tuple(text.split(",")), default=names[:3], metavar="NAMES",
        help=f"of {', '.join(names)}; the others are compared with the first (default surtitle,int8,fp32)")  # fmt: skip
    add("--gguf", type=Path, metavar="FILE", help="the model's file as llama.cpp reads it")
    add("--context", type=whole, default=960, help="tokens held before each piece of work (default 960)")
    add("--turns", type=whole, default=7, help="how often each engine does each piece of work (default 7)")
    add("--source", type=Path, metavar="FILE", help="English sentences to translate, a line each")
    add("--reference", type=Path, metavar="FILE", help="their translations")
    add("--to", default="es", metavar="LANG", help="into which language (default es)")
    add("--lines", type=whole, default=40, help="how many of them (default 40)")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.engines if name not in names]:
        parser.error(f"no engine is called {', '.join(unknown)}: expected some of {', '.join(names)}")
    if (arguments.source is None) != (arguments.reference is None):
        parser.error("--source without --reference or the other way round, expected both")
    return arguments


def main() -> None:
    arguments = parse()
    folder = common.model_folder(arguments.model)
    context = rivals.fresh(random.Random(1), arguments.context)
    if arguments.device == "cuda":
        common.conclude("engine", {"model": arguments.model, **on_gpu(arguments, folder, context)})
        return
    texts = None  # read first: the measuring takes minutes
    if arguments.source is not None:
        texts = read_sentences(arguments.source, arguments.reference, arguments.lines)
    found = open_rivals(arguments, folder, context)
    measured = take_turns(found, arguments.turns, arguments.threads)
    figures = compare(found, measured, arguments.threads)
    if texts is not None:
        figures |= score(*texts, arguments.to, found, folder)
    common.conclude("engine", {"model": arguments.model, "threads": arguments.threads, **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench engine", main))
