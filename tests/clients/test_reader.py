"""The reader's page on a phone, in a real browser."""

from __future__ import annotations

import pytest
from browsing import SESSION, caption, opened
from playwright.async_api import BrowserContext, Locator, Page, ViewportSize, expect

from surtitle.pipeline.events import Gap, SessionEnd, SessionStart, Status, Targets
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Tokens

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PHONE = ViewportSize(width=320, height=640)
SAID = ["Good evening.", "Thank you for coming.", "Please sit down."]
SPANISH = ["Buenas noches.", "Gracias por venir.", "Siéntense, por favor."]
ARABIC = ["مساء الخير.", "OBS 2026 شكراً لحضوركم.", "تفضلوا بالجلوس."]


def say(hub: Hub, cue: int) -> None:
    for language, text in (("en", SAID[cue % 3]), ("es", SPANISH[cue % 3]), ("ar", ARABIC[cue % 3])):
        hub.publish(caption(cue, f"{text} ({cue})", language))


async def reader(browser: BrowserContext, server: CaptionServer, complaints: list[str], asks: str = "?lang=es") -> Page:
    page = await opened(browser, f"{server.url}/read{asks}", complaints)
    await page.set_viewport_size(PHONE)
    return page


async def test_a_late_reader_gets_the_history_and_then_what_is_new(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    for cue in range(3):
        say(hub, cue)
    page = await reader(browser, server, complaints)
    said = page.locator("#captions p")
    await expect(said).to_have_text([f"{text} ({cue})" for cue, text in enumerate(SPANISH)])
    hub.publish(caption(3, "Empezam", final=False))
    await expect(page.locator("#drafts p")).to_have_text("Empezam")
    await expect(said).to_have_count(3)  # what is read aloud is final
    hub.publish(caption(3, "", rev=1, final=False))  # a guess, taken back
    await expect(page.locator("#drafts p")).to_have_count(0)
    hub.publish(caption(3, "Empezamos.", rev=2))
    await expect(said.last).to_have_text("Empezamos.")
    await expect(page.locator("#drafts p")).to_have_count(0)
    hub.publish(Gap(4, 9, "overload"))
    hub.publish(SessionEnd(9, 9, {}))
    await expect(page.locator("#captions")).to_contain_text("Missing 5 s: the computer could not keep up")
    await expect(page.locator("#captions")).to_contain_text("The session is over.")


@pytest.mark.parametrize("shown", ["read?lang=es", "overlay?lang=es", "read?lang=es#token=revoked"])
async def test_where_everybody_may_read_nobody_is_asked_for_a_token(
    shown: str, hub: Hub, rooms: Rooms, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    async with CaptionServer(rooms, port=0, tokens=lambda: Tokens((), public_read=True)) as server:
        page = await opened(browser, f"{server.url}/{shown}", complaints)
        await expect(page.get_by_text(f"{SPANISH[0]} (0)")).to_be_visible()
        await expect(page.locator("#notice")).to_have_text("")


async def test_what_is_missing_in_pieces_is_told_in_one_line_and_a_moment_in_none(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    lines = page.locator("#captions p")
    shown = [f"{text} ({cue})" for cue, text in enumerate(SPANISH)]
    say(hub, 0)
    hub.publish(Gap(1.0, 1.0, "overload"))
    for start in (1.0, 1.5):
        hub.publish(Gap(start, start + 0.2, "network"))
    say(hub, 1)
    await expect(lines).to_have_text(shown[:2])
    for start in (3.0, 5.0):
        hub.publish(Gap(start, start + 1.4, "network"))
    slow = "s: the speaker's network was too slow"
    await expect(lines).to_have_text([*shown[:2], f"Missing 3 {slow}"])
    say(hub, 2)
    hub.publish(Gap(8.0, 9.0, "network"))
    await expect(lines).to_have_text([*shown[:2], f"Missing 3 {slow}", shown[2], f"Missing 1 {slow}"])
    say(hub, 3)
    hub.publish(Gap(10.0, 10.3, "network"))
    hub.publish(SessionEnd(11, 11, {}))
    hub.publish(SESSION)
    hub.publish(Gap(0.0, 0.3, "network"))  # of another session: it adds up to nothing
    await expect(lines.last).to_have_text("The session is over.")


async def test_a_late_reader_of_the_original_too_reads_in_the_order_in_which_it_was_said(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    for cue in range(24):  # the translator is two captions behind
        hub.publish(caption(cue, f"{cue}: said", "en"))
        if cue >= 2:
            hub.publish(caption(cue - 2, f"{cue - 2}: dicho"))
    page = await reader(browser, server, complaints)
    await page.get_by_role("button", name="Aa").click()
    await page.get_by_label("Show the original, too").check()
    words = page.locator("#captions p")
    await expect(words).to_have_count(40)
    cues = [int(text.partition(":")[0]) for text in await words.all_inner_texts()]
    assert cues == sorted(cues)


async def test_a_reader_changes_language_while_connected(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    page = await reader(browser, server, complaints, "")  # the device's language is English: what was said
    await expect(page.locator("#captions p")).to_have_text(["Good evening. (0)"])
    await expect(page.get_by_label("Language").locator("option")).to_have_text(["Español", "العربية", "English"])
    await page.get_by_label("Language").select_option("ar")
    await expect(page.locator("#captions p")).to_have_text(["مساء الخير. (0)"])
    say(hub, 1)
    last = page.locator("#captions p").last
    await expect(last).to_have_text("OBS 2026 شكراً لحضوركم. (1)")
    await expect(last).to_have_css("direction", "rtl")
    await page.get_by_role("button", name="Aa").click()
    await page.get_by_label("Show the original, too").check()
    await expect(page.locator("#captions p")).to_have_text(
        ["مساء الخير. (0)", "Good evening. (0)", "OBS 2026 شكراً لحضوركم. (1)", "Thank you for coming. (1)"]
    )
    assert hub.viewers == 1


@pytest.mark.parametrize(("asks", "shown"), [("", SPANISH[0]), ("?lang=ar,%20es", ARABIC[0]), ("?lang=en", SAID[0])])
async def test_a_reader_is_shown_a_language_in_which_all_is_there(
    asks: str, shown: str, hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    # English is the device's language, and that of some of the speakers
    hub.publish(SessionStart("night-1", ("en", "de"), ("es", "ar"), {}, "real"))
    say(hub, 0)
    page = await reader(browser, server, complaints, asks)
    await expect(page.locator("#captions p")).to_have_text([f"{shown} (0)"])


async def test_a_norwegian_phone_is_shown_norwegian(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.add_init_script("Object.defineProperty(navigator, 'languages', { value: ['nb-NO'] })")
    hub.publish(SessionStart("night-1", ("en",), ("es", "no"), {}, "real"))
    hub.publish(caption(0, "God kveld.", "no"))
    page = await reader(browser, server, complaints, "")
    await expect(page.locator("#captions p")).to_have_text(["God kveld."])


async def test_a_reader_of_a_language_that_is_translated_no_more_reads_another(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints, "?lang=ar")
    say(hub, 0)
    hub.publish(caption(1, "OBS", "ar", final=False))
    await expect(page.locator("#drafts p")).to_have_text(["OBS"])
    hub.publish(Targets(("es", "de")))
    await expect(page.locator("#drafts p")).to_have_count(0)
    await expect(page.get_by_label("Language").locator("option")).to_have_text(["Español", "Deutsch", "English"])
    await expect(page.locator("#captions p")).to_have_text([f"{SAID[0]} (0)"])
    hub.publish(Targets(("es", "de", "ar")))
    await expect(page.get_by_label("Language")).to_have_value("ar")  # what was wanted is there again
    hub.publish(caption(1, ARABIC[1], "ar"))
    await expect(page.locator("#captions p")).to_have_text([ARABIC[1]])
    await page.get_by_label("Language").select_option("de")
    hub.publish(caption(1, "Danke.", "de"))
    await expect(page.locator("#captions p").last).to_have_text("Danke.")


async def test_what_was_said_in_a_language_that_is_translated_no_more_is_no_open_draft_for_ever(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SessionStart("night-1", ("en", "es"), ("es", "ar"), {}, "real"))
    page = await reader(browser, server, complaints)
    hub.publish(caption(0, "Buen", final=False))
    await expect(page.locator("#drafts p")).to_have_text(["Buen"])
    hub.publish(Targets(("ar",)))
    await expect(page.locator("#drafts p")).to_have_count(0)


async def test_a_draft_that_a_session_left_unfinished_goes_at_its_end(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    hub.publish(caption(0, "Buen", final=False))
    await expect(page.locator("#drafts p")).to_have_text(["Buen"])
    hub.publish(SessionEnd(9, 9, {}))
    await expect(page.locator("#captions")).to_have_text("The session is over.")
    await expect(page.locator("#drafts p")).to_have_count(0)


@pytest.mark.parametrize("remembered", ["es", "es-MX", "de"])
async def test_after_the_end_a_reader_may_still_choose_any_language(
    remembered: str, hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    hub.publish(SessionEnd(9, 9, {}))
    page = await reader(browser, server, complaints, f"?lang={remembered}")
    menu = page.get_by_label("Language").locator("option")
    await expect(menu).to_have_count(3)
    # what there is not is not shown: the device's language is
    shown = SPANISH[0] if remembered.startswith("es") else SAID[0]
    await expect(page.locator("#captions p").first).to_have_text(f"{shown} (0)")
    await page.get_by_label("Language").select_option("ar")
    await expect(page.locator("#captions p").first).to_have_text(f"{ARABIC[0]} (0)")


async def twenty_said(hub: Hub, page: Page) -> Locator:
    """The newest caption, in sight below more of them than the page shows."""
    for cue in range(20):
        say(hub, cue)
    newest = page.locator("#captions p").last
    await expect(newest).to_contain_text("(19)")
    await expect(newest).to_be_in_viewport()
    return newest


async def test_it_follows_until_somebody_scrolls_up_and_again_when_asked(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    newest = await twenty_said(hub, page)
    await page.mouse.move(160, 300)
    await page.mouse.wheel(0, -500)
    button = page.get_by_role("button", name="New captions")
    await expect(newest).not_to_be_in_viewport()
    before = await page.evaluate("scrollY")
    say(hub, 20)
    await expect(button).to_be_visible()
    assert await page.evaluate("scrollY") == before
    await button.click()
    await expect(newest).to_contain_text("(20)")
    await expect(newest).to_be_in_viewport()
    await expect(button).to_be_hidden()
    say(hub, 21)
    await expect(newest).to_contain_text("(21)")
    await expect(newest).to_be_in_viewport()
    assert await page.evaluate("document.scrollingElement.scrollWidth") == 320


async def test_who_scrolls_up_slowly_is_not_scrolled_back(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    newest = await twenty_said(hub, page)
    before = await page.evaluate("scrollY")
    step = "new Promise((seen) => { addEventListener('scroll', seen, { once: true }); scrollBy(0, -10); })"
    for _ in range(6):  # as a finger does
        await page.evaluate(step)
    assert await page.evaluate("scrollY") == before - 60
    say(hub, 20)
    button = page.get_by_role("button", name="New captions")
    await expect(button).to_be_visible()
    assert await page.evaluate("scrollY") == before - 60
    await page.evaluate("scrollBy(0, 1000)")
    await expect(button).to_be_hidden()
    say(hub, 21)
    await expect(newest).to_contain_text("(21)")
    await expect(newest).to_be_in_viewport()


async def test_who_scrolled_up_is_told_of_no_new_captions_because_the_connection_is_back(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        page = await reader(browser, server, complaints)
        newest = await twenty_said(hub, page)
        await page.evaluate("scrollBy(0, -300)")
        await expect(newest).not_to_be_in_viewport()
    async with CaptionServer(Rooms(lambda: hub), port=server.port):
        hub.publish(Status("device", None, 1, 1))
        await expect(page.locator("#notice")).to_have_text("The microphone is gone")
        button = page.get_by_role("button", name="New captions")
        await expect(button).to_be_hidden()
        say(hub, 20)
        await expect(button).to_be_visible()
        await page.close()
    # The browser itself reports each failed attempt.
    complaints[:] = [said for said in complaints if "WebSocket connection to" not in said]


async def test_it_follows_who_reaches_for_the_menus_by_keyboard(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    newest = await twenty_said(hub, page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("Language")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Aa")).to_be_focused()
    say(hub, 20)
    await expect(newest).to_contain_text("(20)")
    await expect(newest).to_be_in_viewport()


async def test_who_chooses_a_size_sees_the_choice_and_the_newest_words(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    page = await reader(browser, server, complaints)
    hub.publish(Status("device", None, 1, 1))
    newest = await twenty_said(hub, page)
    await page.get_by_role("button", name="Aa").dispatch_event("click")  # scrolls to nothing
    choice = page.get_by_role("region", name="Size and colours")
    for cue in (20, 21):
        say(hub, cue)
        await expect(newest).to_contain_text(f"({cue})")
        for seen in (choice, newest, page.get_by_text("The microphone is gone")):
            await expect(seen).to_be_in_viewport(ratio=1)
        await page.get_by_role("button", name="Larger").dispatch_event("click")
    await page.set_viewport_size(ViewportSize(width=320, height=256))  # an ordinary window at 400 %
    await page.get_by_label("Show the original, too").focus()
    await expect(page.get_by_label("Show the original, too")).to_be_in_viewport(ratio=1)


async def test_on_a_phone_that_is_turned_nothing_stands_behind_its_camera(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    page = await reader(browser, server, complaints)
    await page.set_viewport_size(ViewportSize(width=780, height=360))
    inside = await browser.new_cdp_session(page)
    await inside.send("Emulation.setSafeAreaInsetsOverride", {"insets": {"left": 59, "right": 59}})
    await page.get_by_role("button", name="Aa").click()
    for seen in ("#room", "#sized", "[name=theme]", "#original", "#captions p"):
        box = await page.locator(seen).first.bounding_box()
        assert box is not None
        assert box["x"] >= 59, seen


async def test_size_and_colours_are_remembered(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    page = await reader(browser, server, complaints)
    words = page.locator("#captions p")
    await expect(words).to_have_css("font-size", "24px")
    await page.get_by_role("button", name="Aa").click()
    await page.get_by_role("button", name="Larger").click()
    await page.get_by_label("High contrast").check()
    await page.get_by_label("Language").select_option("ar")
    await page.goto(f"{server.url}/read")
    await expect(words).to_have_css("font-size", "28px")
    await expect(words).to_have_css("color", "rgb(255, 255, 255)")
    await expect(words).to_have_attribute("lang", "ar")
    await expect(page.locator("body")).to_have_css("background-color", "rgb(0, 0, 0)")


async def test_a_language_that_was_chosen_stays_where_the_address_named_another_one(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    say(hub, 0)
    page = await reader(browser, server, complaints, "?session=main&lang=es&lang=en#token=any")
    await page.get_by_label("Language").select_option("ar")
    await expect(page.locator("#captions p")).to_have_text([f"{ARABIC[0]} (0)"])
    assert page.url == f"{server.url}/read?session=main&lang=ar#token=any"
    await page.reload()  # as phones do that slept
    await expect(page.locator("#captions p")).to_have_text([f"{ARABIC[0]} (0)"])


async def test_a_new_session_goes_on_below_the_one_before(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await reader(browser, server, complaints)
    await expect(page.get_by_text("Captions appear here as soon as somebody speaks.")).to_be_visible()
    for _ in range(2):
        hub.publish(SESSION)
        say(hub, 0)
        await expect(page.locator("#captions p").last).to_have_text("Buenas noches. (0)")
    await expect(page.locator("#captions p")).to_have_count(2)


NEEDS_A_TOUCH = """
    window.locks = [];
    navigator.wakeLock.request = async () => {
        if (!navigator.userActivation.isActive) throw new DOMException("Permission was denied", "NotAllowedError");
        locks.push({ released: false });
        return locks.at(-1);
    };
"""
"""The screen is kept on as in Safari."""


async def test_the_screen_of_an_iphone_is_kept_on_from_the_first_touch(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    await browser.add_init_script(NEEDS_A_TOUCH)
    hub.publish(SESSION)
    say(hub, 0)
    page = await reader(browser, server, complaints)
    words = page.locator("#captions p")
    assert await page.evaluate("locks.length") == 0
    for _ in range(2):
        await words.click()
        assert await page.evaluate("locks.length") == 1
    await page.evaluate("locks[0].released = true")  # as while the phone is locked
    await words.click()
    assert await page.evaluate("locks.length") == 2
