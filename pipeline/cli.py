"""The command line: words in, one of the program's verbs run, an exit status out.

Arguments are read here, once, into values; nothing behind this file sees argparse or the environment. 0 is
done, 1 a failure said in one line, 2 wrong usage. Models' libraries are imported by the verbs that need
them, after the environment is set for two models on few cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.console import Console

from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.flags import (
    TOKEN_VARIABLE,
    address_of,
    captions_flag,
    glossary_flag,
    llm_flags,
    llm_threads_flag,
    log_flag,
    model_flags,
    number,
    output_flags,
    pair_flags,
    pair_of,
    post_flags,
    room_of,
    server_flags,
    services_of,
    session_flag,
    single_pair_of,
    temperature,
    thread_flags,
    token_of,
)
from surtitle.pipeline.languages import Pair, find_language, parse_languages

if TYPE_CHECKING:
    import ssl

    from surtitle.pipeline.address import Address
    from surtitle.pipeline.assembly import Models
    from surtitle.pipeline.broadcast import OutputPaths
    from surtitle.pipeline.engine import Engine
    from surtitle.pipeline.glossary import Glossary
    from surtitle.pipeline.remote import Pace, Remote
    from surtitle.pipeline.runner import Run, ServerOptions
    from surtitle.pipeline.state import State
    from surtitle.pipeline.store import ModelStore

SAMPLE = "sample:"
"""`sample:jfk` as FILE is the recording of that name in the model store."""

LIBRARY_SETTINGS = {
    # two teams of threads that spin at barriers over the same cores are 3 to 16 times slower
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    # numpy would share the features' small product among all cores: ten times slower where another model has them, and
    # the threads it leaves spinning make the recogniser a third slower
    "OPENBLAS_NUM_THREADS": "1",
    # the recogniser's windows have hundreds of lengths, and code is kept for each: 175 MB more an hour, and no faster
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0",
    "TOKENIZERS_PARALLELISM": "false",
    # models come from the store; nothing is fetched while running
    "HF_HUB_OFFLINE": "1",
}
"""Of the environment, unless they are set there: libraries look at them once, when they are loaded."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = args.run
    if run is not _models:
        set_up_libraries()
    return exit_status("surtitle", lambda: run(args))


def set_up_libraries() -> None:
    """Set the environment for two models on few cores, before their libraries are imported."""
    for name, value in LIBRARY_SETTINGS.items():
        os.environ.setdefault(name, value)


def exit_status(program: str, work: Callable[[], int | None]) -> int:
    """Do `work`, and say in one line of `program` what a user can mend; 130 if it was interrupted."""
    try:
        return work() or 0
    except UserError as error:
        return _fail(program, error)
    except BaseExceptionGroup as group:
        cause = _user_error_in(group)
        if cause is None:
            raise
        return _fail(program, cause)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _fail(program: str, error: UserError) -> int:
    print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_status


