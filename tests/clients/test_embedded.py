"""README's page of somebody else's site, as it stands there, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from browsing import SESSION, caption, listened
from playwright.async_api import BrowserContext, expect
from readme_programs import block

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CUES = "document.querySelector('track').track.cues?.length"


def watch_page(url: str) -> str:
    """README's page, of the server at `url`."""
    return block("<!-- watch.html, ").replace("https://captions.example.org", url)


@asynccontextmanager
async def site(pages: dict[str, str]) -> AsyncIterator[str]:
    """The origin of a site that has these pages."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        status = "200 OK" if path in pages else "404 Not Found"
        body = pages.get(path, "").encode()
        writer.write(f"HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {len(body)}\r\n\r\n".encode())
        writer.write(body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_the_page_of_the_readme_shows_captions_on_a_site_that_is_allowed_to_and_on_no_other(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    for event in (SESSION, caption(0, "Buenas noches.")):
        hub.publish(event)
    pages: dict[str, str] = {}
    async with (
        site(pages) as friend,
        site(pages) as stranger,
        CaptionServer(Rooms(lambda: hub), port=0, allow_origins=[friend]) as server,
    ):
        pages["/"] = watch_page(server.url)
        page = await listened(browser, complaints)
        await page.goto(friend)
        await expect(page.locator("#line")).to_have_text("Buenas noches.")
        await expect(page.frame_locator("iframe").locator("#captions")).to_contain_text("Buenas noches.")
        await page.wait_for_function(f"{CUES} === 1")
        hub.publish(caption(1, "Siéntense."))
        await expect(page.locator("#line")).to_have_text("Siéntense.")
        await expect(page.frame_locator("iframe").locator("#captions")).to_contain_text("Siéntense.")
        assert [said for said in complaints if "404" not in said] == [], "but for the recording, which is not there"
        await page.goto(stranger)
        async with asyncio.timeout(20):
            # the events, the track and the frame
            while [sum(why in said for said in complaints) for why in ("CORS", "frame-ancestors")] != [2, 1]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await expect(page.locator("#line")).to_be_empty()
        await page.close()
    complaints.clear()


async def test_the_page_of_the_readme_comes_back_though_a_proxy_answered_for_the_server(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    for event in (SESSION, caption(0, "Buenas noches.")):
        hub.publish(event)
    pages: dict[str, str] = {}
    async with site(pages) as friend, CaptionServer(Rooms(lambda: hub), port=0, allow_origins=[friend]) as server:
        pages["/"] = watch_page(server.url)
        page = await listened(browser, complaints)
        shared = {"access-control-allow-origin": friend}
        await page.route("**/events?*", lambda route: route.fulfill(status=502, headers=shared), times=1)
        await page.clock.install()
        async with page.expect_response(lambda response: response.status == 502):
            await page.goto(friend)
        async with asyncio.timeout(20):
            while not await page.locator("#line").text_content():
                await page.clock.run_for(1000)
        await expect(page.locator("#line")).to_have_text("Buenas noches.")
        await page.close()
    complaints.clear()
