"""A server of its own process: publishers, viewers, and those who misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import urllib.request
import wave
from collections.abc import Iterator

import pytest
from e2e_running import COMMAND, Line, free_port, surtitle, wait_until_served
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.weights
START = {"type": "start", "v": 1, "from": "en", "to": ["es"], "sample_rate": 16_000}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    with subprocess.Popen([*COMMAND, "serve", "--port", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            wait_until_served(f"http://127.0.0.1:{port}")
            yield port
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def speech() -> bytes:
    from surtitle.pipeline.store import open_store

    with wave.open(str(open_store(os.environ).path("jfk") / "jfk.wav")) as file:
        return file.readframes(file.getnframes())


async def publish(port: int) -> None:
    pcm = speech()
    async with connect(f"ws://127.0.0.1:{port}/publish") as socket:
        await socket.send(json.dumps(START))
        for start in range(0, len(pcm), 12_800):  # 0.4 s a message, four times as fast as it was spoken
            await socket.send(pcm[start : start + 12_800])
            await asyncio.sleep(0.1)
        await socket.send(json.dumps({"type": "stop"}))
        await socket.wait_closed()


async def view(port: int) -> list[Line]:
    seen: list[Line] = []
    async with connect(f"ws://127.0.0.1:{port}/captions") as socket:
        await socket.send(json.dumps({"type": "hello", "v": 1, "langs": ["es"]}))
        async for message in socket:
            seen.append(json.loads(message))
            if seen[-1]["type"] == "end":
                break
    return seen


async def test_what_is_published_is_captioned_for_a_viewer(port: int) -> None:
    viewing = asyncio.create_task(view(port))
    await asyncio.wait_for(publish(port), 90)
    seen = await asyncio.wait_for(viewing, 30)
    captions = [line for line in seen if line["type"] == "caption" and line["final"]]
    assert captions
    assert {line["lang"] for line in captions} == {"es"}
    assert seen[-1]["audio_ms"] == pytest.approx(11_000, abs=100)


@pytest.mark.parametrize(
    "message", ["no json", json.dumps({**START, "to": ["klingon"]}), json.dumps({**START, "sample_rate": "fast"})]
)
async def test_a_publisher_that_makes_no_sense_is_told_so_and_the_server_goes_on(port: int, message: str) -> None:
    async with connect(f"ws://127.0.0.1:{port}/publish") as socket:
        await socket.send(message)
        answer = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert answer["type"] == "error"
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 10)
    health = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/health", timeout=5)
    assert health.status == 200
    health.close()


def test_an_unknown_language_is_wrong_usage_said_in_one_line() -> None:
    done = surtitle("replay", "sample:jfk", "--from", "en", "--to", "xx")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_named_with_what_to_do(port: int) -> None:
    done = surtitle("replay", "sample:jfk", "--from", "en", "--to", "es", "--port", str(port))
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
