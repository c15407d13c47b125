"""The flags that several commands share, and what they are read into.

In: words of the command line. Out: values, and usage errors that say what was seen and what is expected. Knows no
command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from surtitle.pipeline.address import Address, parse_address
from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.events import CaptionMode
from surtitle.pipeline.languages import Pair, parse_pair

KEY = "SURTITLE_TRANSLATOR_KEY"
"""The environment variable of the endpoint's key: a flag would show it to every process."""


def number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def pair_flags(command: argparse.ArgumentParser) -> None:
    """--from and --to."""
    command.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="CODES",
        help="language spoken, such as en; en,es where speakers change between them; auto for any",
    )
    command.add_argument(
        "--to", dest="targets", required=True, metavar="CODES", help="languages wanted, such as es or es,de"
    )


def output_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log", type=Path, metavar="PATH", help="write every event as a line of JSON")
    command.add_argument(
        "--srt", type=Path, metavar="PATH", help="write SubRip subtitles (further languages beside it)"
    )
    command.add_argument(
        "--vtt", type=Path, metavar="PATH", help="write WebVTT subtitles (further languages beside it)"
    )


def server_flags(command: argparse.ArgumentParser, *, port: int | None, port_help: str) -> None:
    command.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default 127.0.0.1)"
    )
    command.add_argument("--port", type=number(0, 65535), default=port, metavar="N", help=port_help)
    command.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web origin that may connect beside our own pages (repeatable)",
    )
    command.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow an address that is not this machine's own: anybody who reaches it reads the captions",
    )


def thread_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--asr-threads", type=number(1, 1024), metavar="N", help="cores for the recogniser (default: half, at most 4)"
    )
    llm_threads_flag(command, "translator")


def llm_threads_flag(command: argparse.ArgumentParser, what: str) -> None:
    """--llm-threads, of `what`."""
    command.add_argument(
        "--llm-threads", type=number(1, 1024), metavar="N", help=f"cores for the {what} (default: all, at most 8)"
    )


def llm_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--llm", metavar="NAME", help="translator model, from the list or a folder (default: the list's)"
    )
    command.add_argument(
        "--window",
        type=int,
        default=1024,
        metavar="TOKENS",
        help="context the translator keeps (default 1024)",
    )
    command.add_argument(
        "--translator-url",
        metavar="URL",
        help="translate by a server with an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama) instead of --llm",
    )
    command.add_argument("--translator-model", metavar="NAME", help="which model of that server; required with it")
    _device_flag(command, "llm", "translator")
    thread_flags(command)


def glossary_flag(command: argparse.ArgumentParser) -> None:
    """--glossary."""
    command.add_argument(
        "--glossary",
        type=Path,
        metavar="FILE",
        help="terms that are translated in one way, and names that stay (TOML or CSV; read again when it changes)",
    )


def captions_flag(command: argparse.ArgumentParser) -> None:
    """--captions."""
    command.add_argument(
        "--captions",
        choices=("final", "steady", "live"),
        default="final",
        help="show whole captions, their beginnings that will stand, or drafts whose ends may change (default final)",
    )


def model_flags(command: argparse.ArgumentParser) -> None:
    glossary_flag(command)
    command.add_argument(
        "--asr", metavar="NAME", help="recogniser model, from the list or a folder (default: the list's)"
    )
    _device_flag(command, "asr", "recogniser")
    llm_flags(command)


def _device_flag(command: argparse.ArgumentParser, kind: str, what: str) -> None:
    command.add_argument(
        f"--{kind}-device", choices=("cpu", "cuda"), default="cpu", help=f"where the {what} runs (default cpu)"
    )


def temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 0 to 100")
    return value


def pair_of(args: argparse.Namespace) -> Pair:
    """What `pair_flags` read. Raises UsageError for languages that can't be."""
    return parse_pair(args.source, args.targets)


def address_of(
    args: argparse.Namespace, environ: Mapping[str, str], *, captions: CaptionMode = "final"
) -> Address | None:
    """The endpoint of `llm_flags` with the key of `environ`; None where the model is here.

    Raises UsageError for one that can't be, and for what it can't do.
    """
    if args.translator_url is None:
        if args.translator_model is not None:
            raise UsageError("--translator-model needs --translator-url: a model that is here is chosen with --llm")
        return None
    if args.llm is not None or args.llm_device != "cpu":
        raise UsageError("got --translator-url and --llm or --llm-device, expected a model there or one here")
    if captions != "final":
        raise UsageError(
            f"--captions {captions} needs a translator that is here: an endpoint takes no translation that has "
            f"begun, so nothing shown of it would stand. Leave out --captions, or --translator-url"
        )
    return parse_address(args.translator_url, args.translator_model, environ.get(KEY, ""))


def single_pair_of(args: argparse.Namespace) -> Pair:
    """The same, for what hears nothing, and so can't tell which of several languages a text is in."""
    pair = pair_of(args)
    if len(pair.sources) > 1:
        raise UsageError(f"got --from {args.source}, expected one language: text does not say which one it is in")
    return pair
