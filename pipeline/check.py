"""`surtitle check`: what this machine has, and which models keep up with speech on it.

In: a model store, shares of the cores, the languages that captions are wanted in. Out: a report, the choice of a
translator that `choice.py` keeps, and exit status 0 if the default models are here and one keeps up. Both models are
measured at once, on the cores they would have, because alone they are faster. Knows no session.
"""

from __future__ import annotations

import errno
import platform
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

import psutil
from rich.console import Console
from rich.table import Table

from surtitle.pipeline.assembly import Cores, Ears, available_cores, share_cores
from surtitle.pipeline.choice import remember, this_machine
from surtitle.pipeline.devices import list_devices
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, Samples
from surtitle.pipeline.files import decode
from surtitle.pipeline.languages import Language, Pair, find_language
from surtitle.pipeline.store import ModelRow, ModelStore
from surtitle.pipeline.translator import Translator

SPEECH = 4.3
"""Target tokens a second of speech: 2.5 words a second, 1.7 tokens a word."""
HEADROOM = 0.75
"""Share of real time that a model may use: the rest is for sentences that come in a burst."""
ROOM = 1.3
"""Memory that must be free, for each byte of a translator's weights, so that it is measured."""
_LINES = {
    "en": (
        "The committee will meet again on Thursday to discuss the budget for the coming year.",
        "We had hoped for better weather, but the rain did not stop until late in the evening.",
        "If you have any questions about the programme, please ask them after the second talk.",
    ),
    "es": (
        "El comité se reunirá de nuevo el jueves para hablar del presupuesto del año que viene.",
        "Esperábamos mejor tiempo, pero la lluvia no paró hasta muy entrada la noche.",
        "Si tienen alguna pregunta sobre el programa, háganla después de la segunda charla, por favor.",
    ),
    "de": (
        "Der Ausschuss trifft sich am Donnerstag wieder, um über den Haushalt des kommenden Jahres zu reden.",
        "Wir hatten auf besseres Wetter gehofft, aber der Regen hörte bis spät am Abend nicht auf.",
        "Wenn Sie Fragen zum Programm haben, stellen Sie sie bitte nach dem zweiten Vortrag.",
    ),
}
"""What is translated, by the language that it is in: the first one that is not wanted, if there is one."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of real time a translator uses, and the recogniser beside it."""

    name: str
    share: float
    """Seconds of the translator's work per second of speech."""
    beside: float
    """Seconds of the recogniser's work per second of speech, meanwhile."""

    @property
    def keeps_up(self) -> bool:
        return max(self.share, self.beside) <= HEADROOM


def check(store: ModelStore, cores: Cores, *, pair: Pair, port: int, measure: bool, console: Console) -> int:
    """Print the report; 0 if the default models are here and, where measured, one keeps up with captions of `pair`.

    Measured is with all of its targets at once and with one of them. What keeps up is remembered as the choice if it
    was measured as sessions run: on the cores that they take unless told otherwise, and with every translator that is
    here and that this machine can hold.
    """
    spoken, *targets = [find_language(code) for code in (*pair.sources, *pair.targets)]
    _show_machine(cores, console)
    _show_devices(console)
    console.print(f"port {port}: {_port_state(port)}")
    installed = [row for row in store.list() if row.state == "present"]
    defaults = store.manifest.defaults
    here = [row.model.name for row in installed]
    missing = [name for name in (defaults.asr, defaults.llm, defaults.sample) if name not in here]
    console.print(f"models here: {', '.join(here) or 'none'}")
    if missing:
        console.print(f"missing: {', '.join(missing)}. Run: surtitle models fetch", style="yellow")
        return 1
    if not measure:
        return 0
    able = [
        row
        for row in installed
        if row.model.kind == "llm" and {*pair.sources, *pair.targets} <= set(row.model.languages)
    ]
    if not able:
        console.print(
            f"nothing measured: no translator here has {', '.join(pair.sources + pair.targets)} among its languages "
            "(surtitle models list)",
            style="yellow",
        )
        return 1
    fitting = _fitting(able, console)
    if not fitting:
        return 1
    loads = _measure(store, cores, fitting, spoken, targets)
    _show_loads(loads, console)
    best = {count: choose(of_count) for count, of_count in loads.items()}
    for count, load in best.items():
        _show_choice(count, load, console)
    settled = is_settled(able, fitting, psutil.virtual_memory().total)
    if settled and cores == share_cores(available_cores()):
        _remember(store, best, console)
    return 0 if best[len(targets)] else 1


def _fitting(translators: Sequence[ModelRow], console: Console) -> list[str]:
    """Those of `translators` that memory has room for; the others are named."""
    free = psutil.virtual_memory().available
    for row in translators:
        if row.bytes * ROOM > free:
            console.print(f"not measured: {row.model.name} needs {row.bytes * ROOM / 1e9:.1f} GB of free memory")
    return [row.model.name for row in translators if row.bytes * ROOM <= free]


