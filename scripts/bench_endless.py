"""How the time and the memory of a token hold over an endless text.

In: a model, how many tokens to draw. Out: a row every thousand tokens, a picture, and the last thousand held against
the first one behind a full window. Knows nothing of what is written.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import bench_common as common
import numpy as np
from bench_common import Row
from numpy.typing import NDArray

from surtitle.sinks.sampling import Sampler
from surtitle.sinks.stream import Decoder
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
    nans: int = 0
    """Logits that were not a number."""
    full_at: int | None = None
    """Tokens written when the window was full for the first time."""


def generate(
    decoder: Decoder, ids: Sequence[int], arguments: argparse.Namespace, show: Callable[[Row], None]
) -> Readings:
    """Draw tokens that go on from `ids`; `show` gets a row every 1000."""
    cache, logits = common.read_pinned(decoder, ids, sinks=arguments.sinks, capacity=arguments.sinks + arguments.window)
    pick = Sampler(temperature=1.0, seed=arguments.seed)
    readings = Readings(np.full(arguments.tokens, np.nan, np.float32), [])
    start = perf_counter()
    for index in range(arguments.tokens):
        token = pick(logits.nan_to_num())
        began = perf_counter()
        cache.make_room(1, whole_turns=False)
        logits = decoder.decode([token], cache, keep=1)[-1]
        now = perf_counter()
        readings.ms[index] = 1000 * (now - began)
        readings.nans += int(logits.isnan().sum())
        if readings.full_at is None and not cache.free:
            readings.full_at = index + 1
        if not readings.memory or now - start - readings.memory[-1][0] >= arguments.memory_every:
            readings.memory.append((now - start, common.rss_mb()))
        if (index + 1) % EVERY == 0 or index + 1 == arguments.tokens:
            ms = float(np.median(readings.ms[index // EVERY * EVERY : index + 1]))
            row = {"tokens": index + 1, "ms_per_token": round(ms, 3), "held": cache.length}
            show({**row, "rss_mb": round(common.rss_mb(), 1), "seconds": round(now - start, 1), "nans": readings.nans})
    return readings


def edges(ms: NDArray[np.float32], full_at: int | None) -> tuple[float, float] | None:
    """The median of the first thousand tokens behind a full window, and of the last; of fewer, of half of them each."""
    steady = ms[len(ms) if full_at is None else full_at :]
    size = min(EVERY, len(steady) // 2)
    return (float(np.median(steady[:size])), float(np.median(steady[-size:]))) if size else None


def run_endless(arguments: argparse.Namespace, folder: Path) -> Row:
    """An endless text: rows, a picture, and figures."""
    decoder = common.open_decoder(folder, arguments.engine, arguments.threads)
    ids = Tokenizer(folder).encode_plain(BEGINNING)
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / f"endless-{arguments.engine}.jsonl"
    path.write_text("", encoding="utf-8")
    rows: list[Row] = []

    def show(row: Row) -> None:
        rows.append(row)
        common.add_row(path, row)
        common.say(f"{row['tokens']} of {arguments.tokens} tokens, {row['ms_per_token']} ms, {row['rss_mb']} MB")

    readings = generate(decoder, ids, arguments, show)
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
        "rss_mb_max": round(max(mb for _, mb in readings.memory), 1),
        "rss_mb_per_h": None if growth is None else round(growth, 2),
        "nans": readings.nans,
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
    add("--seed", type=int, default=0, help="of the tokens that are drawn (default 0)")
    add("--memory-every", type=float, default=60.0, help="seconds between memory readings (default 60)")
    arguments = parser.parse_args()
    common.check_window(parser, arguments)
    return arguments


def main() -> None:
    arguments = parse()
    figures = run_endless(arguments, common.model_folder(arguments.model))
    common.conclude("endless", {"model": arguments.model, "threads": arguments.threads, **figures})


if __name__ == "__main__":
    main()