def _user_error_in(group: BaseExceptionGroup[BaseException]) -> UserError | None:
    # a task group wraps the failure that ended the session
    for error in group.exceptions:
        cause = _user_error_in(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(cause, UserError):
            return cause
    return None


def build_parser() -> argparse.ArgumentParser:
    """Every command and flag; README's reference is checked against it."""
    parser = argparse.ArgumentParser(prog="surtitle", description="Live speech translation that you run yourself.")
    parser.add_argument("--version", action="version", version=f"surtitle {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    replay = _command(commands, "replay", _replay, "caption recordings as if they were spoken now")
    replay.add_argument("files", nargs="+", metavar="FILE", help="recordings of any format, or sample:NAME")
    pair_flags(replay)
    session_flag(replay)
    replay.add_argument(
        "--clock",
        choices=("real", "virtual"),
        default="real",
        help="pace as live speech, or don't wait and give the same captions on every run (default real)",
    )
    output_flags(replay)
    post_flags(replay)
    replay.add_argument(
        "--serve", action="store_true", help="serve viewers, and keep serving when the recording is over"
    )
    server_flags(replay, port=None, port_help="serve viewers on this port while the recording runs")
    captions_flag(replay)
    model_flags(replay)

    live = _command(commands, "live", _live, "caption a microphone")
    pair_flags(live)
    session_flag(live)
    live.add_argument(
        "--device", metavar="NAME", help="part of the device's name, or its number (default: the system's)"
    )
    output_flags(live)
    post_flags(live)
    server_flags(live, port=8765, port_help="port for viewers (default 8765)")
    captions_flag(live)
    model_flags(live)

    serve = _command(commands, "serve", _serve, "caption whoever publishes audio over a websocket")
    server_flags(serve, port=8765, port_help="port for publishers and viewers (default 8765)")
    serve.add_argument(
        "--max-sessions",
        type=number(1, 1024),
        default=8,
        metavar="N",
        help="publishers heard at once, recordings that are sent included (default 8)",
    )
    log_flag(serve)
    serve.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="keep what is said there: files of each session and language, in every format",
    )
    captions_flag(serve)
    model_flags(serve)

    watch = _command(commands, "watch", _watch, "show captions in the terminal")
    watch.add_argument(
        "url",
        nargs="?",
        default="http://127.0.0.1:8765",
        metavar="URL",
        help="a surtitle server (default http://127.0.0.1:8765)",
    )
    watch.add_argument(
        "--lang", metavar="CODES", help="languages to show, such as es or es,de, in this order (default: all)"
    )
    session_flag(watch, "which of the server's sessions (default main)")
    watch.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file with the token that the server asks for (default: the environment variable {TOKEN_VARIABLE})",
    )

    translate = _command(commands, "translate", _translate, "translate lines of text, context kept")
    translate.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="text, a line a segment (default: standard input)"
    )
    pair_flags(translate)
    translate.add_argument(
        "--jsonl",
        action="store_true",
        help="read lines of JSON with text, start_ms and end_ms (or a log), and write them with translations",
    )
    glossary_flag(translate)
    llm_flags(translate)

    _generate_command(commands)

    models = _command(commands, "models", _models, "list, fetch or verify models")
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
        help="models of the list (default: those that the other commands use)",
    )
    models.add_argument(
        "--from", dest="local", type=Path, metavar="DIR", help="fetch: look in this folder before downloading"
    )

    models.add_argument("--text", action="store_true", help="fetch: also the larger translator, which translate uses")
    _tokens_command(commands)
    _command(commands, "devices", _devices, "list microphones")
    check = _command(commands, "check", _check, "say what this machine has, and which models keep up on it")
    check.add_argument(
        "--port", type=number(0, 65535), default=8765, metavar="N", help="port to look at (default 8765)"
    )
    check.add_argument("--quick", action="store_true", help="leave out the measuring")
    thread_flags(check)
    return parser


def _generate_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    generate = _command(commands, "generate", _generate, "write without end: a story, or a chat over a list of prompts")
    what = generate.add_mutually_exclusive_group()
    what.add_argument("--prompt", metavar="TEXT", help="go on from this text until Ctrl-C")
    what.add_argument("--prompts", type=Path, metavar="FILE", help="answer these, a prompt a line, in one conversation")
    generate.add_argument("--model", metavar="NAME", help="model, from the list or a folder (default: translate's)")
    generate.add_argument(
        "--max-new-tokens",
        type=number(1, 10**9),
        metavar="N",
        help="end of the story (default: none), or of each answer (default 1000)",
    )
    generate.add_argument(
        "--window",
        type=number(1, 10**6),
        default=1024,
        metavar="TOKENS",
        help="tokens in the cache, the sinks included (default 1024)",
    )
    generate.add_argument(
        "--sinks",
        type=number(0, 10**6),
        default=4,
        metavar="N",
        help="first tokens that stay (default 4; 0 is window attention, which falls apart)",
    )
    generate.add_argument(
        "--temperature", type=temperature, default=0.0, metavar="T", help="of the sampling (default 0: greedy)"
    )
    generate.add_argument(
        "--seed", type=number(0, 2**63 - 1), default=0, metavar="N", help="of the sampling (default 0)"
    )
    generate.add_argument("--log", type=Path, metavar="PATH", help="write the text there too")
    generate.add_argument("--save", type=Path, metavar="PATH", help="write the cache there at the end")
    generate.add_argument("--resume", type=Path, metavar="PATH", help="go on where --save ended")
    llm_threads_flag(generate, "model")


