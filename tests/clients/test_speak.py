"""The microphone page, in a real browser whose microphone hears a recording."""

from __future__ import annotations

import asyncio
import re
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import browsing
import numpy as np
import pytest
import pytest_asyncio
from browsing import SESSION, WRITES, caption, listened
from playwright.async_api import Browser, BrowserContext, Page, expect
from serving import Listener

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Samples, Sound, Targets
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.languages import LANGUAGES
from surtitle.pipeline.messages import PublishStart
from surtitle.pipeline.rooms import Ready, Room, Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Tokens

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

RATE = 16_000
Serve = Callable[[Listener], CaptionServer]


def recording(seconds: float) -> Samples:
    """Tones that go up and syllables that come and go: no part of it is like another."""
    at = np.arange(round(seconds * RATE)) / RATE
    loud = 0.2 + 0.2 * np.sin(2 * np.pi * 3 * at)
    return (loud * np.sin(2 * np.pi * (200 + 150 * at) * at)).astype(np.float32)


def write(path: Path, samples: Samples, rate: int = RATE) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def likeness(heard: Samples, said: Samples) -> float:
    """The correlation of `heard` with that part of `said` that is most like it: 1 if it is that part."""
    size = 1 << (len(heard) + len(said)).bit_length()
    lags = np.fft.irfft(np.fft.rfft(said, size) * np.conj(np.fft.rfft(heard, size)), size)[: len(said) - len(heard) + 1]
    at = int(lags.argmax())
    part = said[at : at + len(heard)]
    return float(heard @ part / np.linalg.norm(heard) / np.linalg.norm(part))


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write(path, recording(20))
    return path


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium(voice: Path) -> AsyncIterator[Browser]:
    capture = ("--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={voice}")
    async with browsing.chromium(*capture) as browser:
        yield browser


@pytest.fixture
def serve(hub: Hub) -> Serve:
    return lambda listener: CaptionServer(Rooms(lambda: hub), port=0, on_publish=listener)


async def speaker(browser: BrowserContext, server: CaptionServer, complaints: list[str], asks: str = "") -> Page:
    page = await listened(browser, complaints)
    await page.goto(f"{server.url}/speak{asks}")
    return page


async def hears(listener: Listener, seconds: float) -> None:
    async with asyncio.timeout(20):
        while len(listener.heard) < seconds * RATE:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)


