"""`surtitle.pipeline.session`: the order of events, with ears and a translator that are scripts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Literal

import numpy as np
import pytest
from hand_clock import HandClock
from scripted import SAID, SENTENCE, ScriptedEars, ScriptedTranslator

from surtitle.pipeline.arrivals import STALL
from surtitle.pipeline.backlog import BACKLOG
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    CaptionMode,
    Drafted,
    Event,
    Gap,
    Item,
    Samples,
    SessionEnd,
    SessionStart,
    Stamps,
    Status,
    Targets,
    Translated,
    Word,
)
from surtitle.pipeline.gate import Closed, Quiet
from surtitle.pipeline.pacing import Clock, RealClock, VirtualClock, paced
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.session import TURN, Session
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    with ThreadPoolExecutor(1) as asr, ThreadPoolExecutor(1) as llm:
        yield Workers(asr, llm)


def blocks(seconds: float, length: int = 1600) -> list[Samples]:
    return [np.zeros(length, np.float32)] * round(seconds * SAMPLE_RATE / length)


async def chunks(seconds: float) -> AsyncIterator[Item]:
    """As fast as they are taken."""
    for index, block in enumerate(blocks(seconds)):
        yield AudioChunk(block, index / 10)
        await asyncio.sleep(0)


async def captioned(
    audio: AsyncIterator[Item],
    workers: Workers,
    *,
    kind: Literal["real", "virtual"] = "virtual",
    clock: Clock | None = None,
    ears: ScriptedEars | None = None,
    translator: ScriptedTranslator | None = None,
    captions: CaptionMode = "final",
    hastened: bool = True,
    events: list[Event] | None = None,
) -> list[Event]:
    """Everything that a session published, checked to begin and end as every session does; in `events` as it comes."""
    events = [] if events is None else events
    translator = translator or ScriptedTranslator()
    start = SessionStart("s", ("en",), translator.targets, {}, kind)
    chosen = clock or VirtualClock()
    session = Session(
        start,
        ears or ScriptedEars(),
        translator,
        clock=chosen,
        workers=workers,
        publish=events.append,
        captions=captions,
        hastened=hastened,
    )
    end = await session.run(audio)
    assert events[0] == start
    assert events[-1] == end
    return events


async def happens(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)


def shown(events: list[Event]) -> list[tuple[int, str, str]]:
    return [(event.cue, event.language, event.text) for event in events if isinstance(event, Caption)]


async def test_each_sentence_is_shown_in_the_source_and_then_in_every_target_as_it_is_finished(
    workers: Workers,
) -> None:
    events = await captioned(chunks(4.0), workers, translator=ScriptedTranslator(["es", "de"]))
    text = "We will meet again."
    assert shown(events) == [
        (cue, language, text if language == "en" else text.upper()) for cue in (0, 1) for language in ("en", "de", "es")
    ]


@pytest.mark.parametrize("kind", ["virtual", "real"])
async def test_other_languages_are_told_and_what_follows_is_in_them(
    workers: Workers, kind: Literal["real", "virtual"]
) -> None:
    events: list[Event] = []

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(4.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 2.0:
                await happens(lambda: len(shown(events)) == 3)
                yield Targets(("fr", "de"))
                yield Targets(("fr", "en", "de"))
                await happens(lambda: events[-1] == Targets(("fr", "en", "de")))
            yield chunk

    translator = ScriptedTranslator(["es", "de"])
    await captioned(changing(), workers, kind=kind, translator=translator, events=events)
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
    released, events = threading.Event(), list[Event]()

    class Both(ScriptedEars):
        """Hears Spanish, and then English, at once."""

        def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
            self.samples += len(samples)
            said = [Speaks("es"), Word("Sí.", 0.0, 0.4, 0.9), Speaks("en"), Word("Yes.", 0.5, 0.9, 0.9)]
            return [*said, Quiet(1.0)] if self.samples == SAMPLE_RATE else []

        def flush(self) -> list[Heard]:
            return []

    def publish(event: Event) -> None:
        events.append(event)
        if isinstance(event, Caption):
            released.set()

    start = SessionStart("s", ("en", "es"), ("en", "de"), {}, kind)
    translator = ScriptedTranslator(["de", "en"], gate=lambda: released.wait(10))
    clock = RealClock() if kind == "real" else VirtualClock()
    session = Session(start, Both(), translator, clock=clock, workers=workers, publish=publish)
    await session.run(chunks(2.0))
    english = [event.cue for event in events if isinstance(event, Caption) and event.language == "en"]
    assert english == [0, 1]
    assert [cue for cue, language, _ in shown(events) if language == "de"] == [0, 1]


async def test_what_is_said_waits_for_nothing_where_nothing_before_it_is_translated_into_its_language(
    workers: Workers,
) -> None:
    told = threading.Event()

    class English(ScriptedEars):
        def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
            self.samples += len(samples)
            said = [Word("Yes.", 0.0, 0.4, 0.9), Quiet(0.5), Word("No.", 0.6, 0.9, 0.9), Quiet(1.0)]
            return said if self.samples == SAMPLE_RATE else []

        def flush(self) -> list[Heard]:
            return []

    def publish(event: Event) -> None:
        if isinstance(event, Caption) and event.language == "en" and event.cue == 1:
            told.set()

    start = SessionStart("s", ("en", "es"), ("en", "de"), {}, "real")
    translator = ScriptedTranslator(["de", "en"], gate=lambda: heard_in_time.append(told.wait(10)))
    heard_in_time: list[bool] = []
    session = Session(start, English(), translator, clock=RealClock(), workers=workers, publish=publish)
    await session.run(chunks(2.0))
    assert heard_in_time == [True, True]


class Dictated(ScriptedEars):
    """Hears what it is given, by the half second in which it is said."""

    def __init__(self, said: dict[float, list[Heard]]) -> None:
        super().__init__()
        self._said = said

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.samples += len(samples)
        return self._said.pop(self.samples / SAMPLE_RATE, [])

    def flush(self) -> list[Heard]:
        return []


async def test_finals_keep_their_order_while_a_language_is_added(workers: Workers) -> None:
    released, events = threading.Event(), list[Event]()
    ears = Dictated(
        {
            0.5: [Speaks("fr"), Word("Oui.", 0.0, 0.2, 0.9), Quiet(0.5)],
            1.5: [Word("Non.", 1.0, 1.1, 0.9), Speaks("en"), Word("Yes.", 1.2, 1.4, 0.9), Quiet(1.5)],
        }
    )

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(2.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 1.0:
                await happens(lambda: bool(shown(events)))
                yield Targets(("es", "en"))
            yield chunk
        await happens(lambda: (1, "fr", "Non.") in shown(events))
        released.set()

    start = SessionStart("s", ("en", "fr"), ("es",), {}, "real")
    translator = ScriptedTranslator(["es"], gate=lambda: released.wait(10))
    session = Session(start, ears, translator, clock=RealClock(), workers=workers, publish=events.append)
    await session.run(changing())
    assert [text for _, language, text in shown(events) if language == "en"] == ["NON.", "Yes."]


async def test_finals_keep_their_order_while_a_language_is_dropped(workers: Workers) -> None:
    turns, events = Queue[None](), list[Event]()
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
                await happens(lambda: bool(shown(events)))
                yield Targets(("es",))
            if isinstance(chunk, AudioChunk) and chunk.start == 1.0:
                for _ in range(2):
                    turns.put(None)
                await happens(lambda: (1, "en", "Yes.") in shown(events))  # of which the translation is still made
            yield chunk
        await happens(lambda: not ears._said)
        for _ in range(9):
            turns.put(None)

    start = SessionStart("s", ("en", "fr"), ("en", "es"), {}, "real")
    translator = ScriptedTranslator(["en", "es"], gate=lambda: turns.get(timeout=10))
    session = Session(start, ears, translator, clock=RealClock(), workers=workers, publish=events.append)
    await session.run(changing())
    assert [text for _, language, text in shown(events) if language == "en"] == ["OUI.", "Yes.", "No.", "Well."]


async def test_the_same_languages_once_more_are_no_news(workers: Workers) -> None:
    async def changing() -> AsyncIterator[Item]:
        yield Targets(("es",))
        async for chunk in chunks(2.0):
            yield chunk

    assert not [event for event in await captioned(changing(), workers) if isinstance(event, Targets)]


async def test_a_draft_in_a_language_that_came_back_is_shown_again(workers: Workers) -> None:
    events: list[Event] = []

    async def changing() -> AsyncIterator[Item]:
        async for chunk in chunks(2.0):
            if isinstance(chunk, AudioChunk) and chunk.start == 1.5:
                yield Targets(("de",))
                yield Targets(("es",))
            yield chunk

    await captioned(changing(), workers, captions="live", events=events, ears=GuessingEars())
    at = events.index(Targets(("es",)))
    texts = [event.text for event in events[at:] if isinstance(event, Caption) and event.language == "es"]
    assert len(texts) > 1


async def test_captions_are_final_whole_and_know_when_they_were_said(workers: Workers) -> None:
    events = await captioned(paced(blocks(2.0), clock := VirtualClock()), workers, clock=clock)
    source, target = (event for event in events if isinstance(event, Caption))
    assert (source.role, target.role) == ("source", "target")
    assert [target.start, target.end, target.audio, target.elapsed] == pytest.approx([0.0, 1.9, 2.0, 2.0])
    assert source.final
    assert target.final
    assert target.stable == len(target.text)


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


async def test_finals_carry_when_they_passed_each_stage(workers: Workers) -> None:
    audio = paced(blocks(4.0), clock := VirtualClock())
    events = await captioned(audio, workers, clock=clock, ears=GuessingEars())
    source, target, *_ = (event for event in events if isinstance(event, Caption))
    # the fourth word ended at 1.9: it was guessed at 1.5, committed at 2.0, and translating took no time
    assert source.stamps == Stamps(recognised=1.5, committed=2.0)
    assert target.stamps == Stamps(recognised=1.5, committed=2.0, first_token=2.0, last_token=2.0)
    assert isinstance(end := events[-1], SessionEnd)
    assert (end.stats["recognised_p50_ms"], end.stats["committed_p50_ms"], end.stats["lag_p50_ms"]) == (-400, 100, 100)


async def test_viewers_that_painted_a_caption_count_and_unknown_ones_do_not(workers: Workers) -> None:
    events: list[Event] = []
    audio = paced(blocks(4.0), clock := VirtualClock())
    start = SessionStart("s", ("en",), ("es",), {}, "virtual")

    def publish(event: Event) -> None:
        events.append(event)
        if isinstance(event, Caption):
            session.captioner.painted(event.cue, event.language)
            session.captioner.painted(event.cue, "fr")

    session = Session(start, ScriptedEars(), ScriptedTranslator(), clock=clock, workers=workers, publish=publish)
    await session.run(audio)
    assert isinstance(end := events[-1], SessionEnd)
    assert end.stats["painted_p50_ms"] == end.stats["lag_p50_ms"] == 100


async def test_the_virtual_clock_gives_the_same_events_on_every_run(workers: Workers) -> None:
    runs = []
    for _ in range(2):
        events = await captioned(paced(blocks(20.0), clock := VirtualClock()), workers, clock=clock)
        runs.append(events[:-1])
    assert runs[0] == runs[1]
    assert len(shown(runs[0])) == 20


@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0, 3.7, 9.1])
async def test_everything_heard_before_the_end_is_captioned_on_either_clock(seconds: float, workers: Workers) -> None:
    virtual = await captioned(chunks(seconds), workers)
    real = await captioned(chunks(seconds), workers, kind="real", clock=RealClock())
    assert sorted(shown(real)) == sorted(shown(virtual))  # the source need not wait for a translation
    said = " ".join(text for _, language, text in shown(real) if language == "en")
    assert len(said.split()) == -(-round(seconds * 10) // 5)


async def test_the_end_says_how_much_was_heard_and_what_it_took(workers: Workers) -> None:
    events = await captioned(chunks(4.0), workers)
    end = events[-1]
    assert isinstance(end, SessionEnd)
    assert end.audio == 4.0
    expected = {"segments": 2, "retries": 1, "evictions": 2, "cache_tokens": 30, "cache_tokens_max": 20}
    assert {name: end.stats[name] for name in expected} == expected
    assert {"asr_s", "llm_s", "lag_p50_ms", "lag_p95_ms", "rss_max_mb"} <= set(end.stats)


async def test_a_session_without_audio_has_a_start_and_an_end(workers: Workers) -> None:
    assert [type(event) for event in await captioned(chunks(0.0), workers)] == [SessionStart, SessionEnd]


async def test_gaps_of_the_source_are_published_and_time_stays_right(workers: Workers) -> None:
    async def broken() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 0.0)
        yield Gap(1.0, 2.0, "device")
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 2.0)

    ears = ScriptedEars()
    events = await captioned(broken(), workers, ears=ears)
    assert Gap(1.0, 2.0, "device") in events
    assert ears.samples == 3 * SAMPLE_RATE
    assert isinstance(end := events[-1], SessionEnd)
    assert end.audio == 3.0


async def test_samples_that_are_no_numbers_are_muted_and_a_gap_says_so(workers: Workers) -> None:
    async def poisoned() -> AsyncIterator[Item]:
        yield AudioChunk(np.full(SAMPLE_RATE, np.nan, np.float32), 0.0)

    events = await captioned(poisoned(), workers)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(0.0, 1.0, "invalid")]


async def test_drafts_are_asked_for_with_the_open_text_and_not_shown_in_whole_captions(workers: Workers) -> None:
    translator = ScriptedTranslator()

    async def until_drafted() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 0.0)
        await asyncio.to_thread(translator.drafted.wait)
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 1.0)

    ears = ScriptedEars(sentence=["Internationally", "acknowledged", "recommendations", "follow."])
    events = await captioned(until_drafted(), workers, kind="real", clock=RealClock(), ears=ears, translator=translator)
    assert translator.drafts == ["Internationally acknowledged"]
    assert translator.finals == ["Internationally acknowledged recommendations follow."]
    assert [text for _, _, text in shown(events)] == [translator.finals[0], translator.finals[0].upper()]


class SlowDrafts(ScriptedTranslator):
    """Drafts until a final waits, before or after what is made first, and asks then whether it is more urgent."""

    def __init__(self, events: list[Event], *, made: bool) -> None:
        super().__init__()
        self.stopped: list[bool] = []
        self._events = events
        self._made = made

    def draft(self, text: str, spoken: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        drafts = super().draft(text, spoken, stop, binds=binds)
        if self._made:
            yield next(drafts)
        else:
            self.drafts.append(text)
            self.drafted.set()
        while not any(isinstance(event, Caption) and event.final for event in self._events):
            threading.Event().wait(0.001)
        asked = (stop() or threading.Event().wait(0.001) for _ in range(20))  # it waits a moment after it is published
        self.stopped.append(any(asked))


@pytest.mark.parametrize(
    ("guess", "hastened", "made", "is_cut"),
    [
        ("We will meet again.", True, False, False),
        ("We will eat again.", True, False, True),
        ("We will meet again.", False, False, True),
        ("We will meet again.", True, True, True),
    ],
    ids=["its own", "another", "of no use", "made in a language"],
)
async def test_a_final_waits_for_the_draft_that_is_its_translation_and_for_no_other(
    guess: str, hastened: bool, made: bool, is_cut: bool, workers: Workers
) -> None:
    events: list[Event] = []
    translator = SlowDrafts(events, made=made)

    async def until_drafted() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(1600, np.float32), 0.0)
        await asyncio.to_thread(translator.drafted.wait)
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 0.1)

    await captioned(
        until_drafted(),
        workers,
        kind="real",
        clock=RealClock(),
        ears=GuessingEars(guess=guess),
        translator=translator,
        captions="live",
        hastened=hastened,
        events=events,
    )
    assert translator.drafts[0] == guess
    assert translator.stopped[0] is is_cut


@pytest.mark.parametrize(("captions", "drafted"), [("final", ["three more words"]), ("steady", [])])
async def test_guesses_are_drafted_on_the_real_clock_unless_what_is_shown_must_stand(
    captions: CaptionMode, drafted: list[str], workers: Workers
) -> None:
    translator = ScriptedTranslator()

    async def guessed() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(1600, np.float32), 0.0)
        if drafted:
            await asyncio.to_thread(translator.drafted.wait)

    ears = GuessingEars(guess="three more words")
    events = await captioned(guessed(), workers, kind="real", ears=ears, translator=translator, captions=captions)
    assert translator.drafts == drafted
    assert shown(events) == [(0, "en", "We"), (0, "es", "WE")]


async def test_the_virtual_clock_has_no_time_for_drafts_that_nobody_sees(workers: Workers) -> None:
    translator = ScriptedTranslator()
    ears = ScriptedEars(sentence=["Internationally", "acknowledged", "recommendations", "follow."])
    await captioned(chunks(10.0), workers, ears=ears, translator=translator)
    assert translator.drafts == []


async def test_where_finals_are_not_hastened_by_drafts_none_are_made_that_nobody_sees(workers: Workers) -> None:
    translator = ScriptedTranslator()
    ears = ScriptedEars(sentence=["Internationally", "acknowledged", "recommendations", "follow."])
    await captioned(chunks(10.0), workers, kind="real", ears=ears, translator=translator, hastened=False)
    assert translator.drafts == []
    assert len(translator.finals) == 5


LONG = ["Internationally", "acknowledged", "recommendations", "follow."]


def revisions(events: list[Event], language: str) -> list[tuple[int, bool, str, int]]:
    return [
        (event.revision, event.final, event.text, event.stable)
        for event in events
        if isinstance(event, Caption) and event.language == language
    ]


async def test_steady_captions_show_what_will_stand_while_the_speaker_goes_on(workers: Workers) -> None:
    events = await captioned(chunks(2.0), workers, ears=ScriptedEars(sentence=LONG), captions="steady")
    said = " ".join(LONG)
    beginnings = [said[:end] for end in (15, 28, 44)]
    assert revisions(events, "en") == [
        *((number, False, text, len(text)) for number, text in enumerate(beginnings)),
        (3, True, said, len(said)),
    ]
    # drafts at 15, 28 and 44 letters, of which the first word is promised
    assert revisions(events, "es") == [(0, False, "INTERNATIONALLY", 15), (1, True, said.upper(), len(said))]


async def test_live_captions_show_drafts_without_their_last_word(workers: Workers) -> None:
    sentence = ["We", "acknowledge", "internationally", "recommended", "uninterruptible", "procedures."]
    events = await captioned(chunks(3.0), workers, ears=ScriptedEars(sentence=sentence), captions="live")
    said = " ".join(sentence)
    assert revisions(events, "es") == [
        (0, False, "WE", 2),  # of 14 letters
        (1, False, "WE ACKNOWLEDGE", 2),  # of 30
        (2, False, "WE ACKNOWLEDGE INTERNATIONALLY", 2),  # of 42
        (3, False, "WE ACKNOWLEDGE INTERNATIONALLY RECOMMENDED", 2),  # of 58
        (4, True, said.upper(), len(said)),
    ]
    drafts = [event for event in events if isinstance(event, Caption) and not event.final]
    assert all(event.stamps is None and event.cue == 0 for event in drafts)


async def test_live_captions_show_what_is_only_guessed_and_promise_none_of_it(workers: Workers) -> None:
    ears = GuessingEars(sentence=LONG, guess="three more words")
    events = await captioned(chunks(2.0), workers, ears=ears, captions="live")
    assert revisions(events, "en")[:3] == [
        (0, False, "three more", 0),
        (1, False, "Internationally three more", 15),
        (2, False, "Internationally acknowledged three more", 28),
    ]
    assert not [text for *_, text, _ in revisions(events, "en")[-1:] if "three" in text]


async def test_a_guess_that_ends_the_sentence_is_shown_whole(workers: Workers) -> None:
    ears = GuessingEars(sentence=LONG, guess="three more words.")
    events = await captioned(chunks(0.3), workers, ears=ears, captions="live")
    assert revisions(events, "es")[:1] == [(0, False, "THREE MORE WORDS.", 0)]


class DoubtingEars(GuessingEars):
    """Takes its guess back after a while, or goes on in German."""

    def __init__(self, guess: str, more: Sequence[Heard] = ()) -> None:
        super().__init__(sentence=["-"], guess=guess)
        self._more = list(more)

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.samples += len(samples)
        if self.samples < SAMPLE_RATE or not self._guess:
            return []
        self._guess = []
        return self._more

    def flush(self) -> list[Heard]:
        return [Quiet(self.samples / SAMPLE_RATE)]


async def test_a_guess_that_was_wrong_is_taken_back_in_every_language(workers: Workers) -> None:
    translator = ScriptedTranslator(["es", "de"])
    events = await captioned(
        chunks(2.0), workers, ears=DoubtingEars("thank you very much"), translator=translator, captions="live"
    )
    assert translator.drafts == ["thank you very much"]
    assert revisions(events, "en") == [(0, False, "thank you very", 0), (1, False, "", 0)]
    assert revisions(events, "es") == revisions(events, "de") == [(0, False, "THANK YOU VERY", 0), (1, False, "", 0)]


class WaveringEars(DoubtingEars):
    """Hears something else after a second."""

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        self.samples += len(samples)
        if self.samples >= SAMPLE_RATE:
            self._guess = ["so", "much"]
        return []

    def flush(self) -> list[Heard]:
        self._guess = []
        return super().flush()


async def test_a_guess_that_becomes_another_is_translated_anew_though_it_is_shorter(workers: Workers) -> None:
    translator = ScriptedTranslator()
    await captioned(
        chunks(2.0), workers, ears=WaveringEars("thank you very much"), translator=translator, captions="live"
    )
    assert translator.drafts == ["thank you very much", "so much"]


async def test_what_was_guessed_in_another_language_is_taken_back_where_no_final_comes(workers: Workers) -> None:
    ears = DoubtingEars("this is so good", [Speaks("de"), *(Word(text, 1, 1.2, 0.9) for text in ["Es", "ist", "gut."])])
    events = await captioned(chunks(2.0), workers, ears=ears, captions="live")
    assert revisions(events, "en") == [(0, False, "this is so", 0), (1, False, "", 0)]
    assert revisions(events, "de") == [(0, True, "Es ist gut.", 11)]
    assert revisions(events, "es")[1:] == [(1, False, "", 0), (2, True, "ES IST GUT.", 11)]


async def test_every_draft_is_followed_by_its_final(workers: Workers) -> None:
    translator = ScriptedTranslator(["es", "de"])
    events = await captioned(chunks(30.0), workers, translator=translator, captions="live")
    last = {(event.cue, event.language): event.final for event in events if isinstance(event, Caption)}
    assert last
    assert all(last.values())


async def test_a_recogniser_that_falls_far_behind_loses_the_oldest_audio_and_a_gap_says_so(workers: Workers) -> None:
    released = threading.Event()
    seconds = BACKLOG + 20

    async def flood() -> AsyncIterator[Item]:
        async for chunk in chunks(seconds):
            yield chunk
        released.set()

    ears = ScriptedEars(gate=lambda: released.wait(10))
    events = await captioned(flood(), workers, kind="real", clock=RealClock(), ears=ears)
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
    events = await captioned(unplugged(), workers, kind="real", clock=RealClock(), ears=ears)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(2.0, away, "device")]
    assert ears.samples == (away + 1) * SAMPLE_RATE


async def test_one_chunk_that_is_longer_than_the_bound_is_heard_whole(workers: Workers) -> None:
    async def one() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(round((BACKLOG + 6) * SAMPLE_RATE), np.float32), 0.0)

    ears = ScriptedEars()
    events = await captioned(one(), workers, kind="real", clock=RealClock(), ears=ears)
    assert ears.samples == (BACKLOG + 6) * SAMPLE_RATE
    assert not [event for event in events if isinstance(event, Gap)]


async def test_on_the_real_clock_viewers_are_told_how_the_session_fares(workers: Workers) -> None:
    async def unplugged() -> AsyncIterator[Item]:
        second = np.zeros(SAMPLE_RATE, np.float32)
        yield AudioChunk(second, 0.0)
        yield Gap(1.0, 3.0, "device")
        await asyncio.sleep(0.01)
        yield AudioChunk(second, 3.0)

    events = await captioned(unplugged(), workers, kind="real", clock=RealClock())
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


async def test_on_the_virtual_clock_nothing_is_told(workers: Workers) -> None:
    assert not [event for event in await captioned(chunks(20.0), workers) if isinstance(event, Status)]


async def test_the_recogniser_is_told_how_much_audio_waits(workers: Workers) -> None:
    released = threading.Event()

    async def burst() -> AsyncIterator[Item]:
        async for chunk in chunks(3.0):
            yield chunk
        released.set()

    ears = ScriptedEars(gate=lambda: released.wait(10))
    await captioned(burst(), workers, kind="real", clock=RealClock(), ears=ears)
    assert ears.backlogs[-1] == 0.0
    assert max(ears.backlogs) > 2.0


async def test_a_session_that_is_far_behind_takes_turns_with_others_on_the_same_recogniser(workers: Workers) -> None:
    order = list[str]()

    async def at_once(seconds: float, length: int) -> AsyncIterator[Item]:
        for index, block in enumerate(blocks(seconds, length)):
            yield AudioChunk(block, index * length / SAMPLE_RATE)

    def heard(name: str, seconds: float, length: int) -> Awaitable[list[Event]]:
        ears = ScriptedEars(gate=lambda: order.append(name))
        return captioned(at_once(seconds, length), workers, kind="real", clock=RealClock(), ears=ears)

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

    def publish(event: Event) -> None:
        events.append(event)
        if isinstance(event, Caption) and event.role == "target":
            heard.set()  # all that came before the stall is captioned before it ends

    events: list[Event] = []
    start = SessionStart("s", ("en",), ("es",), {}, "real")
    session = Session(start, ScriptedEars(), ScriptedTranslator(), clock=RealClock(), workers=workers, publish=publish)
    await asyncio.wait_for(session.run(stalling()), 20)
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

    def publish(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            heard.set()
        if isinstance(event, Caption) and event.cue == 1 and event.role == "source" and not stalled:
            clock.advance(20.0)  # it took long to hear it

    start = SessionStart("s", ("en",), ("es",), {}, "real")
    session = Session(start, ScriptedEars(), translator, clock=clock, workers=workers, publish=publish)
    await asyncio.wait_for(session.run(stalling()), 20)
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

    start = SessionStart("s", ("en",), ("es",), {}, "real")
    session = Session(start, MutedEars(), ScriptedTranslator(), clock=clock, workers=workers, publish=events.append)
    running = asyncio.ensure_future(session.run(muted()))
    await happens(lambda: clock.advance(0.1) is None and len(shown(events)) == 2)
    assert clock.now() > STALL
    waited.set()
    await running


async def test_what_comes_in_long_pieces_has_not_stalled(workers: Workers) -> None:
    clock, events = HandClock(), list[Event]()

    async def pieces() -> AsyncIterator[Item]:
        for index in range(3):
            for _ in range(60):
                await asyncio.sleep(0.001)
                clock.advance(0.1)
            yield AudioChunk(np.zeros(6 * SAMPLE_RATE, np.float32), 6.0 * index)

    start = SessionStart("s", ("en",), ("es",), {}, "real")
    ears = ScriptedEars(sentence=["and"])
    session = Session(start, ears, ScriptedTranslator(), clock=clock, workers=workers, publish=events.append)
    await session.run(pieces())
    # cut by their length alone: a pause would have ended one after each piece
    assert [len(text.split()) for _, language, text in shown(events) if language == "en"] == [11, 11, 11, 3]


async def test_what_was_said_before_others_were_wanted_is_translated_first(workers: Workers) -> None:
    events, released = list[Event](), threading.Event()

    async def changing() -> AsyncIterator[Item]:
        for index in range(3):
            yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 2.0 * index)
        await happens(lambda: len(shown(events)) == 3)  # as it was said
        yield Targets(("de",))
        released.set()
        yield AudioChunk(np.zeros(2 * SAMPLE_RATE, np.float32), 6.0)

    translator = ScriptedTranslator(gate=lambda: released.wait(10))
    await captioned(changing(), workers, kind="real", translator=translator, events=events)
    finals = [(cue, language) for cue, language, _ in shown(events) if language != "en"]
    assert finals == [(0, "es"), (1, "es"), (2, "es"), (3, "de")]


async def test_what_was_said_before_a_source_stalled_is_captioned_while_it_sends_nothing(workers: Workers) -> None:
    clock, events, waited = HandClock(), list[Event](), asyncio.Event()

    async def muted() -> AsyncIterator[Item]:
        clock.advance(1.5)
        yield AudioChunk(np.zeros(3 * SAMPLE_RATE // 2, np.float32), 0.0)
        await waited.wait()
        clock.advance(60.0)
        yield AudioChunk(np.zeros(5 * SAMPLE_RATE // 2, np.float32), 1.5)

    start = SessionStart("s", ("en",), ("es",), {}, "real")
    session = Session(start, ScriptedEars(), ScriptedTranslator(), clock=clock, workers=workers, publish=events.append)
    running = asyncio.ensure_future(session.run(muted()))
    for _ in range(30):  # it has heard all that came, and waits
        await asyncio.sleep(0.01)
        clock.advance(0.09)
    assert [text for _, language, text in shown(events) if language == "es"] == []
    clock.advance(STALL)
    await happens(lambda: len(shown(events)) == 2)
    waited.set()
    end = await running
    assert [text for _, language, text in shown(events) if language == "es"] == [
        "WE WILL MEET", "AGAIN. WE WILL MEET AGAIN.",
    ]  # fmt: skip
    assert end.stats["lag_p95_ms"] < 10_000  # not by the minute in which nothing came


class Broken(Exception):
    """What a model might raise."""


def fail() -> None:
    raise Broken("out of memory")


@pytest.mark.parametrize("kind", ["real", "virtual"])
@pytest.mark.parametrize("part", ["ears", "translator"])
async def test_a_failure_ends_the_session_with_its_cause(
    part: str, kind: Literal["real", "virtual"], workers: Workers
) -> None:
    ears = ScriptedEars(gate=fail if part == "ears" else lambda: None)
    translator = ScriptedTranslator(gate=fail if part == "translator" else lambda: None)
    clock = RealClock() if kind == "real" else VirtualClock()
    with pytest.raises((Broken, ExceptionGroup)) as caught:
        await captioned(chunks(100.0), workers, kind=kind, clock=clock, ears=ears, translator=translator)
    cause = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert isinstance(cause, Broken)


@pytest.mark.parametrize("kind", ["real", "virtual"])
async def test_a_translation_that_can_not_be_published_ends_the_session_with_its_cause(
    kind: Literal["real", "virtual"], workers: Workers
) -> None:
    def publish(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            raise UserError("the disk is full")

    start = SessionStart("s", ("en",), ("es",), {}, kind)
    clock = RealClock() if kind == "real" else VirtualClock()
    session = Session(start, ScriptedEars(), ScriptedTranslator(), clock=clock, workers=workers, publish=publish)
    with pytest.raises((UserError, ExceptionGroup)) as caught:
        await session.run(chunks(100.0))
    cause = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert str(cause) == "the disk is full"


async def test_captions_of_what_was_said_have_its_words(workers: Workers) -> None:
    source, target = [event for event in await captioned(chunks(2.0), workers) if isinstance(event, Caption)]
    assert [word.text for word in source.words] == SENTENCE
    assert (source.words[0].start, source.words[-1].end) == (source.start, source.end)
    assert target.words == ()


async def test_what_could_not_be_translated_is_marked(workers: Workers) -> None:
    translator = ScriptedTranslator()
    translator.hopeless = True
    events = await captioned(chunks(2.0), workers, translator=translator)
    said = " ".join(SENTENCE)
    captions = [(each.language, each.text, each.untranslated) for each in events if isinstance(each, Caption)]
    assert captions == [("en", said, False), ("es", said, True)]


async def test_a_source_that_fails_ends_the_session_with_its_cause_when_what_was_heard_is_captioned(
    workers: Workers,
) -> None:
    async def unplugged() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(64000, np.float32), 0.0)
        raise UserError("the microphone is gone")

    events: list[Event] = []
    start = SessionStart("s", ("en",), ("es",), {}, "real")
    session = Session(
        start, ScriptedEars(), ScriptedTranslator(), clock=RealClock(), workers=workers, publish=events.append
    )
    with pytest.raises(UserError, match="the microphone is gone"):
        await session.run(unplugged())
    assert {text for _, language, text in shown(events) if language == "es"} == {"WE WILL MEET AGAIN."}
    assert isinstance(events[-1], SessionEnd)


async def test_a_session_that_fails_tells_who_reads_that_it_is_over(workers: Workers) -> None:
    class Broken(ScriptedEars):
        def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
            raise RuntimeError("a bug")

    events: list[Event] = []
    start = SessionStart("s", ("en",), ("es",), {}, "virtual")
    session = Session(
        start, Broken(), ScriptedTranslator(), clock=VirtualClock(), workers=workers, publish=events.append
    )
    with pytest.raises(RuntimeError, match="a bug"):
        await session.run(chunks(1.0))
    assert [type(event) for event in events] == [SessionStart, SessionEnd]


async def test_where_a_device_is_lost_what_was_said_before_is_over_at_once(workers: Workers) -> None:
    async def unplugged() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(16000, np.float32), 0.0)
        yield Gap(1.0, 1.5, "device")
        yield Gap(1.5, 31.5, "device")

    ears = ScriptedEars()
    events = await captioned(unplugged(), workers, ears=ears)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(1.0, 1.5, "device"), Gap(1.5, 31.5, "device")]
    assert ears.samples == 16000 * (1 + 0.5 + 2), "silence, and no minute of it in one go"


class TwoSpeakers(ScriptedEars):
    """An English sentence, then a Spanish one."""

    def flush(self) -> list[Heard]:
        english = [Word(text, index / 2, index / 2 + 0.4, 0.9) for index, text in enumerate(["we", "will", "meet"])]
        spanish = [Word(text, 2 + index / 2, 2.4 + index / 2, 0.9) for index, text in enumerate(["muy", "bien."])]
        return [*english, Speaks("es"), *spanish, Quiet(4.0)]

    def push(self, samples: Samples, *, backlog: float = 0.0) -> list[Heard]:
        return []


@pytest.mark.parametrize("kind", ["virtual", "real"])
async def test_speakers_of_two_languages_are_read_in_both(kind: Literal["virtual", "real"], workers: Workers) -> None:
    translator = ScriptedTranslator(("en", "es"))
    clock = RealClock() if kind == "real" else VirtualClock()
    events = await captioned(chunks(4), workers, kind=kind, clock=clock, ears=TwoSpeakers(), translator=translator)
    shown = [(each.cue, each.language, each.role, each.text) for each in events if isinstance(each, Caption)]
    assert sorted(shown) == [
        (0, "en", "target", "we will meet"),
        (0, "es", "target", "WE WILL MEET"),
        (1, "en", "target", "MUY BIEN."),
        (1, "es", "target", "muy bien."),
    ]
    said = [each for each in events if isinstance(each, Caption) and each.words]
    assert [(each.language, each.text) for each in said] == [("en", "we will meet"), ("es", "muy bien.")]


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

    ears = PausingEars()
    events = await captioned(and_then_more(), workers, kind="real", clock=RealClock(), ears=ears, translator=translator)
    assert translator.rests >= 1
    assert len(shown(events)) == 6


async def test_a_rest_lets_other_sessions_have_their_turn(workers: Workers) -> None:
    translator = ScriptedTranslator()

    async def while_another_translates() -> AsyncIterator[Item]:
        async for item in until_it_rests(translator):
            yield item
        await asyncio.wrap_future(workers.llm.submit(lambda: None))

    await captioned(
        while_another_translates(),
        workers,
        kind="real",
        clock=RealClock(),
        ears=PausingEars(),
        translator=translator,
    )
    assert translator.rests > 1


async def test_a_rest_does_not_keep_a_session_whose_source_is_over(workers: Workers) -> None:
    translator = ScriptedTranslator()
    events = await captioned(
        until_it_rests(translator), workers, kind="real", clock=RealClock(), ears=PausingEars(), translator=translator
    )
    assert isinstance(events[-1], SessionEnd)


async def test_a_pause_that_nobody_needs_is_told(workers: Workers) -> None:
    paused: list[int] = []
    translator = ScriptedTranslator()
    start = SessionStart("s", ("en",), ("es",), {}, "virtual")
    session = Session(
        start,
        PausingEars(),
        translator,
        clock=VirtualClock(),
        workers=workers,
        publish=lambda event: None,
        idle=lambda: paused.append(translator.rests),
    )
    await session.run(chunks(10.0))
    assert paused == [0, 1]  # before it rests, which may not come to an end
