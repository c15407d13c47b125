"""How the time and the memory of a token hold over an endless text.

In: a model, how many tokens to draw. Out: a row every thousand tokens, a picture, and the last thousand held against
the first one behind a full window. They lie an hour apart, in which other work may have come or gone, so a thousand
tokens more are held against those of a young text, in turns. Knows nothing of what is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import bench_common as common
import numpy as np
from bench_common import Row
from numpy.typing import NDArray

from surtitle.pipeline.process import exit_status
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.sampling import Sampler
from surtitle.sinks.tokenizer import Tokenizer

EVERY = 1000
"""Tokens that one median is of."""
BEGINNING = "The lighthouse keeper opened the door and looked out at the sea, which had not moved all night."


@dataclass(slots=True)
class Readings:
    """What an endless run is watched for."""

    ms: NDArray[np.float32]
    """Of each token. Its memory is taken before the run: a list would grow with it, and be taken for a leak."""
    memory: list[tuple[float, float]]
    """Seconds since the beginning and megabytes."""
    full_at: int | None = None
    """Tokens written when the window was full for the first time."""


class Text:
    """One text, a token at a time."""

    def __init__(self, decoder: Decoder, ids: Sequence[int], arguments: argparse.Namespace) -> None:
        capacity = arguments.sinks + arguments.window
        self._decoder = decoder
        self._pick = Sampler(temperature=1.0, seed=arguments.seed)
        self.cache, self._logits = common.read_pinned(decoder, ids, sinks=arguments.sinks, capacity=capacity)
        self.nans = 0
        """Logits so far that were not a number."""

    def step(self) -> float:
        """Draw a token and read it; the milliseconds of reading it, room made for it included."""
        token = self._pick(self._logits.nan_to_num())
        began = perf_counter()
        self.cache.make_room(1, whole_turns=False)
        self._logits = self._decoder.decode([token], self.cache, keep=1)[-1]
        ms = 1000 * (perf_counter() - began)
        self.nans += int(self._logits.isnan().sum())
        return ms


def generate(text: Text, tokens: int, memory_every: float, show: Callable[[Row], None]) -> Readings:
    """Go on with `text` for so many tokens; `show` gets a row every 1000."""
    readings = Readings(np.full(tokens, np.nan, np.float32), [])
    start = perf_counter()
    for index in range(tokens):
        readings.ms[index] = text.step()
        seconds = perf_counter() - start
        if readings.full_at is None and not text.cache.free:
            readings.full_at = index + 1
        if not readings.memory or seconds - readings.memory[-1][0] >= memory_every:
            readings.memory.append((seconds, common.rss_mb()))
        if (index + 1) % EVERY == 0 or index + 1 == tokens:
            ms = float(np.median(readings.ms[index // EVERY * EVERY : index + 1]))
            row = {"tokens": index + 1, "ms_per_token": round(ms, 3), "held": text.cache.length}
            show({**row, "rss_mb": round(common.rss_mb(), 1), "seconds": round(seconds, 1), "nans": text.nans})
    return readings


def in_turns(old: Text, young: Text, tokens: int) -> tuple[float, float]:
    """The median milliseconds of a token of each, over so many, one after the other: noise hits both alike.

    `young` first fills its window.
    """
    while young.cache.free:
        young.step()
    pairs = np.array([(old.step(), young.step()) for _ in range(tokens)])
    ms_old, ms_young = np.median(pairs, axis=0).tolist()
    return ms_old, ms_young


def edges(ms: NDArray[np.float32], full_at: int | None) -> tuple[float, float] | None:
    """The median of the first thousand tokens behind a full window, and of the last; of fewer, of half of them each."""
    steady = ms[len(ms) if full_at is None else full_at :]
    size = min(EVERY, len(steady) // 2)
    return (float(np.median(steady[:size])), float(np.median(steady[-size:]))) if size else None


def run_endless(arguments: argparse.Namespace, folder: Path) -> Row:
    """An endless text: rows, a picture, and figures."""
    decoder = common.open_decoder(folder, arguments.engine, arguments.threads)
    ids = Tokenizer(folder).encode_plain(BEGINNING)
    path = common.new_rows(arguments.out, f"endless-{arguments.engine}")
    rows: list[Row] = []

    def show(row: Row) -> None:
        rows.append(row)
        common.add_row(path, row)
        common.say(f"{row['tokens']} of {arguments.tokens} tokens, {row['ms_per_token']} ms, {row['rss_mb']} MB")

    text = Text(decoder, ids, arguments)
    readings = generate(text, arguments.tokens, arguments.memory_every, show)
    ms_old, ms_young = in_turns(text, Text(decoder, ids, arguments), min(EVERY, arguments.tokens))
    medians = edges(readings.ms, readings.full_at)
    growth = common.slope(readings.memory)
    along = [row["tokens"] for row in rows]
    panels = [
        common.Panel("tokens written", label, {arguments.engine: (along, [row[key] for row in rows])})
        for label, key in (("ms per token, median of 1000", "ms_per_token"), ("resident memory, MB", "rss_mb"))
    ]
    common.draw(arguments.out / f"endless-{arguments.engine}.png", panels)
    first, last = medians or (None, None)
    figures: Row = {
        "engine": arguments.engine,
        "tokens": len(readings.ms),
        "capacity": arguments.sinks + arguments.window,
        "full_at": readings.full_at,
        "ms_first": None if first is None else round(first, 3),
        "ms_last": None if last is None else round(last, 3),
        "last/first": None if first is None or last is None else round(last / first, 4),
        "ms_old": round(ms_old, 3),
        "ms_young": round(ms_young, 3),
        "old/young": round(ms_old / ms_young, 4),
        "rss_mb_max": round(max(mb for _, mb in readings.memory), 1),
        "rss_mb_per_h": None if growth is None else round(growth, 2),
        "nans": text.nans,
    }
    print(common.table([["figure", "value"], *([name, str(value)] for name, value in figures.items())]))
    return figures


def parse() -> argparse.Namespace:
    parser = common.parser_of("endless", "How the time and the memory of a token hold over an endless text.")
    add, whole = parser.add_argument, common.positive
    add("tokens", type=whole, metavar="N", help="tokens to draw")
    add("--window", type=whole, default=1020, help="tokens behind the sinks (default 1020)")
    add("--sinks", type=int, default=4, help="tokens pinned at the beginning (default 4)")
    add("--engine", choices=("stock", "lean"), default="lean", help="what runs the model (default lean)")
    add("--seed", type=int, default=0, help="random seed of the tokens that are drawn (default 0)")
    add("--memory-every", type=float, default=60.0, help="seconds between memory readings (default 60)")
    arguments = parser.parse_args()
    common.check_window(parser, arguments)
    return arguments


def main() -> None:
    arguments = parse()
    figures = run_endless(arguments, common.model_folder(arguments.model))
    common.conclude("endless", {"model": arguments.model, "threads": arguments.threads, **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench endless", main))
