"""Models loaded and cores shared out: from names to the parts of a session.

In: how to load what hears and what translates. Out: recognisers and translators over shared weights. The recogniser
works in bursts on some of the cores; the translator may use all of them, since its threads sleep where others would
spin, and what the recogniser leaves would be idle. Where both want a core, the recogniser has most of it: what comes
late there, everything else waits for. Knows no audio source, no server and no command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from surtitle.pipeline.engine import WINDOW, Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Device
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.interpreter import Interpreter, OneSource
from surtitle.pipeline.languages import Pair, find_language
from surtitle.pipeline.listener import Hears
from surtitle.pipeline.recognizer import Recognizer
from surtitle.pipeline.remote import LIVE, Budget, Remote
from surtitle.pipeline.remotetranslator import RemoteTranslator
from surtitle.pipeline.silero import SileroModel, SpeechProbability
from surtitle.pipeline.state import SavedConversations
from surtitle.pipeline.translator import Translator
from surtitle.pipeline.whisper import Whisper
from surtitle.pipeline.workers import Workers

GIVES_WAY = 5
"""By how much the translator's threads are nicer (`nice(7)`) than all others: of a core that both want, the recogniser
has three quarters. With 10 the translator comes too late."""
HOT_CHARACTERS = 300
"""Of the glossary's terms, how much the recogniser is told to expect: its context is short."""

_GROUPS = Path("/sys/fs/cgroup")
QUOTA = (_GROUPS / "cpu.max", _GROUPS / "cpu/cpu.cfs_quota_us", _GROUPS / "cpu/cpu.cfs_period_us")
"""Where Linux says how much of the processors a container may use: control groups of version 2, and of version 1."""

SESSIONS = 1024
"""Sessions that a server may be asked for at a time: as many as may be spoken at once."""


class Hearing(Protocol):
    """What makes a new stream that hears one of some languages, by their ISO 639-1 codes, and expects some terms."""

    def __call__(self, languages: Sequence[str], glossary: Callable[[], Glossary] = ...) -> Hears: ...


@dataclass(frozen=True, slots=True)
class Cores:
    """How many threads each model gets."""

    asr: int
    llm: int


def _give_way() -> None:
    """Of this thread, and those it starts, such as an engine's: on Linux alone, where threads can differ in that."""
    if sys.platform == "linux":
        os.nice(GIVES_WAY)


