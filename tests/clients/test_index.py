"""The first page, in a real browser."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest
from browsing import SESSION, WRITES, caption, listened, opened
from playwright.async_api import BrowserContext, expect

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_sessions_appear_by_themselves_with_ways_to_read_them(
    browser: BrowserContext, complaints: list[str]
) -> None:
    rooms = Rooms(lambda: Hub("e"))
    async with CaptionServer(rooms, port=0) as server:
        page = await listened(browser, complaints)
        await page.goto(server.url)
        await expect(page.get_by_text("Nobody is speaking yet.")).to_be_visible()
        hall = rooms.speak("hall-2")
        hall.hub.publish(SESSION)
        hall.hub.publish(caption(0, "Good evening", "en"))
        card = page.get_by_role("listitem").filter(has_text="hall-2")
        await expect(card).to_contain_text("English → Español, العربية · 0 viewers")
        await expect(card).to_contain_text("Live")
        await card.get_by_role("link", name="Read: hall-2").focus()
        await opened(browser, f"{server.url}/overlay?session=hall-2", complaints)
        await expect(card).to_contain_text("1 viewer")
        await expect(card.get_by_role("link", name="Read: hall-2")).to_be_focused()
        await card.get_by_role("link", name="Read: hall-2").click()
        await expect(page).to_have_url(f"{server.url}/read?session=hall-2")
        await expect(page.locator("#captions")).to_contain_text("Good evening")


async def test_links_name_their_session_also_where_parameters_can_not_be_counted(
    rooms: Rooms, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    rooms.speak("hall-2")
    page = await listened(browser, complaints)
    await page.add_init_script("delete URLSearchParams.prototype.size")  # Safari 16, Chromium 112
    await page.goto(server.url)
    await expect(page.get_by_role("link", name="Read: hall-2")).to_have_attribute("href", "/read?session=hall-2")


async def test_a_token_is_asked_for_and_goes_along_in_links_but_not_in_requests(
    browser: BrowserContext, complaints: list[str]
) -> None:
    rooms = Rooms(lambda: Hub("e"))
    rooms.speak("main").hub.publish(SESSION)
    tokens = Tokens((Token("hall", "read", hashlib.sha256(b"a secret").hexdigest()),))
    async with CaptionServer(rooms, port=0, tokens=lambda: tokens) as server:
        page = await listened(browser, complaints)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(server.url)
        await expect(page.get_by_role("status")).to_have_text("This needs a token, or a different one.")
        await page.get_by_label("Token").fill("a secret ")  # as phones paste it
        await page.get_by_role("button", name="Show sessions").click()
        link = page.get_by_role("link", name="Overlay: main", exact=True)
        await expect(link).to_have_attribute("href", "/overlay?session=main#token=a+secret")
        await expect(page.get_by_label("Token")).to_be_hidden()
    assert not [url for url in asked if "secret" in urlsplit(url)._replace(fragment="").geturl()]
    # The browser itself reports what was refused.
    complaints[:] = [said for said in complaints if "401" not in said]


async def test_nobody_is_asked_for_a_token_because_a_proxy_answers_while_the_server_restarts(
    rooms: Rooms, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    rooms.speak("main")
    page = await listened(browser, complaints)
    await page.route("**/sessions", lambda route: route.fulfill(status=502))
    await page.goto(server.url)
    await expect(page.get_by_role("status")).to_have_text("The server answered 502.")
    await expect(page.get_by_label("Token")).to_be_hidden()
    await page.unroute("**/sessions")
    await expect(page.get_by_role("link", name="Read: main")).to_be_visible()
    await expect(page.locator("#trouble")).to_be_empty()
    # The browser itself reports what was refused.
    complaints[:] = [said for said in complaints if "502" not in said]


async def test_a_screen_reader_is_told_once_that_a_token_is_needed_and_not_at_each_look(
    browser: BrowserContext, complaints: list[str]
) -> None:
    tokens = Tokens((Token("hall", "read", hashlib.sha256(b"a secret").hexdigest()),))
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, tokens=lambda: tokens) as server:
        page = await listened(browser, complaints)
        await page.clock.install()
        await page.goto(server.url)
        trouble = page.locator("#trouble")
        await expect(trouble).to_have_text("This needs a token, or a different one.")
        await trouble.evaluate(WRITES)
        for _ in range(2):
            async with page.expect_response("**/sessions"):
                await page.clock.run_for(3000)
        assert await page.evaluate("writes") == 0
    # The browser itself reports what was refused.
    complaints[:] = [said for said in complaints if "401" not in said]
