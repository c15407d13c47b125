"""Perplexity, time and memory over a text that is many windows long.

In: texts and a model. Out: for each number of sinks, and for the plain cache if wanted, the loss of every token of one
pass without a reset; beside it, sliding-window recomputation at some places, which is what a window can give at best.
A config whose losses lie in the output folder is not run again. Knows nothing of how the cache works.

The plain cache ("dense") is stopped early: its memory grows without end, and past its trained length a model talks
nonsense.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Protocol

import bench_common as common
import numpy as np
import torch
from bench_common import Losses, Row
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from surtitle.pipeline.process import exit_status
from surtitle.sinks.stock import StockDecoder, load_stock
from surtitle.sinks.tokenizer import Tokenizer

EVERY = 1000
"""Tokens in a row of the output."""
BATCH = 8
"""Windows in one forward of the recomputation."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a config's losses depend on: another value is another file."""

    config: str
    """Such as 4+252, dense or recompute."""
    model: str
    text: str
    """SHA-256 of all token ids."""
    tokens: int
    """Read at most."""
    window: int
    """Tokens held at most, sinks included."""
    chunk: int
    """Tokens a forward."""
    count: int = 0
    """Places of the recomputation."""

    def files(self, out: Path) -> tuple[Path, Path]:
        """Where in `out` its rows and its losses lie."""
        digest = hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()
        stem = f"perplexity-{self.config}-{digest[:8]}"
        return out / f"{stem}.jsonl", out / f"{stem}.npy"


class Reader(Protocol):
    """Reads a stream from its beginning to its end."""

    def read(self, ids: Sequence[int]) -> Tensor:
        """The logits (n, V) of what follows each of `ids`."""


class SinkReader:
    """Through the sink cache."""

    def __init__(self, decoder: StockDecoder, *, window: int, sinks: int) -> None:
        self._decoder, self._sinks = decoder, sinks
        self._cache = decoder.cache(window)

    def read(self, ids: Sequence[int]) -> Tensor:
        self._cache.make_room(len(ids), whole_turns=False)
        logits = self._decoder.decode(ids, self._cache, keep=len(ids))
        if self._cache.length == self._sinks:
            self._cache.pin()
        return logits


