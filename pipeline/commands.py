"""The commands: each with its flags, read, to its end.

In: what argparse read. Out: nothing, or an exit status; or a UserError that says what can be mended. What they need is
made in `given.py`, and what they do is elsewhere. Models' libraries are imported by the commands that need them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.flags import TEXT_BEAMS
from surtitle.pipeline.given import (
    engine_of,
    glossary_of,
    load_models,
    open_models,
    outputs_of,
    records_of,
    remote_at,
    run_of,
    server_of,
    tell,
    tell_unknown_languages,
)
from surtitle.pipeline.languages import Pair, find_language, parse_languages
from surtitle.pipeline.options import (
    address_of,
    asks_for_viewers,
    check_different,
    pair_of,
    room_of,
    single_pair_of,
    token_of,
)
from surtitle.pipeline.process import INTERRUPTED

if TYPE_CHECKING:
    from surtitle.pipeline.glossary import Glossary
    from surtitle.pipeline.state import SavedConversations
    from surtitle.pipeline.statefile import Keeper
    from surtitle.pipeline.store import ModelStore
    from surtitle.pipeline.translator import Translator

SAMPLE = "sample:"
"""`sample:jfk` as FILE is the recording of that name in the model store."""


class Printed(Console):
    """A console for what is printed and done: where its reader leaves, that ends the command, as `print` does. What is
    given is printed as it is: brackets in a microphone's name or in a folder's are no style.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        raise  # rich calls it where it has caught a BrokenPipeError


def run_replay(args: argparse.Namespace) -> int:
    """Caption recordings; the exit status."""
    from surtitle.pipeline.files import decode_all

    store = open_models()
    pair, room = pair_of(args), room_of(args)
    files = [recording(store, name) for name in args.files]
    outputs, glossary = outputs_of(args, pair, *files), glossary_of(args)
    if outputs.services and args.clock == "virtual":
        raise UsageError(
            "got --clock virtual with captions to post, expected --clock real: Zoom and YouTube show what is said now"
        )
    blocks = decode_all(files)  # a missing file is said before models are loaded
    wanted = args.serve or args.port is not None
    server = server_of(args) if wanted else None
    if server is None and asks_for_viewers(args):
        raise UsageError(
            "got a server's flags and no server, expected --serve (or --port N, to serve only while the recording runs)"
        )
    with load_models(args, store, translations=pair.translations, hurried=args.clock == "real") as models:
        tell_unknown_languages(models.names.llm, store, pair)
        run = run_of(args, models, glossary)
        replay = run.replay(
            blocks,
            pair,
            clock=args.clock,
            outputs=outputs,
            server=server,
            stay=args.serve,
            session=room,
        )
        return 0 if asyncio.run(replay) else INTERRUPTED


def recording(store: ModelStore, name: str) -> Path:
    """The recording that FILE names; a sample is in `store`."""
    sample = name.removeprefix(SAMPLE)
    return store.path(sample) / f"{sample}.wav" if name.startswith(SAMPLE) else Path(name)


def run_live(args: argparse.Namespace) -> None:
    """Caption a microphone."""
    from surtitle.pipeline.devices import choose
    from surtitle.pipeline.microphone import microphone
    from surtitle.pipeline.soundcheck import Soundcheck

    pair, room = pair_of(args), room_of(args)
    outputs, server, glossary = outputs_of(args, pair), server_of(args), glossary_of(args)
    device = choose(args.device, args.channels)  # what is missing is said before models are loaded
    store = open_models()
    with load_models(args, store, translations=pair.translations) as models:
        tell_unknown_languages(models.names.llm, store, pair)
        run = run_of(args, models, glossary)
        heard, check = microphone(args.device, args.channels, tell=tell), Soundcheck(device.name, tell)
        asyncio.run(run.live(heard, check, pair, outputs=outputs, server=server, session=room))


def run_serve(args: argparse.Namespace) -> None:
    """Caption whoever publishes."""
    if args.public_read and args.tokens is None:
        raise UsageError(
            "got --public-read without --tokens, so nobody could speak: expected --tokens FILE, made with "
            "`surtitle tokens FILE add NAME --right publish`"
        )
    outputs, server, glossary = records_of(args), server_of(args), glossary_of(args)
    with load_models(args, open_models(), translations=None) as models:
        run = run_of(args, models, glossary)
        asyncio.run(run.serve(outputs=outputs, server=server, max_sessions=args.max_sessions))


def run_watch(args: argparse.Namespace) -> None:
    """Show captions in the terminal."""
    from surtitle.clients.link import link_of
    from surtitle.clients.viewer import ViewerError
    from surtitle.clients.watch import watch

    link = link_of(args.url)
    room = room_of(args, link.session)
    langs = parse_languages(args.lang) if args.lang else link.langs  # a link may name a region, as pages may
    token = link.token if link.token and not args.token_file else token_of(args.token_file, os.environ)
    try:
        asyncio.run(watch(args.url, langs, Printed(), Console(stderr=True), session=room, token=token))
    except ViewerError as error:
        raise UserError(str(error)) from error


