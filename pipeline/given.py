"""What the commands are given: their flags, turned into what they stand for.

In: what argparse read, and the environment. Out: files, servers, models and the rest, made or ready to be; a mistake in
any of them is told before models are loaded, which takes seconds. Knows no command.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rich.console import Console

from surtitle.pipeline.errors import UsageError
from surtitle.pipeline.flags import LOOPBACK, PORT
from surtitle.pipeline.languages import ALL, Pair, find_language
from surtitle.pipeline.options import address_of, check_different, services_of

if TYPE_CHECKING:
    import ssl

    from surtitle.pipeline.address import Address
    from surtitle.pipeline.assembly import Models
    from surtitle.pipeline.broadcast import OutputPaths
    from surtitle.pipeline.engine import Engine
    from surtitle.pipeline.glossary import Glossary
    from surtitle.pipeline.remote import Remote
    from surtitle.pipeline.runner import Run, ServerOptions
    from surtitle.pipeline.store import ModelStore


_WRITTEN, _READ = ("log", "access_log", "state"), ("glossary", "tokens", "tls_cert", "tls_key")
"""Flags of sessions with files."""


def open_models() -> ModelStore:
    """Where models are kept."""
    from surtitle.pipeline.store import open_store

    return open_store(os.environ)


def glossary_of(args: argparse.Namespace) -> Callable[[], Glossary]:
    """Read before models are loaded, so that its mistakes are said at once."""
    from surtitle.pipeline.glossary import Glossary, parse
    from surtitle.pipeline.reread import Reread

    path: Path | None = args.glossary
    if path is None:
        return Glossary
    return Reread(path, lambda text: parse(text, path.suffix), tell, what="a glossary").current


def run_of(args: argparse.Namespace, models: Models, glossary: Callable[[], Glossary]) -> Run:
    """What all ways to run share."""
    from surtitle.pipeline.runner import Run
    from surtitle.pipeline.terminal import Terminal

    return Run(
        models,
        window=args.window,
        beams=args.beams or 1,
        console=Terminal(),
        captions=args.captions,
        glossary=glossary,
        state=args.state,
    )


def outputs_of(args: argparse.Namespace, pair: Pair, *recordings: Path) -> OutputPaths:
    """The files and services that were asked for. Raises UsageError for an address that is none, and a file for two."""
    from surtitle.pipeline.broadcast import OutputPaths
    from surtitle.pipeline.outputs import beside
    from surtitle.pipeline.subtitles import Format

    shown = ("text_now", *get_args(Format))
    first = [(name, vars(args)[name]) for name in shown if vars(args)[name]]
    others = [(name, beside(path, language)) for name, path in first for language in pair.targets[1:]]
    check_different(args, (*_WRITTEN, *shown), _READ, recordings, others)
    wanted: dict[Format, Path | None] = {form: vars(args)[form] for form in get_args(Format)}
    captions = {form: path for form, path in wanted.items() if path}
    return OutputPaths(
        log=args.log, keeps=args.keeps, captions=captions, text_now=args.text_now, services=services_of(args, pair)
    )


def records_of(args: argparse.Namespace) -> OutputPaths:
    """The files that a server keeps."""
    from surtitle.pipeline.broadcast import OutputPaths

    check_different(args, _WRITTEN, _READ)
    return OutputPaths(log=args.log, keeps=args.keeps, record=args.record)


def server_of(args: argparse.Namespace) -> ServerOptions:
    """Where viewers connect. Raises UsageError for an address that others reach without tokens."""
    from surtitle.pipeline.accesslog import AccessLog
    from surtitle.pipeline.operations import Operations
    from surtitle.pipeline.reread import Reread
    from surtitle.pipeline.runner import ServerOptions
    from surtitle.pipeline.server import MAX_VIEWERS
    from surtitle.pipeline.tokens import Tokens, parse

    host: str = args.host or LOOPBACK
    path: Path | None = args.tokens
    public: bool = args.public_read
    if path is None:
        _check_closed(args, host)
    return ServerOptions(
        host=host,
        port=PORT if args.port is None else args.port,
        allow_origins=tuple(args.allow_origin),
        tokens=(lambda: Tokens(public_read=public))
        if path is None
        else Reread(
            path, partial(parse, public_read=public), tell, what="a tokens file (`surtitle tokens FILE add` makes one)"
        ).current,
        max_viewers=args.max_viewers or MAX_VIEWERS,
        tls=_tls_of(args),
        operations=Operations(None if args.access_log is None else AccessLog(args.access_log)),
    )


def _check_closed(args: argparse.Namespace, host: str) -> None:
    """Raises UsageError where others reach a server without tokens, and nobody said that they may."""
    from surtitle.pipeline.access import elsewhere, is_loopback

    if args.allow_remote and args.public_read:
        raise UsageError("got --public-read and --allow-remote, expected one: anyone may read, or read and publish")
    if args.allow_remote or args.public_read:
        return
    wanted = "--public-read if anyone may read, or --allow-remote if anyone may publish too"
    if not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached from other machines: expected a loopback address such as 127.0.0.1, "
            f"--tokens FILE, {wanted}"
        )
    for origin in elsewhere(args.allow_origin):
        raise UsageError(f"--allow-origin {origin} lets other machines in: expected --tokens FILE, {wanted}")


def _tls_of(args: argparse.Namespace) -> ssl.SSLContext | None:
    from surtitle.pipeline.tls import load_tls

    if args.tls_cert is None and args.tls_key is None:
        return None
    if args.tls_cert is None or args.tls_key is None:
        raise UsageError("got one of --tls-cert and --tls-key, expected both")
    return load_tls(args.tls_cert, args.tls_key, tell)


def load_models(
    args: argparse.Namespace, store: ModelStore, *, translations: int | None, hurried: bool = True
) -> Models:
    """Everything that is loaded once, to translate into `translations` languages at once; None: nobody knows yet how
    many; 0: into none, and then no translator is loaded unless one is named. `hurried` is as in `choice.translator`.

    Raises UserError for a model that is not here, UsageError for a translator's state without one.
    """
    from surtitle.pipeline.assembly import Ears, ModelNames, Models, available_cores, share_cores

    address = address_of(args, os.environ, captions=args.captions)
    asr_name = args.asr or store.manifest.defaults.asr
    llm = args.llm if address or args.llm or translations == 0 else _chosen(args, store, translations, hurried)
    names = ModelNames(store.known_as(asr_name), address.model if address else llm and store.known_as(llm))
    cores = share_cores(available_cores(), args.asr_threads, args.llm_threads)
    asr = store.path(names.asr)
    engine: Callable[[], Engine | Remote] | None = None
    if address:
        engine = partial(remote_at, address)
    elif llm is not None:
        engine = partial(engine_of, args, store.path(llm))
    elif args.state is not None:
        raise UsageError("got --state but nothing to translate, expected another language in --to, or --llm NAME")
    with Console(stderr=True).status(f"loading {' and '.join(filter(None, (names.asr, names.llm)))}"):
        return Models(
            names, ears=lambda: Ears(asr, threads=cores.asr, device=args.asr_device).recognizer, engine=engine
        )


def _chosen(args: argparse.Namespace, store: ModelStore, translations: int | None, hurried: bool) -> str:
    """The translator where none is named."""
    from surtitle.pipeline.assembly import available_cores
    from surtitle.pipeline.choice import recall, this_machine, translator

    here = {row.model.name for row in store.list() if row.state == "present"}
    machine = this_machine(available_cores())
    found = recall(store.root, machine) if args.llm_device == "cpu" else None
    return translator(found, store.manifest.defaults, here, targets=translations, hurried=hurried)


def tell_unknown_languages(llm: str | None, store: ModelStore, pair: Pair) -> None:
    """Say which of `pair`'s languages the makers of the translator `llm` do not name, where that is known."""
    if llm is None or llm not in store.manifest.models:
        return
    named = store.manifest.models[llm].languages
    wanted = pair.targets if pair.sources == ALL else (*pair.sources, *pair.targets)
    strange = [code for code in dict.fromkeys(wanted) if code not in named]
    if strange:
        names = ", ".join(find_language(code).name for code in strange)
        tell(f"the makers of {llm} do not name {names} among its languages: expect mistakes")


def engine_of(args: argparse.Namespace, folder: Path) -> Engine:
    """The language model in `folder`."""
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.engine import Engine

    threads = share_cores(available_cores(), llm=args.llm_threads).llm
    return Engine(folder, threads=threads, device=args.llm_device, window=args.window)


def remote_at(address: Address) -> Remote:
    """The language model behind an endpoint."""
    from surtitle.pipeline.endpoint import Endpoint
    from surtitle.pipeline.identify import Identifier
    from surtitle.pipeline.remote import Remote

    remote = Remote(Endpoint(address), address.model, Identifier(), tell=tell)
    remote.wake()
    return remote


def tell(what: str) -> None:
    """A line on standard error."""
    with suppress(OSError):  # who read it may be gone, and those who listen have nothing to do with that
        print(f"surtitle: {what}", file=sys.stderr, flush=True)
