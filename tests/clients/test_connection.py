"""The ways of the pages to the captions and of the microphone to the server, in a real browser: what cuts them."""

from __future__ import annotations

import asyncio
import json

import pytest
from browsing import SESSION, caption, listened
from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect
from serving import Listener

from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

ASKS_LATER = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.opened = [];
window.allow = [];
navigator.mediaDevices.getUserMedia = (wanted) => new Promise((given) => allow.push(async () => {
  opened.push(await ask(wanted));
  given(opened.at(-1));
}));
"""
"""The microphone is there when the test allows it."""
STUCK = """
const waits = Object.getOwnPropertyDescriptor(WebSocket.prototype, "bufferedAmount").get;
const get = function () { return window.stuck ? 64000 : waits.call(this); };
Object.defineProperty(WebSocket.prototype, "bufferedAmount", { get });
"""
"""What is sent waits, and does not get less: a server that lost its power."""


async def with_microphone(browser: BrowserContext, complaints: list[str], script: str) -> Page:
    """A page that may listen, and runs `script` before its own."""
    await browser.grant_permissions(["microphone"])
    page = await listened(browser, complaints)
    await page.add_init_script(script)
    return page


async def test_a_page_that_was_cut_before_its_snapshot_asks_for_it_again(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    hub.publish(caption(0, "Buenas noches."))
    page = await listened(browser, complaints)
    cut: list[str] = []

    async def connected(socket: WebSocketRoute) -> None:
        there = socket.connect_to_server()

        async def passed(message: str | bytes) -> None:
            if not cut and json.loads(message)["type"] == "snapshot":
                cut.append("cut")
                await there.close()
                await socket.close(code=1001)
            else:
                socket.send(message)

        there.on_message(passed)

    await page.route_web_socket("**/captions", connected)
    await page.goto(f"{server.url}/read?lang=es")
    await expect(page.locator("#captions p")).to_have_text(["Buenas noches."])
    assert cut


async def test_a_page_without_access_says_so_and_does_not_claim_to_reconnect(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await listened(browser, complaints)
    await page.clock.install()
    connections: list[WebSocketRoute] = []

    async def connected(socket: WebSocketRoute) -> None:
        connections.append(socket)
        await socket.close(code=1001 if len(connections) == 1 else 4505)

    await page.route_web_socket("**/captions", connected)
    await page.goto(f"{server.url}/overlay")
    await page.clock.run_for(1000)
    await expect(page.locator("#notice")).to_contain_text("No access")
    await page.clock.run_for(10_000)
    await expect(page.locator("#notice")).to_contain_text("No access")
    assert len(connections) == 2


async def test_of_several_microphones_that_were_asked_for_only_the_last_is_heard(
    browser: BrowserContext, complaints: list[str]
) -> None:
    page = await with_microphone(browser, complaints, ASKS_LATER)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=Listener()) as server:
        await page.goto(f"{server.url}/speak")
        start, state = page.get_by_role("button", name="Start speaking"), page.locator("#state")
        for name in ("Start speaking", "Stop"):
            await page.get_by_role("button", name=name).click()
        await expect(start).to_be_enabled()
        await start.click()
        await expect(state).to_have_text("You are being heard.")
        await page.evaluate("Promise.all(allow.map((each) => each()))")
        await page.wait_for_function("opened.length === 2")
        await page.wait_for_function("opened.filter((each) => each.getTracks()[0].readyState === 'live').length === 1")
        await page.close()


async def test_sound_that_could_not_be_sent_is_told_in_its_place(
    browser: BrowserContext, complaints: list[str]
) -> None:
    page = await with_microphone(browser, complaints, STUCK)
    listener = Listener()
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener) as server:
        await page.goto(f"{server.url}/speak")
        await page.get_by_role("button", name="Start speaking").click()
        await expect(page.locator("#state")).to_have_text("You are being heard.")
        await page.evaluate("window.stuck = true")
        await expect(page.locator("#skipped")).to_contain_text("were skipped")
        await page.evaluate("window.stuck = false")
        async with asyncio.timeout(20):
            while not listener.skipped:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        shown = await page.locator("#skipped").text_content()
        await page.close()
    assert shown is not None
    assert shown.startswith(f"{sum(listener.skipped) / 16000:.1f} s of sound were skipped")


async def test_a_microphone_whose_server_takes_nothing_any_more_connects_again(
    browser: BrowserContext, complaints: list[str]
) -> None:
    page = await with_microphone(browser, complaints, STUCK)
    await page.clock.install()
    listener = Listener()
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener) as server:
        await page.goto(f"{server.url}/speak")
        await page.get_by_role("button", name="Start speaking").click()
        state = page.locator("#state")
        await expect(state).to_have_text("You are being heard.")
        await page.evaluate("window.stuck = true")
        for _ in range(20):  # it reconnects no sooner than 250 ms after
            await page.clock.run_for(240)
            assert "reconnecting" not in str(await state.text_content())
        for _ in range(60):
            if "reconnecting" in str(await state.text_content()):
                break
            await page.clock.run_for(240)
        await expect(state).to_contain_text("reconnecting")
        await page.evaluate("window.stuck = false")
        await page.clock.run_for(2000)
        await expect(state).to_have_text("You are being heard.")
        assert len(listener.starts) == 2
        await page.close()