def _tokens_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    tokens = _command(commands, "tokens", _tokens, "say who may read and who may publish")
    tokens.add_argument("file", type=Path, metavar="FILE", help="the tokens file; add makes it")
    tokens.add_argument(
        "action", nargs="?", choices=("list", "add", "revoke"), default="list", help="what to do (default list)"
    )
    tokens.add_argument("name", nargs="?", metavar="NAME", help="add, revoke: what the token is called")
    tokens.add_argument("--right", choices=("read", "publish"), help="add: what it is for; publish includes read")
    session_flag(tokens, "add: the only session that it is for")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    purpose: str,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}."
    )
    command.set_defaults(run=run)
    return command


def _version() -> str:
    from importlib.metadata import version

    return version("surtitle")


def _replay(args: argparse.Namespace) -> None:
    from surtitle.pipeline.files import decode_all

    store = _store()
    pair, room, glossary = pair_of(args), room_of(args), _glossary(args)
    outputs = _outputs(args, pair)
    if outputs.services and args.clock == "virtual":
        raise UsageError(
            "got --clock virtual and an address to post to, expected --clock real: a service shows what is said now"
        )
    files = [
        store.path(name.removeprefix(SAMPLE)) / f"{name.removeprefix(SAMPLE)}.wav"
        if name.startswith(SAMPLE)
        else Path(name)
        for name in args.files
    ]
    blocks = decode_all(files)  # a missing file is said before models are loaded
    wanted = args.serve or args.port is not None
    server = _server(args) if wanted else None
    with _load(args, store, live=args.clock == "real") as models:
        run = _run(args, models, glossary)
        replay = run.replay(
            blocks,
            pair,
            clock=args.clock,
            outputs=outputs,
            server=server,
            stay=args.serve,
            session=room,
        )
        asyncio.run(replay)


def _live(args: argparse.Namespace) -> None:
    from surtitle.pipeline.devices import choose

    pair, room, server, glossary = pair_of(args), room_of(args), _server(args), _glossary(args)
    outputs = _outputs(args, pair)
    choose(args.device)  # a missing microphone is said before models are loaded
    with _load(args, _store()) as models:
        run = _run(args, models, glossary)
        asyncio.run(run.live(args.device, pair, outputs=outputs, server=server, session=room))


def _serve(args: argparse.Namespace) -> None:
    from surtitle.pipeline.broadcast import OutputPaths

    server, glossary = _server(args), _glossary(args)
    with _load(args, _store()) as models:
        run = _run(args, models, glossary)
        outputs = OutputPaths(log=args.log, record=args.record)
        asyncio.run(run.serve(outputs=outputs, server=server, max_sessions=args.max_sessions))


def _watch(args: argparse.Namespace) -> None:
    from surtitle.clients.viewer import ViewerError
    from surtitle.clients.watch import watch

    langs = parse_languages(args.lang) if args.lang else ()
    token, room = token_of(args.token_file, os.environ), room_of(args)
    try:
        asyncio.run(watch(args.url, langs, Console(), Console(stderr=True), session=room, token=token))
    except ViewerError as error:
        raise UserError(str(error)) from error


