"""Two sessions over one recogniser and one translator: they take turns, however much waits in either."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np

from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    Drafted,
    Event,
    Gap,
    Samples,
    SessionStart,
    Translated,
    Word,
)
from surtitle.pipeline.gate import Quiet
from surtitle.pipeline.pacing import RealClock
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.session import Session
from surtitle.pipeline.workers import Workers

SECONDS = 20


class Thread(ThreadPoolExecutor):
    """A model's thread; its first job goes on when a second one waits."""

    def __init__(self) -> None:
        super().__init__(1)
        self.turns: list[str] = []
        """Whose the jobs were, as often as they say so."""
        self.others_wait = threading.Event()
        self._jobs = 0

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        self._jobs += 1
        if self._jobs == 2:
            self.others_wait.set()
        return super().submit(*args, **kwargs)

    def take_turn(self, name: str) -> None:
        self.turns.append(name)
        assert self.others_wait.wait(10)


class Ears:
    """A sentence of one word a second."""

    def __init__(self, name: str, thread: Thread) -> None:
        self._name, self._thread = name, thread
        self._seconds = 0

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self._thread.take_turn(self._name)
        self._seconds += 1
        return [Word("Yes.", self._seconds - 1, self._seconds - 0.1, 0.9)]

    def pause(self) -> list[Heard]:
        return []

    def skip(self, samples: int) -> list[Heard]:
        return []

    def flush(self) -> list[Heard]:
        return [Quiet(float(self._seconds))]

    @property
    def pending(self) -> tuple[Word, ...]:
        return ()


class Translator:
    """Says no."""

    def __init__(self, name: str, thread: Thread) -> None:
        self._name, self._thread = name, thread

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        self._thread.take_turn(self._name)
        yield "es", Translated("No.")

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        yield from ()

    def rest(self, stop: Callable[[], bool], pause: Callable[[], bool]) -> None:
        """There is nothing to read again."""

    def figures(self) -> dict[str, int]:
        return {}


async def spoken(first: int, more: asyncio.Event) -> AsyncIterator[AudioChunk | Gap]:
    """So many seconds of audio at once, the rest when there is to be more."""
    for second in range(SECONDS):
        if second == first:
            await more.wait()
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), float(second))


def longest_run(turns: list[str]) -> int:
    return max(len(list(run)) for _, run in groupby(turns))


async def test_two_sessions_take_turns_on_the_models_threads() -> None:
    others_wait = asyncio.Event()
    published: dict[str, list[Event]] = {"hall": [], "cellar": []}
    with Thread() as asr, Thread() as llm:

        async def run(name: str, first: int) -> None:
            await Session(
                SessionStart(name, ("en",), ("es",), {}, "real", name),
                Ears(name, asr),
                Translator(name, llm),
                clock=RealClock(),
                workers=Workers(asr, llm),
                publish=published[name].append,
            ).run(spoken(first, others_wait))

        async with asyncio.TaskGroup() as group:
            group.create_task(run("hall", SECONDS // 2))
            group.create_task(run("cellar", SECONDS))
            await asyncio.to_thread(asr.others_wait.wait, 10)
            others_wait.set()
    # half of what is said in the hall was there first, and still the cellar is heard after its first second
    assert sorted(asr.turns) == ["cellar"] * SECONDS + ["hall"] * SECONDS
    assert longest_run(asr.turns) <= 2  # one more where a job ends just as the other's is handed in
    segments = len(llm.turns) // 2
    assert segments > 4
    assert sorted(llm.turns) == ["cellar"] * segments + ["hall"] * segments
    assert longest_run(llm.turns) <= 2
    for events in published.values():
        said = [event.cue for event in events if isinstance(event, Caption) and event.role == "target"]
        assert said == list(range(segments))