class DenseReader:
    """Through transformers' own cache, which keeps everything."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> Tensor:
        logits: Tensor = self._model(torch.tensor([list(ids)]), past_key_values=self._cache).logits[0]
        return logits


def pieces(tokens: int, *, first: int, chunk: int) -> list[tuple[int, int]]:
    """Where to cut `tokens`: the `first` ones (the sinks), then `chunk` at a time."""
    starts = [*([0] if first else []), *range(first, tokens, chunk)]
    return list(zip(starts, [*starts[1:], tokens], strict=True)) if tokens > first else [(0, tokens)]


def measure(reader: Reader, ids: Sequence[int], cuts: Sequence[tuple[int, int]], show: Callable[[Row], None]) -> Losses:
    """Read all `ids` but the last, cut at `cuts`; `show` gets a row every 1000 tokens."""
    losses = np.empty(len(ids) - 1, np.float32)
    full = max(end - start for start, end in cuts)
    written, times = 0, []
    for start, end in cuts:
        began = perf_counter()
        logits = reader.read(ids[start:end])
        if end - start == full:  # a shorter piece costs more a token
            times.append((perf_counter() - began) / full)
        wanted = torch.tensor(list(ids[start + 1 : end + 1]))
        losses[start:end] = torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none").numpy()
        if end // EVERY > start // EVERY or end == len(losses):
            show(row_of(losses, written, end, times))
            written, times = end, []
    return losses


def row_of(losses: Losses, start: int, end: int, times: Sequence[float]) -> Row:
    """What happened between two tokens."""
    return {
        "tokens_seen": end,
        "nll": round(common.mean(losses[start:end]), 5),
        "ppl": round(common.perplexity(losses[start:end]), 3),
        "ppl_so_far": round(common.perplexity(losses[:end]), 3),
        "ms_per_token": round(1000 * float(np.median(times)), 3) if times else None,
        "rss_mb": round(common.rss_mb(), 1),
    }


def last_quarter(count: int) -> int:
    """Where the last quarter of `count` losses begins."""
    return count * 3 // 4


def places(count: int, *, window: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` evenly spaced places of the last quarter of `count` losses, each behind a whole window.

    Raises ValueError where there is none.
    """
    first = max(last_quarter(count), window - 1)
    if first >= count:
        raise ValueError(f"a text of {count + 1} tokens for a window of {window}: expected more text")
    return np.unique(np.linspace(first, count - 1, wanted).round().astype(np.int64))


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What recomputation gave."""

    at: NDArray[np.int64]
    """Places of the last quarter."""
    losses: Losses
    """There."""
    ms: float
    """A prediction."""
    by: Row
    """What measured it; see `measured_by`."""


@torch.inference_mode()
def recompute(model: PreTrainedModel, ids: Sequence[int], at: NDArray[np.int64], window: int) -> Recomputed:
    """The losses at the places `at`, each from a fresh forward over the `window` tokens before."""
    losses, times = [], []
    for start in range(0, len(at), BATCH):
        part = at[start : start + BATCH].tolist()
        windows = torch.tensor([list(ids[place - window + 1 : place + 1]) for place in part])  # (B, window)
        began = perf_counter()
        logits = model(windows, use_cache=False, logits_to_keep=1).logits[:, -1].float()  # (B, V)
        times.append((perf_counter() - began) / len(part))
        wanted = torch.tensor([ids[place + 1] for place in part])
        losses += torch.nn.functional.cross_entropy(logits, wanted, reduction="none").tolist()
        if start // BATCH % 16 == 0:
            common.say(f"recompute: {start} of {len(at)} places")
    return Recomputed(at, np.array(losses, np.float32), 1000 * float(np.median(times)), measured_by())


def measured_by() -> Row:
    """What times and memory depend on. It stands in every row: one that is read again may be of another machine."""
    return {"hardware": common.hardware(), "versions": common.versions(), "threads": torch.get_num_threads()}


def maker(row: Row) -> Row:
    """What measured `row`; nothing of one that was written before rows said so."""
    return {name: row[name] for name in ("hardware", "versions", "threads") if name in row}


class Study:
    """One text on one model; what was measured before is read instead."""

    def __init__(self, model: PreTrainedModel, ids: Sequence[int], settings: Settings, out: Path) -> None:
        """`settings` of whatever config: `config`, `tokens` and `count` are set here."""
        self._model, self._ids, self._out = model, ids, out
        self._decoder = StockDecoder(model)
        self._settings = settings
        out.mkdir(parents=True, exist_ok=True)

    def sinks(self, sinks: int) -> tuple[str, Losses, list[Row]]:
        """Of a cache with so many sinks: its name, losses and rows."""
        window = self._settings.window
        cuts = pieces(len(self._ids) - 1, first=sinks, chunk=self._settings.chunk)
        named = replace(self._settings, config=f"{sinks}+{window - sinks}")
        return self._pass(named, lambda: SinkReader(self._decoder, window=window, sinks=sinks), cuts)

    def dense(self, tokens: int) -> tuple[str, Losses, list[Row]]:
        """The same of transformers' own cache, for the first `tokens`."""
        if tokens < len(self._ids):
            common.say(
                f"dense: stopped after {tokens} of {len(self._ids)} tokens (--dense-tokens): it can't go on for ever"
            )
        tokens = min(tokens, len(self._ids))
        cuts = pieces(tokens - 1, first=0, chunk=self._settings.chunk)
        named = replace(self._settings, config="dense", tokens=tokens, window=0)
        return self._pass(named, lambda: DenseReader(self._model), cuts)

    def _pass(
        self, settings: Settings, reader: Callable[[], Reader], cuts: list[tuple[int, int]]
    ) -> tuple[str, Losses, list[Row]]:
        rows, losses = settings.files(self._out)
        if losses.exists():
            common.say(f"{settings.config}: already in {losses}")
        else:
            rows.write_text("", encoding="utf-8")
            by = measured_by()

            def show(row: Row) -> None:
                common.add_row(rows, {"config": settings.config, **row, **by})
                common.say(
                    f"{settings.config}: {row['tokens_seen']} tokens, perplexity {row['ppl']}, {row['rss_mb']} MB"
                )

            save(losses, measure(reader(), self._ids[: settings.tokens], cuts, show))
        return settings.config, np.load(losses), common.read_rows(rows)

    def recomputed(self, count: int) -> Recomputed:
        """From fresh forwards at `count` places of the last quarter."""
        settings = replace(self._settings, config="recompute", count=count)
        rows, losses = settings.files(self._out)
        at = places(len(self._ids) - 1, window=settings.window, wanted=count)
        if losses.exists():
            common.say(f"recompute: already in {losses}")
        else:
            found = recompute(self._model, self._ids, at, settings.window)
            row = {"config": "recompute", "places": len(at), "ms_per_prediction": round(found.ms, 2), **found.by}
            rows.write_text(common.as_json(row) + "\n", encoding="utf-8")
            save(losses, found.losses)
        (row,) = common.read_rows(rows)
        return Recomputed(at, np.load(losses), float(row["ms_per_prediction"]), maker(row))


