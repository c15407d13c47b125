"""Finds out whether a server keeps to PROTOCOL.md: any server, of whatever program.

In: its address, and speech to be captioned there (or somebody who speaks there already). Out: a line a sentence of
PROTOCOL.md: `ok`, `FAIL` with what was seen, or `skip` with what it would need; then one JSON object as the last line
of stdout. Exit status 0 all is so, 1 something is not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conform_checks import CHECKS
from conform_refusals import (
    ALWAYS,
    HALF_A_SAMPLE,
    PUBLISHING,
    READERS,
    WRONG_SPEAKER,
    another_epoch,
    flood,
    foreign,
    opaque,
    the_future,
)
from conform_scenes import NoCaptions, Stage, watch
from websockets.exceptions import InvalidHandshake, InvalidURI

from surtitle.pipeline.commands import SAMPLE, recording
from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.flags import number
from surtitle.pipeline.options import token_of
from surtitle.pipeline.process import exit_status
from surtitle.pipeline.store import open_store

Ask = Callable[[Stage], Awaitable[str | None]]

ASKED: tuple[tuple[str, Ask], ...] = (
    ("a page of another origin is refused", foreign),
    ("a page whose origin is null is refused", opaque),
    ("numbers of another epoch are not recovered", another_epoch),
    ("numbers that were not given yet are not recovered", the_future),
    ("a flood of messages is refused", flood),
)
_PUBLISH = "needs to publish"
CAPTIONS = "speech is captioned while it is watched"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a sentence."""

    sentence: str
    seen: str | None = None
    """What should not be; None if it is so."""
    skipped: str | None = None
    """What would be needed to find out; None if it was found out."""

    @property
    def line(self) -> str:
        """For people."""
        if self.skipped is not None:
            return f"skip  {self.sentence} ({self.skipped})"
        return f"ok    {self.sentence}" if self.seen is None else f"FAIL  {self.sentence}: {self.seen}"


async def conformance(stage: Stage) -> AsyncIterator[Result]:
    """Yield what becomes of each sentence."""
    for result in await refusals(stage):
        yield result
    for result in await captions(stage):
        yield result
    yield await _ask(HALF_A_SAMPLE.sentence, HALF_A_SAMPLE.ask, stage, None if stage.publishes else _PUBLISH)


async def refusals(stage: Stage) -> list[Result]:
    """Find out what is refused, all at once: the longest is to say nothing."""
    publish = None if stage.publishes else _PUBLISH
    tokens = None if stage.publish_token or stage.read_token else "needs a token"
    reader = None if stage.read_token else "needs a token for reading"
    asked = [
        *(_ask(sentence, ask, stage) for sentence, ask in ASKED),
        *(_ask(refusal.sentence, refusal.ask, stage) for refusal in ALWAYS),
        *(_ask(refusal.sentence, refusal.ask, stage, publish) for refusal in PUBLISHING),
        _ask(WRONG_SPEAKER.sentence, WRONG_SPEAKER.ask, stage, tokens),
        *(_ask(refusal.sentence, refusal.ask, stage, reader) for refusal in READERS),
    ]
    return await asyncio.gather(*asked)


async def captions(stage: Stage) -> list[Result]:
    """Find out what is shown of a session."""
    try:
        evening = await watch(stage)
    except NoCaptions as nothing:
        return [Result(CAPTIONS, str(nothing)), *(Result(check.sentence, skipped="needs captions") for check in CHECKS)]
    return [
        Result(CAPTIONS),
        *(
            Result(check.sentence, skipped=_PUBLISH)
            if check.published and not stage.publishes
            else Result(check.sentence, check.judge(evening))
            for check in CHECKS
        ),
    ]


async def _ask(sentence: str, ask: Ask, stage: Stage, lacking: str | None = None) -> Result:
    return Result(sentence, await ask(stage)) if lacking is None else Result(sentence, skipped=lacking)


def build_parser() -> argparse.ArgumentParser:
    """Every flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(
        prog="scripts/conformance", description="Find out whether a server keeps to PROTOCOL.md."
    )
    parser.add_argument(
        "url", nargs="?", default="ws://127.0.0.1:8765", metavar="URL", help="the server (default ws://127.0.0.1:8765)"
    )
    parser.add_argument("--from", dest="source", default="en", metavar="CODE", help="language spoken (default en)")
    parser.add_argument(
        "--to", dest="target", default="es", metavar="CODE", help="language of the captions (default es)"
    )
    parser.add_argument(
        "--audio",
        default=f"{SAMPLE}jfk",
        metavar="WAV",
        help="16-bit mono WAV to publish, or sample:NAME, repeated until all is seen (default sample:jfk)",
    )
    parser.add_argument(
        "--watch-only", action="store_true", help="publish nothing: someone is speaking there already, and will go on"
    )
    parser.add_argument("--session", metavar="NAME", help="where to publish or to watch (default conformance, or main)")
    parser.add_argument("--publish-token-file", type=Path, metavar="FILE", help="file with a token that may publish")
    parser.add_argument("--read-token-file", type=Path, metavar="FILE", help="file with a token that may only read")
    parser.add_argument(
        "--patience",
        type=number(1, 3600),
        default=120,
        metavar="SECONDS",
        help="how long a caption may take, including loading the models (default 120)",
    )
    return parser


def stage_of(args: argparse.Namespace) -> Stage:
    """Read arguments and files, once; raises UserError."""
    pcm, rate = (b"", 16_000) if args.watch_only else _speech(args.audio)
    scheme, _, rest = args.url.rpartition("://")
    if scheme not in ("", "ws", "wss", "http", "https"):
        raise UsageError(f"saw address {args.url!r}, expected one like ws://127.0.0.1:8765")
    return Stage(
        url=f"{'wss' if scheme in ('wss', 'https') else 'ws'}://{rest.partition('/')[0]}",
        session=args.session or ("main" if args.watch_only else "conformance"),
        source=args.source,
        target=args.target,
        pcm=pcm,
        sample_rate=rate,
        publish_token=token_of(args.publish_token_file, {}),
        read_token=token_of(args.read_token_file, {}),
        patience=args.patience,
    )


def _speech(name: str) -> tuple[bytes, int]:
    """Return the samples of a recording, and their rate in hertz."""
    path = recording(open_store(os.environ), name)
    try:
        with wave.open(str(path)) as file:
            shape = (file.getsampwidth(), file.getnchannels())
            pcm, rate = file.readframes(file.getnframes()), file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise UserError(f"can't read {path} ({error}); expected a WAV file") from error
    if shape != (2, 1) or not pcm:
        raise UserError(f"{path} has {shape[0]} bytes a sample and {shape[1]} channels, expected 16 bits and mono")
    return pcm, rate


async def _report(stage: Stage) -> int:
    results = []
    try:
        async for result in conformance(stage):
            print(result.line, flush=True)
            results.append(result)
    except (OSError, InvalidHandshake, InvalidURI) as error:  # the last where it leads elsewhere
        raise UserError(f"{stage.url} does not answer ({error}); start the server, or give its address") from error
    failed = [result.sentence for result in results if result.skipped is None and result.seen is not None]
    skipped = [result.sentence for result in results if result.skipped is not None]
    passed = len(results) - len(failed) - len(skipped)
    print(json.dumps({"url": stage.url, "passed": passed, "failed": failed, "skipped": skipped}))
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit status."""
    args = build_parser().parse_args(arguments)
    return exit_status("scripts/conformance", lambda: asyncio.run(_report(stage_of(args))))


if __name__ == "__main__":
    sys.exit(main())
