"""Captions in a terminal."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from surtitle.clients.watch import Screen, printable, watch
from surtitle.pipeline.events import Caption, Gap, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer


def message(cue: int, text: str, *, final: bool = True, lang: str = "es") -> dict[str, Any]:
    return {"type": "caption", "cue": cue, "lang": lang, "role": "target", "final": final, "text": text}


def lines(screen: Screen, *messages: dict[str, Any]) -> list[str]:
    return [line.plain for one in messages for line in screen.push(one)]


def test_finals_are_printed_and_drafts_only_shown() -> None:
    screen = Screen(labels=False)
    assert lines(screen, message(0, "bue", final=False), message(1, "gra", final=False)) == []
    assert screen.drafts().plain == "bue\ngra"
    assert lines(screen, message(0, "buenas noches")) == ["buenas noches"]
    assert screen.drafts().plain == "gra"


def test_each_line_names_its_language_where_there_are_several() -> None:
    assert lines(Screen(labels=True), message(0, "hola")) == ["es hola"]


def test_missing_audio_is_said() -> None:
    gap = {"type": "gap", "start_ms": 1000, "end_ms": 3500, "why": "overload"}
    assert lines(Screen(labels=False), gap) == ["── 2.5 s missing: overload ──"]


def test_a_new_session_clears_the_drafts() -> None:
    screen = Screen(labels=False)
    lines(screen, message(0, "bue", final=False))
    assert lines(screen, {"type": "session", "source": "en", "targets": ["es"]}) == ["── en → es ──"]
    assert screen.drafts().plain == ""


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    assert not set(shown) & set("\x1b\x07\x08\x9b\x7f\r\n\u202e\u2066\ufeff")
    assert shown.encode("utf-8").decode("utf-8") == shown == printable(shown)


def test_joiners_that_scripts_need_are_kept() -> None:
    assert printable("می\u200cخواهم") == "می\u200cخواهم"


def test_brackets_are_text_and_no_markup() -> None:
    console = Console(file=io.StringIO(), width=40)
    for line in Screen(labels=False).push(message(0, "[red]hola[/red] [link=x]")):
        console.print(line)
    assert console.file.getvalue() == "[red]hola[/red] [link=x]\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("terminal", [False, True])
async def test_watch_prints_a_session_until_the_server_stops(terminal: bool) -> None:
    hub = Hub("e")
    printed = io.StringIO()
    console = Console(file=printed, width=60, force_terminal=terminal, color_system=None)
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        watching = asyncio.create_task(watch(server.url, ["es"], console))
        hub.publish(SessionStart("night-1", ("en",), ("es",), {}, "real"))
        hub.publish(Caption(0, 0, "es", "target", "bue", 0, 1, False, 0, 1, 1))
        hub.publish(Caption(0, 1, "es", "target", "buenas \x1b[2Jnoches", 0, 1, True, 0, 1, 1))
        hub.publish(Gap(1, 2, "overload"))
        while not hub.viewers:  # noqa: ASYNC110 - a hub tells nobody who joins
            await asyncio.sleep(0.01)
        hub.publish(SessionEnd(2, 2, {}))
        await server.drain(5)
        await asyncio.wait_for(watching, 5)
    shown = printed.getvalue()
    assert "── en → es ──" in shown
    assert "buenas [2Jnoches" in shown
    assert "── end ──" in shown
    if not terminal:
        assert "\x1b" not in shown
