"""`surtitle.pipeline.runner`: recordings to their end or a stop, and what is known afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from time import sleep
from typing import Any, cast

import httpx2
import numpy as np
import pytest
from e2e_running import free_port
from rich.console import Console
from scripted import ScriptedModels, eventually, scripted_server
from timed_words import ReferenceEars
from tiny_translator import SMALLEST, write_model

from surtitle.clients.publisher import publish
from surtitle.clients.viewer import ViewerError
from surtitle.pipeline.assembly import ModelNames, Models
from surtitle.pipeline.broadcast import OutputPaths
from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SAMPLE_RATE, AudioChunk, CaptionMode, Gap, Samples, Word
from surtitle.pipeline.glossary import Glossary
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import Pair, find_language
from surtitle.pipeline.runner import AGAIN, Run, ServerOptions
from surtitle.pipeline.soundcheck import Soundcheck
from surtitle.pipeline.statefile import StateFile
from surtitle.pipeline.translator import Translator

SAID = ["They walk.", "They run home.", "We stay here.", "You came late."]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, identifier: Identifier) -> Iterator[Models]:
    """A tiny random translator, and ears that hear a sentence every four seconds."""
    folder = write_model(tmp_path_factory.mktemp("tiny"), ending=3.0, seed=6)
    names = ModelNames("reference words", "tiny")
    engine = partial(Engine, folder, threads=1, identifier=identifier)
    with Models(names, ears=lambda: hear, engine=engine) as made:
        yield made


def hear(languages: Sequence[str], glossary: Callable[[], Glossary] = Glossary) -> ReferenceEars:
    return ReferenceEars(
        [
            Word(word, 4 * index + place / 2, 4 * index + place / 2 + 0.4, 0.9)
            for index, text in enumerate(SAID)
            for place, word in enumerate(text.split())
        ]
    )


async def captioned(
    models: Models, state: Path, folder: Path, captions: CaptionMode = "final"
) -> tuple[list[str], str]:
    """The last lines of the log's translations, and what was printed."""
    printed = StringIO()
    run = Run(models, window=SMALLEST, captions=captions, console=Console(file=printed, width=400), state=state)
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


async def test_viewers_are_told_whether_there_are_drafts_and_not_in_which_folder_a_model_lies(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = str(tmp_path / "models" / "tiny")
    monkeypatch.setattr(models, "names", ModelNames(str(tmp_path / "ears"), whole))
    await captioned(models, tmp_path / "talk.state", tmp_path, "steady")
    first, *_ = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert (first["models"], first["captions"]) == ({"asr": "ears", "llm": "tiny"}, "steady")
    assert StateFile(tmp_path / "talk.state", whole).read() is not None


async def test_a_state_that_does_not_fit_is_said_and_replaced(models: Models, tmp_path: Path) -> None:
    state = tmp_path / "talk.state"
    state.write_text("no state")
    _, printed = await captioned(models, state, tmp_path)
    assert f"{state} can't be used: it is not a saved state" in printed
    assert StateFile(state, "tiny").read() is not None


async def replayed(models: Models, targets: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    """The log of 17 s of English with captions in `targets`, whose subtitles are written beside it."""
    run, log = Run(models, window=SMALLEST, console=Console(file=StringIO())), folder / "log.jsonl"
    outputs = OutputPaths(log=log, captions={"txt": folder / "talk.txt"})
    silence = [np.zeros(SAMPLE_RATE, np.float32)] * 17
    await run.replay(silence, Pair(("en",), targets), clock="virtual", outputs=outputs, server=None, stay=False)
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_what_is_said_is_in_the_files_where_it_is_wanted_and_translated_into_the_others(
    models: Models, tmp_path: Path
) -> None:
    captions = [each for each in await replayed(models, ("en", "es"), tmp_path) if each["type"] == "caption"]
    assert [(each["lang"], each["role"]) for each in captions] == [("en", "target"), ("es", "target")] * len(SAID)
    assert (tmp_path / "talk.txt").read_text().split() == " ".join(SAID).split()
    spanish = " ".join(each["text"] for each in captions if each["lang"] == "es")
    assert (tmp_path / "talk.es.txt").read_text().split() == spanish.split()
    *_, last = await replayed(models, ("es", "en"), tmp_path)
    assert (tmp_path / "talk.txt").read_text().split() == spanish.split()
    assert last["stats"]["segments"] == len(SAID)


async def test_captions_in_the_language_that_is_spoken_are_made_and_timed_without_a_translator(tmp_path: Path) -> None:
    with Models(ModelNames("reference words", None), ears=lambda: hear, engine=None) as models:
        start, *captions, end = await replayed(models, ("en",), tmp_path)
    assert (start["targets"], start["models"]) == (["en"], {"asr": "reference words"})
    assert [(each["lang"], each["text"], "untranslated" in each) for each in captions] == [
        ("en", text, False) for text in SAID
    ]
    assert (tmp_path / "talk.txt").read_text().split() == " ".join(SAID).split()
    assert end["stats"]["lag_p50_ms"] == end["stats"]["committed_p50_ms"]


async def test_without_a_translator_no_translation_can_be_added() -> None:
    models = ScriptedModels()
    models.names = ModelNames("scripted-ears", None)
    listening, asked = asyncio.Event(), asyncio.Event()

    async def heard() -> AsyncIterator[AudioChunk | Gap]:
        listening.set()
        await asked.wait()
        yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), 0.0)

    @asynccontextmanager
    async def microphone() -> AsyncIterator[AsyncIterator[AudioChunk | Gap]]:
        yield heard()

    run = Run(cast(Models, models), window=SMALLEST, console=Console(quiet=True))
    server = ServerOptions(port=free_port())
    check, pair = Soundcheck("mixer", ignore), Pair(("en",), ("en",))
    running = asyncio.create_task(run.live(microphone(), check, pair, outputs=OutputPaths(), server=server))
    await asyncio.wait_for(listening.wait(), 10)
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        url = f"http://127.0.0.1:{server.port}/targets?to="
        answers = [await client.post(f"{url}{wanted}") for wanted in ("en,es", "en")]
    asked.set()
    await running
    assert [answer.status_code for answer in answers] == [400, 200]
    assert "got en, es, expected only en: no translator was loaded" in answers[0].text


