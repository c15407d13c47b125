"""How long a fresh process takes to its first token of a translation, and the memory it needs for that.

In: a fetched model. Out: seconds from the start of the process until the model is there, until the prompt is read and
until the first token of a translation is written; the process's peak memory beside the bytes of the weights. The files
are read once before, so that they are in memory as they are when a program is started again. Knows nothing of what the
process does but the moments that it prints.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter, time

import bench_common as common
from bench_common import Row

from surtitle.pipeline.process import exit_status
from surtitle.sinks.blocks import WEIGHTS

_MOMENTS = ("loaded", "prompt read", "first token")
_CHILD = Path(__file__).with_name("start_moments.py")


def measure(folder: Path, threads: int) -> Row:
    """One fresh process: seconds to each moment, and its peak memory."""
    began = time()
    command = [sys.executable, str(_CHILD), str(folder), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"scripts/bench: the measured process failed: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return {
        **{name: at - began for name, at in zip(_MOMENTS, found["at"], strict=True)},
        "peak_mb": found["peak_mb"],
    }


def read_once(folder: Path) -> float:
    """Seconds that reading the model's files took."""
    began = perf_counter()
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass
    return perf_counter() - began


def main() -> None:
    parser = common.parser_of("start", "Time a fresh process to its first token.", model="qwen2.5-coder-1.5b")
    parser.add_argument("--turns", type=common.positive, default=5, help="processes that are started (default 5)")
    arguments = parser.parse_args()
    folder = common.model_folder(arguments.model)
    common.say(f"the files are read once: {read_once(folder):.1f} s")
    runs = [measure(folder, arguments.threads) for _ in range(arguments.turns)]
    middle = {name: median(run[name] for run in runs) for name in (*_MOMENTS, "peak_mb")}
    weights = (folder / WEIGHTS).stat().st_size / 1e6
    print(common.table([["", "median", "most"], *([name, f"{middle[name]:.2f}", f"{max(run[name] for run in runs):.2f}"]
                                                   for name in middle)]))  # fmt: skip
    print(f"peak memory is {middle['peak_mb'] / weights:.2f} times the weights' {weights:.0f} MB")
    figures = {name.replace(" ", "_") + "_s": round(middle[name], 3) for name in _MOMENTS}
    figures |= {"peak_mb": round(middle["peak_mb"], 1), "weights_mb": round(weights, 1)}
    figures["peak_to_weights"] = round(middle["peak_mb"] / weights, 3)
    common.conclude("start", {"model": arguments.model, "threads": arguments.threads, **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench start", main))
