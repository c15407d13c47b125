"""`surtitle.pipeline.session`: pauses, in which the translator puts its contexts in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from driven import captioned, chunks, shown
from scripted import SENTENCE, ScriptedEars, ScriptedTranslator

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Item, Samples, SessionEnd, Word
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.workers import Workers


class PausingEars(ScriptedEars):
    """A word for every half second, and a pause after each sentence that is as long."""

    _halves = 0

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.samples += len(samples)
        out: list[Heard] = []
        for half in range(self._halves, self.samples // (SAMPLE_RATE // 2)):
            place = half % (2 * len(SENTENCE))
            if place < len(SENTENCE):
                out.append(Word(SENTENCE[place], half / 2, half / 2 + 0.4, 0.9))
            elif place == len(SENTENCE):
                out += [Closed(half / 2), Quiet(half / 2)]
            self._halves = half + 1
        return out

    def flush(self) -> list[Heard]:
        return [Quiet(self.samples / SAMPLE_RATE)]


async def test_each_pause_is_used_once_and_not_while_somebody_speaks(workers: Workers) -> None:
    translator = ScriptedTranslator()
    events = await captioned(chunks(10.0), workers, ears=PausingEars(), translator=translator)
    assert translator.rests == 2  # three sentences
    assert len(shown(events)) == 6


async def until_it_rests(translator: ScriptedTranslator) -> AsyncIterator[Item]:
    """A sentence, and a pause in which `translator` begins a rest that has no end of itself."""
    translator.restless = True
    async for chunk in chunks(3.0):
        yield chunk
    await asyncio.to_thread(translator.resting.wait)


async def test_a_rest_ends_as_soon_as_somebody_speaks(workers: Workers) -> None:
    translator = ScriptedTranslator()

    async def and_then_more() -> AsyncIterator[Item]:
        async for item in until_it_rests(translator):
            yield item
        for index in range(30, 100):
            yield AudioChunk(np.zeros(1600, np.float32), index / 10)
            await asyncio.sleep(0)

    events = await captioned(and_then_more(), workers, kind="real", ears=PausingEars(), translator=translator)
    assert translator.rests >= 1
    assert len(shown(events)) == 6


async def test_a_rest_lets_other_sessions_have_their_turn(workers: Workers) -> None:
    translator = ScriptedTranslator()

    async def while_another_translates() -> AsyncIterator[Item]:
        async for item in until_it_rests(translator):
            yield item
        await asyncio.wrap_future(workers.llm.submit(translator.resting.clear))
        await asyncio.to_thread(translator.resting.wait)  # it goes on where it was

    await captioned(while_another_translates(), workers, kind="real", ears=PausingEars(), translator=translator)
    assert translator.rests > 1


async def test_a_rest_does_not_keep_a_session_whose_source_is_over(workers: Workers) -> None:
    translator = ScriptedTranslator()
    audio = until_it_rests(translator)
    events = await captioned(audio, workers, kind="real", ears=PausingEars(), translator=translator)
    assert isinstance(events[-1], SessionEnd)


async def test_a_pause_that_nobody_needs_is_told(workers: Workers) -> None:
    paused: list[int] = []
    translator = ScriptedTranslator()
    await captioned(
        chunks(10.0), workers, ears=PausingEars(), translator=translator, idle=lambda: paused.append(translator.rests)
    )
    assert paused == [0, 1]  # before it rests, which may not come to an end