def save(path: Path, losses: Losses) -> None:
    """Whole or not at all: the file says that a config is done."""
    new = path.with_suffix(".new.npy")
    np.save(new, losses)
    new.replace(path)


def figures_of(losses: Losses, rows: Sequence[Row], tokens: int, recomputed: Recomputed | None) -> Row:
    """The figures of one config that read `losses` of a text of so many `tokens`."""
    whole = len(losses) == tokens - 1
    quarter = common.perplexity(losses[last_quarter(len(losses)) :]) if whole else None
    times = [row["ms_per_token"] for row in rows if row["ms_per_token"] is not None]
    figures: Row = {
        "tokens": len(losses),
        "ppl": round(common.perplexity(losses), 4),
        "ppl_last_quarter": None if quarter is None else round(quarter, 4),
        "ms_per_token": round(float(np.median(times)), 3) if times else None,
        "rss_mb_first": rows[0]["rss_mb"],
        "rss_mb": rows[-1]["rss_mb"],
        "measured_by": maker(rows[0]),
    }
    if recomputed is not None and quarter is not None:
        found, *bounds = common.ratio(losses[recomputed.at], recomputed.losses)
        figures["vs_recompute"] = round(found, 4)
        figures["vs_recompute_95"] = [round(bound, 4) for bound in bounds]
        figures["last_quarter_vs_recompute"] = round(quarter / common.perplexity(recomputed.losses), 4)
    return figures


def compare_with_dense(configs: dict[str, Row], found: dict[str, Losses], window: int) -> None:
    """Add `vs_dense`: the ratio over the tokens that the plain cache read after the window was full."""
    end = len(found["dense"])
    for name, figures in configs.items():
        if name != "dense" and end > window:
            figures["vs_dense"] = round(common.ratio(found[name][window:end], found["dense"][window:])[0], 4)


def print_table(configs: dict[str, Row], recomputed: Recomputed | None) -> None:
    rows = [["config", "tokens", "perplexity", "last quarter", "to recompute", "95 %", "ms/token", "MB at the end"]]
    for name, each in configs.items():
        bounds = each.get("vs_recompute_95")
        rows.append(
            [
                *(name, str(each["tokens"]), common.shown(each["ppl"], 3), common.shown(each["ppl_last_quarter"], 3)),
                *(common.shown(each.get("vs_recompute"), 4), "{:.4f}-{:.4f}".format(*bounds) if bounds else "-"),
                *(common.shown(each["ms_per_token"]), common.shown(each["rss_mb"], 0)),
            ]
        )
    if recomputed is not None:
        ours = common.shown(common.perplexity(recomputed.losses), 3)
        rows.append(
            ["recompute", f"{len(recomputed.at)} places", "-", ours, "1", "-", common.shown(recomputed.ms), "-"]
        )
    print(common.table(rows))


