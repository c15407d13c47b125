"""What the benches share.

In: a model's name, texts, measurements. Out: token ids, rows of JSON, a table, a figure, and as the last line of stdout
one JSON object that also says what machine, revision and versions gave it. Knows no bench.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from surtitle.pipeline.choice import this_machine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.store import open_store
from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import Decoder
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.load import load_model
from surtitle.sinks.stock import StockDecoder, load_stock
from surtitle.sinks.tokenizer import Tokenizer

MODEL = "smollm2-135m"
ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "bench"
_FEWEST = 8
"""Readings that make a slope."""
_MADE_OF = ("surtitle", "transformers", "onnxruntime", "faster-whisper", "ctranslate2")

Row: TypeAlias = dict[str, Any]
Losses: TypeAlias = NDArray[np.float32]
"""At i: what token i + 1 cost, -log of its probability."""


def parser_of(bench: str, description: str, *, model: str = MODEL) -> argparse.ArgumentParser:
    """A parser that knows the flags of every bench."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {bench}", description=description)
    parser.add_argument("--model", default=model, help=f"name of a fetched model, or its folder (default {model})")
    parser.add_argument("--threads", type=positive, default=2, help="cores to compute on (default 2)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for rows and figures (default build/bench)")
    return parser


def positive(text: str) -> int:
    """A flag's whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}, expected 1 or more")
    return number


def numbers(text: str) -> tuple[int, ...]:
    """A flag's list of whole numbers from 0 on, such as `0,1,4`."""
    found = tuple(int(part) for part in text.split(","))
    if min(found) < 0:
        raise argparse.ArgumentTypeError(f"{text}, expected no number below 0")
    return found


