"""The ways of the pages to the captions and of the microphone to the server, in a real browser: what cuts them."""

from __future__ import annotations

import asyncio
import json
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from browsing import SESSION, caption, listened, until
from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect
from serving import Listener

from surtitle.pipeline.events import Sound
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
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
IN_USE = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.opened = [];
navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (window.inUse) throw new DOMException("in use", "NotReadableError");
  opened.push(await ask(wanted));
  return opened.at(-1);
};
window.live = () => opened.map((each) => each.getTracks()[0].readyState === "live").join();
"""
"""A microphone can't be had while the test says so."""
STUCK = """
const waits = Object.getOwnPropertyDescriptor(WebSocket.prototype, "bufferedAmount").get;
const get = function () { return window.stuck ? 64000 : waits.call(this); };
Object.defineProperty(WebSocket.prototype, "bufferedAmount", { get });
"""
"""What is sent waits, and does not get less: a server that lost its power."""


READS_LATER = """
const read = OfflineAudioContext.prototype.decodeAudioData;
const gone = new Promise((go) => (window.go = go));
OfflineAudioContext.prototype.decodeAudioData = async function (bytes) {
  await gone;
  return read.call(this, bytes);
};
"""
"""A recording is read when the test says so."""
SLEEPS = """async () => {
  const { play } = await import("/sound.js");
  let slept = 0;
  const now = performance.now.bind(performance);
  performance.now = () => now() + slept;
  let frames = 0;
  const source = play(new Float32Array(600 * 16000), () => true, () => (frames += 1), () => {});
  await new Promise((go) => setTimeout(go, 200));
  slept = 60000;
  frames = 0;
  await new Promise((go) => setTimeout(go, 200));
  source.close();
  return frames;
}"""
"""How many tenths of a second are sent within two, when nothing was for a minute."""


async def with_microphone(browser: BrowserContext, complaints: list[str], script: str) -> Page:
    """A page that may listen, and runs `script` before its own."""
    await browser.grant_permissions(["microphone"])
    page = await listened(browser, complaints)
    await page.add_init_script(script)
    return page


def write_silence(folder: Path) -> Path:
    """A second of it."""
    path = folder / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    return path


async def cut_before(page: Page, kind: str, number: int) -> list[str]:
    """Cut the way to the captions just before the `number`th message of this kind arrives, on whichever connection it
    comes. The kinds of all that came are in the list that is returned.
    """
    came: list[str] = []

    async def connected(socket: WebSocketRoute) -> None:
        there = socket.connect_to_server()

        async def passed(message: str | bytes) -> None:
            came.append(json.loads(message)["type"])
            if came[-1] == kind and came.count(kind) == number:
                await there.close()
                await socket.close(code=1001)
            else:
                socket.send(message)

        there.on_message(passed)

    await page.route_web_socket("**/captions", connected)
    return came


