"""The flags that several commands share.

In: words of the command line. Out: what argparse keeps of them, or its errors, that say what was seen and what is
expected. Knows no command; what they stand for is in `options.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from surtitle.pipeline.access import is_site, origin

_FORMATS = {
    "srt": "SubRip subtitles",
    "vtt": "WebVTT subtitles",
    "ass": "SubStation Alpha subtitles",
    "txt": "a transcript",
    "jsonl": "every caption as a line of JSON",
}

_ASIDE = "; what an earlier run wrote there is set aside (FILE-1)"

LOOPBACK = "127.0.0.1"
"""Where viewers connect unless something else is wanted: from this machine alone."""

PORT = 8765
"""Where a server listens unless it is told otherwise."""

SERVER = f"http://{LOOPBACK}:{PORT}"
"""Where it is found then, on its own machine: links point there."""

TEXT_BEAMS = 4
"""Beginnings of a translation that are kept where nobody waits for it: more find little more."""


def number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def channels(text: str) -> tuple[int, ...]:
    """Numbers of a device's channels, from 1."""
    found = tuple(int(part) if part.isdecimal() else 0 for part in text.split(","))
    if 0 in found or len({*found}) < len(found):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected different numbers from 1 on, such as 5 or 5,6")
    return found


def page_origin(text: str) -> str:
    """An origin, as browsers send it."""
    try:
        return origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def server_url(text: str) -> str:
    """Where a server is found, without a slash at its end."""
    found = page_origin(text)
    if not is_site(found):
        raise argparse.ArgumentTypeError(f"saw {text!r}, expected an address such as https://captions.example.org")
    return found


def pair_flags(command: argparse.ArgumentParser, *, heard: bool = True) -> None:
    """--from and --to; `heard` where it is heard which of several languages is spoken."""
    command.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="CODES",
        help="language spoken, such as en; en,es where speakers change between them; auto for any"
        if heard
        else "language of the text, such as en",
    )
    spoken = "; the one that is spoken needs no translation, and alone no translator" if heard else ""
    command.add_argument(
        "--to", dest="targets", required=True, metavar="CODES", help=f"languages wanted, such as es or es,de{spoken}"
    )


def session_flag(command: argparse.ArgumentParser, purpose: str = "name that viewers ask for (default main)") -> None:
    """--session."""
    command.add_argument("--session", metavar="NAME", help=purpose)


def output_flags(command: argparse.ArgumentParser, *, keeps: bool = False) -> None:
    """--log, a flag for each of `subtitles.Format`, and --text-now; `keeps` as in `log_flag`."""
    log_flag(command, keeps=keeps)
    for form, what in _FORMATS.items():
        purpose = f"write {what} (further languages beside it){_ASIDE if keeps else ''}"
        command.add_argument(f"--{form}", type=Path, metavar="PATH", help=purpose)
    command.add_argument(
        "--text-now",
        type=Path,
        metavar="PATH",
        help="keep the newest caption there, and nothing else, for a text source of OBS or vMix (further languages "
        "beside it)",
    )


def post_flags(command: argparse.ArgumentParser) -> None:
    """--post-zoom and --post-youtube."""
    for name, where in (("zoom", "a Zoom meeting"), ("youtube", "a YouTube stream")):
        command.add_argument(
            f"--post-{name}",
            action="append",
            default=[],
            metavar="LANG=URL",
            help=f"post a language's captions to {where}; the address is a secret, LANG=@FILE reads it (repeatable)",
        )


def log_flag(command: argparse.ArgumentParser, *, keeps: bool = False) -> None:
    """--log; `keeps` where it is a record, of which nothing is overwritten."""
    command.add_argument(
        "--log", type=Path, metavar="PATH", help=f"write every event as a line of JSON{_ASIDE if keeps else ''}"
    )
    command.set_defaults(keeps=keeps)


