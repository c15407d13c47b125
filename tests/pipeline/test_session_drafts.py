"""`surtitle.pipeline.session`: drafts, which are made while somebody speaks, and which of them are seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import numpy as np
import pytest
from driven import GuessingEars, captioned, chunks, shown
from scripted import ScriptedEars, ScriptedTranslator

from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Caption, CaptionMode, Drafted, Event, Item, Samples, Word
from surtitle.pipeline.gate import Quiet
from surtitle.pipeline.pacing import VirtualClock
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.workers import Workers

LONG = ["Internationally", "acknowledged", "recommendations", "follow."]


def revisions(events: list[Event], language: str) -> list[tuple[int, bool, str, int]]:
    return [
        (event.revision, event.final, event.text, event.stable)
        for event in events
        if isinstance(event, Caption) and event.language == language
    ]


async def test_drafts_are_asked_for_with_the_open_text_and_not_shown_in_whole_captions(workers: Workers) -> None:
    translator = ScriptedTranslator()

    async def until_drafted() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 0.0)
        await asyncio.to_thread(translator.drafted.wait)
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 1.0)

    ears = ScriptedEars(sentence=LONG)
    events = await captioned(until_drafted(), workers, kind="real", ears=ears, translator=translator)
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
        ears=GuessingEars(guess=guess),
        translator=translator,
        captions="live",
        hastened=hastened,
        told=events.append,
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
    events = await captioned(
        guessed(), workers, kind="real", clock=VirtualClock(), ears=ears, translator=translator, captions=captions
    )
    assert translator.drafts == drafted
    assert shown(events) == [(0, "en", "We"), (0, "es", "WE")]


async def test_the_virtual_clock_has_no_time_for_drafts_that_nobody_sees(workers: Workers) -> None:
    translator = ScriptedTranslator()
    await captioned(chunks(10.0), workers, ears=ScriptedEars(sentence=LONG), translator=translator)
    assert translator.drafts == []


async def test_where_finals_are_not_hastened_by_drafts_none_are_made_that_nobody_sees(workers: Workers) -> None:
    translator = ScriptedTranslator()
    ears = ScriptedEars(sentence=LONG)
    await captioned(
        chunks(10.0), workers, kind="real", clock=VirtualClock(), ears=ears, translator=translator, hastened=False
    )
    assert translator.drafts == []
    assert len(translator.finals) == 5


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
