"""The overlay in a real browser, against a real server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from chromium import CHROMIUM_ARGUMENTS
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from surtitle.pipeline.events import Caption, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

# One browser, and so one event loop, for all tests of this file.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

SESSION = SessionStart("night-1", ("en",), ("es", "ar"), {}, "real")
# About 29 letters of this size fit: each sentence below fills a line of its own.
LOOKS = "size=40&font=monospace"
SENTENCES = [
    "La primera frase de hoy.",
    "La segunda frase de hoy.",
    "La tercera frase de hoy.",
    "Y la última frase.",
]


def caption(cue: int, text: str, language: str = "es", *, rev: int = 0, final: bool = True, stable: int = 0) -> Caption:
    role = "source" if language == "en" else "target"
    stable = len(text) if final else stable
    return Caption(cue, rev, language, role, text, cue, cue + 1, final, stable, cue + 1, cue + 1)


@pytest.fixture
def hub() -> Hub:
    return Hub("e")


@pytest_asyncio.fixture(loop_scope="module")
async def server(hub: Hub) -> AsyncIterator[CaptionServer]:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


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


async def opened(browser: BrowserContext, server: CaptionServer, query: str, complaints: list[str]) -> Page:
    page = await browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    async with page.expect_websocket() as opening:
        await page.goto(f"{server.url}/overlay?{query}")
    await (await opening.value).wait_for_event("framereceived")
    return page


async def shows(page: Page, *lines: str) -> None:
    await expect(page.locator(".line")).to_have_text(list(lines))


async def test_viewers_before_during_and_after_the_speech_see_the_same_last_two_lines(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    before = await opened(browser, server, LOOKS, complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(before, SENTENCES[0])
    hub.publish(caption(1, SENTENCES[1]))
    during = await opened(browser, server, LOOKS, complaints)
    await shows(during, *SENTENCES[0:2])
    hub.publish(caption(2, "La tercera", final=False))
    await shows(before, SENTENCES[1], "La tercera")
    hub.publish(caption(2, SENTENCES[2], rev=1))
    hub.publish(caption(3, SENTENCES[3]))
    after = await opened(browser, server, LOOKS, complaints)
    for page in (before, during, after):
        await shows(page, *SENTENCES[2:4])


async def test_committed_lines_never_reflow_while_drafts_grow(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "lines=3", complaints)
    words = ("Muchas gracias por estar aquí con nosotros esta noche tan especial para todos. " * 3).split()
    said: list[str] = []
    complete: list[str] = []
    for cue in range(0, len(words), 6):
        for rev in range(1, 7):
            text = " ".join(words[cue : cue + rev])
            hub.publish(caption(cue, text, rev=rev, final=rev == 6, stable=max(0, len(text) - 8)))
        said += words[cue : cue + 6]
        await expect(page.locator(".partial")).to_have_count(0)
        await expect(page.locator(".line").last).to_contain_text(said[-1])
        lines = await page.locator(".line").all_text_contents()
        for line in lines[:-1]:
            if line not in complete[-3:]:
                complete.append(line)
    assert " ".join([*complete, lines[-1]]) == " ".join(said)
    assert len(complete) > 3


async def test_a_draft_is_told_from_what_will_not_change(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, LOOKS, complaints)
    hub.publish(caption(0, "🎻 buenas noc", final=False, stable=8))
    await expect(page.locator(".line.partial .partial")).to_have_text(" noc")
    hub.publish(caption(0, "🎻 buenas noches", rev=1))
    await expect(page.locator(".line.final")).to_have_text("🎻 buenas noches")
    await expect(page.locator(".partial")).to_have_count(0)


async def test_hostile_text_is_shown_as_text(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "lines=4", complaints)
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    hub.publish(caption(0, hostile))
    await expect(page.locator(".caption")).to_have_text(hostile)
    assert await page.locator("main img, main script").count() == 0


async def test_custom_css_as_obs_injects_it_applies(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "", complaints)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await page.evaluate(
        """() => {
            const style = document.createElement("style");
            style.append(".line { color: rgb(1, 2, 3) } .text { background: none }");
            document.head.append(style);
        }"""
    )
    await expect(page.locator(".line")).to_have_css("color", "rgb(1, 2, 3)")
    await expect(page.locator(".text")).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    await expect(page.locator("body")).to_have_css("background-color", "rgba(0, 0, 0, 0)")


async def test_languages_stack_in_the_order_asked_and_read_in_their_direction(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "lang=ar&lang=es", complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, "Buenas noches", "es"))
    hub.publish(caption(0, "مساء الخير", "ar"))
    hub.publish(caption(0, "Good evening", "en"))
    await shows(page, "مساء الخير", "Buenas noches")
    await expect(page.locator(".line").first).to_have_css("direction", "rtl")
    await expect(page.locator(".line").first).to_have_attribute("lang", "ar")


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("", ["Buenas noches"]),
        ("source=1", ["Good evening", "Buenas noches"]),
        ("lang=en", ["Good evening"]),
        ("lang=es&source=1", ["Good evening", "Buenas noches"]),
    ],
)
async def test_the_source_is_shown_when_asked(
    hub: Hub,
    server: CaptionServer,
    browser: BrowserContext,
    complaints: list[str],
    query: str,
    lines: list[str],
) -> None:
    page = await opened(browser, server, query, complaints)
    hub.publish(caption(0, "Good evening", "en"))
    hub.publish(caption(0, "Buenas noches", "es"))
    await shows(page, *lines)


async def test_the_address_sets_the_looks_and_nothing_else(
    server: CaptionServer, hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    looks = "size=30&color=rgb(9,8,7)&bg=red;}body{display:none&lines=1"
    page = await opened(browser, server, looks, complaints)
    hub.publish(caption(0, SENTENCES[0]))
    hub.publish(caption(1, SENTENCES[1] + " " + SENTENCES[2]))
    await expect(page.locator(".line")).to_have_count(1)
    await expect(page.locator(".line")).to_have_css("font-size", "30px")
    await expect(page.locator(".line")).to_have_css("color", "rgb(9, 8, 7)")
    await expect(page.locator("body")).to_have_css("display", "block")


async def test_silence_clears_the_screen(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "hold=0.3", complaints)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await shows(page)
    hub.publish(caption(1, SENTENCES[1]))
    await shows(page, SENTENCES[1])


async def test_after_a_lost_connection_the_overlay_says_so_and_then_misses_nothing(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        page = await opened(browser, server, LOOKS, complaints)
        hub.publish(caption(0, SENTENCES[0]))
        await shows(page, SENTENCES[0])
    hub.publish(caption(1, SENTENCES[1]))
    notice = page.locator("#notice")
    await expect(notice).to_be_hidden()
    await expect(notice).to_have_text("Captions disconnected, reconnecting…", timeout=8000)
    async with CaptionServer(Rooms(lambda: hub), port=server.port):
        await expect(notice).to_be_hidden(timeout=15000)
        await shows(page, *SENTENCES[0:2])
        await page.close()
    # The browser itself reports each failed attempt.
    complaints[:] = [said for said in complaints if "WebSocket connection to" not in said]


async def test_the_overlay_tells_of_finals_that_it_painted_as_they_came(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    told: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    hub.on_painted = lambda cue, language: told.put_nowait((cue, language))
    hub.publish(caption(0, SENTENCES[0]))  # comes with the snapshot, late through no fault of the way
    page = await opened(browser, server, f"{LOOKS}&source=1&lang=es", complaints)
    hub.publish(caption(1, "Good evening.", "en"))
    hub.publish(caption(1, SENTENCES[1], final=False))
    hub.publish(caption(1, SENTENCES[1], rev=1))
    hub.publish(caption(1, "Guten Abend.", "de"))  # not shown
    hub.publish(caption(2, SENTENCES[2]))
    async with asyncio.timeout(10):
        assert [await told.get() for _ in range(3)] == [(1, "en"), (1, "es"), (2, "es")]
    await expect(page.locator(".target .line").last).to_have_text(SENTENCES[2])


async def test_a_new_session_starts_with_an_empty_screen(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, "", complaints)
    hub.publish(SESSION)
    hub.publish(caption(7, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[1], final=False))
    await shows(page, SENTENCES[1])


async def test_the_demo_speaks_by_itself(server: CaptionServer, browser: BrowserContext, complaints: list[str]) -> None:
    page = await browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{server.url}/overlay?demo=1&source=1")
    await expect(page.locator(".target .line").first).to_contain_text("Bienvenidos")
    await expect(page.locator(".source .line").first).to_contain_text("Welcome")


async def test_many_captions_leave_few_elements(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await opened(browser, server, LOOKS, complaints)
    for cue in range(300):
        hub.publish(caption(cue, f"frase número {cue}"))
        if cue % 50 == 0:
            await asyncio.sleep(0)
    await expect(page.locator(".line").last).to_contain_text("299")
    await expect(page.locator(".line")).to_have_count(2)
