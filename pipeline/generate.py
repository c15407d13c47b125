"""`surtitle generate`: a chat over a list of prompts, or a story that does not end.

In: prompts and a model folder. Out: text on the terminal and in a log, as it is written. With the translator, what
the pipeline knows of `surtitle.sinks`. Knows no audio.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from safetensors import SafetensorError

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UsageError, UserError
from surtitle.pipeline.options import new_log
from surtitle.sinks.chat import Chat
from surtitle.sinks.sampling import Sampler, likeliest
from surtitle.sinks.stream import TokenStream
from surtitle.sinks.tokenizer import TemplateRefusal

ANSWER = 1000
"""Tokens of an answer at most, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to generate, and how."""

    prompt: str | None
    """How a story begins."""
    prompts: Path | None
    """A file with a prompt a line, for a chat."""
    limit: int | None
    """Tokens: of the story (None: no end), or of each answer (None: ANSWER)."""
    window: int
    """Tokens held at most, the sinks included."""
    sinks: int
    """Tokens pinned at the beginning; 0 is window attention, which falls apart."""
    temperature: float
    """Of the sampling; 0 is greedy."""
    seed: int
    log: Path | None
    """Gets what the terminal gets."""
    save: Path | None
    """Gets the cache at the end."""
    resume: Path | None
    """Where an earlier run saved its cache."""


def generate(folder: Path, wanted: Wanted, *, threads: int) -> None:
    """Write until the prompts are over, the limit came, or Ctrl-C: what has no other end is done then, anything else is
    interrupted. Raises UserError for what can't be read."""
    prompts = _prompts(wanted)
    with ExitStack() as stack:
        stream, chat = _begin(folder, wanted, threads)
        outputs: list[TextIO] = [sys.stdout]
        if wanted.log is not None:  # only now: what can't begin leaves an earlier log as it was
            outputs.append(stack.enter_context(new_log(wanted.log, "--log")))
        try:
            if prompts is None:
                _show(chat.tell(wanted.prompt or "", limit=wanted.limit), outputs)
            for prompt in prompts or ():
                _show([f"> {prompt}\n\n"], outputs)
                _show(chat.say(prompt, limit=wanted.limit or ANSWER), outputs)
                _show(["\n\n"], outputs)
        except TemplateRefusal as error:
            raise UserError(f"{folder} can't answer --prompts: {error}") from error
        except KeyboardInterrupt:
            _show(["\n"], outputs)
            if prompts is not None or wanted.limit is not None:
                raise
        finally:  # also where nobody reads on: `generate --save talk | head`
            if wanted.save is not None and stream.cache.length:
                _save(stream, wanted.save)


def _save(stream: TokenStream, path: Path) -> None:
    try:
        stream.save(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"can't write {path} ({error}): choose another --save") from error


def _prompts(wanted: Wanted) -> list[str] | None:
    if wanted.prompts is None:
        if not wanted.prompt and wanted.resume is None:
            raise UsageError("nothing to begin with, expected --prompt TEXT, --prompts FILE or --resume FILE")
        try:
            (wanted.prompt or "").encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"--prompt is no text in UTF-8 ({error.reason}), expected one") from error
        return None
    try:
        lines = wanted.prompts.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"can't read {wanted.prompts} ({error}): expected a UTF-8 text, a prompt on each line"
        ) from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise UserError(f"{wanted.prompts} holds no prompt, expected one on each line")
    return prompts


def _begin(folder: Path, wanted: Wanted, threads: int) -> tuple[TokenStream, Chat]:
    engine = Engine(folder, threads=threads, window=wanted.window)
    pick = Sampler(temperature=wanted.temperature, seed=wanted.seed) if wanted.temperature else likeliest
    try:
        stream = TokenStream(engine.model, capacity=wanted.window)
        if wanted.resume is not None:
            stream.load(wanted.resume)
        return stream, Chat(stream, engine.tokenizer, sinks=wanted.sinks, pick=pick)
    except (OSError, SafetensorError) as error:
        raise UserError(f"can't read {wanted.resume} ({error}): expected a file that --save wrote") from error
    except ValueError as error:
        raise UsageError(str(error)) from error


def _show(pieces: Iterable[str], outputs: list[TextIO]) -> None:
    for piece in pieces:
        for output in outputs:
            output.write(piece)
            output.flush()