def check_window(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End the process where `--sinks` and `--window` can't be."""
    if arguments.sinks < 0 or arguments.window < 32:
        parser.error(f"{arguments.sinks} sinks and a window of {arguments.window}, expected at least 0 and 32")


def model_folder(name: str) -> Path:
    """Where the model lives. Raises UserError if it is not there."""
    return open_store(os.environ).path(name)


def open_decoder(folder: Path, engine: str, threads: int) -> StockDecoder | LeanDecoder:
    """The model in `folder` under the engine `stock` or `lean`."""
    torch.set_num_threads(threads)
    return load_model(folder, threads=threads) if engine == "lean" else StockDecoder(load_stock(folder))


def read_pinned(decoder: Decoder, ids: Sequence[int], *, sinks: int, capacity: int) -> tuple[SinkCache, Tensor]:
    """A cache that holds `ids`, the first `sinks` of them pinned, and the logits (V,) of what comes next."""
    cache = decoder.cache(capacity)
    if sinks:
        decoder.decode(ids[:sinks], cache, keep=1)
    cache.pin()
    return cache, decoder.decode(ids[sinks:], cache, keep=1)[-1]


def read_texts(paths: Sequence[Path], tokenizer: Tokenizer) -> list[int]:
    """The token ids of the texts, one after the other; white space around each is dropped."""
    ids: list[int] = []
    for index, path in enumerate(paths):
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            sys.exit(f"scripts/bench: can't read {path} ({error}): expected a UTF-8 text")
        ids += tokenizer.encode_plain(f"\n\n{text}" if index else text)
    return ids


def rss_mb() -> float:
    """Resident memory of this process in megabytes."""
    return float(psutil.Process().memory_info().rss / 1e6)


def slope(readings: Sequence[tuple[float, float]]) -> float | None:
    """Of (seconds, value) readings: how much the value grows in an hour, by least squares after the first fifth.

    None for fewer readings than make a line.
    """
    steady = np.array(readings[len(readings) // 5 :], dtype=np.float64)  # (n, 2)
    if len(steady) < _FEWEST:
        return None
    return float(np.polyfit(steady[:, 0] - steady[0, 0], steady[:, 1], 1)[0] * 3600)


def mean(losses: Losses) -> float:
    """In double precision: hundreds of thousands are added."""
    return float(losses.mean(dtype=np.float64))


def perplexity(losses: Losses) -> float:
    """exp of the mean loss."""
    return float(np.exp(mean(losses)))


def ratio(ours: Losses, theirs: Losses) -> tuple[float, float, float]:
    """How many times their perplexity ours is, token by token on the same ones; and the bounds of 95 % around it.

    The bounds take the differences for independent, as they nearly are at places that lie far apart.
    """
    apart = ours.astype(np.float64) - theirs
    spread = 1.96 * float(apart.std(ddof=1)) / len(apart) ** 0.5 if len(apart) > 1 else float("inf")
    middle = float(apart.mean())
    low, found, high = (float(np.exp(each)) for each in (middle - spread, middle, middle + spread))
    return found, low, high


def say(text: str) -> None:
    """Tell a waiting person how far it is."""
    print(text, file=sys.stderr, flush=True)


def new_rows(folder: Path, name: str) -> Path:
    """An empty file of JSON lines called `name` in `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text("", encoding="utf-8")
    return path


def add_row(path: Path, row: Row) -> None:
    """Append `row` to a file of JSON lines; what was written stays if the process ends."""
    with path.open("a", encoding="utf-8") as file:
        file.write(as_json(row) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_json(row: Row) -> str:
    """One line; a number that JSON has no word for (an infinite perplexity) is null."""
    return json.dumps(_finite(row), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value


def conclude(bench: str, figures: Row) -> None:
    """Print the last line: the figures, and what gave them; without a clone and git no revision."""
    print(as_json({"bench": bench, **figures, **made_by("scripts/bench", bench, *sys.argv[1:])}))


def made_by(*command: str) -> Row:
    """What gave a figure: hardware, versions, revision and the command."""
    made: Row = {"hardware": hardware(), "versions": versions()}
    with suppress(UserError):
        made["revision"] = revision()
    return made | {"command": shlex.join(command)}


def hardware() -> str:
    """The processor's name, cores and memory, and the GPU's name where there is one."""
    processor = this_machine(psutil.cpu_count() or 1)
    return f"{processor}, {torch.cuda.get_device_name()}" if torch.cuda.is_available() else processor


def versions() -> dict[str, str]:
    """Of what computes."""
    # torch says which build it is, which its package's metadata may not
    found = {"python": platform.python_version(), "torch": str(torch.__version__)}
    return found | {name: version(name) for name in _MADE_OF}


def revision() -> str:
    """Of the product. Raises UserError where git can't tell."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"can't tell the product's revision ({error}), expected a clone with git") from error


def table(rows: Sequence[Sequence[str]]) -> str:
    """`rows`, the heads first, in columns: the first one left, figures right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def shown(value: float | None, digits: int = 2) -> str:
    """A number for the table."""
    return "-" if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of a figure."""

    along: str
    """Label of the axis to the right."""
    label: str
    """Of the upward axis."""
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    """By name: places along, and values."""
    log: bool = False
    """Whether the upward axis is logarithmic."""
    marks: Mapping[str, float] = field(default_factory=dict)
    """By name: places along to draw an upright line at."""


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Draw `panels` side by side into a PNG."""
    import matplotlib  # takes a second, and only figures need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(panels), figsize=(5.5 * len(panels), 4), squeeze=False)
    for axes, panel in zip(places[0], panels, strict=True):
        for name, (xs, ys) in panel.lines.items():
            axes.plot(xs, ys, label=name, linewidth=1.2, marker="." if len(xs) < 20 else "")
        for index, (name, place) in enumerate(panel.marks.items()):
            axes.axvline(place, color="grey", linestyle=("--", ":", "-.")[index % 3], linewidth=1, label=name)
        axes.set_xlabel(panel.along)
        axes.set_ylabel(panel.label)
        if panel.log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.05 * max(axes.get_ylim()[1], 1e-3))
        axes.grid(alpha=0.3)
        if panel.lines or panel.marks:
            axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    say(f"figure: {path}")
