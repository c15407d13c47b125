"""`surtitle.pipeline.session`: the order of events, with ears and a translator that are scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import numpy as np
import pytest
from driven import GuessingEars, blocks, captioned, chunks, shown
from scripted import SAID, SENTENCE, ScriptedEars, ScriptedTranslator

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    AudioChunk,
    Caption,
    Event,
    Gap,
    Item,
    Samples,
    SessionEnd,
    SessionStart,
    Stamps,
    Word,
)
from surtitle.pipeline.gate import Quiet
from surtitle.pipeline.pacing import VirtualClock, paced
from surtitle.pipeline.recognizer import Heard
from surtitle.pipeline.session import Session
from surtitle.pipeline.spoken import Speaks
from surtitle.pipeline.workers import Workers


async def test_each_sentence_is_shown_in_the_source_and_then_in_every_target_as_it_is_finished(
    workers: Workers,
) -> None:
    events = await captioned(chunks(4.0), workers, translator=ScriptedTranslator(["es", "de"]))
    assert shown(events) == [
        (cue, language, SAID if language == "en" else SAID.upper()) for cue in (0, 1) for language in ("en", "de", "es")
    ]


async def test_captions_are_final_whole_and_know_when_they_were_said(workers: Workers) -> None:
    events = await captioned(paced(blocks(2.0), clock := VirtualClock()), workers, clock=clock)
    source, target = (event for event in events if isinstance(event, Caption))
    assert (source.role, target.role) == ("source", "target")
    assert [target.start, target.end, target.audio, target.elapsed] == pytest.approx([0.0, 1.9, 2.0, 2.0])
    assert source.final
    assert target.final
    assert target.stable == len(target.text)


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
    real = await captioned(chunks(seconds), workers, kind="real")
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
    with pytest.raises((Broken, ExceptionGroup)) as caught:
        await captioned(chunks(100.0), workers, kind=kind, ears=ears, translator=translator)
    cause = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert isinstance(cause, Broken)


@pytest.mark.parametrize("kind", ["real", "virtual"])
async def test_a_translation_that_can_not_be_published_ends_the_session_with_its_cause(
    kind: Literal["real", "virtual"], workers: Workers
) -> None:
    def told(event: Event) -> None:
        if isinstance(event, Caption) and event.role == "target":
            raise UserError("the disk is full")

    with pytest.raises((UserError, ExceptionGroup)) as caught:
        await captioned(chunks(100.0), workers, kind=kind, told=told)
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
    captions = [(each.language, each.text, each.untranslated) for each in events if isinstance(each, Caption)]
    assert captions == [("en", SAID, False), ("es", SAID, True)]


async def test_a_source_that_fails_ends_the_session_with_its_cause_when_what_was_heard_is_captioned(
    workers: Workers,
) -> None:
    async def unplugged() -> AsyncIterator[Item]:
        yield AudioChunk(np.zeros(64000, np.float32), 0.0)
        raise UserError("the microphone is gone")

    events: list[Event] = []
    with pytest.raises(UserError, match="the microphone is gone"):
        await captioned(unplugged(), workers, kind="real", told=events.append)
    assert {text for _, language, text in shown(events) if language == "es"} == {"WE WILL MEET AGAIN."}
    assert isinstance(events[-1], SessionEnd)


async def test_a_session_that_fails_tells_who_reads_that_it_is_over(workers: Workers) -> None:
    events: list[Event] = []
    with pytest.raises(Broken):
        await captioned(chunks(1.0), workers, ears=ScriptedEars(gate=fail), told=events.append)
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
    events = await captioned(chunks(4), workers, kind=kind, ears=TwoSpeakers(), translator=translator)
    shown = [(each.cue, each.language, each.role, each.text) for each in events if isinstance(each, Caption)]
    assert sorted(shown) == [
        (0, "en", "target", "we will meet"),
        (0, "es", "target", "WE WILL MEET"),
        (1, "en", "target", "MUY BIEN."),
        (1, "es", "target", "muy bien."),
    ]
    said = [each for each in events if isinstance(each, Caption) and each.words]
    assert [(each.language, each.text) for each in said] == [("en", "we will meet"), ("es", "muy bien.")]