def share_cores(available: int, asr: int | None = None, llm: int | None = None) -> Cores:
    """Half for the recogniser (at most 4), all for the translator (at most 8), and what is given as it is.

    More than that many threads spend their time waiting for each other: the products of one token are small.
    """
    return Cores(asr=asr or max(1, min(4, available // 2)), llm=llm or min(8, available))


def available_cores() -> int:
    """Cores that this process may use: its affinity mask and its container's share of time count."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, quota_cores(*map(_text_of, QUOTA)) or cores)


def quota_cores(limit: str, quota: str, period: str) -> int | None:
    """Return how many cores' time a control group may take, rounded up; None where it has no limit.

    Args:
        limit: Of version 2, `cpu.max`: microseconds, or `max`, in a period of so many.
        quota: Of version 1, `cpu.cfs_quota_us`: microseconds, or -1.
        period: Of version 1, `cpu.cfs_period_us`.

    What is empty is not there.
    """
    words = limit.split() or [quota.strip(), period.strip()]
    if not all(word.isdecimal() and int(word) for word in words) or len(words) != 2:
        return None
    taken, of = map(int, words)
    return -(-taken // of)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):  # no such group, or no such system
        return ""


@dataclass(frozen=True, slots=True)
class ModelNames:
    """What the log says was used."""

    asr: str
    llm: str | None
    """None: nothing is translated."""

    def check(self, pair: Pair) -> None:
        """Raises UserError where `pair` needs a translator, and there is none."""
        if self.llm is None and pair.translations:
            raise UserError(
                f"got {', '.join(pair.targets)}, expected only {', '.join(pair.sources)}: no translator was loaded, "
                f"as none was needed at the start; to add translations later, start with --llm NAME"
            )


class Ears:
    """What real recognisers share."""

    def __init__(self, folder: Path, *, threads: int, device: Device = "cpu") -> None:
        """Load the recogniser in `folder`. Raises UserError if it holds none, and where there is no GPU or no
        library for it."""
        self._whisper = Whisper(folder, threads=threads, device=device)
        self._silero = SileroModel()

    def recognizer(self, languages: Sequence[str], glossary: Callable[[], Glossary] = Glossary) -> Recognizer:
        """A new stream that hears `languages`, whichever of them is spoken, and expects the terms of `glossary`.

        Raises UserError for any but English if the model knows no other.
        """
        if self._whisper.knows_english_alone and set(languages) != {"en"}:
            spoken = ", ".join(languages)
            raise UserError(f"the recogniser knows only English, and {spoken} may be spoken: choose another with --asr")
        whisper, speech = self._whisper, SpeechProbability(self._silero)
        return Recognizer(
            whisper.transcribe,
            speech.push,
            languages=languages,
            identify=whisper.likelihoods,
            hot_words=lambda language: glossary().hot_words(language, HOT_CHARACTERS),
        )


class Models:
    """Everything that is loaded once, and shared by the sessions of this process."""

    def __init__(
        self, names: ModelNames, *, ears: Callable[[], Hearing], engine: Callable[[], Engine | Remote] | None
    ) -> None:
        """Load what hears and what translates, beside each other.

        `ears` is called on the recogniser's thread, and returns what makes a new stream that hears some languages;
        `engine` is called on the translator's, and is None where nothing is translated. What they raise is raised here.
        """
        self.names = names
        asr, llm = ThreadPoolExecutor(1, "asr"), ThreadPoolExecutor(1, "llm", initializer=_give_way)
        hearing, translating = asr.submit(ears), llm.submit(engine) if engine else None
        self.recognizer = hearing.result()
        self._engine = translating.result() if translating else None
        if isinstance(self._engine, Remote):  # whose sessions wait for a server, and not for each other
            llm.shutdown()
            llm = ThreadPoolExecutor(SESSIONS, "llm")
        self.workers = Workers(asr, llm)

    def interpreter(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        window: int = WINDOW,
        *,
        beams: int = 1,
        promises: bool = False,
        budget: Budget = LIVE,
        glossary: Callable[[], Glossary] = Glossary,
        state: SavedConversations | None = None,
        tell: Callable[[str], object],
    ) -> Interpreter:
        """New conversations for the targets; reads each prompt, so it takes a moment. See `Translator`.

        `budget` is for a model behind an endpoint, which nobody can hurry. `tell` hears why something can't be
        translated.
        They go on from `state`. Raises ValueError where that does not fit, UserError where a GPU holds no more.
        """

        def make(source: str, targets: tuple[str, ...]) -> OneSource:
            spoken, languages = find_language(source), [find_language(target) for target in targets]
            if self._engine is None:
                raise UserError("no translator was loaded, since nothing was to be translated")
            if isinstance(self._engine, Remote):
                return RemoteTranslator(
                    self._engine, spoken, languages, window=window, budget=budget, glossary=glossary
                )
            return Translator(
                self._engine, spoken, languages, window=window, beams=beams, promises=promises, glossary=glossary
            )

        return self.workers.llm.submit(Interpreter, make, sources, targets, state=state, tell=tell).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and isinstance(self._engine, Remote):  # a server may take minutes to answer
            self._engine.interrupt()
        for worker in (self.workers.asr, self.workers.llm):
            worker.shutdown(wait=True, cancel_futures=True)
        if isinstance(self._engine, Remote):  # not before: who still waits gets an answer, or hears that none came
            self._engine.close()
