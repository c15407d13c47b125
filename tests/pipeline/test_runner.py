"""`surtitle.pipeline.runner`: audio until somebody says stop, on the session's clock and rate."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from io import StringIO
from itertools import pairwise
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from rich.console import Console
from timed_words import ReferenceEars
from tiny_translator import SMALLEST, write_model

from surtitle.pipeline.assembly import ModelNames, Models
from surtitle.pipeline.broadcast import OutputPaths
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, Gap, Samples, Skipped, Sound, Targets, Word
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import Pair, find_language
from surtitle.pipeline.pacing import RealClock
from surtitle.pipeline.runner import Run, begun, resampled, until
from surtitle.pipeline.statefile import StateFile
from surtitle.pipeline.translator import Translator


async def counted(end: int, closed: list[bool] | None = None) -> AsyncIterator[int]:
    """1, 2, ... `end`; tells when it is closed or cancelled."""
    try:
        for number in range(1, end + 1):
            yield number
            await asyncio.sleep(0)
    finally:
        if closed is not None:
            closed.append(True)


async def test_all_items_come_when_nobody_stops_them() -> None:
    assert [item async for item in until(counted(5), asyncio.Event())] == [1, 2, 3, 4, 5]


async def test_no_item_comes_after_the_stop() -> None:
    stop, seen, closed = asyncio.Event(), list[int](), list[bool]()
    async for item in until(counted(1_000_000, closed), stop):
        seen.append(item)
        if item == 3:
            stop.set()
    assert seen[:3] == [1, 2, 3]
    assert len(seen) <= 4


async def test_a_stop_ends_a_source_that_is_silent() -> None:
    stop, cancelled = asyncio.Event(), list[bool]()

    async def silent() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async for _ in until(silent(), stop):
        asyncio.get_running_loop().call_soon(stop.set)
    assert cancelled == [True]


async def test_what_a_source_raises_is_raised() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"):
        _ = [item async for item in until(broken(), asyncio.Event())]


async def test_the_clock_begins_with_the_first_item() -> None:
    clock = RealClock()

    async def late() -> AsyncIterator[AudioChunk | Gap]:
        await asyncio.sleep(0.01)
        assert clock.now() == 0.0
        yield Gap(0.0, 1.0, "device")

    assert len([item async for item in begun(late(), clock)]) == 1
    assert clock.now() > 0.0


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_a_publishers_samples_become_chunks_of_the_sessions_rate_end_to_end(rate: int) -> None:
    async def published() -> AsyncIterator[Samples]:
        for _ in range(20):
            yield np.zeros(rate // 10, np.float32)

    chunks = [chunk async for chunk in resampled(published(), rate, ["en"]) if isinstance(chunk, AudioChunk)]
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(2 * SAMPLE_RATE, abs=2)
    assert all(b.start == pytest.approx(a.end) for a, b in pairwise(chunks))
    assert all(len(chunk.samples) for chunk in chunks)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
async def test_sound_that_a_publisher_could_not_send_is_a_gap_and_the_rest_keeps_its_time(rate: int) -> None:
    async def published() -> AsyncIterator[Sound]:
        yield np.zeros(rate, np.float32)
        yield Skipped(rate)
        yield Skipped(2 * rate)
        yield np.zeros(rate, np.float32)

    items = [item async for item in resampled(published(), rate, ["en"])]
    gaps = [item for item in items if isinstance(item, Gap)]
    assert [(gap.start, gap.end, gap.why) for gap in gaps] == [
        (pytest.approx(1, abs=1e-3), pytest.approx(2, abs=1e-3), "network"),
        (pytest.approx(2, abs=1e-3), pytest.approx(4, abs=1e-3), "network"),
    ]
    assert all(b.start == pytest.approx(a.end) for a, b in pairwise(items))
    assert items[-1].end == pytest.approx(5, abs=1e-3)


async def test_other_translations_are_wanted_between_two_chunks_and_only_such_as_there_can_be() -> None:
    async def published() -> AsyncIterator[Sound]:
        yield np.zeros(1600, np.float32)
        yield Targets(("fr",))
        yield np.zeros(1600, np.float32)
        yield Targets(("fr", "xx"))

    items = resampled(published(), SAMPLE_RATE, ["en"])
    assert [type(await anext(items)) for _ in range(3)] == [AudioChunk, Targets, AudioChunk]
    with pytest.raises(UserError, match="xx"):
        await anext(items)


SAID = ["They walk.", "They run home.", "We stay here.", "You came late."]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, identifier: Identifier) -> Iterator[Models]:
    """A tiny random translator, and ears that hear a sentence every four seconds."""
    folder = write_model(tmp_path_factory.mktemp("tiny"), ending=3.0, seed=6)
    words = [
        Word(word, 4 * index + place / 2, 4 * index + place / 2 + 0.4, 0.9)
        for index, text in enumerate(SAID)
        for place, word in enumerate(text.split())
    ]

    def hear(languages: Sequence[str], glossary: Callable[[], Glossary] = Glossary) -> ReferenceEars:
        return ReferenceEars(words)

    names = ModelNames("reference words", "tiny")
    engine = partial(Engine, folder, threads=1, identifier=identifier)
    with Models(names, ears=lambda: hear, engine=engine) as made:
        yield made


async def captioned(models: Models, state: Path, folder: Path) -> tuple[list[str], str]:
    """The last lines of the log's translations, and what was printed."""
    printed = StringIO()
    run = Run(models, window=SMALLEST, console=Console(file=printed, width=400), state=state)
    log = folder / "log.jsonl"
    silence = [np.zeros(SAMPLE_RATE, np.float32)] * 17
    pair, outputs = Pair(("en",), ("es",)), OutputPaths(log=log)
    await run.replay(silence, pair, clock="virtual", outputs=outputs, server=None, stay=False)
    captions = (json.loads(line) for line in log.read_text().splitlines())
    return [each["text"] for each in captions if each.get("lang") == "es"], printed.getvalue()


