"""`surtitle check`: what this machine has, and which models keep up with speech on it.

In: a model store, shares of the cores, the languages that captions are wanted in. Out: a report, and exit status 0 if
the default models are here and keep up. Both models are measured at once, on the cores they would have, because alone
they are faster. Knows no session.
"""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from surtitle.pipeline.assembly import Cores
from surtitle.pipeline.devices import list_devices
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.files import decode
from surtitle.pipeline.languages import Language, find_language
from surtitle.pipeline.recognizer import Recognizer
from surtitle.pipeline.silero import SileroModel, SpeechProbability
from surtitle.pipeline.store import ModelStore
from surtitle.pipeline.translator import Translator
from surtitle.pipeline.whisper import Whisper

SPEECH = 4.3
"""Target tokens a second of speech: 2.5 words a second, 1.7 tokens a word."""
HEADROOM = 0.75
"""Share of real time that a model may use: the rest is for sentences that come in a burst."""
_LINES = (
    "The committee will meet again on Thursday to discuss the budget for the coming year.",
    "We had hoped for better weather, but the rain did not stop until late in the evening.",
    "If you have any questions about the programme, please ask them after the second talk.",
)


@dataclass(frozen=True, slots=True)
class Load:
    """How much of real time a model uses."""

    name: str
    share: float
    """Seconds of work per second of speech."""

    @property
    def keeps_up(self) -> bool:
        return self.share <= HEADROOM


def check(
    store: ModelStore, cores: Cores, *, targets: Sequence[Language], port: int, measure: bool, console: Console
) -> int:
    """Print the report; 0 if the default models are here and, where measured, keep up with captions in `targets`."""
    _show_machine(cores, console)
    _show_devices(console)
    console.print(f"port {port}: {_port_state(port)}")
    installed = [row.model for row in store.list() if row.state == "present"]
    missing = [name for name in (store.manifest.defaults.asr, store.manifest.defaults.llm) if not _has(store, name)]
    console.print(f"models here: {', '.join(model.name for model in installed) or 'none'}")
    if missing:
        console.print(f"missing: {', '.join(missing)}. Run: surtitle models fetch", style="yellow")
        return 1
    if not measure:
        return 0
    recogniser = store.manifest.defaults.asr
    wanted = {language.code for language in targets}
    translators = [model.name for model in installed if model.kind == "llm" and wanted <= set(model.languages)]
    if not translators:
        console.print(f"no model here translates into {', '.join(sorted(wanted))}", style="yellow")
        return 1
    loads = _measure(store, cores, recogniser, translators, targets)
    return _show_loads(loads, store.manifest.defaults.llm, len(targets), console)


def choose(loads: list[Load]) -> Load | None:
    """The most demanding translator that keeps up: it is the best one; None if none does."""
    return max((load for load in loads if load.keeps_up), key=lambda load: load.share, default=None)


def _has(store: ModelStore, name: str) -> bool:
    return any(row.model.name == name and row.state == "present" for row in store.list())


def _show_machine(cores: Cores, console: Console) -> None:
    packages = ("surtitle", "torch", "ctranslate2", "faster-whisper", "websockets")
    console.print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    console.print(", ".join(f"{name} {version(name)}" for name in packages))
    memory = psutil.virtual_memory()
    console.print(
        f"{psutil.cpu_count()} cores: {cores.asr} for the recogniser, {cores.llm} for the translator; "
        f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB of memory free"
    )


def _show_devices(console: Console) -> None:
    try:
        names = [f"{device.name}{' (default)' if device.default else ''}" for device in list_devices()]
        console.print(f"microphones: {', '.join(names) or 'none'}")
    except UserError as error:
        console.print(f"microphones: none ({error})")


def _port_state(port: int) -> str:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return f"taken ({error.strerror}); choose another with --port"
    return "free"


def _measure(
    store: ModelStore, cores: Cores, recogniser: str, translators: list[str], targets: Sequence[Language]
) -> list[Load]:
    sample = store.manifest.defaults.sample
    speech = list(decode(store.path(sample) / f"{sample}.wav")) if _has(store, sample) else []
    whisper = Whisper(store.path(recogniser), threads=cores.asr)
    loads: list[Load] = []
    with ThreadPoolExecutor(2) as pool:
        for name in translators:
            path = store.path(name)
            translating = pool.submit(_translator_share, path, cores.llm, targets)
            heard = _until_done(translating, lambda: _recogniser_share(whisper, speech))
            if heard and not loads:
                loads.append(Load(recogniser, min(heard)))
            loads.append(Load(name, translating.result()))
    return loads


def _until_done(other: Future[float], work: Callable[[], float]) -> list[float]:
    results = []
    while not other.done():
        results.append(work())
    return results


def _recogniser_share(whisper: Whisper, speech: list[Samples]) -> float:
    recognizer = Recognizer(whisper.transcribe, SpeechProbability(SileroModel()).push, languages=["en"])
    began = time.perf_counter()
    for block in speech:
        recognizer.push(block)
    recognizer.flush()
    seconds = sum(len(block) for block in speech) / SAMPLE_RATE
    return (time.perf_counter() - began) / seconds if seconds else 0.0


def _translator_share(folder: Path, threads: int, targets: Sequence[Language]) -> float:
    translator = Translator(Engine(folder, threads=threads), find_language("en"), targets)
    dict(translator.translate(_LINES[0]))  # the first one warms up
    written = -translator.tokens_written
    began = time.perf_counter()
    for line in _LINES[1:]:
        dict(translator.translate(line))
    seconds = time.perf_counter() - began
    return seconds / ((written + translator.tokens_written) / len(targets) / SPEECH)


def _show_loads(loads: list[Load], default: str, targets: int, console: Console) -> int:
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "share of real time", "keeps up"):
        table.add_column(heading)
    for load in loads:
        table.add_row(load.name, f"{load.share:.2f}", "yes" if load.keeps_up else "no")
    console.print(table)
    best = choose(loads[1:])
    if best is None:
        console.print("no installed translator keeps up: captions would fall behind live speech", style="yellow")
        return 1
    flag = "the default" if best.name == default else f"use it with --llm {best.name}"
    languages = "one target language" if targets == 1 else f"{targets} target languages"
    console.print(f"choice for {languages}: {best.name} ({flag})")
    return 0 if loads[0].keeps_up else 1
