"""Which translator of speech is taken where none is named: the best one that this machine keeps up with, and where
nobody waits for it, that of text.

In: what `surtitle check` found out, kept in a file beside the models, and how many languages are wanted at once. Out: a
model's name. Before anything was found out, and on a machine that is not the one that was measured, it is the
manifest's, which two slow cores run. Measures nothing, loads nothing.

    MODELS/choice.json  {"machine": "AMD EPYC, 2 cores, 24 GiB", "translators": {"1": "qwen2.5-coder-1.5b"}}
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
import psutil

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.manifest import Defaults

FILE = "choice.json"


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found out on one machine."""

    machine: str
    """As `this_machine` names it."""
    translators: dict[int, str | None]
    """By the number of languages at once, the best translator that keeps up; None where none does."""

    def translator(self, targets: int | None) -> str | None:
        """What keeps up with `targets` languages: measured with as many, or with more. None where that is unknown.

        Without a number, which is a server's case, what keeps up with most of those that were measured.
        """
        enough = [count for count in self.translators if targets is None or count >= targets]
        if not enough:
            return None
        return self.translators[max(enough) if targets is None else min(enough)]


def this_machine(cores: int) -> str:
    """The processor's name, how many of its cores are ours, and its memory."""
    info = Path("/proc/cpuinfo")  # on Linux
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = psutil.virtual_memory().total / 2**30
    return f"{next(names, platform.processor() or platform.machine())}, {cores} cores, {memory:.0f} GiB"


def translator(
    found: Found | None, defaults: Defaults, here: Collection[str], *, targets: int | None, hurried: bool = True
) -> str:
    """The name of the translator of speech into `targets` languages at once; None: nobody knows yet how many.

    `found` is None for a GPU, which keeps up with the larger one of the defaults. `hurried` says whether it has to keep
    up at all: a recording without a clock does not. What is not `here`, among the models that were fetched, is not
    taken, except the default that everybody has.
    """
    if not hurried and defaults.text_llm in here:
        return defaults.text_llm
    best = found.translator(targets) if found else defaults.text_llm
    return best if best is not None and best in here else defaults.llm


def recall(root: Path, machine: str) -> Found:
    """What is known of `machine` in the folder of models; nothing, if that. Raises UserError for a damaged file."""
    file = root / FILE
    if not file.exists():
        return Found(machine, {})
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Found)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UserError(f"can't read {file} ({error}): remove it, and run `surtitle check` again") from error
    return found if found.machine == machine else Found(machine, {})


def remember(root: Path, machine: str, translators: Mapping[int, str | None]) -> None:
    """Keep what was found out now, and what was before with other numbers of languages.

    Raises UserError if the file is damaged or can't be written.
    """
    file, new = root / FILE, root / f"{FILE}.new"
    known = dict(sorted({**recall(root, machine).translators, **translators}.items()))
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(Found(machine, known))))
        new.replace(file)
    except OSError as error:
        raise UserError(f"can't write {file} ({error}): expected a writable folder with free space") from error
