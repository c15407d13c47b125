"""The command line: words in, one of the program's verbs run, an exit status (`process.py`) out.

Arguments are read into values by `options.py` and `given.py`; behind `commands.py` nothing sees argparse or the
environment. Models' libraries are imported by the verbs that need them, after the environment is set for two models on
few cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from surtitle.pipeline.commands import (
    run_check,
    run_devices,
    run_generate,
    run_live,
    run_models,
    run_replay,
    run_serve,
    run_tokens,
    run_translate,
    run_watch,
)
from surtitle.pipeline.flags import (
    PORT,
    SERVER,
    TEXT_BEAMS,
    asr_threads_flag,
    captions_flag,
    channels,
    file_to_be,
    folder_there,
    glossary_flag,
    llm_flags,
    llm_threads_flag,
    log_flag,
    model_flags,
    number,
    output_flags,
    pair_flags,
    post_flags,
    server_flags,
    server_url,
    session_flag,
    temperature,
)
from surtitle.pipeline.options import TOKEN_VARIABLE
from surtitle.pipeline.process import exit_status, set_up_libraries

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    return exit_status("surtitle", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int | None:
    args = build_parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = args.run
    if run is not run_models:
        set_up_libraries()
    return run(args)


def build_parser() -> argparse.ArgumentParser:
    """Every command and flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(
        prog="surtitle",
        description="Live speech translation that you run yourself.",
        epilog="surtitle COMMAND --help says more.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"surtitle {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _replay_command,
        _live_command,
        _serve_command,
        _watch_command,
        _translate_command,
        _generate_command,
        _models_command,
        _tokens_command,
    ):
        add(commands)
    _command(commands, "devices", run_devices, "list microphones")
    _check_command(commands)
    return parser


def _replay_command(commands: Commands) -> None:
    replay = _command(commands, "replay", run_replay, "caption recordings as if they were spoken now")
    replay.add_argument("files", nargs="+", metavar="FILE", help="recordings in any format, or sample:NAME")
    pair_flags(replay)
    session_flag(replay)
    replay.add_argument(
        "--clock",
        choices=("real", "virtual"),
        default="real",
        help="keep the pace of speech (real), or don't wait and give the same captions on every run (virtual); default "
        "real",
    )
    output_flags(replay)
    post_flags(replay)
    replay.add_argument(
        "--serve", action="store_true", help="serve viewers, and keep serving when the recording is over"
    )
    server_flags(replay, port=None, port_help="serve viewers on this port while the recording runs")
    captions_flag(replay)
    model_flags(replay, paced=False)


def _live_command(commands: Commands) -> None:
    live = _command(commands, "live", run_live, "caption a microphone")
    pair_flags(live)
    session_flag(live)
    live.add_argument(
        "--device",
        metavar="NAME",
        help="part of the microphone's name, or its number in `surtitle devices` (default: the system's)",
    )
    live.add_argument(
        "--channels",
        type=channels,
        default=(),
        metavar="NUMBERS",
        help="the device's channels to listen to, averaged, such as 5 or 5,6 (default: the first two)",
    )
    output_flags(live, keeps=True)
    post_flags(live)
    server_flags(live, port=PORT, port_help=f"port for viewers (default {PORT})")
    captions_flag(live)
    model_flags(live)


def _serve_command(commands: Commands) -> None:
    serve = _command(commands, "serve", run_serve, "caption anyone who sends audio, from a browser or a program")
    server_flags(serve, port=PORT, port_help=f"port for publishers and viewers (default {PORT})")
    serve.add_argument(
        "--max-sessions",
        type=number(1, 1024),
        default=8,
        metavar="N",
        help="speakers at a time, counting recordings sent over HTTP (default 8)",
    )
    log_flag(serve, keeps=True)
    serve.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="record every session in this folder: each language in files of every format",
    )
    captions_flag(serve)
    model_flags(serve)


def _watch_command(commands: Commands) -> None:
    watch = _command(commands, "watch", run_watch, "show captions in the terminal")
    watch.add_argument(
        "url",
        nargs="?",
        default=SERVER,
        metavar="URL",
        help=f"the server's address, or a link to one of its pages (default {SERVER})",
    )
    watch.add_argument(
        "--lang", metavar="CODES", help="languages to show, such as es or es,de, in this order (default: all)"
    )
    session_flag(watch, "the session to watch (default main)")
    watch.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file with the token that the server asks for (default: the environment variable {TOKEN_VARIABLE})",
    )


