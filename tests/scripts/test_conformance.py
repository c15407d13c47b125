"""The conformance suite against the real server, and against servers that lie in one way each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import conformance
import pytest
from conform_refusals import FOREIGN, foreign, opaque
from conform_scenes import Stage
from serving import answering
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from surtitle.pipeline.connection import Patience
from surtitle.pipeline.events import Caption, Role, Samples, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens, digest

Message = dict[str, Any]


async def interpret(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
    """A session without models: each message of audio is a cue, with a draft and a final in each language."""
    room.hub.publish(SessionStart("night-1", start.sources, start.targets, {}, "real"))
    await ready()
    cue = 0
    async for _ in audio:
        languages: tuple[tuple[str, Role], ...] = ((start.sources[0], "source"), (start.targets[0], "target"))
        for language, role in languages:
            text = f"{language} {cue}"
            room.hub.publish(Caption(cue, 0, language, role, text[:2], cue, cue, False, 0, cue, cue))
            await asyncio.sleep(0)
            room.hub.publish(Caption(cue, 1, language, role, text, cue, cue + 1, True, len(text), cue + 1, cue + 1))
        cue += 1
    room.hub.publish(SessionEnd(cue, cue, {}))


@asynccontextmanager
async def serving(tokens: Tokens | None = None) -> AsyncIterator[CaptionServer]:
    epochs = iter(range(10**6))
    async with CaptionServer(
        Rooms(lambda: Hub(f"epoch-{next(epochs)}")),
        port=0,
        tokens=lambda: tokens or Tokens(),
        on_publish=interpret,
        patience=Patience(hello=2, beat=0.5),
    ) as server:
        yield server


def stage_at(url: str) -> Stage:
    return Stage(url.replace("http", "ws", 1), "conformance", "en", "es", pcm=bytes(3200), patience=10)


def failures(results: list[conformance.Result]) -> dict[str, str]:
    return {result.sentence: result.seen for result in results if result.seen is not None}


# --- the real server ---


@pytest.mark.slow
async def test_the_real_server_conforms_in_every_sentence() -> None:
    tokens = Tokens((Token("reader", "read", digest("r" * 32)), Token("speaker", "publish", digest("p" * 32))))
    async with serving(tokens) as server:
        stage = replace(stage_at(server.url), publish_token="p" * 32, read_token="r" * 32)
        results = [result async for result in conformance.conformance(stage)]
    assert [result.line for result in results if result.seen is not None or result.skipped is not None] == []


@pytest.mark.slow
async def test_a_server_that_everybody_may_read_conforms() -> None:
    tokens = Tokens((Token("speaker", "publish", digest("p" * 32)),), public_read=True)
    async with serving(tokens) as server:
        results = await conformance.refusals(replace(stage_at(server.url), publish_token="p" * 32))
    assert failures(results) == {}
    lacking = [result.sentence for result in results if result.skipped == "needs a token for reading"]
    assert "a viewer without a token is refused" in lacking


async def test_who_only_watches_needs_somebody_who_speaks() -> None:
    async with serving() as server:
        stage = stage_at(server.url)
        speaking, watched = await asyncio.gather(
            conformance.captions(stage), conformance.captions(replace(stage, pcm=b""))
        )
    assert failures(speaking) == failures(watched) == {}
    lacking = {result.sentence for result in watched if result.skipped == "needs to publish"}
    assert "a second publisher is told that the session is busy" in lacking
    assert "no final comes twice" not in lacking


async def test_where_nobody_speaks_there_is_nothing_to_judge() -> None:
    async with serving() as server:
        seen = failures(await conformance.captions(replace(stage_at(server.url), pcm=b"", patience=0.2)))
    assert set(seen) == {conformance.CAPTIONS}
    assert "saw 0 final captions in es" in seen[conformance.CAPTIONS]


# --- liars ---


class Liar:
    """A server in front of the real one, which changes what it says."""

    def __init__(self, server: CaptionServer, lie: Callable[[Message], list[Message]], *, lax: bool = False) -> None:
        self._upstream = server.url.replace("http", "ws", 1)
        self._lie = lie
        self._lax = lax
        self.url = ""

    @asynccontextmanager
    async def lying(self) -> AsyncIterator[Liar]:
        async with serve(self._handle, "127.0.0.1", 0, process_request=self._knock, compression=None) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self

    def _origin(self, request: Request) -> Any:
        seen = request.headers.get("Origin")
        return (
            self._upstream.replace("ws", "http", 1) if self._lax or seen == self.url.replace("ws", "http", 1) else seen
        )

    async def _knock(self, _: ServerConnection, request: Request) -> Response | None:
        try:
            async with connect(self._upstream + request.path, origin=self._origin(request), proxy=None):
                return None
        except InvalidStatus as refusal:
            return refusal.response

    async def _handle(self, client: ServerConnection) -> None:
        assert client.request is not None
        origin = self._origin(client.request)
        async with connect(self._upstream + client.request.path, origin=origin, proxy=None, max_size=2**22) as server:
            upward = asyncio.create_task(self._copy(client, server))
            try:
                while True:
                    for message in self._lie(json.loads(await server.recv())):
                        await client.send(json.dumps(message))
            except ConnectionClosed:
                await client.close(server.close_code or 1011, server.close_reason or "")
            finally:
                upward.cancel()

    async def _copy(self, client: ServerConnection, server: Any) -> None:
        try:
            async for message in client:
                await server.send(message)
            await server.close()
        except ConnectionClosed:
            await client.close(server.close_code or 1011, server.close_reason or "")


def honest(message: Message) -> list[Message]:
    return [message]


def repeat_a_final(message: Message) -> list[Message]:
    return [message] * (2 if message["type"] == "caption" and message["final"] and message["cue"] == 1 else 1)


def forget_who_was_here(message: Message) -> list[Message]:
    return [message | {"recovered": False}] if message["type"] == "welcome" else [message]


async def test_a_server_that_forgets_who_was_here_is_found_out() -> None:
    async with serving() as server, Liar(server, forget_who_was_here).lying() as liar:
        assert set(failures(await conformance.captions(stage_at(liar.url)))) == {
            "a viewer that was cut off is recovered and has missed nothing",
            "a viewer is welcomed, and shown a snapshot unless it resumes",
        }


async def test_a_server_that_lets_any_page_in_is_found_out() -> None:
    async with serving() as server, Liar(server, honest, lax=True).lying() as liar:
        for ask, origin in ((foreign, FOREIGN), (opaque, "null")):
            assert await ask(stage_at(liar.url)) == f"saw open at /captions for the origin {origin}, expected 403"


# --- the command ---


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(conformance.main, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("lie", [honest, repeat_a_final])
async def test_the_command_prints_a_line_a_sentence_and_ends_in_json(
    lie: Callable[[Message], list[Message]], speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving() as server, Liar(server, lie).lying() as liar:
        status = await run(liar.url, "--audio", str(speech))
    *lines, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert figures["passed"] == sum(line.startswith("ok    ") for line in lines)
    assert len(figures["skipped"]) == sum(line.startswith("skip  ") for line in lines)
    failed = [line.removeprefix("FAIL  ") for line in lines if line.startswith("FAIL  ")]
    assert [line.partition(": ")[0] for line in failed] == figures["failed"]
    assert status == bool(failed) == (lie is repeat_a_final)
    assert not failed or "no final comes twice: the viewer of all languages got cue 1 in en 2 times" in failed


async def test_a_server_that_is_not_there_is_said_in_one_line(speech: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as server:
        url = server.url
    assert await run(url, "--audio", str(speech)) == 1
    assert "does not answer" in capsys.readouterr().err


async def test_audio_that_is_none_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    assert await run("ws://127.0.0.1:1", "--audio", str(tmp_path / "talk.wav")) == 1
    assert "expected a WAV file" in capsys.readouterr().err


async def test_a_server_that_leads_elsewhere_is_said_in_one_line(
    speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering("308 Permanent Redirect", "Location: https://captions.example.org/captions") as url:
        assert await run(url, "--audio", str(speech)) == 1
    assert "https://captions.example.org/captions" in capsys.readouterr().err