def killed(by: signal.Signals) -> Iterator[Samples]:
    """A recording in whose midst the program gets a signal."""
    for second in range(17):
        if second == 3:
            os.kill(os.getpid(), by)
            sleep(0.1)
        yield np.zeros(SAMPLE_RATE, np.float32)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_recording_that_was_stopped_did_not_come_to_its_end(
    by: signal.Signals, models: Models, tmp_path: Path
) -> None:
    signal.signal(by, ignore)  # or what does not stop would end the tests
    run = Run(models, window=SMALLEST, console=Console(file=StringIO()))
    pair, outputs = Pair(("en",), ("es",)), OutputPaths(log=tmp_path / "log.jsonl")
    assert not await run.replay(killed(by), pair, clock="virtual", outputs=outputs, server=None, stay=False)
    *_, last = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert last["type"] == "end"
    assert last["audio_ms"] < 17_000


@pytest.mark.parametrize(("after", "is_meant"), [(0.0, False), (AGAIN + 0.1, True)])
def test_another_ctrl_c_ends_a_recording_at_once_unless_it_is_the_same_passed_on(
    after: float, is_meant: bool, tmp_path: Path
) -> None:
    heard = iter((0.05, after, 0.05))

    def interrupted() -> None:
        """On the recogniser's thread, three times: the second is the first one passed on."""
        for wait in heard:
            os.kill(os.getpid(), signal.SIGINT)
            sleep(wait)

    printed, log = StringIO(), tmp_path / "log.jsonl"
    run = Run(cast(Models, ScriptedModels(interrupted)), window=SMALLEST, console=Console(file=printed, width=200))
    blocks, pair = [np.zeros(SAMPLE_RATE, np.float32)] * 4, Pair(("en",), ("es",))
    replay = run.replay(blocks, pair, clock="virtual", outputs=OutputPaths(log=log), server=None, stay=False)
    if is_meant:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(replay)
    else:
        asyncio.run(replay)
    captions, end = log.read_text().count('"caption"'), json.loads(log.read_text().splitlines()[-1])
    assert (captions > 0, end["type"]) == (not is_meant, "end")
    assert "Ctrl-C again ends at once" in printed.getvalue()


async def test_who_stops_a_recording_is_not_told_that_its_server_stays(models: Models) -> None:
    printed = StringIO()
    run = Run(models, window=SMALLEST, console=Console(file=printed, width=200))
    pair, server = Pair(("en",), ("es",)), ServerOptions(port=free_port())
    signal.signal(signal.SIGTERM, ignore)
    await run.replay(killed(signal.SIGTERM), pair, clock="virtual", outputs=OutputPaths(), server=server, stay=True)
    assert "captions on http" in printed.getvalue()
    assert "still serving" not in printed.getvalue()


async def test_under_nohup_it_goes_on_when_its_terminal_is_closed(models: Models) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = Run(models, window=SMALLEST, console=Console(file=StringIO()))
    pair, outputs = Pair(("en",), ("es",)), OutputPaths()
    try:
        assert await run.replay(killed(signal.SIGHUP), pair, clock="virtual", outputs=outputs, server=None, stay=False)
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


async def test_people_here_and_on_other_machines_are_told_where_the_room_is(models: Models) -> None:
    printed = StringIO()
    run = Run(models, window=SMALLEST, console=Console(file=printed, width=400))
    server = ServerOptions(port=free_port(), allow_origins=("https://captions.example.org",))
    silence, pair = [np.zeros(SAMPLE_RATE, np.float32)], Pair(("en",), ("es",))
    replaying = asyncio.create_task(
        run.replay(silence, pair, clock="virtual", outputs=OutputPaths(), server=server, stay=True, session="hall")
    )
    await eventually(lambda: "still serving" in printed.getvalue())
    os.kill(os.getpid(), signal.SIGTERM)
    assert await replaying
    assert "readers open https://captions.example.org/read?session=hall\n" in printed.getvalue()
    overlay = f"http://127.0.0.1:{server.port}/overlay?session=hall"
    for line in (f"captions on {overlay}\n", f"still serving {overlay} until Ctrl-C\n"):
        assert line in printed.getvalue()