def draw(path: Path, rows: dict[str, list[Row]]) -> None:
    def lines(key: str) -> dict[str, tuple[list[float], list[float]]]:
        kept = {name: [row for row in each if row[key] is not None] for name, each in rows.items()}
        return {name: ([row["tokens_seen"] for row in each], [row[key] for row in each]) for name, each in kept.items()}

    panels = [
        common.Panel("tokens seen", "perplexity so far", lines("ppl_so_far"), log=True),
        common.Panel("tokens seen", "ms per token, median", lines("ms_per_token")),
        common.Panel("tokens seen", "resident memory, MB", lines("rss_mb")),
    ]
    common.draw(path, panels)


def parse() -> argparse.Namespace:
    parser = common.parser_of("perplexity", "Perplexity, time and memory over a text that is many windows long.")
    parser.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="UTF-8 text, read one after the other")
    parser.add_argument("--window", type=common.positive, default=256, help="tokens held, sinks included (default 256)")
    parser.add_argument(
        "--sinks", type=common.numbers, default=(0, 1, 2, 4, 8), help="numbers of sinks to try (default 0,1,2,4,8)"
    )
    parser.add_argument("--tokens", type=common.positive, help="tokens of the text to read (default all)")
    parser.add_argument("--chunk", type=common.positive, default=16, help="tokens a forward (default 16)")
    parser.add_argument("--dense", action="store_true", help="also measure the plain cache, which keeps everything")
    parser.add_argument(
        "--dense-tokens",
        type=common.positive,
        default=4096,
        help="tokens at which the plain cache stops (default 4096)",
    )
    parser.add_argument(
        "--recompute",
        type=common.positive,
        metavar="N",
        help="also recompute whole windows at N places of the last quarter",
    )
    arguments = parser.parse_args()
    if max(arguments.sinks) + arguments.chunk > arguments.window:
        parser.error(f"a window of {arguments.window} tokens, expected room for the sinks and {arguments.chunk} more")
    return arguments


def main() -> None:
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    folder = common.model_folder(arguments.model)
    ids = common.read_texts(arguments.texts, Tokenizer(folder))[: arguments.tokens]
    if len(ids) < 2 * arguments.window:
        raise SystemExit(f"scripts/bench: {len(ids)} tokens of text, expected two windows ({2 * arguments.window})")
    text = hashlib.sha256(np.array(ids, np.int64).tobytes()).hexdigest()
    base = Settings("", arguments.model, text, len(ids), arguments.window, arguments.chunk)
    study = Study(load_stock(folder), ids, base, arguments.out)
    passes = [study.sinks(sinks) for sinks in arguments.sinks]
    recomputed = study.recomputed(arguments.recompute) if arguments.recompute else None
    if arguments.dense:  # last: what it takes, the process may keep
        passes.append(study.dense(arguments.dense_tokens))
    configs = {name: figures_of(losses, rows, len(ids), recomputed) for name, losses, rows in passes}
    if arguments.dense:
        compare_with_dense(configs, {name: losses for name, losses, _ in passes}, arguments.window)
    draw(arguments.out / "perplexity.png", {name: rows for name, _, rows in passes})
    print_table(configs, recomputed)
    figures: Row = {"configs": configs, "tokens": len(ids), "window": arguments.window, "model": arguments.model}
    if recomputed is not None:
        ppl = round(common.perplexity(recomputed.losses), 4)
        figures["recompute"] = {
            "places": len(recomputed.at),
            "ppl": ppl,
            "ms_per_prediction": recomputed.ms,
            "measured_by": recomputed.by,
        }
    common.conclude("perplexity", figures)


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench perplexity", main))