def _translate_command(commands: Commands) -> None:
    translate = _command(commands, "translate", run_translate, "translate text line by line, in context")
    translate.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="text with a segment on each line (default: standard input)"
    )
    pair_flags(translate, heard=False)
    translate.add_argument(
        "--jsonl",
        action="store_true",
        help="read lines of JSON with text, start_ms and end_ms (such as a log), and write them with translations",
    )
    glossary_flag(translate)
    llm_flags(translate, "the larger of the two default ones", beams=TEXT_BEAMS)


def _models_command(commands: Commands) -> None:
    models = _command(commands, "models", run_models, "list, fetch or verify models")
    models.add_argument(
        "action",
        nargs="?",
        choices=("list", "fetch", "verify"),
        default="list",
        help="what to do (default list)",
    )
    models.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="models from the list (default: fetch those that captioning uses; verify all that are here)",
    )
    models.add_argument(
        "--from", dest="local", type=folder_there, metavar="DIR", help="fetch: look in this folder before downloading"
    )
    models.add_argument(
        "--text", action="store_true", help="fetch: also the larger translator, which translate and generate use"
    )


def _check_command(commands: Commands) -> None:
    check = _command(commands, "check", run_check, "say what this machine has, and which models keep up on it")
    check.add_argument(
        "--port", type=number(0, 65535), default=PORT, metavar="N", help=f"port to check (default {PORT})"
    )
    check.add_argument(
        "--to", dest="targets", default="es", metavar="CODES", help="languages to test, such as es,de (default es)"
    )
    how = check.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="measure nothing")
    how.add_argument(
        "--once",
        action="store_true",
        help="do nothing if this machine was measured before with that many languages",
    )
    asr_threads_flag(check)
    llm_threads_flag(check, "translator")


def _generate_command(commands: Commands) -> None:
    generate = _command(
        commands, "generate", run_generate, "write without end: a story, or a chat over a list of prompts"
    )
    what = generate.add_mutually_exclusive_group()
    what.add_argument("--prompt", metavar="TEXT", help="continue this text until Ctrl-C")
    what.add_argument("--prompts", type=Path, metavar="FILE", help="answer each line as a prompt, in one conversation")
    generate.add_argument(
        "--model", metavar="NAME", help="a name in `surtitle models list`, or a folder (default: as for translate)"
    )
    generate.add_argument(
        "--max-new-tokens",
        type=number(1, 10**9),
        metavar="N",
        help="most tokens of the story (default: no limit), or of each answer (default 1000)",
    )
    generate.add_argument(
        "--window",
        type=number(1, 10**6),
        default=1024,
        metavar="TOKENS",
        help="tokens in the cache, including the sinks (default 1024)",
    )
    generate.add_argument(
        "--sinks",
        type=number(0, 10**6),
        default=4,
        metavar="N",
        help="first tokens that are never evicted (default 4; 0 is window attention, which falls apart)",
    )
    generate.add_argument(
        "--temperature", type=temperature, default=0.0, metavar="T", help="sampling temperature (default 0: greedy)"
    )
    generate.add_argument(
        "--seed", type=number(0, 2**63 - 1), default=0, metavar="N", help="random seed of the sampling (default 0)"
    )
    generate.add_argument("--log", type=Path, metavar="PATH", help="also write the text to this file")
    generate.add_argument("--save", type=file_to_be, metavar="PATH", help="save the cache in this file at the end")
    generate.add_argument("--resume", type=Path, metavar="PATH", help="continue from a file that --save wrote")
    llm_threads_flag(generate, "model")


def _tokens_command(commands: Commands) -> None:
    tokens = _command(commands, "tokens", run_tokens, "manage who may read and who may publish")
    tokens.add_argument("file", type=Path, metavar="FILE", help="the tokens file, which add creates")
    tokens.add_argument(
        "action", nargs="?", choices=("list", "add", "revoke"), default="list", help="what to do (default list)"
    )
    tokens.add_argument("name", nargs="?", metavar="NAME", help="add, revoke: the token's name")
    tokens.add_argument("--right", choices=("read", "publish"), help="add: what it allows; publish includes read")
    session_flag(tokens, "add: the only session it is good for (default: all)")
    tokens.add_argument(
        "--url",
        type=server_url,
        default=SERVER,
        metavar="URL",
        help=f"add: the server's address, as people reach it, for the links (default {SERVER})",
    )


def _command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    purpose: str,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", allow_abbrev=False
    )
    command.set_defaults(run=run)
    return command


def _version() -> str:
    from importlib.metadata import version

    return version("surtitle")


if __name__ == "__main__":
    sys.exit(main())