async def test_viewers_have_what_was_heard_before_a_microphone_was_lost() -> None:
    serving, watched = asyncio.Event(), asyncio.Event()

    async def heard() -> AsyncIterator[AudioChunk | Gap]:
        await watched.wait()
        for second in range(4):
            yield AudioChunk(np.zeros(SAMPLE_RATE, np.float32), float(second))
        yield Gap(4.0, 4.0, "device")
        raise UserError("the microphone is gone")

    @asynccontextmanager
    async def microphone() -> AsyncIterator[AsyncIterator[AudioChunk | Gap]]:
        serving.set()
        yield heard()

    run = Run(cast(Models, ScriptedModels()), window=SMALLEST, console=Console(quiet=True))
    told = list[str]()
    check = Soundcheck("usb", told.append)
    server, pair = ServerOptions(port=free_port()), Pair(("en",), ("es",))
    running = asyncio.create_task(run.live(microphone(), check, pair, outputs=OutputPaths(), server=server))
    await asyncio.wait_for(serving.wait(), 10)
    url = f"http://127.0.0.1:{server.port}/events?lang=es"
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client, client.stream("GET", url) as answer:
        watched.set()
        lines = [line async for line in answer.aiter_lines()]
    with pytest.raises(UserError, match="the microphone is gone"):
        await running
    messages = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    texts = [message["text"] for message in messages if message["type"] == "caption" and message["final"]]
    assert texts == ["WE WILL MEET AGAIN."] * 2
    assert told[0].startswith("microphone 'usb' is gone")
    assert messages[-1]["type"] == "end"


async def test_a_state_that_can_not_be_kept_does_not_hide_why_the_session_ended(models: Models, tmp_path: Path) -> None:
    def breaking() -> Iterator[Samples]:
        yield from [np.zeros(SAMPLE_RATE, np.float32)] * 9
        raise UserError("the recording ends in the middle of a word")

    state = tmp_path / "gone" / "talk.state"
    state.parent.mkdir()
    printed = StringIO()
    run = Run(models, window=SMALLEST, console=Console(file=printed, width=400), state=state)
    # a file in the folder's place, once the session runs: nothing can be saved there any more
    blocks = (each for each in breaking() if not state.parent.is_dir() or not state.parent.rmdir())
    with pytest.raises(UserError, match="in the middle of a word"):
        await run.replay(
            blocks, Pair(("en",), ("es",)), clock="virtual", outputs=OutputPaths(), server=None, stay=False
        )
    assert str(state) in printed.getvalue()


async def test_a_run_whose_port_is_taken_leaves_the_files_of_the_one_that_has_it_as_they_are(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("log.jsonl", "talk.srt", "now.txt")]
    for path in paths:
        path.write_text("of the run before")
    log, srt, now = paths
    outputs = OutputPaths(log=log, captions={"srt": srt}, text_now=now)
    run = Run(cast(Models, ScriptedModels()), window=SMALLEST, console=Console(quiet=True))
    check, pair = Soundcheck("usb", ignore), Pair(("en",), ("es",))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ServerOptions(port=taken.getsockname()[1])
        for second in (
            run.replay([], pair, clock="real", outputs=outputs, server=server, stay=False),
            run.live(cast(Any, nullcontext()), check, pair, outputs=replace(outputs, keeps=True), server=server),
            run.serve(outputs=OutputPaths(log=log, keeps=True), server=server, max_sessions=1),
        ):
            with pytest.raises(UserError, match="is in use"):
                await second
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in paths)
    assert {path.read_text() for path in paths} == {"of the run before"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
async def test_who_runs_a_server_is_told_why_a_session_ended() -> None:
    async def speech() -> AsyncIterator[bytes]:
        yield bytes(2 * SAMPLE_RATE)

    printed = StringIO()
    outputs, console = OutputPaths(log=Path("/dev/full")), Console(file=printed, width=200)
    async with scripted_server(outputs=outputs, console=console) as url:
        with pytest.raises(ViewerError, match="No space left on device"):
            await publish(url, "en", ["es"], speech(), session="hall")
    assert "hall: this session ended: /dev/full: can no longer be written (No space left on device)" in (
        printed.getvalue()
    )


async def test_who_lacks_room_for_viewers_is_told_who_may_raise_the_limit(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("surtitle.pipeline.runner.allow", lambda wanted: wanted // 2)  # the hard limit
    printed = StringIO()
    run = Run(models, window=SMALLEST, console=Console(file=printed, width=400))
    pair, server = Pair(("en",), ("es",)), ServerOptions(port=free_port())
    await run.replay([], pair, clock="virtual", outputs=OutputPaths(), server=server, stay=False)
    assert "limit on open files allows 950 connections, not 2000; root may raise it to 2356 (" in printed.getvalue()