def _translate(args: argparse.Namespace) -> None:
    from surtitle.pipeline.textmode import as_json, as_text, lines_of, timed_lines_of, translate_lines

    store, pair = _store(), single_pair_of(args)
    (source,) = pair.sources
    address = address_of(args, os.environ)
    lines = timed_lines_of(args.file, source) if args.jsonl else lines_of(args.file)
    show = as_json(pair.targets) if args.jsonl else as_text(pair.targets)
    glossary = _glossary(args)
    spoken, wanted = find_language(source), [find_language(code) for code in pair.targets]
    if address is not None:
        from surtitle.pipeline.remote import TEXT, RemoteTranslator

        with closing(_remote(address, TEXT)) as remote:
            translate_lines(
                lines, RemoteTranslator(remote, spoken, wanted, window=args.window, glossary=glossary), show
            )
        return

    from surtitle.pipeline.statefile import Keeper, StateFile
    from surtitle.pipeline.translator import Translator

    llm = args.llm or store.manifest.defaults.text_llm
    engine = _engine(args, store.path(llm))

    def make(state: State | None = None) -> Translator:
        translator = Translator(engine, spoken, wanted, window=args.window, glossary=glossary)
        if state is not None:
            translator.restore(state)
        return translator

    if args.state is None:
        translate_lines(lines, make(), show)
        return
    file = StateFile(args.state, llm, pair.targets)
    tell = partial(print, file=sys.stderr)
    translator = file.resume(make, tell)
    keeper = Keeper(translator.state, file.write, now=time.monotonic, tell=tell)
    translate_lines(lines, translator, show, keeper.keep_if_due)
    keeper.keep()


def _generate(args: argparse.Namespace) -> None:
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.generate import Wanted, generate

    wanted = Wanted(
        prompt=args.prompt,
        prompts=args.prompts,
        limit=args.max_new_tokens,
        window=args.window,
        sinks=args.sinks,
        temperature=args.temperature,
        seed=args.seed,
        log=args.log,
        save=args.save,
        resume=args.resume,
    )
    store = _store()
    folder = store.path(args.model or store.manifest.defaults.text_llm)
    generate(folder, wanted, threads=share_cores(available_cores(), llm=args.llm_threads).llm)


def _models(args: argparse.Namespace) -> None:
    from surtitle.pipeline.modelcommands import default_names, fetch_models, list_models, verify_models

    store = _store()
    match args.action:
        case "fetch":
            names = args.names or default_names(store, text=args.text)
            fetch_models(store, names, local=args.local)
        case "verify":
            verify_models(store, args.names)
        case _:
            list_models(store, Console())


def _tokens(args: argparse.Namespace) -> None:
    from surtitle.pipeline.tokencommands import add_token, list_tokens, revoke_token

    if args.action != "list" and args.name is None:
        raise UsageError(f"got {args.action} without a name, expected what the token is called, such as obs")
    match args.action:
        case "add":
            if args.right is None:
                raise UsageError("got add without --right, expected --right read or --right publish")
            add_token(args.file, args.name, args.right, room_of(args) if args.session else None)
        case "revoke":
            revoke_token(args.file, args.name)
        case _:
            list_tokens(args.file, Console())


def _devices(args: argparse.Namespace) -> None:
    from surtitle.pipeline.devices import list_devices

    for device in list_devices():
        mark = "*" if device.default else " "
        print(f"{mark} {device.index:3d}  {device.name}  ({device.host}, {device.channels} ch, {device.rate} Hz)")


def _check(args: argparse.Namespace) -> int:
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.check import check

    cores = share_cores(available_cores(), args.asr_threads, args.llm_threads)
    return check(_store(), cores, port=args.port, measure=not args.quick, console=Console())


def _store() -> ModelStore:
    from surtitle.pipeline.store import open_store

    return open_store(os.environ)


def _glossary(args: argparse.Namespace) -> Callable[[], Glossary]:
    """Read before models are loaded, so that its mistakes are said at once."""
    from surtitle.pipeline.glossary import Glossary, parse
    from surtitle.pipeline.reread import Reread

    path: Path | None = args.glossary
    if path is None:
        return Glossary
    return Reread(path, lambda text: parse(text, path.suffix), _tell, what="a glossary").current