async def test_what_the_microphone_hears_arrives_and_its_captions_are_shown_below(
    hub: Hub, serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints, "?session=main")
        await page.locator("[name=from]").select_option("de")
        await page.locator("[name=also]").select_option("en")
        await page.get_by_role("button", name="Français").click()
        await page.get_by_role("button", name="Start speaking").click()
        state = page.locator("#state")
        await expect(state).to_have_text("You are being heard.")
        await hears(listener, 2)
        level = page.get_by_role("meter", name="Level")
        await expect(level).to_have_attribute("aria-valuenow", re.compile(r"^-([1-9]|[1-3]\d)$"))
        await expect(page.get_by_label("Microphone").locator("option")).not_to_have_count(1)
        hub.publish(SESSION)
        hub.publish(caption(0, "Good evening.", "en"))
        hub.publish(caption(0, "Buenas noches."))
        await expect(page.locator("#captions p")).to_have_text(["Buenas noches.", "Good evening."])
        await page.get_by_role("button", name="Stop").click()
        await expect(state).to_have_text("Done: everything that was said has been captioned.")
        await expect(page.locator("#skipped")).to_be_hidden()
    (start,) = listener.starts
    assert (start.sources, start.targets, start.session) == (("de", "en"), ("es", "fr"), "main")
    heard = np.array(listener.heard, np.float32)
    assert len(heard) % 1600 == 0
    assert likeness(heard[RATE // 2 :], np.tile(recording(20), 2)) > 0.99


@pytest.mark.parametrize("public", [False, True])
async def test_a_speaker_hears_whether_readers_need_tokens_and_that_speakers_do(
    public: bool, hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    tokens = Tokens((), public_read=public)
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=lambda: tokens, on_publish=Listener()) as server:
        page = await listened(browser, complaints)
        async with page.expect_response("**/sessions"):
            await page.goto(f"{server.url}/speak")
        await expect(page.get_by_text("by a link with a token of their own")).to_be_visible(visible=not public)
        await expect(page.locator("#readers")).to_have_text(f"{server.url}/read")
        await page.get_by_role("button", name="Start speaking").click()
        await expect(page.get_by_role("alert")).to_contain_text("No access: the token in this address is missing")
    complaints[:] = [each for each in complaints if "401" not in each]


async def test_other_translations_are_chosen_while_somebody_speaks(
    hub: Hub, serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.2)
        await expect(page.locator("[name=from]")).to_be_disabled()
        await expect(page.get_by_role("button", name="Español")).to_be_disabled()  # one at least
        await page.get_by_role("button", name="English").click()  # it is spoken, and may be wanted too
        await expect(page.get_by_role("button", name="Español")).to_be_enabled()
        await page.get_by_role("button", name="English").click()
        await page.get_by_role("button", name="Français").click()
        await page.get_by_role("button", name="Español").click()
        await expect(page.get_by_role("button", name="Français")).to_be_disabled()
        hub.publish(SESSION)
        hub.publish(caption(0, "Buenas", final=False))
        await expect(page.locator("#captions p")).to_have_text(["Buenas"])
        hub.publish(Targets(("fr",)))
        await expect(page.locator("#captions p")).to_have_count(0)
        await page.get_by_role("button", name="Stop").click()
        await asyncio.wait_for(listener.ended.wait(), 20)
    assert listener.wanted == [("es", "en"), ("es",), ("es", "fr"), ("fr",)]


async def test_a_translation_that_was_chosen_stays_so_while_the_one_before_is_taken_up(
    hub: Hub, serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.2)
        hub.publish(SESSION)
        chips = {name: page.get_by_role("button", name=name) for name in ("Español", "Français", "Deutsch", "Italiano")}
        await chips["Deutsch"].click()
        await chips["Français"].click()
        hub.publish(Targets(("es", "de")))  # the server is at the first of them
        hub.publish(caption(0, "Buenas noches."))
        await expect(page.locator("#captions p")).to_have_text(["Buenas noches."])
        await chips["Italiano"].click()
        for targets in (("es", "de", "fr", "it"), ("fr",)):  # and then somebody else wants others
            hub.publish(Targets(targets))
        await expect(chips["Español"]).to_have_attribute("aria-pressed", "false")
        await page.get_by_role("button", name="Stop").click()
        await asyncio.wait_for(listener.ended.wait(), 20)
    assert listener.wanted == [("es", "de"), ("es", "de", "fr"), ("es", "de", "fr", "it")]


async def test_no_more_translations_are_chosen_than_the_server_takes(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        chosen = page.locator("#to [aria-pressed=true]")
        for count in range(1, 16):
            await expect(chosen).to_have_count(count)
            await page.locator("#to [aria-pressed=false]").first.click()
        await expect(chosen).to_have_count(16)
        await expect(page.locator("#to button:disabled")).to_have_count(len(LANGUAGES) - 16)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.2)
    assert len(listener.starts[0].targets) == 16


async def test_a_recording_that_is_dropped_is_sent_at_the_pace_of_speech(
    serve: Serve, browser: BrowserContext, complaints: list[str], tmp_path: Path
) -> None:
    at = np.arange(3 * 44_100) / 44_100
    write(tmp_path / "talk.wav", (0.3 * np.sin(2 * np.pi * (300 + 400 * at) * at)).astype(np.float32), 44_100)
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_label("drop a recording").set_input_files(tmp_path / "talk.wav")
        await hears(listener, 0.5)
        assert len(listener.heard) < 2.5 * RATE, "it is not sent at once"
        await asyncio.wait_for(listener.ended.wait(), 20)
        await expect(page.locator("#state")).to_have_text("Done: everything that was said has been captioned.")
        (tmp_path / "notes.txt").write_text("no sound")
        await page.get_by_label("drop a recording").set_input_files(tmp_path / "notes.txt")
        await expect(page.get_by_role("alert")).to_have_text(
            "This browser can't play notes.txt: choose another recording, or convert it."
        )
    heard = np.array(listener.heard, np.float32)
    assert len(heard) == pytest.approx(3 * RATE, abs=2)
    at = np.arange(len(heard)) / RATE
    said = (0.3 * np.sin(2 * np.pi * (300 + 400 * at) * at)).astype(np.float32)
    assert likeness(heard[800:-800], said) > 0.99


async def test_a_recording_with_a_long_name_leaves_the_page_as_wide_as_the_phone(
    serve: Serve, browser: BrowserContext, complaints: list[str], tmp_path: Path
) -> None:
    file = tmp_path / f"{'2026-11-29_Gottesdienst_Mitschnitt_' * 4}.txt"
    file.write_text("no sound")
    async with serve(Listener()) as server:
        page = await speaker(browser, server, complaints)
        await page.set_viewport_size({"width": 320, "height": 640})
        await page.get_by_label("drop a recording").set_input_files(file)
        await expect(page.get_by_role("alert")).to_contain_text(f"can't play {file.name}")
        assert await page.evaluate("document.scrollingElement.scrollWidth") == 320
        await page.locator("#state").evaluate("(state, name) => (state.textContent = `Reading ${name}…`)", file.name)
        assert await page.evaluate("document.scrollingElement.scrollWidth") == 320


async def test_a_session_that_is_refused_or_taken_is_explained(
    hub: Hub, serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener(UserError("no model speaks Klingon"))
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await expect(page.get_by_role("alert")).to_have_text("no model speaks Klingon")
        await expect(page.get_by_role("button", name="Start speaking")).to_be_enabled()
        await page.close()
    listener = Listener()
    async with serve(listener) as server:
        first = await speaker(browser, server, complaints)
        second = await speaker(browser, server, complaints)
        await first.get_by_role("button", name="Start speaking").click()
        await expect(first.locator("#state")).to_have_text("You are being heard.")
        await second.get_by_role("button", name="Start speaking").click()
        waiting = "Someone else is speaking in this session: waiting until they stop."
        await expect(second.locator("#state")).to_have_text(waiting)
        hub.publish(Targets(("fr",)))
        await expect(first.get_by_role("button", name="Français")).to_have_attribute("aria-pressed", "true")
        await first.get_by_role("button", name="Stop").click()
        await expect(second.locator("#state")).to_have_text("You are being heard.")
        assert listener.starts[-1].targets == ("es",), "those of somebody else are not its own"
        await expect(second.locator("#skipped")).to_contain_text("were skipped")


async def test_nobody_speaks_in_another_session_than_the_one_that_is_named(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await speaker(browser, server, complaints)
        start, session = page.get_by_role("button", name="Start speaking"), page.get_by_label("Session")
        await expect(start).to_be_enabled()
        await session.fill("Saal 2")
        await session.press("Tab")
        await expect(start).to_be_disabled()
        await session.fill("saal-2")
        await session.press("Tab")
        await expect(page).to_have_url(f"{server.url}/speak?session=saal-2")
        await expect(start).to_be_enabled()


async def test_sound_that_nobody_takes_is_counted_and_speech_goes_on_when_the_server_is_back(
    hub: Hub, serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.5)
    await expect(page.locator("#state")).to_contain_text("reconnecting")
    await expect(page.locator("#skipped")).to_contain_text(re.compile(r"^[0-9.]+ s of sound were skipped"))
    listener = Listener()
    async with CaptionServer(Rooms(lambda: hub), port=server.port, on_publish=listener):
        await expect(page.locator("#state")).to_have_text("You are being heard.")
        await hears(listener, 0.5)
        await page.get_by_role("button", name="Stop").click()
        await asyncio.wait_for(listener.ended.wait(), 20)
        await page.close()
    # The browser itself reports each failed attempt.
    complaints[:] = [said for said in complaints if "WebSocket connection to" not in said]


KEEP_CONTEXTS = """
    window.contexts = [];
    window.tracks = [];
    window.AudioContext = class extends AudioContext {
        constructor() {
            super();
            contexts.push(this);
        }
    };
    const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await getUserMedia(wanted);
        tracks.push(...stream.getTracks());
        return stream;
    };
"""


async def test_a_microphone_that_the_system_pauses_is_told_and_goes_on_when_it_may(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.add_init_script(KEEP_CONTEXTS)
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.2)
        await page.evaluate(
            """() => {
                contexts[0].resume = () => Promise.reject(new DOMException("a call", "InvalidStateError"));
                return contexts[0].suspend();
            }"""
        )
        await expect(page.get_by_role("alert")).to_contain_text("nothing is being heard")
        await expect(page.locator("#state")).to_have_text("Nothing is being heard.")
        before = len(listener.heard)
        await page.evaluate("delete contexts[0].resume; dispatchEvent(new Event('visibilitychange'))")
        await expect(page.get_by_role("alert")).to_be_hidden()
        await hears(listener, before / RATE + 0.5)
        await expect(page.locator("#state")).to_have_text("You are being heard.")


async def test_a_microphone_that_was_chosen_and_is_gone_gives_way_to_the_usual_one(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.evaluate("localStorage.setItem('surtitle.speak', JSON.stringify({ device: 'unplugged' }))")
        await page.reload()
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.5)
        await page.evaluate(
            """async () => {
                const all = await navigator.mediaDevices.enumerateDevices();
                const plugged = { kind: "audioinput", label: "The one that was chosen", deviceId: "unplugged" };
                navigator.mediaDevices.enumerateDevices = async () => [...all, plugged];
                navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
            }"""
        )
        menu = page.get_by_label("Microphone")
        await expect(menu).to_contain_text("The one that was chosen")
        await expect(menu).not_to_have_value("unplugged")  # the usual one is still heard


async def test_a_microphone_that_can_not_be_read_is_let_go(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.add_init_script(KEEP_CONTEXTS)
    async with serve(Listener()) as server:
        page = await speaker(browser, server, complaints)
        await page.evaluate(
            "() => void (AudioWorklet.prototype.addModule = () => Promise.reject(new DOMException('no module')))"
        )
        await page.get_by_role("button", name="Start speaking").click()
        await expect(page.get_by_role("alert")).to_have_text("No microphone: no module")
        await expect(page.get_by_role("button", name="Start speaking")).to_be_enabled()
        assert await page.evaluate("[tracks[0].readyState, contexts[0].state]") == ["ended", "closed"]


FAKE_SOCKETS = """() => {
    window.sockets = [];
    window.WebSocket = class {
        readyState = 1;
        bufferedAmount = 0;
        sent = [];
        constructor(url) {
            if (url.includes("/publish")) sockets.push(this); // others are the page's own
        }
        send(data) {
            this.sent.push(data);
        }
        close() {}
    };
}"""


async def with_fake_sockets(browser: BrowserContext, server: CaptionServer, complaints: list[str]) -> Page:
    page = await speaker(browser, server, complaints)
    await page.evaluate(FAKE_SOCKETS)
    return page


async def test_a_slow_network_costs_whole_stretches_of_speech_and_not_every_second_frame(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await with_fake_sockets(browser, server, complaints)
        sent = await page.evaluate(
            """async () => {
                const { Publisher } = await import("/publisher.js");
                const publisher = new Publisher({ from: "en", to: ["es"] }, () => {});
                for (const waiting of [0, 63999, 64000, 63999, 32000, 31999, 63999]) {
                    sockets[0].bufferedAmount = waiting;
                    publisher.send(new Int16Array(1600));
                }
                return sockets[0].sent.map((each) => (typeof each === "string" ? each : each.length));
            }"""
        )
    assert sent == [1600, 1600, '{"type":"skipped","samples":4800}', 1600, 1600]


async def test_a_speaker_is_told_while_only_part_of_the_speech_is_sent(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.add_init_script(
        "window.waiting = 0; Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => waiting });"
    )
    listener = Listener()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.5)
        await page.evaluate("() => void (waiting = 64000)")
        await expect(page.locator("#state")).to_have_text("Only part of what you say is being heard.")
        await page.evaluate("() => void (waiting = 0)")
        await expect(page.locator("#state")).to_have_text("You are being heard.")
        skipped = page.locator("#skipped")
        await expect(skipped).to_contain_text("were skipped")
        await skipped.evaluate(WRITES)
        await hears(listener, len(listener.heard) / RATE + 0.5)
        assert await page.evaluate("writes") == 0, "it would be read aloud again"
        await page.get_by_role("button", name="Stop").click()
        await asyncio.wait_for(listener.ended.wait(), 20)
        assert len(listener.skipped) == 1
        told = "() => new MutationObserver(() => said.push(state.textContent)).observe(state, { childList: true })"
        await page.evaluate("() => { window.said = []; window.state = document.getElementById('state'); }")
        await page.evaluate(told)
        await page.get_by_role("button", name="Start speaking").click()  # what was lost before is no news
        await expect(page.locator("#state")).to_have_text("You are being heard.")
        await page.wait_for_timeout(500)
        assert not [words for words in await page.evaluate("said") if "Only part" in words]


async def test_a_speaker_whose_network_changed_is_back_soon_after_the_server_has_noticed(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await listened(browser, complaints)
        await page.clock.install()
        await page.goto(f"{server.url}/speak")
        await page.evaluate(FAKE_SOCKETS)
        await page.evaluate(
            """async () => {
                const { Publisher } = await import("/publisher.js");
                window.told = [];
                new Publisher({ from: "en", to: ["es"] }, (state, words) => told.push(words));
                sockets[0].onopen();
                sockets[0].onmessage({ data: '{"type":"ready"}' });
                sockets[0].onclose({ code: 1006 });
            }"""
        )
        await page.clock.run_for(1_000)
        busy = "() => { const here = sockets.at(-1); here.onopen(); here.onclose({ code: 4409 }); }"
        for tries in range(2, 8):
            assert await page.evaluate("sockets.length") == tries
            await page.evaluate(busy)
            await page.clock.run_for(1_500)
        told = await page.evaluate("told")
        assert set(told[-5:]) == {"Reconnecting: the server has not noticed yet that the old connection is gone."}
        await page.clock.run_for(60_000)
        await page.evaluate(busy)
        assert (
            await page.evaluate("told.at(-1)") == "Someone else is speaking in this session: waiting until they stop."
        )
        pauses = await page.evaluate("sockets.length")
        await page.clock.run_for(400)
        assert await page.evaluate("sockets.length") == pauses  # nobody hurries behind somebody else
        await page.clock.run_for(20_000)
        await page.evaluate("sockets.at(-1).onopen()")
        await page.clock.run_for(1_000)
        assert await page.evaluate("told.at(-1)") == "Getting ready. You can already speak."


@pytest.mark.parametrize("stops_first", [False, True])
async def test_who_stops_around_a_cut_and_starts_again_is_not_taken_for_somebody_else(
    serve: Serve, browser: BrowserContext, complaints: list[str], stops_first: bool
) -> None:
    async with serve(Listener()) as server:
        page = await with_fake_sockets(browser, server, complaints)
        told = await page.evaluate(
            """async (stopsFirst) => {
                const { Publisher } = await import("/publisher.js");
                const told = [];
                const start = () => {
                    const publisher = new Publisher({ from: "en", to: ["es"] }, (state, words) => told.push(words));
                    sockets.at(-1).onopen();
                    return publisher;
                };
                const lose = (code) => {
                    sockets.at(-1).onclose({ code });
                    sockets.at(-1).readyState = 3;
                    return told.at(-1);
                };
                const first = start();
                const taken = lose(4409);
                first.stop();
                const second = start();
                if (stopsFirst) second.stop();
                lose(1006);
                if (!stopsFirst) second.stop();
                const third = start();
                const ours = lose(4409);
                third.stop();
                return [taken, ours];
            }""",
            stops_first,
        )
    assert told == [
        "Someone else is speaking in this session: waiting until they stop.",
        "Reconnecting: the server has not noticed yet that the old connection is gone.",
    ]


async def test_who_has_stopped_opens_no_microphone_while_the_last_captions_come(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    captioned = asyncio.Event()

    class Slow(Listener):
        async def __call__(self, start: PublishStart, audio: AsyncIterator[Sound], room: Room, ready: Ready) -> None:
            await super().__call__(start, audio, room, ready)
            await captioned.wait()

    listener = Slow()
    async with serve(listener) as server:
        page = await speaker(browser, server, complaints)
        await page.evaluate(
            """() => {
                const { mediaDevices } = navigator;
                const open = mediaDevices.getUserMedia.bind(mediaDevices);
                window.opened = 0;
                mediaDevices.getUserMedia = (wanted) => (window.opened++, open(wanted));
            }"""
        )
        await page.get_by_role("button", name="Start speaking").click()
        await hears(listener, 0.5)
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#state")).to_have_text("Waiting for the last captions…")
        try:
            await page.get_by_label("Microphone").select_option(index=1)
            await page.get_by_role("button", name="Français").click()
            await expect(page.get_by_role("button", name="Stop")).to_be_disabled()
            assert await page.evaluate("opened") == 1
        finally:  # or the server waits for it
            captioned.set()
        await expect(page.locator("#state")).to_have_text("Done: everything that was said has been captioned.")
        await expect(page.get_by_role("button", name="Start speaking")).to_be_enabled()


async def test_who_has_stopped_before_the_server_was_ready_is_not_told_to_be_heard(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await with_fake_sockets(browser, server, complaints)
        states = await page.evaluate(
            """async () => {
                const { Publisher } = await import("/publisher.js");
                const states = [];
                const publisher = new Publisher({ from: "en", to: ["es"] }, (state) => states.push(state));
                sockets[0].onopen();
                publisher.stop();
                sockets[0].onmessage({ data: '{"type":"ready"}' });
                sockets[0].onclose({ code: 1000 });
                return states;
            }"""
        )
    assert states == ["waiting", "open", "last", "over"]


async def test_who_has_stopped_does_not_wait_for_ever_for_a_network_that_is_gone(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await listened(browser, complaints)
        await page.clock.install()
        await page.goto(f"{server.url}/speak")
        await page.evaluate(
            """async () => {
                const { Publisher } = await import("/publisher.js");
                window.WebSocket = class {
                    readyState = 1;
                    bufferedAmount = 0;
                    send() {}
                    close() {}
                };
                window.states = [];
                new Publisher({ from: "en", to: ["es"] }, (state) => states.push(state)).stop();
            }"""
        )
        await page.clock.run_for(119_000)
        assert await page.evaluate("states") == ["waiting", "last"]
        await page.clock.run_for(3_000)
        assert await page.evaluate("states") == ["waiting", "last", "failed"]


async def test_it_offers_the_languages_that_there_are(
    serve: Serve, browser: BrowserContext, complaints: list[str]
) -> None:
    async with serve(Listener()) as server:
        page = await speaker(browser, server, complaints)
        offered = page.locator("[name=from]").locator("option")
        codes = await offered.evaluate_all("options => options.map(({ value }) => value)")
    assert codes == list(LANGUAGES)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
async def test_however_sound_is_cut_the_same_samples_come_out_and_what_is_too_high_does_not(
    serve: Serve, browser: BrowserContext, complaints: list[str], rate: int
) -> None:
    async with serve(Listener()) as server:
        page = await speaker(browser, server, complaints)
        resample = """async ([rate, hertz, sizes]) => {
            const { Resampler } = await import("/pcm.js");
            const resampler = new Resampler(rate);
            const turn = (2 * Math.PI * hertz) / rate;
            const sound = Float32Array.from({ length: rate }, (_, i) => 0.5 * Math.sin(turn * i));
            const out = [];
            for (let at = 0, i = 0; at < sound.length; i++) {
                const size = sizes[i % sizes.length];
                out.push(...resampler.push(sound.subarray(at, at + size)));
                at += size;
            }
            return out;
        }"""
        whole = await page.evaluate(resample, [rate, 440, [rate]])
        assert await page.evaluate(resample, [rate, 440, [1, 128, 7, 1000]]) == whole
        at = np.arange(len(whole)) / RATE
        assert len(whole) == pytest.approx(RATE, abs=40)
        expected = 0.5 * np.sin(2 * np.pi * 440 * at)
        assert np.abs(np.array(whole) - expected)[200:-200].max() < 1e-3
        if rate > 2 * 9_000:
            aliased = await page.evaluate(resample, [rate, 9_000, [rate]])
            assert np.abs(aliased[200:-200]).max() < 1e-3
