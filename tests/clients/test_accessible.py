"""Every page in a real browser, judged by axe-core: names, roles, contrast, landmarks; and at 320 pixels' width."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import SESSION, caption, listened
from playwright.async_api import BrowserContext, Page, ViewportSize, expect

from surtitle.pipeline.events import Status
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def violations(page: Page) -> list[str]:
    found = (await Axe().run(page)).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/", "#sessions .card"),
        ("/overlay", ".line .partial"),
        ("/read?lang=es", "#drafts p"),
        ("/setup?lang=es", "#languages button"),
        ("/speak", "#drafts p"),
    ],
)
async def test_axe_finds_nothing_and_nothing_is_cut_off_on_a_small_phone(
    hub: Hub,
    rooms: Rooms,
    server: CaptionServer,
    browser: BrowserContext,
    complaints: list[str],
    path: str,
    there: str,
    scheme: Literal["light", "dark"],
) -> None:
    rooms.speak("main")
    hub.publish(SESSION)
    hub.publish(Status("device", None, 1, 1))
    hub.publish(caption(0, "Good evening, everybody.", "en"))
    hub.publish(caption(0, "Buenas noches a todos."))
    hub.publish(caption(1, "Esta noche quie", final=False, stable=11))
    page = await listened(browser, complaints)
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size(ViewportSize(width=320, height=640))
    await page.goto(f"{server.url}{path}")
    await expect(page.locator(there).first).to_be_visible()
    assert await violations(page) == []
    assert await page.evaluate("document.scrollingElement.scrollWidth") == 320


@pytest.mark.parametrize("theme", ["Light", "Dark", "High contrast"])
async def test_every_theme_of_the_reader_can_be_read(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], theme: str
) -> None:
    hub.publish(SESSION)
    page = await listened(browser, complaints)
    await page.goto(f"{server.url}/read?lang=es")
    for cue in range(30):
        hub.publish(caption(cue, f"Frase número {cue}"))
    hub.publish(caption(30, "Esta no", final=False, stable=5))
    await page.get_by_role("button", name="Aa").click()
    await page.get_by_label(theme, exact=True).check()
    await page.get_by_label("Show the original, too").check()
    await expect(page.locator("#drafts")).to_contain_text("Esta no")
    assert await violations(page) == []


async def test_who_is_live_what_is_chosen_and_how_loud_it_is_are_seen_in_forced_colours_too(
    hub: Hub, rooms: Rooms, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    rooms.speak("main")
    hub.publish(SESSION)
    page = await listened(browser, complaints)
    await page.emulate_media(forced_colors="active")
    await page.goto(f"{server.url}/read?lang=es")
    room = page.locator("#room.live")
    live = await room.screenshot()
    await room.evaluate("pill => pill.classList.remove('live')")
    assert await page.locator("#room").screenshot() != live
    await page.goto(f"{server.url}/setup?lang=es")
    looks = "each => getComputedStyle(each).backgroundColor"
    chosen = page.locator("#languages button[aria-pressed='true']")
    other = page.locator("#languages button[aria-pressed='false']").first
    assert await chosen.evaluate(looks) != await other.evaluate(looks)
    await page.goto(f"{server.url}/speak")
    assert await page.locator("#meter span").evaluate(looks) != await page.locator("#meter").evaluate(looks)
