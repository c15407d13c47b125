"""A session driven by scripts: what it is given, and everything it published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import numpy as np
from scripted import SENTENCE, ScriptedEars, ScriptedTranslator

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    CaptionMode,
    Event,
    Item,
    Samples,
    SessionStart,
    Word,
)
from surtitle.pipeline.pacing import Clock, RealClock, VirtualClock
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.session import Session
from surtitle.pipeline.workers import Workers


def blocks(seconds: float, length: int = 1600) -> list[Samples]:
    return [np.zeros(length, np.float32)] * round(seconds * SAMPLE_RATE / length)


async def chunks(seconds: float) -> AsyncIterator[Item]:
    """As fast as they are taken."""
    for index, block in enumerate(blocks(seconds)):
        yield AudioChunk(block, index / 10)
        await asyncio.sleep(0)


class GuessingEars(ScriptedEars):
    """Guesses each word one before it commits it, and never what it is."""

    def __init__(self, sentence: Sequence[str] = SENTENCE, guess: str = "?") -> None:
        super().__init__(sentence=sentence)
        self._guess = guess.split()

    def flush(self) -> list[Heard]:
        self._guess = []
        return super().flush()

    @property
    def pending(self) -> tuple[Word, ...]:
        start = self._words / 2
        return tuple(Word(text, start, start + 0.4, 0.5) for text in self._guess)


async def captioned(
    audio: AsyncIterator[Item],
    workers: Workers,
    *,
    kind: Literal["real", "virtual"] = "virtual",
    clock: Clock | None = None,
    sources: tuple[str, ...] = ("en",),
    ears: ScriptedEars | None = None,
    translator: ScriptedTranslator | None = None,
    captions: CaptionMode = "final",
    hastened: bool = True,
    told: Callable[[Event], object] = ignore,
    idle: Callable[[], object] = ignore,
) -> list[Event]:
    """Everything that a session published, checked to begin and end as every session does; `told` hears each event as
    it comes. `clock` is by default one of its `kind`.
    """
    events: list[Event] = []
    translator = translator or ScriptedTranslator()
    start = SessionStart("s", sources, translator.targets, {}, kind)

    def publish(event: Event) -> None:
        events.append(event)
        told(event)

    session = Session(
        start,
        ears or ScriptedEars(),
        translator,
        clock=clock or (RealClock() if kind == "real" else VirtualClock()),
        workers=workers,
        publish=publish,
        captions=captions,
        hastened=hastened,
        idle=idle,
    )
    end = await session.run(audio)
    assert events[0] == start
    assert events[-1] == end
    return events


def shown(events: list[Event]) -> list[tuple[int, str, str]]:
    return [(event.cue, event.language, event.text) for event in events if isinstance(event, Caption)]
