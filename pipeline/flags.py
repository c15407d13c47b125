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

_ASIDE = "; an earlier run's file is kept, as NAME-1"

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
        raise argparse.ArgumentTypeError(f"got {text!r}, expected channels counted from 1, each once, such as 5 or 5,6")
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
        help="spoken language, such as en; en,es if speakers switch between them; auto if it may be any"
        if heard
        else "language of the text, such as en",
    )
    purpose, spoken = ("caption in", "; the spoken one alone needs no translator") if heard else ("translate into", "")
    wanted = f"languages to {purpose}, such as es or es,de{spoken}"
    command.add_argument("--to", dest="targets", required=True, metavar="CODES", help=wanted)


def session_flag(command: argparse.ArgumentParser, purpose: str = "the session's name (default main)") -> None:
    """--session."""
    command.add_argument("--session", metavar="NAME", help=purpose)


def output_flags(command: argparse.ArgumentParser, *, keeps: bool = False) -> None:
    """--log, a flag for each of `subtitles.Format`, and --text-now; `keeps` as in `log_flag`."""
    log_flag(command, keeps=keeps)
    for form, what in _FORMATS.items():
        purpose = f"write {what} (further languages in files beside it, like talk.de.{form}){_ASIDE if keeps else ''}"
        command.add_argument(f"--{form}", type=Path, metavar="PATH", help=purpose)
    command.add_argument(
        "--text-now",
        type=Path,
        metavar="PATH",
        help="keep only the newest caption in this file, for a text source in OBS or vMix (further languages in files "
        "beside it, like now.de.txt)",
    )


def post_flags(command: argparse.ArgumentParser) -> None:
    """--post-zoom and --post-youtube."""
    for name, where in (("zoom", "a Zoom meeting"), ("youtube", "a YouTube stream")):
        command.add_argument(
            f"--post-{name}",
            action="append",
            default=[],
            metavar="LANG=URL",
            help=f"post a language's captions to {where}; LANG=@FILE reads the URL, which is a secret, from a file "
            "(repeatable)",
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
        help="web origin whose pages may connect, besides the server's own, and frame /overlay and /read (repeatable)",
    )
    command.add_argument(
        "--allow-remote",
        action="store_true",
        help="let other machines in without tokens: anyone who can reach the server may do everything",
    )
    command.add_argument(
        "--public-read",
        action="store_true",
        help="let anyone who can reach the server read; publishing still takes a token (without --tokens, nobody else "
        "can publish)",
    )
    command.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="file that says who may read and publish (made by `surtitle tokens`; read again when it changes)",
    )
    command.add_argument(
        "--max-viewers",
        type=number(1, 10**6),
        metavar="N",
        help="connections accepted at a time, plus a few for publishers (default 2000)",
    )
    command.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="certificate (PEM), to serve https and wss; with --tls-key"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's private key (PEM)")
    command.add_argument(
        "--access-log",
        type=Path,
        metavar="PATH",
        help="append who connects, how that ends and how much traffic there is, as lines of JSON; never what is said",
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
        "--llm", metavar="NAME", help=f"translator: a name in `surtitle models list`, or a folder (default: {default})"
    )
    command.add_argument(
        "--window",
        type=number(1, 10**6),
        default=1024,
        metavar="TOKENS",
        help="context the translator keeps (default 1024; must hold its prompt and the longest segment)",
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
        help="save the translator's context, and so what was said, in this file, and resume from it at the next start",
    )
    command.add_argument(
        "--translator-url",
        metavar="URL",
        help="translate with a model on an OpenAI-compatible server (vLLM, llama.cpp, Ollama) instead of one here",
    )
    command.add_argument(
        "--translator-model", metavar="NAME", help="which model on that server; required with --translator-url"
    )
    _device_flag(command, "llm", "translator")
    llm_threads_flag(command, "translator")


def glossary_flag(command: argparse.ArgumentParser) -> None:
    """--glossary."""
    command.add_argument(
        "--glossary",
        type=Path,
        metavar="FILE",
        help="terms with fixed translations, and names that stay as they are (TOML or CSV; read again when it changes)",
    )


def file_to_be(text: str) -> Path:
    """A file that will be written anew and put in its place: what isn't one, such as /dev/null, would be gone."""
    path = Path(text)
    if (path.exists() and not path.is_file()) or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a file in a folder that exists")
    return path


def folder_there(text: str) -> Path:
    """A folder that is read."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a folder that exists")
    return path


def captions_flag(command: argparse.ArgumentParser) -> None:
    """--captions."""
    command.add_argument(
        "--captions",
        choices=("final", "steady", "live"),
        default="final",
        help="show only whole captions (final), also beginnings that will not change (steady), or also drafts whose "
        "ends may change (live); default final",
    )


def model_flags(command: argparse.ArgumentParser, *, paced: bool = True) -> None:
    """What chooses models and sets them up; `paced` where the translator always has to keep up with a speaker."""
    glossary_flag(command)
    command.add_argument(
        "--asr",
        metavar="NAME",
        help="recogniser: a name in `surtitle models list`, or a folder (default: the one marked in that list)",
    )
    _device_flag(command, "asr", "recogniser")
    asr_threads_flag(command)
    unpaced = "" if paced else "; with --clock virtual, as for translate"
    llm_flags(command, f"the best that `surtitle check` found to keep up{unpaced}")


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