def server_flags(command: argparse.ArgumentParser, *, port: int | None, port_help: str) -> None:
    command.add_argument("--host", metavar="ADDRESS", help=f"address to listen on (default {LOOPBACK})")
    command.add_argument("--port", type=number(0, 65535), default=port, metavar="N", help=port_help)
    command.add_argument(
        "--allow-origin",
        action="append",
        type=page_origin,
        default=[],
        metavar="ORIGIN",
        help="web origin that may connect beside our own pages, and frame /overlay and /read (repeatable)",
    )
    command.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow an address that is not this machine's own without tokens: anybody who reaches it may do everything",
    )
    command.add_argument(
        "--public-read",
        action="store_true",
        help="let everybody who reaches it read; to publish, a token is needed (without --tokens, nobody else may)",
    )
    command.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="who may read and publish (surtitle tokens makes it; read again when it changes)",
    )
    command.add_argument(
        "--max-viewers",
        type=number(1, 10**6),
        metavar="N",
        help="connections that are taken, and a few more of publishers (default 2000)",
    )
    command.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate (PEM): speak https and wss; with --tls-key"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")
    command.add_argument(
        "--access-log",
        type=Path,
        metavar="PATH",
        help="add who connects, how it ends and how much goes through, as lines of JSON: nothing that is said",
    )


def asr_threads_flag(command: argparse.ArgumentParser) -> None:
    """--asr-threads."""
    command.add_argument(
        "--asr-threads", type=number(1, 1024), metavar="N", help="cores for the recogniser (default: half, at most 4)"
    )


def llm_threads_flag(command: argparse.ArgumentParser, what: str) -> None:
    """--llm-threads, of `what`."""
    command.add_argument(
        "--llm-threads", type=number(1, 1024), metavar="N", help=f"cores for the {what} (default: all, at most 8)"
    )


def llm_flags(command: argparse.ArgumentParser, default: str, *, beams: int = 1) -> None:
    """What chooses a translator and sets it up; `default` says which one is taken where none is named, `beams` how
    wide it searches there.
    """
    command.add_argument(
        "--llm", metavar="NAME", help=f"translator model, from the list or a folder (default: {default})"
    )
    command.add_argument(
        "--window",
        type=number(1, 10**6),
        default=1024,
        metavar="TOKENS",
        help="context the translator keeps (default 1024; its prompt and the longest segment must fit)",
    )
    command.add_argument(
        "--beams",
        type=number(1, 8),
        metavar="N",
        help=f"beam width of final translations: wider is usually better, and slower (default {beams})",
    )
    command.add_argument(
        "--state",
        type=file_to_be,
        metavar="FILE",
        help="keep there what the translator knows (it has what was said), and go on from it at the next start",
    )
    command.add_argument(
        "--translator-url",
        metavar="URL",
        help="translate by a server with an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama) instead of --llm",
    )
    command.add_argument("--translator-model", metavar="NAME", help="which model of that server; required with it")
    _device_flag(command, "llm", "translator")
    llm_threads_flag(command, "translator")


def glossary_flag(command: argparse.ArgumentParser) -> None:
    """--glossary."""
    command.add_argument(
        "--glossary",
        type=Path,
        metavar="FILE",
        help="terms that are translated in one way, and names that stay (TOML or CSV; read again when it changes)",
    )


def file_to_be(text: str) -> Path:
    """A file that will be written."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a file, in a folder that is there")
    return path


def folder_there(text: str) -> Path:
    """A folder that is read."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a folder that is there")
    return path


def captions_flag(command: argparse.ArgumentParser) -> None:
    """--captions."""
    command.add_argument(
        "--captions",
        choices=("final", "steady", "live"),
        default="final",
        help="show whole captions, their beginnings that will stand, or drafts whose ends may change (default final)",
    )


def model_flags(command: argparse.ArgumentParser, *, paced: bool = True) -> None:
    """What chooses models and sets them up; `paced` where the translator always has to keep up with a speaker."""
    glossary_flag(command)
    command.add_argument(
        "--asr", metavar="NAME", help="recogniser model, from the list or a folder (default: the list's)"
    )
    _device_flag(command, "asr", "recogniser")
    asr_threads_flag(command)
    unpaced = "" if paced else "; with --clock virtual, translate's"
    llm_flags(command, f"the best that `surtitle check` found able{unpaced}")


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