def run_translate(args: argparse.Namespace) -> None:
    """Translate text."""
    from surtitle.pipeline.textmode import (
        as_json,
        as_text,
        lines_of,
        tell_untranslated,
        timed_lines_of,
        translate_lines,
    )

    check_different(args, ("state",), ("glossary",), [args.file] if args.file else [])
    store, pair = open_models(), single_pair_of(args)
    (source,) = pair.sources
    address = address_of(args, os.environ)
    lines = timed_lines_of(args.file, source) if args.jsonl else lines_of(args.file)
    show = as_json(pair.targets) if args.jsonl else as_text(pair.targets)
    tell_of = ignore if args.jsonl else tell_untranslated
    glossary = glossary_of(args)
    if address is not None:
        from surtitle.pipeline.remote import TEXT
        from surtitle.pipeline.remotetranslator import RemoteTranslator

        spoken, wanted = find_language(source), [find_language(code) for code in pair.targets]
        with closing(remote_at(address)) as remote:
            there = RemoteTranslator(remote, spoken, wanted, window=args.window, budget=TEXT, glossary=glossary)
            translate_lines(lines, there, show, untranslated=tell_of)
        return
    here, keeper = _translator_here(args, store, pair, glossary)
    try:
        translate_lines(lines, here, show, keeper.keep_if_due if keeper else ignore, untranslated=tell_of)
    finally:  # what was translated before it was broken off is known, too
        if keeper:
            keeper.keep()


def _translator_here(
    args: argparse.Namespace, store: ModelStore, pair: Pair, glossary: Callable[[], Glossary]
) -> tuple[Translator, Keeper | None]:
    """What translates text without an endpoint, and what keeps its state, if that is wanted."""
    from surtitle.pipeline.statefile import Keeper, StateFile
    from surtitle.pipeline.translator import Translator

    llm = args.llm or store.manifest.defaults.text_llm
    tell_unknown_languages(llm, store, pair)
    engine = engine_of(args, store.path(llm))
    spoken, wanted = find_language(pair.sources[0]), [find_language(code) for code in pair.targets]

    def make(state: SavedConversations | None = None) -> Translator:
        translator = Translator(
            engine, spoken, wanted, window=args.window, beams=args.beams or TEXT_BEAMS, glossary=glossary
        )
        if state is not None and not translator.restore(state):
            raise ValueError(
                f"it holds {', '.join(state)}, expected translations from {spoken.code} into {args.targets}"
            )
        return translator

    if args.state is None:
        return make(), None
    file = StateFile(args.state, store.known_as(llm))
    translator = file.resume(make, tell)
    return translator, Keeper(translator.state, file.write, now=time.monotonic, tell=tell)


def run_generate(args: argparse.Namespace) -> None:
    """Write without end."""
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.generate import Wanted, generate

    check_different(args, ("log", "save"), ("prompts",))
    check_different(args, ("log",), ("resume",))  # which --save may write again
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
    store = open_models()
    folder = store.path(args.model or store.manifest.defaults.text_llm)
    generate(folder, wanted, threads=share_cores(available_cores(), llm=args.llm_threads).llm)


def run_models(args: argparse.Namespace) -> None:
    """List, fetch or verify models."""
    from surtitle.pipeline.modelcommands import fetch_models, list_models, names_to_fetch, verify_models

    store = open_models()
    match args.action:
        case "fetch":
            fetch_models(store, names_to_fetch(store, args.names, text=args.text), local=args.local)
        case "verify":
            verify_models(store, args.names)
        case _:
            if args.names:
                raise UsageError(f"got list with the NAME {args.names[0]}, expected none: it lists every model")
            list_models(store, Printed())


def run_tokens(args: argparse.Namespace) -> None:
    """List, add or revoke tokens."""
    from surtitle.pipeline.tokencommands import add_token, list_tokens, revoke_token

    if args.action != "list" and args.name is None:
        raise UsageError(f"got {args.action} without a NAME, expected the token's, such as obs")
    if args.action == "list" and args.name is not None:
        raise UsageError(f"got list with the NAME {args.name}, expected none: it lists every token")
    match args.action:
        case "add":
            if args.right is None:
                raise UsageError("got add without --right, expected --right read or --right publish")
            add_token(args.file, args.name, args.right, room_of(args) if args.session else None, args.url)
        case "revoke":
            revoke_token(args.file, args.name)
        case _:
            list_tokens(args.file, Printed())


def run_devices(args: argparse.Namespace) -> None:
    """List microphones."""
    from surtitle.pipeline.devices import NONE, list_devices

    devices = list_devices()
    if not devices:
        raise UserError(NONE)
    for device in devices:
        mark = "*" if device.default else " "
        print(f"{mark} {device.index:3d}  {device.name}  ({device.host}, {device.channels} ch, {device.rate} Hz)")


def run_check(args: argparse.Namespace) -> int:
    """Say what this machine has; the exit status."""
    from surtitle.pipeline.assembly import available_cores, share_cores
    from surtitle.pipeline.check import check, pair_for
    from surtitle.pipeline.choice import recall, this_machine

    store = open_models()
    pair = pair_for(parse_languages(args.targets))
    if args.once and pair.translations in recall(store.root, this_machine(available_cores())).translators:
        return 0
    cores = share_cores(available_cores(), args.asr_threads, args.llm_threads)
    return check(store, cores, pair=pair, port=args.port, measure=not args.quick, console=Printed())
