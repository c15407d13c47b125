"""`surtitle.pipeline.session`: languages that come and go while somebody speaks, and the order of finals in each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from queue import Queue
from typing import Literal

import numpy as np
import pytest
from driven import GuessingEars, blocks, captioned, chunks, shown
from hand_clock import HandClock
from scripted import ScriptedEars, ScriptedTranslator, eventually

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Caption, Event, Item, Samples, Status, Targets, Word
from surtitle.pipeline.gate import Quiet
from surtitle.pipeline.pacing import VirtualClock
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.workers import Workers


class Dictated(ScriptedEars):
    """Hears what it is given, by the seconds of audio in which it is said."""

    def __init__(self, said: dict[float, list[Heard]]) -> None:
        super().__init__()
        self.said = said

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.samples += len(samples)
        return self.said.pop(self.samples / SAMPLE_RATE, [])

    def flush(self) -> list[Heard]:
        return []


@pytest.mark.parametrize("kind", ["virtual", "real"])
async def test_other_languages_are_told_and_what_follows_is_in_them(
    workers: Workers, kind: Literal["real", "virtual"]
) -> None:
    seen: list[Event] = []

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(4.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 2.0:
                await eventually(lambda: len(shown(seen)) == 3)
                yield Targets(("fr", "de"))
                yield Targets(("fr", "en", "de"))
                await eventually(lambda: seen[-1] == Targets(("fr", "en", "de")))
            yield chunk

    translator = ScriptedTranslator(["es", "de"])
    events = await captioned(
        changing(), workers, kind=kind, clock=VirtualClock(), translator=translator, told=seen.append
    )
    told = [event for event in events if isinstance(event, Targets)]
    assert told[-1] == Targets(("fr", "en", "de"))
    at = events.index(told[-1])
    assert {event.language for event in events[:at] if isinstance(event, Caption)} == {"en", "de", "es"}
    after = [(event.language, event.role) for event in events[at:] if isinstance(event, Caption)]
    assert sorted(after) == [("de", "target"), ("en", "target"), ("fr", "target")]


@pytest.mark.parametrize("kind", ["virtual", "real"])
async def test_finals_in_a_language_that_is_spoken_and_wanted_come_in_their_order(
    workers: Workers, kind: Literal["real", "virtual"]
) -> None:
    released = threading.Event()

    def told(event: Event) -> None:
        if isinstance(event, Caption):
            released.set()

    both: list[Heard] = [Speaks("es"), Word("Sí.", 0.0, 0.4, 0.9), Speaks("en"), Word("Yes.", 0.5, 0.9, 0.9)]
    ears = Dictated({1.0: [*both, Quiet(1.0)]})
    translator = ScriptedTranslator(["de", "en"], gate=lambda: released.wait(10))
    events = await captioned(
        chunks(2.0), workers, kind=kind, sources=("en", "es"), ears=ears, translator=translator, told=told
    )
    assert [cue for cue, language, _ in shown(events) if language == "en"] == [0, 1]
    assert [cue for cue, language, _ in shown(events) if language == "de"] == [0, 1]


async def test_what_is_said_waits_for_nothing_where_nothing_before_it_is_translated_into_its_language(
    workers: Workers,
) -> None:
    said, heard_in_time = threading.Event(), list[bool]()

    def told(event: Event) -> None:
        if isinstance(event, Caption) and event.language == "en" and event.cue == 1:
            said.set()

    ears = Dictated({1.0: [Word("Yes.", 0.0, 0.4, 0.9), Quiet(0.5), Word("No.", 0.6, 0.9, 0.9), Quiet(1.0)]})
    translator = ScriptedTranslator(["de", "en"], gate=lambda: heard_in_time.append(said.wait(10)))
    await captioned(
        chunks(2.0), workers, kind="real", sources=("en", "es"), ears=ears, translator=translator, told=told
    )
    assert heard_in_time == [True, True]


async def test_captions_that_need_no_translation_do_not_hide_that_translations_are_late(workers: Workers) -> None:
    released, clock, seen = threading.Event(), HandClock(), list[Event]()
    ears = Dictated({1.0: [Word("Yes.", 0.0, 0.4, 0.9), Quiet(0.5)], 9.0: [Word("No.", 8.0, 8.4, 0.9), Quiet(8.5)]})

    async def spoken() -> AsyncIterator[Item]:
        for index, block in enumerate(blocks(11.0)):
            clock.advance(0.1)
            if index == 80:
                released.set()
                await eventually(lambda: (0, "es", "YES.") in shown(seen))
                released.clear()
            yield AudioChunk(block, index / 10)
            await asyncio.sleep(0)
            if index == 95:
                await eventually(lambda: (1, "en", "No.") in shown(seen))
        released.set()

    translator = ScriptedTranslator(["en", "es"], gate=lambda: released.wait(10))
    await captioned(spoken(), workers, kind="real", clock=clock, ears=ears, translator=translator, told=seen.append)
    last = next(at for at, event in enumerate(seen) if isinstance(event, Caption) and event.text == "NO.")
    states = [event.state for event in seen[:last] if isinstance(event, Status)]
    assert "ok" not in states[states.index("behind") :]


async def test_finals_keep_their_order_while_a_language_is_added(workers: Workers) -> None:
    released, seen = threading.Event(), list[Event]()
    ears = Dictated(
        {
            0.5: [Speaks("fr"), Word("Oui.", 0.0, 0.2, 0.9), Quiet(0.5)],
            1.5: [Word("Non.", 1.0, 1.1, 0.9), Speaks("en"), Word("Yes.", 1.2, 1.4, 0.9), Quiet(1.5)],
        }
    )

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(2.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 1.0:
                await eventually(lambda: bool(shown(seen)))
                yield Targets(("es", "en"))
            yield chunk
        await eventually(lambda: (1, "fr", "Non.") in shown(seen))
        released.set()

    translator = ScriptedTranslator(["es"], gate=lambda: released.wait(10))
    events = await captioned(
        changing(), workers, kind="real", sources=("en", "fr"), ears=ears, translator=translator, told=seen.append
    )
    assert [text for _, language, text in shown(events) if language == "en"] == ["NON.", "Yes."]


async def test_finals_keep_their_order_while_a_language_is_dropped(workers: Workers) -> None:
    turns, seen = Queue[None](), list[Event]()
    ears = Dictated(
        {
            0.5: [Speaks("fr"), Word("Oui.", 0.0, 0.2, 0.9), Quiet(0.5)],
            1.0: [Speaks("en"), Word("Yes.", 0.6, 0.7, 0.9), Quiet(0.8), Word("No.", 0.8, 0.9, 0.9), Quiet(1.0)],
            1.5: [Word("Well.", 1.0, 1.4, 0.9), Quiet(1.5)],
        }
    )

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(2.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 0.5:
                await eventually(lambda: bool(shown(seen)))
                yield Targets(("es",))
            if isinstance(chunk, AudioChunk) and chunk.start == 1.0:
                for _ in range(2):
                    turns.put(None)
                await eventually(lambda: (1, "en", "Yes.") in shown(seen))  # of which the translation is still made
            yield chunk
        await eventually(lambda: not ears.said)
        for _ in range(9):
            turns.put(None)

    translator = ScriptedTranslator(["en", "es"], gate=lambda: turns.get(timeout=10))
    events = await captioned(
        changing(), workers, kind="real", sources=("en", "fr"), ears=ears, translator=translator, told=seen.append
    )
    assert [text for _, language, text in shown(events) if language == "en"] == ["OUI.", "Yes.", "No.", "Well."]


async def test_what_was_said_before_others_were_wanted_is_translated_first(workers: Workers) -> None:
    seen, released = list[Event](), threading.Event()

    async def changing() -> AsyncIterator[Item]:
        for index in range(3):
            yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 2.0 * index)
        await eventually(lambda: len(shown(seen)) == 3)  # as it was said
        yield Targets(("de",))
        released.set()
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 6.0)

    translator = ScriptedTranslator(gate=lambda: released.wait(10))
    events = await captioned(
        changing(), workers, kind="real", clock=VirtualClock(), translator=translator, told=seen.append
    )
    finals = [(cue, language) for cue, language, _ in shown(events) if language != "en"]
    assert finals == [(0, "es"), (1, "es"), (2, "es"), (3, "de")]


async def test_the_same_languages_once_more_are_no_news(workers: Workers) -> None:
    async def changing() -> AsyncIterator[Item]:
        yield Targets(("es",))
        async for chunk in chunks(2.0):
            yield chunk

    assert not [event for event in await captioned(changing(), workers) if isinstance(event, Targets)]


async def test_a_draft_in_a_language_that_came_back_is_shown_again(workers: Workers) -> None:
    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(2.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 1.5:
                yield Targets(("de",))
                yield Targets(("es",))
            yield chunk

    events = await captioned(changing(), workers, captions="live", ears=GuessingEars())
    at = events.index(Targets(("es",)))
    texts = [event.text for event in events[at:] if isinstance(event, Caption) and event.language == "es"]
    assert len(texts) > 1
