"""Milliseconds from a caption's leaving to its viewers, while both models work.

In: a recording. Out: `surtitle replay` runs as a process of its own, as its users start it, and this process is its
viewers:

- *delay*: of every caption at every viewer, how much later it arrived after it was emitted than the quickest did;
- *ping*: how long the server's event loop takes to answer, asked twenty times a second from the first caption on.

Both processes share the machine's cores, so what the viewers themselves take counts too. Knows no model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import bench_common as common
import numpy as np
from bench_common import Row
from suite_run import PRODUCT
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.languages import ANY, parse_languages
from surtitle.pipeline.process import exit_status

_PATIENCE_S = 120.0
"""How long models may take to load."""
_PINGS_S = 0.05


@dataclass(slots=True)
class Seen:
    """What the viewers saw."""

    late_ms: list[float] = field(default_factory=list)
    """Of each arrival: its time less the time at which the caption says that it was emitted, from an unknown zero."""
    finals: list[int] = field(default_factory=list)
    """Of each viewer, finals in all languages."""
    pings_ms: list[float] = field(default_factory=list)
    stats: Row = field(default_factory=dict)
    """The session's own figures."""


async def view(url: str, seen: Seen) -> None:
    """One viewer, until the session ends or the viewer is lost: then it lacks finals."""
    finals = 0
    with suppress(ConnectionClosed):
        async with connect(url) as connection:
            await connection.send(json.dumps({"type": "hello", "v": 1}))
            async for text in connection:
                now = 1000 * monotonic()
                message = json.loads(text)
                match message["type"]:
                    case "caption":
                        seen.late_ms.append(now - message["elapsed_ms"])
                        finals += message["final"]
                    case "end":
                        seen.stats = message["stats"]
                        break
    seen.finals.append(finals)


async def ping(url: str, seen: Seen) -> None:
    """Ask the server's loop again and again, until the connection is closed."""
    with suppress(ConnectionClosed):
        async with connect(url) as connection:
            await connection.send(json.dumps({"type": "hello", "v": 1, "langs": ["xx"]}))
            asking = asyncio.create_task(_keep_asking(connection, seen))
            try:
                async for text in connection:
                    if json.loads(text)["type"] == "end":
                        break
            finally:
                asking.cancel()


async def _keep_asking(connection: ClientConnection, seen: Seen) -> None:
    while True:
        try:
            answered = await connection.ping()
            seconds = await answered
        except ConnectionClosed:
            return
        if seen.late_ms:  # loading models is not what is measured
            seen.pings_ms.append(1000 * seconds)
        await asyncio.sleep(_PINGS_S)


async def watch(command: Sequence[str], url: str, viewers: int, errors: Path) -> Seen:
    """Run the product with so many viewers. Ends the process if the product ends badly."""
    seen = Seen()
    with errors.open("wb") as file:
        product = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, stderr=file)
    try:
        await _listening(url, product, errors)
        async with asyncio.TaskGroup() as group:
            for _ in range(viewers):
                group.create_task(view(url, seen))
            group.create_task(ping(url, seen))
        status = await product.wait()
    finally:
        if product.returncode is None:
            product.kill()
    if status:
        _fail(f"surtitle ended with {status}", errors)
    return seen


async def _listening(url: str, product: asyncio.subprocess.Process, errors: Path) -> None:
    before = monotonic()
    while monotonic() - before < _PATIENCE_S and product.returncode is None:
        try:
            async with connect(url):
                return
        except OSError:
            await asyncio.sleep(0.1)
    _fail("surtitle serves nobody", errors)


def _fail(what: str, errors: Path) -> NoReturn:
    sys.exit(f"scripts/bench: {what}: {errors.read_text(encoding='utf-8')[-500:]}")


def figures_of(seen: Seen, languages: int | None) -> Row:
    """Percentiles, and whether every viewer got every final.

    A segment has a final in each of so many `languages`. Without that number, or the session's count of segments, every
    final is what the best viewer got.
    """
    if not seen.late_ms or not seen.pings_ms:
        sys.exit("scripts/bench: no caption came while the viewers were there: expected a recording with speech")
    delays = np.array(seen.late_ms) - min(seen.late_ms)
    finals = max(seen.finals)
    if languages is not None and "segments" in seen.stats:
        finals = languages * seen.stats["segments"]
    return {
        "arrivals": len(delays),
        "delay_ms": _percentiles(delays),
        "pings": len(seen.pings_ms),
        "ping_ms": _percentiles(np.array(seen.pings_ms)),
        "finals": finals,
        "viewers_with_all_finals": sum(count == finals for count in seen.finals),
        **{name: seen.stats[name] for name in ("lag_p50_ms", "lag_p95_ms") if name in seen.stats},
        "stats": seen.stats,
    }


def finals_a_segment(source: str, targets: str) -> int | None:
    """In so many languages a segment has a final: that which is spoken, which may be wanted too, and the others.

    None where several are spoken: then it depends on the segment into how many it is translated.
    """
    if source == ANY or len(spoken := parse_languages(source)) > 1:
        return None
    return len({*spoken, *parse_languages(targets)})


def _percentiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return {f"p{which}": round(float(np.percentile(values, which)), 1) for which in (50, 95, 99, 100)}


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """This bench's flags, and those behind `--`, which are the product's."""
    own = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="scripts/bench fanout",
        description="How long captions take to viewers.",
        epilog="What follows -- goes to surtitle replay.",
    )
    add = parser.add_argument
    add("recordings", nargs="+", metavar="FILE", help="speech, of any format, or sample:NAME")
    add("--viewers", type=common.positive, default=100, help="how many watch (default 100)")
    add("--from", dest="source", default="en", metavar="CODE", help="language spoken (default en)")
    add("--to", default="es", metavar="CODES", help="languages of the captions (default es)")
    return parser.parse_args(words[:own]), words[own + 1 :]


def main() -> None:
    arguments, flags = parse(sys.argv[1:])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*PRODUCT, "replay", *arguments.recordings, "--from", arguments.source, "--to", arguments.to]
    command += ["--port", str(port), *flags]
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr.txt"
        seen = asyncio.run(watch(command, f"ws://127.0.0.1:{port}/captions", arguments.viewers, errors))
    figures = figures_of(seen, finals_a_segment(arguments.source, arguments.to))
    rows = [["ms", "median", "95 %", "99 %", "most", "of"]]
    for name, count in (("delay", "arrivals"), ("ping", "pings")):
        rows.append([name, *(f"{each:.1f}" for each in figures[f"{name}_ms"].values()), str(figures[count])])
    print(common.table(rows))
    print(f"{figures['viewers_with_all_finals']} of {arguments.viewers} viewers got all {figures['finals']} finals")
    common.conclude("fanout", {"viewers": arguments.viewers, **figures})


if __name__ == "__main__":
    sys.exit(exit_status("scripts/bench fanout", main))