def is_settled(translators: Sequence[ModelRow], fitting: Sequence[str], memory: int) -> bool:
    """Whether it is known for good which of `translators` are `fitting`: for others all the `memory` of this machine,
    in bytes, is too small."""
    return all(row.model.name in fitting or row.bytes * ROOM > memory for row in translators)


def pair_for(wanted: Sequence[str]) -> Pair:
    """What is translated where captions in `wanted` are: from a language that is not, or from one that then needs no
    translation itself."""
    spoken = next((code for code in _LINES if code not in wanted), next(iter(_LINES)))
    return Pair((spoken,), tuple(code for code in wanted if code != spoken))


def choose(loads: list[Load]) -> Load | None:
    """The most demanding translator that keeps up: it is the best one; None if none does."""
    return max((load for load in loads if load.keeps_up), key=lambda load: load.share, default=None)


def _remember(store: ModelStore, best: Mapping[int, Load | None], console: Console) -> None:
    """What sessions will take where no translator is named. A folder that others provide, read only, stays as it is."""
    try:
        remember(
            store.root,
            this_machine(available_cores()),
            {count: load.name if load else None for count, load in best.items()},
        )
    except UserError as error:
        console.print(f"the choice was not saved: {error}", style="yellow")
    else:
        taken = _taken(best, store.manifest.defaults.llm)
        console.print(f"Sessions use {taken} from now on, unless --llm names another.", style="dim")


def _taken(best: Mapping[int, Load | None], default: str) -> str:
    """What that is, in words: where none keeps up, they use the `default` all the same."""
    if not any(best.values()):
        return default
    return "this choice" if all(best.values()) else f"this choice, and {default} where none keeps up,"


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
        # as servers do, whom connections of one that stopped don't keep out
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return _why_not(error)
    return "free"


def _why_not(error: OSError) -> str:
    """Why a port is not free: one below 1024 may be for root alone, though nobody uses it."""
    state = "in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
    return f"{state}; choose another with --port"


def _measure(
    store: ModelStore, cores: Cores, translators: Sequence[str], spoken: Language, targets: Sequence[Language]
) -> dict[int, list[Load]]:
    """By the number of languages at once, one and all, what each translator takes."""
    sample = store.manifest.defaults.sample
    speech = list(decode(store.path(sample) / f"{sample}.wav"))
    ears = Ears(store.path(store.manifest.defaults.asr), threads=cores.asr)
    loads: dict[int, list[Load]] = {count: [] for count in sorted({1, len(targets)})}
    with ThreadPoolExecutor(1) as pool:
        for name in translators:
            engine = Engine(store.path(name), threads=cores.llm)
            for count, of_count in loads.items():
                translating = pool.submit(_translator_share, engine, spoken, targets[:count])
                heard = [_recogniser_share(ears, speech)]
                while not translating.done():
                    heard.append(_recogniser_share(ears, speech))
                of_count.append(Load(name, translating.result(), min(heard)))
            del engine  # before the next one is loaded: two may be more than there is room for
    return loads


def _recogniser_share(ears: Ears, speech: list[Samples]) -> float:
    recognizer = ears.recognizer(["en"])
    began = time.perf_counter()
    for block in speech:
        recognizer.push(block)
    recognizer.flush()
    seconds = sum(len(block) for block in speech) / SAMPLE_RATE
    return (time.perf_counter() - began) / seconds


def _translator_share(engine: Engine, spoken: Language, targets: Sequence[Language]) -> float:
    first, *lines = _LINES[spoken.code]
    translator = Translator(engine, spoken, targets)
    dict(translator.translate(first))  # it warms up
    written = -translator.tokens_written
    began = time.perf_counter()
    for line in lines:
        dict(translator.translate(line))
    seconds = time.perf_counter() - began
    return seconds / ((written + translator.tokens_written) / len(targets) / SPEECH)


def _show_loads(loads: Mapping[int, Sequence[Load]], console: Console) -> None:
    """Shares of real time, of 1."""
    table = Table(box=None, pad_edge=False)
    for heading in ("translator", "languages", "share of real time", "recogniser beside it", "keeps up"):
        table.add_column(heading)
    for count, of_count in loads.items():
        for load in of_count:
            verdict = "yes" if load.keeps_up else "no"
            table.add_row(load.name, str(count), f"{load.share:.2f}", f"{load.beside:.2f}", verdict)
    console.print(table)


def _show_choice(targets: int, best: Load | None, console: Console) -> None:
    languages = "one target language" if targets == 1 else f"{targets} target languages"
    if best is None:
        console.print(f"no translator here keeps up with {languages}: captions would fall behind", style="yellow")
    else:
        console.print(f"choice for {languages}: {best.name}")
