"""A server of its own process: publishers, viewers, and those who misbehave."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from e2e_running import COMMAND, Line, free_port, jfk, surtitle, wait_until_served
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from surtitle.pipeline.messages import CloseCode
from surtitle.pipeline.server import PUBLISHER_MAX_BYTES, VIEWER_MAX_BYTES

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


async def publish(port: int, rate: int = 16_000) -> None:
    pcm, recorded = jfk()
    pcm = soxr.resample(np.frombuffer(pcm, np.int16), recorded, rate).tobytes()
    step = 2 * rate * 2 // 5
    async with connect(f"ws://127.0.0.1:{port}/publish") as socket:
        await socket.send(json.dumps({**START, "sample_rate": rate}))
        for start in range(0, len(pcm), step):  # 0.4 s a message, four times as fast as it was spoken
            await socket.send(pcm[start : start + step])
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


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_what_is_published_is_captioned_for_a_viewer(port: int, rate: int) -> None:
    viewing = asyncio.create_task(view(port))
    await asyncio.wait_for(publish(port, rate), 90)
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


async def test_a_second_publisher_is_refused_while_the_first_is_heard(port: int) -> None:
    speaking = asyncio.create_task(publish(port))
    await asyncio.sleep(1)
    assert await refusal(port, json.dumps(START)) == CloseCode.BUSY
    await asyncio.wait_for(speaking, 90)


@pytest.mark.parametrize(("path", "limit"), [("publish", PUBLISHER_MAX_BYTES), ("captions", VIEWER_MAX_BYTES)])
async def test_a_message_that_is_too_large_ends_its_connection_alone(port: int, path: str, limit: int) -> None:
    assert await refusal(port, "x" * (limit + 1), path) == 1009
    assert await refusal(port, "no json", path) not in (1000, 1009)


async def refusal(port: int, message: str, path: str = "publish") -> int:
    """The code with which the server closes on `message`."""
    async with connect(f"ws://127.0.0.1:{port}/{path}") as socket:
        await socket.send(message)
        await asyncio.wait_for(socket.wait_closed(), 10)
        assert socket.close_code is not None
        return socket.close_code


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


def test_the_server_keeps_to_the_protocol_with_real_models(port: int) -> None:
    suite = Path(__file__).parents[2] / "scripts" / "conformance.py"
    done = subprocess.run(
        [sys.executable, str(suite), f"ws://127.0.0.1:{port}"], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
