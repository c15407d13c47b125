"""README's programs, as they stand there: one publishes a recording, the other prints what is said."""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

from readme_programs import program

from surtitle.pipeline.events import Caption, Samples, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer


async def say_how_much(start: PublishStart, audio: AsyncIterator[Samples], room: Room, ready: Ready) -> None:
    room.hub.publish(SessionStart("night-1", start.sources, start.targets, {}, "real"))
    await ready()
    heard = 0
    async for samples in audio:
        heard += len(samples)
    text = f"{heard} muestras"
    room.hub.publish(Caption(0, 0, "es", "target", text, 0, 1, True, len(text), 1, 1))
    room.hub.publish(SessionEnd(1, 1, {}))


async def test_the_programs_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        file.writeframes(bytes(2 * 5000))
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0, on_publish=say_how_much) as server:
        follow = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program("follow.py"), server.url, stdout=asyncio.subprocess.PIPE
        )
        assert follow.stdout is not None
        while not hub.viewers:  # noqa: ASYNC110 - a hub tells nobody who joins
            await asyncio.sleep(0.02)
        speak = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program("speak.py"), server.url, str(recording)
        )
        async with asyncio.timeout(20):
            assert await speak.wait() == 0
            assert (await follow.stdout.readline()).decode() == "5000 muestras\n"
        await server.drain(5)
        async with asyncio.timeout(20):
            assert await follow.wait() == 0
