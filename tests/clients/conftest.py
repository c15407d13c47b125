"""A server, its hub, a browser, and what its pages complain of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import browsing
import pytest
import pytest_asyncio
from hand_clock import HandClock
from playwright.async_api import Browser, BrowserContext

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer


@pytest.fixture
def clock() -> HandClock:
    """What tells the hub how old captions are."""
    return HandClock()


@pytest.fixture
def hub(clock: HandClock) -> Hub:
    return Hub("e", now=clock.now)


@pytest.fixture
def rooms(hub: Hub) -> Rooms:
    return Rooms(lambda: hub)


@pytest_asyncio.fixture(loop_scope="module")
async def server(rooms: Rooms) -> AsyncIterator[CaptionServer]:
    async with CaptionServer(rooms, port=0) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browsing.chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context(viewport={"width": 800, "height": 600})
    yield context
    await context.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What pages say on their console: every test fails if they say anything but what it removes."""
    said: list[str] = []
    yield said
    assert said == []
