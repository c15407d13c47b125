"""`surtitle.pipeline.session`: audio that comes too fast, too late or not at all, and who is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np
import pytest
from driven import blocks, captioned, chunks, shown
from hand_clock import HandClock
from scripted import SAID, ScriptedEars, ScriptedTranslator, eventually

from surtitle.pipeline.arrivals import STALL
from surtitle.pipeline.backlog import BACKLOG
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    Event,
    Gap,
    Item,
    Samples,
    SessionEnd,
    Status,
    Translated,
)
from surtitle.pipeline.gate import Closed
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.session import TURN
from surtitle.pipeline.workers import Workers


async def test_a_recogniser_that_falls_far_behind_loses_the_oldest_audio_and_a_gap_says_so(workers: Workers) -> None:
    released = threading.Event()
    seconds = BACKLOG + 20

    async def flood() -> AsyncIterator[Item]:
        async for chunk in chunks(seconds):
            yield chunk
        released.set()

    ears = ScriptedEars(gate=lambda: released.wait(10))
    events = await captioned(flood(), workers, kind="real", ears=ears)
    (gap,) = (event for event in events if isinstance(event, Gap))
    assert gap.why == "overload"
    assert gap.start < 1.0
    assert gap.end - gap.start == pytest.approx(BACKLOG / 2, abs=1.0)
    assert ears.samples == seconds * SAMPLE_RATE  # what was skipped is silence: time stays right
    assert max(ears.backlogs) > BACKLOG / 2 - 1


async def test_a_microphone_that_was_gone_for_long_is_no_backlog(workers: Workers) -> None:
    released, away = threading.Event(), BACKLOG + 20

    async def unplugged() -> AsyncIterator[Item]:
        second = np.zeros(SAMPLE_RATE, np.float32)
        yield AudioChunk(second, 0.0)
        yield AudioChunk(second, 1.0)
        yield Gap(2.0, away, "device")
        yield AudioChunk(second, away)
        released.set()

    ears = ScriptedEars(gate=lambda: released.wait(10))
    events = await captioned(unplugged(), workers, kind="real", ears=ears)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(2.0, away, "device")]
    assert ears.samples == (away + 1) * SAMPLE_RATE


async def test_one_chunk_that_is_longer_than_the_bound_is_heard_whole(workers: Workers) -> None:
    async def one() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(round((BACKLOG + 6) * SAMPLE_RATE), np.float32), 0.0)

    ears = ScriptedEars()
    events = await captioned(one(), workers, kind="real", ears=ears)
    assert ears.samples == (BACKLOG + 6) * SAMPLE_RATE
    assert not [event for event in events if isinstance(event, Gap)]


async def test_on_the_real_clock_viewers_are_told_how_the_session_fares(workers: Workers) -> None:
    async def unplugged() -> AsyncIterator[Item]:
        second = np.zeros(SAMPLE_RATE, np.float32)
        yield AudioChunk(second, 0.0)
        yield Gap(1.0, 3.0, "device")
        await asyncio.sleep(0.01)
        yield AudioChunk(second, 3.0)

    events = await captioned(unplugged(), workers, kind="real")
    assert [event.state for event in events if isinstance(event, Status)] == ["ok", "device", "ok"]
    gap = next(index for index, event in enumerate(events) if isinstance(event, Gap))
    assert isinstance(told := events[gap + 1], Status)
    assert told.state == "device"


async def test_a_translation_that_is_stuck_is_told_while_the_audio_goes_on(workers: Workers) -> None:
    released, clock = threading.Event(), HandClock()

    async def spoken() -> AsyncIterator[Item]:
        for index, block in enumerate(blocks(20.0)):
            clock.advance(0.1)
            yield AudioChunk(block, index / 10)
            await asyncio.sleep(0.001)
        released.set()

    translator = ScriptedTranslator(gate=lambda: released.wait(10))
    events = await captioned(spoken(), workers, kind="real", clock=clock, translator=translator)
    told = [event for event in events if isinstance(event, Status)]
    assert [(each.state, each.lag is None) for each in told][:2] == [("ok", True), ("ok", True)]
    assert ("behind", True) in [(each.state, each.lag is None) for each in told]
    assert told[-1].lag is not None


@pytest.mark.parametrize("goes_on", [True, False])
async def test_what_waited_a_minute_for_the_translator_is_given_up_while_more_is_said(
    goes_on: bool, workers: Workers
) -> None:
    released, clock = threading.Event(), HandClock()

    class Ears(ScriptedEars):
        def flush(self) -> list[Heard]:
            clock.advance(60.0)
            threading.Timer(0.05, released.set).start()  # by then the session knows that this was all
            return super().flush()

    ears, translator = Ears(), ScriptedTranslator(gate=lambda: released.wait(10))
    captions: list[Caption] = []

    async def spoken() -> AsyncIterator[Item]:
        for second in range(0, 90, 2):  # a sentence in each
            clock.advance(2.0)
            yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), second)
            await eventually(lambda heard=second + 2: ears.samples == heard * SAMPLE_RATE)
        if goes_on:
            released.set()
            await eventually(lambda: len(captions) == 45)

    def told(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            captions.append(event)

    await captioned(spoken(), workers, kind="real", clock=clock, ears=ears, translator=translator, told=told)
    assert [caption.cue for caption in captions] == list(range(45))
    given_up = [caption.cue for caption in captions if caption.untranslated]
    # the first was being translated; the 30th was said half a minute ago
    assert given_up == (list(range(1, 29)) if goes_on else [])
    assert len(translator.finals) == 45 - len(given_up)


async def test_on_the_virtual_clock_nothing_is_told(workers: Workers) -> None:
    assert not [event for event in await captioned(chunks(20.0), workers) if isinstance(event, Status)]


async def test_the_recogniser_is_told_how_much_audio_waits(workers: Workers) -> None:
    released = threading.Event()

    async def burst() -> AsyncIterator[Item]:
        async for chunk in chunks(3.0):
            yield chunk
        released.set()

    ears = ScriptedEars(gate=lambda: released.wait(10))
    await captioned(burst(), workers, kind="real", ears=ears)
    assert ears.backlogs[-1] == 0.0
    assert max(ears.backlogs) > 2.0


async def test_a_session_that_is_far_behind_takes_turns_with_others_on_the_same_recogniser(workers: Workers) -> None:
    order = list[str]()

    async def at_once(seconds: float, length: int) -> AsyncIterator[Item]:
        for index, block in enumerate(blocks(seconds, length)):
            yield AudioChunk(block, index * length / SAMPLE_RATE)

    def heard(name: str, seconds: float, length: int) -> Awaitable[list[Event]]:
        ears = ScriptedEars(gate=lambda: order.append(name))
        return captioned(at_once(seconds, length), workers, kind="real", ears=ears)

    # one has ten seconds in a single message, the other 50 in small ones
    await asyncio.gather(heard("behind", 50.0, 1600), heard("long message", 10.0, 10 * SAMPLE_RATE))
    per_turn = round(TURN * 10)
    assert order.count("long message") == 10
    assert order.count("behind") == 500
    last = len(order) - order[::-1].index("long message")
    assert order[:last].count("behind") <= per_turn * 11


async def test_a_source_that_stalls_and_returns_leaves_nothing_out(workers: Workers) -> None:
    heard = asyncio.Event()

    async def stalling() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 0.0)
        await heard.wait()
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 2.0)

    def told(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            heard.set()  # all that came before the stall is captioned before it ends

    events = await asyncio.wait_for(captioned(stalling(), workers, kind="real", told=told), 20)
    assert shown(events) == [
        (cue, language, text) for cue in (0, 1) for language, text in (("en", SAID), ("es", SAID.upper()))
    ]


class Hurried(ScriptedTranslator):
    """Asks at each segment whether there is time for another try."""

    def __init__(self) -> None:
        super().__init__()
        self.had_time: list[bool] = []

    def translate(
        self, text: str, spoken: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        self.had_time.append(in_time())
        return super().translate(text, spoken, in_time=in_time, wrote=wrote)


@pytest.mark.parametrize(("stalled", "had_time"), [(0.0, [True, False]), (20.0, [True, True])])
async def test_a_source_that_stalled_makes_nothing_late_and_a_slow_recogniser_does(
    stalled: float, had_time: list[bool], workers: Workers
) -> None:
    clock, translator, heard = HandClock(), Hurried(), asyncio.Event()

    async def stalling() -> AsyncIterator[Item]:
        clock.advance(2.0)
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 0.0)
        await heard.wait()
        clock.advance(2.0 + stalled)
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 2.0)

    def told(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            heard.set()
        if isinstance(event, Caption) and event.cue == 1 and event.role == "source" and not stalled:
            clock.advance(20.0)  # it took long to hear it

    session = captioned(stalling(), workers, kind="real", clock=clock, translator=translator, told=told)
    await asyncio.wait_for(session, 20)
    assert translator.had_time == had_time


class MutedEars(ScriptedEars):
    """Hears a word that stands behind a pause, of which it is not sure that it stays alone."""

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        found = super().push(samples, backlog=backlog)
        return [*found, Closed(self.samples / SAMPLE_RATE)] if found else []


async def test_a_source_that_stalls_behind_a_pause_ends_what_was_said_too(workers: Workers) -> None:
    clock, events, waited = HandClock(), list[Event](), asyncio.Event()

    async def muted() -> AsyncIterator[Item]:
        clock.advance(0.5)
        yield AudioChunk(np.zeros(SAMPLE_RATE // 2, np.float32), 0.0)
        await waited.wait()

    session = captioned(muted(), workers, kind="real", clock=clock, ears=MutedEars(), told=events.append)
    running = asyncio.ensure_future(session)
    await eventually(lambda: clock.advance(0.1) is None and len(shown(events)) == 2)
    assert clock.now() > STALL
    waited.set()
    await running


async def test_what_comes_in_long_pieces_has_not_stalled(workers: Workers) -> None:
    clock = HandClock()

    async def pieces() -> AsyncIterator[Item]:
        for index in range(3):
            for _ in range(60):
                await asyncio.sleep(0.001)
                clock.advance(0.1)
            yield AudioChunk(np.zeros(6 * SAMPLE_RATE, np.float32), 6.0 * index)

    events = await captioned(pieces(), workers, kind="real", clock=clock, ears=ScriptedEars(sentence=["and"]))
    # cut by their length alone: a pause would have ended one after each piece
    assert [len(text.split()) for _, language, text in shown(events) if language == "en"] == [11, 11, 11, 3]


async def test_what_was_said_before_a_source_stalled_is_captioned_while_it_sends_nothing(workers: Workers) -> None:
    clock, events, waited = HandClock(), list[Event](), asyncio.Event()

    async def muted() -> AsyncIterator[Item]:
        clock.advance(1.5)
        yield AudioChunk(np.zeros(3 * SAMPLE_RATE // 2, np.float32), 0.0)
        await waited.wait()
        clock.advance(60.0)
        yield AudioChunk(np.zeros(5 * SAMPLE_RATE // 2, np.float32), 1.5)

    running = asyncio.ensure_future(captioned(muted(), workers, kind="real", clock=clock, told=events.append))
    for _ in range(30):  # it has heard all that came, and waits
        await asyncio.sleep(0.01)
        clock.advance(0.09)
    assert [text for _, language, text in shown(events) if language == "es"] == []
    clock.advance(STALL)
    await eventually(lambda: len(shown(events)) == 2)
    waited.set()
    await running
    assert [text for _, language, text in shown(events) if language == "es"] == [
        "WE WILL MEET", "AGAIN. WE WILL MEET AGAIN.",
    ]  # fmt: skip
    assert isinstance(end := events[-1], SessionEnd)
    assert end.stats["lag_p95_ms"] < 10_000  # not by the minute in which nothing came
