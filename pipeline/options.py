"""What was typed behind the flags of `flags.py`, as values.

In: what argparse read, and the environment. Out: rooms, pairs, addresses, services, tokens, new logs, or a UsageError
that says what was seen. Knows no command and no model.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from surtitle.pipeline.address import KEY, Address, parse_address
from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.events import MAIN_ROOM, CaptionMode
from surtitle.pipeline.languages import Pair, parse_pair
from surtitle.pipeline.messages import ROOM_PATTERN

if TYPE_CHECKING:
    from surtitle.pipeline.posting import Service

TOKEN_VARIABLE = "SURTITLE_TOKEN"
"""The environment variable that holds a token. No flag does: everybody on a machine sees the flags of its programs."""


def room_of(args: argparse.Namespace, otherwise: str | None = None) -> str:
    """What `session_flag` read, `otherwise` where nothing was typed. Raises UsageError for what is no name."""
    name: str = args.session or otherwise or MAIN_ROOM
    if not re.fullmatch(ROOM_PATTERN, name):
        raise UsageError(f"got --session {name!r}, expected 1 to 64 of the characters A-Z a-z 0-9 _ -")
    return name


def check_different(
    args: argparse.Namespace,
    written: Sequence[str],
    read: Sequence[str],
    files: Sequence[Path] = (),
    more: Sequence[tuple[str, Path]] = (),
) -> None:
    """Raises UsageError where a file of a flag in `written` is that of another one, of one in `read`, or in `files`.

    `more` are files that flags in `written` stand for too.
    """
    taken = {path.resolve(): "FILE" for path in files}
    named: list[tuple[str, Path | None]] = [(name, vars(args)[name]) for name in (*read, *written)]
    for name, path in (*named, *more):
        if path is None or (path.exists() and not path.is_file()):  # any number of outputs may go to /dev/null
            continue
        flag = f"--{name.replace('_', '-')}"
        other = taken.setdefault(path.resolve(), flag)
        if other != flag and name in written:
            raise UsageError(f"got {path} for {flag} and {other}, expected different files")


def new_log(path: Path, flag: str) -> TextIO:
    """The file that `flag` names, empty, in a new folder if there is none. Raises UserError where none can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't write {path} ({error.strerror}): choose another {flag}") from error


def asks_for_viewers(args: argparse.Namespace) -> bool:
    """Whether a flag of `server_flags` was given, other than --port."""
    names = (
        "host",
        "allow_origin",
        "allow_remote",
        "public_read",
        "tokens",
        "max_viewers",
        "tls_cert",
        "tls_key",
        "access_log",
    )
    return any(vars(args)[name] for name in names)


def pair_of(args: argparse.Namespace) -> Pair:
    """What `pair_flags` read. Raises UsageError for languages that can't be."""
    return parse_pair(args.source, args.targets)


def single_pair_of(args: argparse.Namespace) -> Pair:
    """What `pair_flags` read, for a text: nothing hears which of several languages it is in.

    Raises UsageError for more than one, for the one that it is in already, and for languages that can't be.
    """
    pair = pair_of(args)
    if len(pair.sources) > 1:
        raise UsageError(
            f"got --from {args.source}, expected one language: nothing tells which one a line of text is in"
        )
    if pair.sources[0] in pair.targets:
        raise UsageError(f"got --from {args.source} and --to {args.targets}, expected targets other than the source")
    return pair


def address_of(
    args: argparse.Namespace, environ: Mapping[str, str], *, captions: CaptionMode = "final"
) -> Address | None:
    """The endpoint of `llm_flags` with the key of `environ`; None where the model is here.

    Raises UsageError for one that can't be, and for what it can't do.
    """
    if args.translator_url is None:
        if args.translator_model is not None:
            raise UsageError("--translator-model needs --translator-url; to choose a model on this machine, use --llm")
        return None
    if args.llm is not None or args.llm_device != "cpu":
        raise UsageError("got --translator-url with --llm or --llm-device, expected a model either there or here")
    if args.state is not None:
        raise UsageError("--state saves the cache of a model on this machine: leave it out, or --translator-url")
    if args.beams is not None:
        raise UsageError("--beams needs a model on this machine: leave it out, or --translator-url")
    if captions != "final":
        raise UsageError(
            f"--captions {captions} needs a model on this machine: a server can't be made to continue what was already "
            f"shown. Leave out --captions, or --translator-url"
        )
    return parse_address(args.translator_url, args.translator_model, environ.get(KEY, ""))


def services_of(args: argparse.Namespace, pair: Pair) -> tuple[Service, ...]:
    """What `post_flags` read. Raises UsageError for what is no address, and for a language that `pair` has not."""
    from surtitle.pipeline.posting import YouTube, Zoom, parse_service

    given = [parse_service(Zoom, _read(each)) for each in args.post_zoom]
    given += [parse_service(YouTube, _read(each)) for each in args.post_youtube]
    known = {*pair.sources, *pair.targets}
    for service in given:
        if service.language not in known:
            raise UsageError(
                f"got captions for {service}, expected a language of --from or --to: {', '.join(sorted(known))}"
            )
    return tuple(given)


def _read(given: str) -> str:
    """`LANG=@FILE` with what is in the file in its place: everybody on a machine may see its command lines."""
    language, at, path = given.partition("=@")
    if not at:
        return given
    try:
        return f"{language}={Path(path).read_text('utf-8-sig').strip()}"
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read, expected a file with the caption URL in it") from error


def token_of(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token to show to a server: of `file`, or else of the environment; None if there is neither.

    Raises:
        UserError: the file can't be read, or it does not hold a token.
    """
    if file is None:
        return environment.get(TOKEN_VARIABLE)
    try:
        token = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read --token-file {file} ({error}); expected a file with a token in it") from error
    if len(token.split()) != 1 or len(token) > 256:
        raise UserError(f"--token-file {file} holds {len(token)} characters, expected one word of at most 256")
    return token
