"""What the tests of the pages share: captions to publish, pages that are opened and must not complain."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chromium import CHROMIUM_ARGUMENTS
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from surtitle.pipeline.events import Caption, SessionStart

# The machines that run these tests are shared.
expect.set_options(timeout=20_000)

FAKE_SOUND = "--use-fake-device-for-media-stream"
"""Where there is none, Chromium looks for it for half a minute."""
SESSION = SessionStart("night-1", ("en",), ("es", "ar"), {}, "real")
WRITES = """place => {
    window.writes = 0;
    const { get, set } = Object.getOwnPropertyDescriptor(Node.prototype, "textContent");
    Object.defineProperty(place, "textContent", { get, set(words) { writes++; set.call(this, words); } });
}"""
"""Counts how often words are written in a place: Safari, and Firefox for a screen reader, make new ones of the same."""


def caption(cue: int, text: str, language: str = "es", *, rev: int = 0, final: bool = True, stable: int = 0) -> Caption:
    """A caption of the second after `cue`."""
    role = "source" if language == "en" else "target"
    stable = len(text) if final else stable
    return Caption(cue, rev, language, role, text, cue, cue + 1, final, stable, cue + 1, cue + 1)


@asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Browser]:
    """A browser, with more command line arguments than usual."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*CHROMIUM_ARGUMENTS, FAKE_SOUND, *arguments]
        )
        yield browser
        await browser.close()


async def listened(browser: BrowserContext, complaints: list[str]) -> Page:
    """A page whose console goes to `complaints`."""
    page = await browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def until(page: Page, condition: str) -> None:
    """Wait until a page says so. Playwright's `wait_for_function` looks again by evaluating text within the page, which
    the pages' own policy forbids: it works where the first look finds it.
    """
    async with asyncio.timeout(20):
        while not await page.evaluate(condition):  # noqa: ASYNC110 - no element shows it
            await asyncio.sleep(0.05)


async def opened(browser: BrowserContext, url: str, complaints: list[str]) -> Page:
    """A page that has been welcomed by the server."""
    page = await listened(browser, complaints)
    async with page.expect_websocket() as opening:
        await page.goto(url)
    await (await opening.value).wait_for_event("framereceived")
    return page