async def test_a_page_that_was_cut_before_its_snapshot_asks_for_it_again(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    hub.publish(caption(0, "Buenas noches."))
    page = await listened(browser, complaints)
    came = await cut_before(page, "snapshot", 1)
    await page.goto(f"{server.url}/read?lang=es")
    await expect(page.locator("#captions p")).to_have_text(["Buenas noches."])
    assert came.count("snapshot") > 1


async def test_a_page_that_was_cut_while_its_language_changed_asks_for_what_it_does_not_show(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    hub.publish(caption(0, "Good evening.", "en"))
    page = await listened(browser, complaints)
    # behind the snapshot without a caption, before that of the language that was chosen
    came = await cut_before(page, "welcome", 2)
    await page.goto(f"{server.url}/read?lang=de")  # which there is not: English, the device's language, is chosen
    await expect(page.locator("#captions p")).to_have_text(["Good evening."])
    assert came.count("welcome") > 2


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
        await expect(state).to_have_text("Nothing is heard yet: allow the microphone.")
        await page.evaluate("Promise.all(allow.map((each) => each()))")
        await until(page, "opened.length === 2")
        await until(page, "opened.filter((each) => each.getTracks()[0].readyState === 'live').length === 1")
        await expect(state).to_have_text("You are being heard.")
        await page.close()


async def test_whose_other_microphone_can_not_be_had_is_heard_by_the_one_before(
    browser: BrowserContext, complaints: list[str]
) -> None:
    page = await with_microphone(browser, complaints, IN_USE)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=Listener()) as server:
        await page.goto(f"{server.url}/speak")
        state, menu = page.locator("#state"), page.get_by_label("Microphone")
        await page.get_by_role("button", name="Start speaking").click()
        await expect(state).to_have_text("You are being heard.")
        await expect(menu.locator("option")).not_to_have_count(1)
        await page.wait_for_timeout(1000)  # its sound comes, and nothing tells
        await page.evaluate("inUse = true")
        await menu.select_option(index=1)
        await expect(page.get_by_role("alert")).to_have_text(
            "The previous microphone is still on. No microphone: in use"
        )
        await expect(state).to_have_text("You are being heard.")
        assert await page.evaluate("live()") == "true"
        await page.evaluate("inUse = false")
        await menu.select_option(index=1)
        await expect(page.locator("#trouble")).to_be_empty()
        await expect(state).to_have_text("You are being heard.")
        async with asyncio.timeout(5):
            await until(page, "live() === 'false,true'")
        await page.close()


async def test_a_microphone_that_is_allowed_after_the_stop_is_closed_while_last_captions_are_waited_for(
    browser: BrowserContext, complaints: list[str]
) -> None:
    over = asyncio.Event()

    async def captioning(start: PublishStart, audio: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
        await ready()
        await over.wait()

    page = await with_microphone(browser, complaints, ASKS_LATER)
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=captioning) as server:
        try:
            await page.goto(f"{server.url}/speak")
            await page.get_by_role("button", name="Start speaking").click()
            await expect(page.locator("#state")).to_have_text("Nothing is heard yet: allow the microphone.")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator("#state")).to_have_text("Waiting for the last captions…")
            await page.evaluate("allow[0]()")
            await until(page, "opened[0]?.getTracks()[0].readyState === 'ended'")
        finally:
            over.set()  # the server waits for its sessions, and would wait for good
        await page.close()


async def test_while_a_recording_is_read_nothing_else_is_begun(
    browser: BrowserContext, complaints: list[str], tmp_path: Path
) -> None:
    talk = write_silence(tmp_path)
    page = await with_microphone(browser, complaints, READS_LATER)
    listener = Listener()
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener) as server:
        await page.goto(f"{server.url}/speak#token=secret")
        await page.get_by_label("drop a recording").set_input_files(talk)
        for name in ("Start speaking", "Stop"):
            await expect(page.get_by_role("button", name=name)).to_be_disabled()
        await expect(page.get_by_label("drop a recording")).to_be_disabled()
        await expect(page.locator("#readers")).not_to_have_attribute("href", re.compile("secret"))
        await page.evaluate("go()")
        await expect(page.get_by_role("button", name="Stop")).to_be_enabled()
        await asyncio.wait_for(listener.ended.wait(), 20)
        await expect(page.get_by_role("button", name="Start speaking")).to_be_enabled()
        await page.close()
    assert len(listener.heard) == 16_000


async def test_a_recording_that_slept_goes_on_at_the_pace_of_speech(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await listened(browser, complaints)
    await page.goto(f"{server.url}/speak")
    frames = await page.evaluate(SLEEPS)
    assert 19 <= frames <= 30


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


async def test_a_recording_loses_nothing_to_a_session_that_is_taken(
    browser: BrowserContext, complaints: list[str], tmp_path: Path
) -> None:
    talk = write_silence(tmp_path)
    page = await listened(browser, complaints)
    tries: list[WebSocketRoute] = []

    def connected(socket: WebSocketRoute) -> None:
        tries.append(socket)
        if len(tries) > 1:
            socket.connect_to_server()

    await page.route_web_socket("**/publish", connected)
    listener = Listener()
    async with CaptionServer(Rooms(lambda: Hub("e")), port=0, on_publish=listener) as server:
        await page.goto(f"{server.url}/speak")
        await page.get_by_label("drop a recording").set_input_files(talk)
        await expect(page.locator("#state")).to_have_text("Getting ready. You can already speak.")
        await page.wait_for_timeout(500)  # until the refusal is here
        await tries[0].close(code=4409)
        await asyncio.wait_for(listener.ended.wait(), 20)
        await page.close()
    assert len(listener.heard) == 16_000