def _run(args: argparse.Namespace, models: Models, glossary: Callable[[], Glossary]) -> Run:
    from surtitle.pipeline.runner import Run

    return Run(
        models,
        window=args.window,
        console=Console(),
        captions=args.captions,
        glossary=glossary,
        state=args.state,
    )


def _outputs(args: argparse.Namespace, pair: Pair) -> OutputPaths:
    from surtitle.pipeline.broadcast import OutputPaths
    from surtitle.pipeline.subtitles import Format

    wanted: dict[Format, Path | None] = {form: vars(args)[form] for form in get_args(Format)}
    captions = {form: path for form, path in wanted.items() if path}
    return OutputPaths(log=args.log, captions=captions, services=services_of(args, pair))


def _server(args: argparse.Namespace) -> ServerOptions:
    from surtitle.pipeline.access import is_loopback
    from surtitle.pipeline.accesslog import AccessLog
    from surtitle.pipeline.operations import Operations
    from surtitle.pipeline.reread import Reread
    from surtitle.pipeline.runner import ServerOptions
    from surtitle.pipeline.tokens import Tokens, parse

    path: Path | None = args.tokens
    if path is None and not is_loopback(args.host) and not args.allow_remote:
        raise UsageError(
            f"--host {args.host} is reachable from other machines: expected --tokens FILE, a loopback address such as "
            f"127.0.0.1, or --allow-remote if everybody who can reach it may read and publish"
        )
    return ServerOptions(
        host=args.host,
        port=8765 if args.port is None else args.port,
        allow_origins=tuple(args.allow_origin),
        tokens=Tokens if path is None else Reread(path, parse, _tell, what="a tokens file").current,
        max_viewers=args.max_viewers,
        tls=_tls(args),
        operations=Operations(None if args.access_log is None else AccessLog(args.access_log)),
    )


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    from surtitle.pipeline.tls import load_tls

    if args.tls_cert is None and args.tls_key is None:
        return None
    if args.tls_cert is None or args.tls_key is None:
        raise UsageError("got one of --tls-cert and --tls-key, expected both")
    return load_tls(args.tls_cert, args.tls_key)


def _load(args: argparse.Namespace, store: ModelStore, *, live: bool = True) -> Models:
    from surtitle.pipeline.assembly import Ears, ModelNames, Models, available_cores, share_cores
    from surtitle.pipeline.remote import LIVE, REPLAY

    address = address_of(args, os.environ, captions=args.captions)
    llm = args.llm or store.manifest.defaults.llm
    names = ModelNames(args.asr or store.manifest.defaults.asr, address.model if address else llm)
    cores = share_cores(available_cores(), args.asr_threads, args.llm_threads)
    asr = store.path(names.asr)
    translate = (
        partial(_remote, address, LIVE if live else REPLAY) if address else partial(_engine, args, store.path(llm))
    )
    with Console(stderr=True).status(f"loading {names.asr} and {names.llm}"):
        return Models(
            names, ears=lambda: Ears(asr, threads=cores.asr, device=args.asr_device).recognizer, engine=translate
        )


def _engine(args: argparse.Namespace, folder: Path) -> Engine:
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.engine import Engine

    threads = share_cores(available_cores(), llm=args.llm_threads).llm
    return Engine(folder, threads=threads, device=args.llm_device, window=args.window)


def _remote(address: Address, pace: Pace) -> Remote:
    from surtitle.pipeline.endpoint import Endpoint
    from surtitle.pipeline.identify import Identifier
    from surtitle.pipeline.remote import Remote

    return Remote(Endpoint(address), address.model, Identifier(), tell=_tell, pace=pace)


def _tell(what: str) -> None:
    print(f"surtitle: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
