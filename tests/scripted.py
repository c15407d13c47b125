"""Models that are scripts: ears that hear a sentence over and over, and a translator that shouts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
from e2e_running import free_port
from rich.console import Console

from surtitle.pipeline.assembly import ModelNames, Models
from surtitle.pipeline.broadcast import OutputPaths
from surtitle.pipeline.events import SAMPLE_RATE, CaptionMode, Drafted, Samples, Translated, Word
from surtitle.pipeline.gate import Quiet
from surtitle.pipeline.interpreter import Interpreter
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.runner import Run, ServerOptions
from surtitle.pipeline.tokens import Tokens
from surtitle.pipeline.workers import Workers

SENTENCE = ["We", "will", "meet", "again."]
SAID = "We will meet again."


class ScriptedEars:
    """A word for every half second, by the number of samples alone."""

    def __init__(self, gate: Callable[[], object] = lambda: None, sentence: Sequence[str] = SENTENCE) -> None:
        self.samples = 0
        self.backlogs: list[float] = []
        self._gate = gate
        self._sentence = sentence
        self._words = 0

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self._gate()
        self.samples += len(samples)
        self.backlogs.append(backlog)
        return list(self._until(self.samples // (SAMPLE_RATE // 2)))

    def pause(self) -> list[Heard]:
        return [Quiet(self.samples / SAMPLE_RATE)]

    def skip(self, samples: int) -> list[Heard]:
        return [*self.push(np.zeros(samples, np.float32)), *self.pause()]

    def flush(self) -> list[Heard]:
        return [*self._until(-(-self.samples // (SAMPLE_RATE // 2))), Quiet(self.samples / SAMPLE_RATE)]

    @property
    def pending(self) -> tuple[Word, ...]:
        return ()

    def _until(self, count: int) -> Iterator[Word]:
        while self._words < count:
            start = self._words / 2
            yield Word(self._sentence[self._words % len(self._sentence)], start, start + 0.4, 0.9)
            self._words += 1


class ScriptedTranslator:
    """Shouts in all languages, the last one first; counts what it was asked."""

    def __init__(self, targets: Sequence[str] = ("es",), gate: Callable[[], object] = lambda: None) -> None:
        self.targets = tuple(targets)
        self.finals: list[str] = []
        self.drafts: list[str] = []
        self.drafted = threading.Event()
        self.hopeless = False
        self.rests = 0
        self.resting = threading.Event()
        self.restless = False  # whether a rest has no end of itself
        self._gate = gate

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        self.finals.append(text)
        for target in reversed(self.targets):
            if target == spoken:
                continue
            self._gate()
            wrote(target, 1)
            wrote(target, 2)
            yield target, Translated(text, True) if self.hopeless else Translated(text.upper())

    def give_up(self, text: str, spoken: str) -> Iterator[tuple[str, Translated]]:
        for target in self.targets:
            yield target, Translated(text, untranslated=True)

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        """Sure of its first word, if it is to be of any."""
        self.drafts.append(text)
        self.drafted.set()
        for target in self.targets:
            yield target, Drafted(text.upper(), len(text.split()[0]) * (" " in text and binds))

    def abandon(self) -> None:
        """Nothing stays of a draft here."""

    def retarget(self, targets: Sequence[str]) -> None:
        self.targets = tuple(targets)

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """As long as it may."""
        self.rests += 1
        self.resting.set()
        while self.restless and not stop() and not pause():
            threading.Event().wait(0.001)

    def figures(self) -> dict[str, int]:
        return {"retries": 1, "evictions": 2, "cache_tokens": 30, "cache_tokens_max": 20}


class ScriptedModels:
    """What `assembly.Models` is to a run."""

    def __init__(self, gate: Callable[[], object] = lambda: None) -> None:
        """`gate` is called on the recogniser's thread before it hears anything."""
        self.names = ModelNames("scripted-ears", "scripted-translator")
        self.workers = Workers(ThreadPoolExecutor(1), ThreadPoolExecutor(1))
        self._gate = gate

    def recognizer(self, languages: Sequence[str], glossary: object) -> ScriptedEars:
        return ScriptedEars(self._gate)

    def interpreter(self, sources: Sequence[str], targets: Sequence[str], *args: object, **more: object) -> Interpreter:
        return Interpreter(
            lambda source, wanted: cast(Any, _From(source, wanted)), sources, targets, tell=lambda message: None
        )


class _From(ScriptedTranslator):
    """A translator from one language, which an interpreter need not tell it again."""

    def __init__(self, source: str, targets: Sequence[str]) -> None:
        super().__init__(targets)
        self._source = source

    def translate(self, text: str, spoken: str = "", **more: Any) -> Iterator[tuple[str, Translated]]:
        return super().translate(text, self._source, **more)

    def draft(self, text: str, *stop: Any, binds: bool) -> Iterator[tuple[str, Drafted]]:
        return super().draft(text, self._source, stop[-1], binds=binds)


@asynccontextmanager
async def scripted_server(
    *,
    models: ScriptedModels | None = None,
    tokens: Callable[[], Tokens] = Tokens,
    captions: CaptionMode = "final",
    max_sessions: int = 4,
    outputs: OutputPaths | None = None,
    console: Console | None = None,
) -> AsyncIterator[str]:
    """`surtitle serve` with scripted models, in this process: its address."""
    console = console or Console(quiet=True)
    run = Run(cast(Models, models or ScriptedModels()), window=1024, console=console, captions=captions)
    options = ServerOptions(port=free_port(), tokens=tokens)
    serve = run.serve(outputs=outputs or OutputPaths(), server=options, max_sessions=max_sessions)
    serving = asyncio.create_task(serve)
    for _ in range(1000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", options.port)
            writer.close()
            break
        except ConnectionError:
            await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{options.port}"
    finally:
        serving.cancel()
        await asyncio.wait((serving,))


async def eventually(holds: Callable[[], bool]) -> None:
    """Return once `holds()`, within ten seconds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
