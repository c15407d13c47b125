"""The overlay in a real browser, against a real server."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import replace

import pytest
from browsing import SESSION, caption, listened, opened
from hand_clock import HandClock
from playwright.async_api import BrowserContext, Page, Response, expect

from surtitle.pipeline.events import SessionEnd, SessionStart, Status, Targets
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens

# One browser, and so one event loop, for all tests of this file.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

# About 29 letters of this size fit: each sentence below fills a line of its own.
LOOKS = "size=40&font=monospace"
SENTENCES = [
    "La primera frase de hoy.",
    "La segunda frase de hoy.",
    "La tercera frase de hoy.",
    "Y la última frase.",
]


async def overlay(browser: BrowserContext, server: CaptionServer, query: str, complaints: list[str]) -> Page:
    return await opened(browser, f"{server.url}/overlay?{query}", complaints)


async def shows(page: Page, *lines: str) -> None:
    await expect(page.locator(".line")).to_have_text(list(lines))


async def test_viewers_before_during_and_after_the_speech_see_the_same_last_two_lines(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    before = await overlay(browser, server, LOOKS, complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(before, SENTENCES[0])
    hub.publish(caption(1, SENTENCES[1]))
    during = await overlay(browser, server, LOOKS, complaints)
    await shows(during, *SENTENCES[0:2])
    hub.publish(caption(2, "La tercera", final=False))
    await shows(before, SENTENCES[1], "La tercera")
    hub.publish(caption(2, SENTENCES[2], rev=1))
    hub.publish(caption(3, SENTENCES[3]))
    after = await overlay(browser, server, LOOKS, complaints)
    for page in (before, during, after):
        await shows(page, *SENTENCES[2:4])


# Notes each row that is followed by another and shows nothing that may change, and whether it changes all the same.
WATCH = """() => {
    window.kept = new Map();
    window.moved = [];
    new MutationObserver(() => {
        for (const row of document.querySelectorAll(".line.final:not(:last-child):not(.probe)")) {
            const text = row.textContent;
            if (kept.has(row) && kept.get(row) !== text) moved.push([kept.get(row), text]);
            if (text) kept.set(row, text);
        }
    }).observe(document.getElementById("stage"), { subtree: true, childList: true, characterData: true });
}"""
GROWING = {
    "es": "Muchas gracias por estar aquí con nosotros esta noche tan especial para todos. ",
    "ja": "皆さん、今夜はこの特別な夜に私たちと一緒にいてくださって、本当にありがとうございます。",
    "th": "ขอบคุณทุกท่านมากที่มาอยู่กับเราในค่ำคืนที่พิเศษสำหรับทุกคนในวันนี้ ",
    "ar": "شكراً جزيلاً لوجودكم معنا في هذه الليلة الخاصة، OBS 30 مفتوح للجميع. ",
}


@pytest.mark.parametrize("language", GROWING)
async def test_committed_lines_never_reflow_while_drafts_grow(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], language: str
) -> None:
    page = await overlay(browser, server, "lines=3", complaints)
    await page.evaluate(WATCH)
    said = (GROWING[language] * 4).strip()
    for cue in range(4):
        text = said[cue * len(said) // 4 : (cue + 1) * len(said) // 4]
        for rev, end in enumerate(range(3, len(text), 3)):
            # The unsteady end of a draft is another one each time.
            hub.publish(caption(cue, text[:end] + "…" * (rev % 9), language, rev=rev, final=False, stable=end))
            await asyncio.sleep(0.002)
        hub.publish(caption(cue, text, language, rev=len(text)))
    await expect(page.locator(".partial")).to_have_count(0)
    await expect(page.locator(".line").last).to_contain_text(said[-5:])
    assert await page.evaluate("moved") == []
    kept = "".join([*await page.evaluate("[...kept.values()]"), await page.locator(".line").last.inner_text()])
    assert kept.replace(" ", "") == said.replace(" ", "")
    assert await page.evaluate("kept.size") > 4


async def test_a_draft_is_told_from_what_will_not_change(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(caption(0, "🎻 buenas noc", final=False, stable=8))
    await expect(page.locator(".line.partial .partial")).to_have_text(" noc")
    hub.publish(caption(0, "🎻 buenas noches", rev=1))
    await expect(page.locator(".line.final")).to_have_text("🎻 buenas noches")
    await expect(page.locator(".partial")).to_have_count(0)


async def test_a_guess_that_is_taken_back_goes_and_what_comes_in_its_place_is_shown(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(caption(0, "Buenas noches."))
    hub.publish(caption(1, "Gracias", final=False, stable=0))
    await expect(page.locator(".partial .partial")).to_have_text("Gracias")
    hub.publish(caption(1, "", rev=1, final=False, stable=0))
    await expect(page.locator(".partial")).to_have_count(0)
    await expect(page.locator(".line").first).to_have_text("Buenas noches.")
    hub.publish(caption(1, "Siéntense.", rev=2))
    await expect(page.locator("#stage")).to_contain_text("Siéntense.")


async def test_hostile_text_is_shown_as_text(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "lines=4", complaints)
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    hub.publish(caption(0, hostile))
    await expect(page.locator(".caption")).to_have_text(hostile)
    assert await page.locator("main img, main script").count() == 0


async def test_text_without_end_and_bidi_overrides_stay_in_their_box(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    began = time.monotonic()
    hub.publish(caption(0, "\u202e" + "x" * 10_000))
    await expect(page.locator(".line")).to_have_count(2)
    hub.publish(caption(1, SENTENCES[0]))
    await expect(page.locator(".line").last).to_have_text(SENTENCES[0])
    assert time.monotonic() - began < 15
    box = await page.locator(".text").last.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 800
    assert "\u202e" not in await page.locator("main").inner_text()


async def test_custom_css_as_obs_injects_it_applies(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "", complaints)
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


async def test_an_arabic_line_that_begins_with_a_latin_name_still_runs_from_right_to_left(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "size=40", complaints)
    hub.publish(caption(0, "OBS 2026 مرحبا", "ar"))
    line = page.locator(".line")
    await expect(line).to_have_css("direction", "rtl")
    where = """(line, part) => {
        const node = line.querySelector(".text").firstChild;
        const range = new Range();
        range.setStart(node, node.data.indexOf(part));
        range.setEnd(node, node.data.indexOf(part) + 1);
        return range.getBoundingClientRect().left;
    }"""
    latin, first, second, arabic = [await line.evaluate(where, part) for part in ("OBS", "2026", "026", "مرحبا")]
    assert arabic < first < second, "the sentence goes on at the left, and a number is read as everywhere"
    assert arabic < latin
    text, stage = await page.locator(".text").bounding_box(), await page.locator(".caption").bounding_box()
    assert text is not None
    assert stage is not None
    assert text["x"] + text["width"] == pytest.approx(stage["x"] + stage["width"], abs=1)


async def test_lines_break_where_their_script_allows(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "lines=12&size=30", complaints)
    await page.set_viewport_size({"width": 360, "height": 2000})

    async def lines(language: str, text: str) -> list[str]:
        hub.publish(SESSION)
        hub.publish(caption(0, text, language))
        await expect(page.locator(".line").last).to_contain_text(text[-2:])
        found = await page.locator(".line .text").all_inner_texts()
        assert len(found) > 3
        assert "".join(found).replace(" ", "") == text.replace(" ", "")
        return found

    japanese = await lines(
        "ja", "今日は、とても「よい天気」ですね。でも、明日はきっと雨が降るでしょう、と言っていました。" * 2
    )
    assert not [line for line in japanese if line[0] in "、。」ょっー"]
    assert not [line for line in japanese if line[-1] in "「"]
    korean = "오늘 저녁에 와 주셔서 감사합니다 지금 읽고 계신 글은 제가 말하는 동안 번역됩니다 " * 2
    korean = korean.strip()
    assert " ".join(await lines("ko", korean)) == korean
    thai = "ข้อความที่ท่านอ่านอยู่นี้แปลไปพร้อมกับที่ผมพูดในค่ำคืนนี้และทุกท่านอ่านได้ในภาษาของตนเอง"
    words = await page.evaluate(
        "text => [...new Intl.Segmenter('th', { granularity: 'word' }).segment(text)].map(({ index }) => index)", thai
    )
    at = 0
    for line in await lines("th", thai):
        assert at in words
        at += len(line)


async def test_languages_stack_in_the_order_asked_and_read_in_their_direction(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "lang=ar&lang=es", complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, "Buenas noches", "es"))
    hub.publish(caption(0, "مساء الخير", "ar"))
    hub.publish(caption(0, "Good evening", "en"))
    await shows(page, "مساء الخير", "Buenas noches")
    await expect(page.locator(".line").first).to_have_css("direction", "rtl")
    await expect(page.locator(".line").first).to_have_attribute("lang", "ar")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("lang=pt-BR,fr", "No captions in pt-BR, fr: this session has es, ar, en"),
        ("lang=fr,es", None),
        ("lang=fr,es&debug=1", "No captions in fr: this session has es, ar, en"),
        ("lang=es-MX", None),
        ("lang=FR,ES-MX", None),
        ("lang=en", None),
    ],
)
async def test_an_overlay_that_asks_for_what_the_session_has_not_says_so(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], query: str, says: str | None
) -> None:
    early = await overlay(browser, server, query, complaints)
    hub.publish(SESSION)
    hub.publish(Status("ok", None, 1, 1))
    late = await overlay(browser, server, query, complaints)
    for language in ("es", "en"):
        hub.publish(caption(0, SENTENCES[0], language))
    for page in (early, late):
        if says is None:
            await shows(page, SENTENCES[0])
        await expect(page.locator("#notice")).to_have_text(re.compile(f"^{says or ''}( · |$)"))
    hub.publish(Targets(("pt", "fr", "es")))
    for page in (early, late):
        await expect(page.locator("#notice")).not_to_contain_text("No captions")


async def test_a_language_that_is_translated_no_more_makes_room_for_others(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "source=1", complaints)
    hub.publish(SESSION)
    for language, text in (("en", "Good evening"), ("es", "Buenas noches"), ("ar", "مساء الخير")):
        hub.publish(caption(0, text, language))
    await shows(page, "Good evening", "Buenas noches", "مساء الخير")
    hub.publish(Targets(("de", "ar")))
    await shows(page, "Good evening", "مساء الخير")
    hub.publish(caption(1, "Guten Abend", "de"))
    await shows(page, "Good evening", "Guten Abend", "مساء الخير")


async def test_lines_that_are_shown_stay_as_they_are_when_a_language_comes_or_goes(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(SESSION)
    for cue, said in enumerate((SENTENCES[3], SENTENCES[0])):
        hub.publish(caption(cue, said))  # the second has no room behind the first
    shown = [SENTENCES[3], SENTENCES[0]]
    await shows(page, *shown)
    hub.publish(caption(1, "مساء الخير", "ar"))
    await shows(page, *shown, "مساء الخير")
    hub.publish(Targets(("es", "de")))
    await shows(page, *shown)
    hub.publish(caption(2, SENTENCES[1]))
    await shows(page, SENTENCES[0], SENTENCES[1])
    await page.set_viewport_size({"width": 1200, "height": 600})
    await expect(page.locator(".line").last).to_contain_text(f"hoy. {SENTENCES[1]}")


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
    page = await overlay(browser, server, query, complaints)
    hub.publish(caption(0, "Good evening", "en"))
    hub.publish(caption(0, "Buenas noches", "es"))
    await shows(page, *lines)


@pytest.mark.parametrize(("query", "said"), [("", []), ("&source=1", ["Good evening"])])
async def test_the_source_is_shown_when_asked_also_where_it_is_wanted_itself(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], query: str, said: list[str]
) -> None:
    page = await overlay(browser, server, f"lang=es{query}", complaints)
    hub.publish(SessionStart("night-1", ("en",), ("en", "es", "de"), {}, "real"))
    hub.publish(replace(caption(0, "Good evening", "en"), role="target"))
    hub.publish(caption(0, "Guten Abend", "de"))
    hub.publish(caption(0, "Buenas noches"))
    await shows(page, *said, "Buenas noches")
    hub.publish(SessionStart("night-2", ("en", "fr"), ("en", "es"), {}, "real"))
    hub.publish(replace(caption(0, "Good night", "en"), role="target"))  # a translation
    hub.publish(caption(0, "Que descansen"))
    await shows(page, "Que descansen")


async def test_the_address_sets_the_looks_and_nothing_else(
    server: CaptionServer, hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    looks = "size=30&color=rgb(9,8,7)&bg=red;}body{display:none&lines=1"
    page = await overlay(browser, server, looks, complaints)
    hub.publish(caption(0, SENTENCES[0]))
    hub.publish(caption(1, SENTENCES[1] + " " + SENTENCES[2]))
    await expect(page.locator(".line")).to_have_count(1)
    await expect(page.locator(".line")).to_have_css("font-size", "30px")
    await expect(page.locator(".line")).to_have_css("color", "rgb(9, 8, 7)")
    await expect(page.locator("body")).to_have_css("display", "block")


@pytest.mark.parametrize("hold", ["0.3", "0.3s"])
async def test_silence_clears_the_screen(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], hold: str
) -> None:
    page = await overlay(browser, server, f"hold={hold}", complaints)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await shows(page)
    hub.publish(caption(1, SENTENCES[1]))
    await shows(page, SENTENCES[1])


async def test_who_wants_captions_kept_for_longer_than_timers_last_keeps_them(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "hold=9999999", complaints)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await page.wait_for_timeout(1000)
    await shows(page, SENTENCES[0])
    await expect(page.locator("#stage")).not_to_have_class("idle")


@pytest.mark.parametrize(
    ("query", "age", "lines"),
    [
        ("", 5, SENTENCES[0:2]),
        ("", 19.5, SENTENCES[1:2]),
        ("", 600, []),
        ("&hold=0", 600, SENTENCES[0:2]),
        ("&hold=700", 600, SENTENCES[0:2]),
        ("&delay=600", 610, SENTENCES[0:2]),
    ],
)
async def test_an_overlay_that_is_loaded_anew_shows_nothing_that_would_be_gone(
    clock: HandClock,
    hub: Hub,
    server: CaptionServer,
    browser: BrowserContext,
    complaints: list[str],
    query: str,
    age: float,
    lines: list[str],
) -> None:
    hub.publish(SESSION)
    for cue in (0, 1):
        hub.publish(caption(cue, SENTENCES[cue]))
    clock.advance(age)
    page = await overlay(browser, server, LOOKS + query, complaints)
    hub.publish(Status("device", None, 9, 9))
    await expect(page.locator("#notice")).to_have_text("The microphone is gone")
    await shows(page, *lines)


@pytest.mark.parametrize("hold", ["20", "0"])
async def test_nothing_of_a_session_that_ended_long_ago_is_shown(
    clock: HandClock, hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str], hold: str
) -> None:
    for event in (SESSION, caption(0, SENTENCES[0]), SessionEnd(1, 1, {})):
        hub.publish(event)
    clock.advance(10)
    soon = await overlay(browser, server, f"{LOOKS}&hold={hold}", complaints)
    await shows(soon, SENTENCES[0])
    clock.advance(20)
    later = await overlay(browser, server, f"{LOOKS}&hold={hold}", complaints)
    hub.publish(Status("device", None, 30, 30))
    await expect(later.locator("#notice")).to_have_text("The microphone is gone")
    await shows(later)
    await shows(soon)


async def test_a_source_that_is_shown_again_after_minutes_shows_nothing_old(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await listened(browser, complaints)
    await page.clock.install()
    await page.goto(f"{server.url}/overlay?{LOOKS}")
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await page.evaluate(VISIBLE, False)
    hub.publish(caption(1, SENTENCES[1]))
    hub.publish(Status("device", None, 9, 9))
    await expect(page.locator("#notice")).to_have_text("The microphone is gone")
    await page.clock.fast_forward(25_000)
    hub.publish(caption(2, SENTENCES[2]))
    hub.publish(Status("ok", None, 9, 9))
    await expect(page.locator("#notice")).to_be_hidden()
    await page.evaluate(VISIBLE, True)
    await shows(page, SENTENCES[2])


async def test_after_a_lost_connection_the_overlay_says_so_and_then_misses_nothing(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        page = await overlay(browser, server, LOOKS, complaints)
        hub.publish(caption(0, SENTENCES[0]))
        await shows(page, SENTENCES[0])
    hub.publish(caption(1, SENTENCES[1]))
    notice = page.locator("#notice")
    await expect(notice).to_be_hidden()
    await expect(notice).to_have_text("Captions disconnected, reconnecting…")
    async with CaptionServer(Rooms(lambda: hub), port=server.port):
        await expect(notice).to_be_hidden()
        await shows(page, *SENTENCES[0:2])
        await page.close()
    # The browser itself reports each failed attempt.
    complaints[:] = [said for said in complaints if "WebSocket connection to" not in said]


@pytest.mark.parametrize(("ended", "lines"), [(5, SENTENCES[0:2]), (30, [])])
async def test_who_missed_the_end_keeps_the_last_captions_as_long_as_who_saw_it(
    ended: float, lines: list[str], clock: HandClock, hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        page = await overlay(browser, server, f"{LOOKS}&hold=0", complaints)
        hub.publish(SESSION)
        hub.publish(caption(0, SENTENCES[0]))
        await shows(page, SENTENCES[0])
    hub.publish(caption(1, SENTENCES[1]))
    clock.advance(600)
    hub.publish(SessionEnd(600, 600, {}))
    clock.advance(ended)
    async with CaptionServer(Rooms(lambda: hub), port=server.port):
        await shows(page, *lines)
        await page.close()
    complaints[:] = [said for said in complaints if "WebSocket connection to" not in said]


async def test_the_overlay_tells_of_finals_that_it_painted_as_they_came(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    told: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    hub.on_painted = lambda cue, language: told.put_nowait((cue, language))
    hub.publish(caption(0, SENTENCES[0]))  # comes with the snapshot, late through no fault of the way
    page = await overlay(browser, server, f"{LOOKS}&source=1&lang=es", complaints)
    hub.publish(caption(1, "Good evening.", "en"))
    hub.publish(caption(1, SENTENCES[1], final=False))
    hub.publish(caption(1, SENTENCES[1], rev=1))
    hub.publish(caption(1, "Guten Abend.", "de"))  # not shown
    hub.publish(caption(2, SENTENCES[2]))
    async with asyncio.timeout(10):
        assert [await told.get() for _ in range(3)] == [(1, "en"), (1, "es"), (2, "es")]
    await expect(page.locator(".target .line").last).to_have_text(SENTENCES[2])


async def test_what_was_said_in_one_language_leaves_when_more_is_said_in_another(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, f"{LOOKS}&source=1", complaints)
    said = page.locator(".source .line")
    hub.publish(SessionStart("night-1", ("en", "de", "es"), ("es",), {}, "real"))
    hub.publish(caption(0, "Good evening.", "en"))
    hub.publish(caption(0, SENTENCES[0]))
    await expect(said).to_have_text(["Good evening."])
    hub.publish(replace(caption(1, "Guten Abend.", "de"), role="source"))
    await expect(said).to_have_text(["Guten Abend."])
    hub.publish(caption(1, SENTENCES[1]))
    await expect(page.locator(".target .line").last).to_have_text(SENTENCES[1])
    await expect(said).to_have_text(["Guten Abend."])
    hub.publish(caption(3, "Good", "en", final=False))
    hub.publish(caption(2, SENTENCES[2]))  # which was said in Spanish, before that
    await expect(page.locator(".target .line").last).to_have_text(SENTENCES[2])
    await expect(said).to_have_text(["Good"])


async def test_a_new_session_starts_with_an_empty_screen(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "", complaints)
    hub.publish(SESSION)
    hub.publish(caption(7, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[1], final=False))
    await shows(page, SENTENCES[1])


async def test_the_demo_speaks_by_itself(server: CaptionServer, browser: BrowserContext, complaints: list[str]) -> None:
    page = await listened(browser, complaints)
    await page.goto(f"{server.url}/overlay?demo=1&source=1")
    await expect(page.locator(".target .line").first).to_contain_text("Bienvenidos")
    await expect(page.locator(".source .line").first).to_contain_text("Welcome")


async def test_many_captions_leave_few_elements(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    for cue in range(300):
        hub.publish(caption(cue, f"frase número {cue}"))
        if cue % 50 == 0:
            await asyncio.sleep(0)
    await expect(page.locator(".line").last).to_contain_text("299")
    await expect(page.locator(".line")).to_have_count(2)


async def test_captions_are_held_back_as_long_as_asked_and_old_ones_are_there_at_once(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    for cue, sentence in enumerate(SENTENCES[:3]):
        hub.publish(caption(cue, sentence))  # a second between them
    page = await overlay(browser, server, f"{LOOKS}&delay=1.5", complaints)
    await shows(page, SENTENCES[0])
    began = time.monotonic()
    hub.publish(caption(3, SENTENCES[3]))
    await shows(page, *SENTENCES[2:4])
    assert time.monotonic() - began > 1.4


VISIBLE = "visible => dispatchEvent(new CustomEvent('obsSourceVisibleChanged', { detail: { visible } }))"


async def test_a_hidden_overlay_forgets_no_change_of_languages(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[0]))
    hub.publish(caption(0, "مساء الخير.", "ar"))
    await expect(page.locator(".caption")).to_have_count(2)
    await page.evaluate(VISIBLE, False)
    hub.publish(Targets(("es",)))
    for cue in range(1, 200):
        hub.publish(caption(cue, f"frase número {cue} de esta noche"))
    await asyncio.sleep(0.3)
    await page.evaluate(VISIBLE, True)
    await expect(page.locator(".line").last).to_contain_text("noche")
    await expect(page.locator(".caption")).to_have_count(1)


async def test_a_hidden_overlay_keeps_its_connection_and_paints_when_it_is_seen_again(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    told: list[int] = []
    hub.on_painted = lambda cue, language: told.append(cue)
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await page.evaluate(VISIBLE, False)
    for cue in range(1, 200):
        hub.publish(caption(cue, f"número {cue}", final=False))
        hub.publish(caption(cue, f"frase número {cue} de esta noche", rev=1))
    hub.publish(caption(200, SENTENCES[3]))
    await asyncio.sleep(0.3)
    await shows(page, SENTENCES[0])
    assert hub.viewers == 1
    await page.evaluate(VISIBLE, True)
    await expect(page.locator(".line").last).to_contain_text(SENTENCES[3])
    assert told == [0], "what nobody saw was not painted"


async def test_a_guess_that_is_taken_back_while_the_source_is_hidden_is_gone_when_it_is_seen_again(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, LOOKS, complaints)
    hub.publish(SESSION)
    hub.publish(caption(0, "Gracias", final=False))
    await shows(page, "Gracias")
    await page.evaluate(VISIBLE, False)
    hub.publish(caption(0, "", rev=1, final=False))
    hub.publish(Status("device", None, 9, 9))
    await expect(page.locator("#notice")).to_have_text("The microphone is gone")
    await page.evaluate(VISIBLE, True)
    await expect(page.locator("#stage")).to_have_text("")


async def test_drafts_are_left_out_when_asked(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, f"{LOOKS}&partial=0", complaints)
    hub.publish(caption(0, SENTENCES[0]))
    hub.publish(caption(1, "La segunda", final=False))
    hub.publish(caption(2, SENTENCES[2]))
    await shows(page, SENTENCES[0], SENTENCES[2])


async def test_the_address_says_where_lines_stand(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await overlay(browser, server, "pos=top&align=center&outline=4&dir=rtl&size=30", complaints)
    hub.publish(caption(0, SENTENCES[3]))
    line = page.locator(".line")
    await expect(line).to_have_css("text-align", "center")
    await expect(line).to_have_css("direction", "rtl")
    await expect(line.locator(".text")).to_have_css("-webkit-text-stroke-width", "4px")
    box = await line.bounding_box()
    assert box is not None
    assert box["y"] < 150


async def test_a_silent_server_is_called_stale_and_left(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await listened(browser, complaints)
    await page.clock.install()
    await page.goto(f"{server.url}/overlay?{LOOKS}&hold=0")
    hub.publish(SESSION)
    hub.publish(caption(0, SENTENCES[0]))
    await shows(page, SENTENCES[0])
    await page.clock.fast_forward(31_000)
    await expect(page.locator("#notice")).to_have_text("Captions may be out of date: the server is silent")
    hub.publish(caption(1, SENTENCES[1]))
    await expect(page.locator("#notice")).to_be_hidden()
    await shows(page, *SENTENCES[0:2])
    async with page.expect_websocket():
        await page.clock.fast_forward(61_000)
        await page.clock.fast_forward(1_000)


def token(secret: str, session: str | None = None) -> Token:
    return Token("obs", "read", hashlib.sha256(secret.encode()).hexdigest(), session)


async def test_an_overlay_with_a_wrong_or_a_revoked_token_says_so_and_a_new_one_in_its_address_helps(
    hub: Hub, browser: BrowserContext, complaints: list[str]
) -> None:
    tokens = [Tokens((token("right"),))]
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=lambda: tokens[0]) as server:
        page = await overlay(browser, server, "#token=wrong", complaints)
        hub.publish(caption(0, SENTENCES[0]))
        notice = page.locator("#notice")
        await expect(notice).to_have_text("No access: the token in this address is missing, wrong or revoked")
        await shows(page)
        await page.evaluate("location.hash = 'token=right'")
        await shows(page, SENTENCES[0])
        await expect(notice).to_be_hidden()
        tokens[0] = Tokens(())
        await expect(notice).to_contain_text("revoked")
        await shows(page, SENTENCES[0])


async def test_an_overlay_shows_its_own_session_and_no_other(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    rooms = Rooms(lambda: Hub("e"))
    only = Tokens((token("hall", "hall-2"),))
    async with CaptionServer(rooms, port=0, tokens=lambda: only) as server:
        page = await overlay(browser, server, "session=hall-2#token=hall", complaints)
        other = await overlay(browser, server, "session=main#token=hall", complaints)
        rooms.watch("hall-2").hub.publish(caption(0, SENTENCES[0]))
        await shows(page, SENTENCES[0])
        await expect(other.locator("#notice")).to_contain_text("hall-2")
        await shows(other)


async def test_a_microphone_that_is_gone_is_shown_and_lateness_only_when_asked(
    hub: Hub, server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    hub.publish(SESSION)
    hub.publish(Status("device", None, 1, 1))
    page = await overlay(browser, server, "", complaints)
    curious = await overlay(browser, server, "debug=1", complaints)
    await expect(page.locator("#notice")).to_have_text("The microphone is gone")
    hub.publish(Status("behind", 6.25, 9, 9))
    await expect(curious.locator("#notice")).to_have_text(
        "behind, 6.25 s late, no drafts: the server sends whole captions only"
    )
    await expect(page.locator("#notice")).to_be_hidden()


async def test_all_of_the_overlay_is_less_than_18_kilobytes(
    server: CaptionServer, browser: BrowserContext, complaints: list[str]
) -> None:
    page = await listened(browser, complaints)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    await page.goto(f"{server.url}/overlay", wait_until="networkidle")
    assert len(answers) == 4
    assert sum([len(await answer.body()) for answer in answers]) < 18_000