async def test_a_second_run_goes_on_with_what_the_first_one_knew(models: Models, tmp_path: Path) -> None:
    state = tmp_path / "talk.state"
    texts = [await captioned(models, state, tmp_path) for _ in range(2)]
    both = Translator(models._engine, find_language("en"), [find_language("es")], window=SMALLEST)
    expected = [dict(both.translate(text))["es"].text for text in 2 * SAID]
    assert texts[0][0] + texts[1][0] == expected
    assert "not taken up" not in texts[1][1]
    held = StateFile(state, "tiny").read()
    assert held is not None
    assert [turn.translation for turn in held["en-es"].talk.turns] == expected


async def test_viewers_are_not_told_in_which_folder_a_model_lies(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = str(tmp_path / "models" / "tiny")
    monkeypatch.setattr(models, "names", ModelNames(str(tmp_path / "ears"), whole))
    await captioned(models, tmp_path / "talk.state", tmp_path)
    first, *_ = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert first["models"] == {"asr": "ears", "llm": "tiny"}
    assert StateFile(tmp_path / "talk.state", whole).read() is not None


async def test_a_state_that_does_not_fit_is_said_and_replaced(models: Models, tmp_path: Path) -> None:
    state = tmp_path / "talk.state"
    state.write_text("no state")
    _, printed = await captioned(models, state, tmp_path)
    assert f"{state} is not taken up: it is no saved state" in printed
    assert StateFile(state, "tiny").read() is not None


async def test_a_recording_that_was_stopped_did_not_come_to_its_end(models: Models, tmp_path: Path) -> None:
    run = Run(models, window=SMALLEST, console=Console(file=StringIO()))

    def recording() -> Iterator[Samples]:
        for second in range(17):
            if second == 3:
                os.kill(os.getpid(), signal.SIGINT)
                sleep(0.1)
            yield np.zeros(SAMPLE_RATE, np.float32)

    pair, outputs = Pair(("en",), ("es",)), OutputPaths(log=tmp_path / "log.jsonl")
    assert not await run.replay(recording(), pair, clock="virtual", outputs=outputs, server=None, stay=False)
    *_, last = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert last["type"] == "end"
    assert last["audio_ms"] < 17_000
