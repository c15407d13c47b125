"""The page that builds the overlay's address, in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from browsing import SESSION, caption, listened, opened
from playwright.async_api import BrowserContext, Page, expect

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def setup(browser: BrowserContext, server: CaptionServer, complaints: list[str], asks: str = "") -> Page:
    page = await listened(browser, complaints)
    await page.goto(f"{server.url}/setup{asks}")
    return page


async def test_every_choice_stands_in_the_address_and_usual_ones_do_not(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await setup(browser, server, complaints)
    address = page.get_by_role("textbox", name="Address")
    await expect(address).to_have_value(f"{server.url}/overlay")
    await page.get_by_label("Session").fill("hall-2")
    await page.get_by_role("button", name="日本語").click()
    await page.get_by_role("button", name="Español").click()
    await page.get_by_label("The original").check()
    await page.get_by_label("Drafts").uncheck()
    for label, value in {
        "Lines": "3",
        "Text size, pixels": "40",
        "Font": "Georgia",
        "Text colour": "#ffee00",
        "Background opacity": "50",
        "Outline": "4",
        "Disappear after": "0",
        "Delay": "1.5",
    }.items():
        await page.get_by_label(label, exact=label == "Outline").fill(value)
    for label, value in {"Align": "center", "Position": "top", "Direction": "rtl"}.items():
        await page.get_by_label(label).select_option(value)
    await page.get_by_label("how late captions are").check()
    await page.get_by_label("Sample captions").check()
    await expect(address).to_have_value(
        f"{server.url}/overlay?session=hall-2&lang=ja,es&source=1&partial=0&lines=3&size=40&font=Georgia"
        "&color=%23ffee00&align=center&pos=top&dir=rtl&hold=0&delay=1.5&debug=1&demo=1&bg=%23090a0e7f"
        "&outline=4px+%23000000"
    )


async def test_the_preview_shows_what_the_address_does(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await setup(browser, server, complaints, "?lang=de&source=1")
    frame = page.frame_locator("iframe")
    await expect(frame.locator(".target .line").first).to_contain_text("Willkommen")
    await expect(frame.locator(".source .line").first).to_contain_text("Welcome")
    await page.get_by_label("Lines").fill("1")
    await page.get_by_label("Text colour").fill("#ff0000")
    await expect(frame.locator(".target .line").first).to_have_css("color", "rgb(255, 0, 0)")
    await page.get_by_label("Source size").select_option("800 × 600")
    await expect(page.locator("iframe")).to_have_css("width", "800px")


async def test_who_wants_drafts_of_a_server_that_sends_none_is_told_so_and_sees_none(
    rooms: Rooms, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub = rooms.speak("main").hub
    hub.publish(SESSION)
    page = await setup(browser, server, complaints)
    told, drafts = page.get_by_text("The server sends none now"), page.get_by_label("Drafts")
    await expect(told).to_be_visible()
    await expect(page.frame_locator("iframe").locator(".line.final").first).to_contain_text("Bienvenidos")
    await expect(page.get_by_role("textbox", name="Address")).to_have_value(f"{server.url}/overlay")
    assert "partial=0" in await page.locator("iframe").evaluate("frame => frame.contentWindow.location.href")
    await drafts.uncheck()
    await expect(told).to_be_hidden()
    hub.publish(replace(SESSION, captions="live"))
    await page.reload()
    await expect(page.locator("#languages button").first).to_have_text("Español")  # the sessions are known
    await expect(told).to_be_hidden()
    await expect(page.frame_locator("iframe").locator(".line.partial").first).to_contain_text("Bienvenidos")


async def test_the_token_moves_behind_the_hash_and_the_address_is_copied_whole(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await setup(browser, server, complaints, "?lang=es&token=a+secret")
    await expect(page).to_have_url(f"{server.url}/setup?lang=es#token=a+secret")
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{server.url}/overlay?lang=es#token=a+secret"
    assert "secret" not in await page.locator("iframe").evaluate("frame => frame.contentWindow.location.href")
    hub.publish(caption(0, "Buenas noches"))
    overlay = await opened(browser, copied, complaints)
    await expect(overlay.locator(".line")).to_have_text("Buenas noches")
