"""A browser's own `EventSource` on a real server: it reads, and resumes by itself when the server comes back."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from chromium import CHROMIUM_ARGUMENTS
from playwright.async_api import async_playwright
from serving import caption

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

pytestmark = pytest.mark.browser

LISTEN = "() => { new EventSource('/events?lang=es').onmessage = event => window.hear(event.data); }"


async def test_an_event_source_misses_nothing_while_the_server_is_away() -> None:
    hub = Hub("e")
    rooms = Rooms(lambda: hub)
    rooms.speak("main")  # keeps the room while nobody watches
    heard = asyncio.Queue[str]()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS)
        page = await browser.new_page()
        await page.expose_function("hear", heard.put_nowait)
        async with asyncio.timeout(30):
            async with CaptionServer(rooms, port=0) as server:
                port = server.port
                await page.goto(f"{server.url}/")
                await page.evaluate(LISTEN)
                before = [json.loads(await heard.get()) for _ in range(2)]
                hub.publish(caption(0))
                before.append(json.loads(await heard.get()))
            hub.publish(caption(1))
            async with CaptionServer(rooms, port=port):
                after = [json.loads(await heard.get()) for _ in range(2)]
        await browser.close()
    assert [message["type"] for message in before + after] == ["welcome", "snapshot", "caption", "welcome", "caption"]
    assert [message.get("recovered") for message in before + after] == [False, None, None, True, None]
    assert [message.get("cue") for message in before + after] == [None, None, 0, None, 1]
