"""Captions in a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from surtitle.clients.board import Board, Cell, Row, Status
from surtitle.clients.watch import Below, Lines, plain_line, printable, side_by_side, status_line, watch
from surtitle.pipeline.cli import main
from surtitle.pipeline.events import Caption, Gap, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.server import CaptionServer
from surtitle.pipeline.tokens import Token, Tokens, digest


def row(**texts: str) -> Row:
    return Row(0, {lang: Cell(text, True, source=lang == "en", untranslated=False) for lang, text in texts.items()})


def drawn(what: Any, width: int, height: int = 25) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(what)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


# --- text ---


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    assert not set(shown) & set("\x1b\x07\x08\x9b\x7f\r\n\u202e\u2066\ufeff")
    assert shown.encode("utf-8").decode("utf-8") == shown == printable(shown)


def test_joiners_that_scripts_need_are_kept() -> None:
    assert printable("می\u200cخواهم") == "می\u200cخواهم"


def test_brackets_are_text_and_no_markup() -> None:
    assert drawn(Lines([row(es="[red]hola[/red] [link=x]")], ["es"]), 40) == ["[red]hola[/red] [link=x]"]


def test_programs_get_a_line_a_caption() -> None:
    message = {"lang": "es", "text": "buenas\nnoches"}
    assert plain_line(message, labelled=True) == "es: buenas noches"
    assert plain_line(message, labelled=False) == "buenas noches"


# --- columns ---


def test_languages_stand_side_by_side_and_long_captions_in_several_lines() -> None:
    shown = drawn(Lines([row(es="buenas noches a todos", ja="皆さん、こんばんは。")], ["es", "ja"]), 35)
    assert shown == [
        "buenas noches a  │ 皆さん、こんばん",
        "todos            │ は。            ",
    ]


def test_a_caption_that_is_missing_leaves_its_column_empty() -> None:
    assert drawn(Lines([row(de="gute Nacht")], ["es", "de"]), 35) == ["                 │ gute Nacht      "]


def test_where_columns_would_be_too_narrow_each_language_has_lines_of_its_own() -> None:
    assert drawn(Lines([row(es="hola", de="hallo")], ["es", "de"]), 34) == ["es: hola", "de: hallo"]


def test_a_cell_of_right_to_left_text_begins_with_a_mark_that_keeps_it_in_its_column() -> None:
    (line,) = drawn(Lines([row(ar="مساء الخير", he="ערב טוב", es="hola")], ["ar", "he", "es"]), 54)
    assert [cell[0] for cell in line.split(" │ ")] == ["\u200e", "\u200e", "h"]
    assert cell_len(line[: line.index("ערב")]) == 19


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=4), st.integers(16, 30))
def test_no_text_moves_a_column(texts: list[str], width: int) -> None:
    console = Console(width=200)
    for line in side_by_side([Text(printable(text)) for text in texts], width, console):
        assert line.cell_len == width * len(texts) + 3 * (len(texts) - 1)
        before, *_ = line.plain.split("│")
        assert "│" in texts[0] or cell_len(before.replace("\u200e", "")) == width + 1


# --- below the captions ---


def caption(cue: int, text: str, *, final: bool = True, lang: str = "es") -> dict[str, Any]:
    return {"type": "caption", "cue": cue, "lang": lang, "role": "target", "final": final, "text": text}


def test_below_the_captions_stand_drafts_the_names_of_the_columns_and_the_state() -> None:
    board = Board(["es", "de"])
    board.push(caption(0, "bue", final=False))
    assert drawn(Below(board, "main"), 40) == [
        "bue                │                   ",
        "es                 │ de                ",
        "main · connecting",
    ]


def test_of_a_draft_taller_than_the_terminal_the_newest_words_are_seen() -> None:
    board = Board(["es"])
    board.push(caption(0, " ".join(f"palabra{number}" for number in range(1000)), final=False))
    shown = drawn(Below(board, "main"), 40, 10)
    assert len(shown) == 9
    assert "palabra999" in shown[-2]
    assert shown[-1] == "main · connecting"


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (Status(), "night · connecting"),
        (Status("connected", connected=True), "night · connected · nobody is speaking"),
        (Status("connected", connected=True, speaking=True, lag_ms=2340), "night · connected · 2.3 s late"),
        (
            Status("connected", connected=True, speaking=True, trouble="falling behind"),
            "night · connected · falling behind",
        ),
        (Status("reconnecting: \x1b[2Jgone", speaking=True), "night · reconnecting: [2Jgone"),
    ],
)
def test_the_state_is_one_line(status: Status, line: str) -> None:
    assert status_line(status, "night").plain == line


# --- a session ---


@pytest.mark.parametrize("terminal", [False, True])
async def test_watch_prints_a_session_until_the_server_stops(terminal: bool) -> None:
    hub = Hub("e")
    printed, said = io.StringIO(), io.StringIO()
    console = Console(file=printed, width=60, force_terminal=terminal, color_system=None)
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        watching = asyncio.create_task(watch(server.url, ["es"], console, Console(file=said)))
        hub.publish(SessionStart("night-1", ("en",), ("es",), {}, "real"))
        hub.publish(Caption(0, 0, "es", "target", "bue", 0, 1, False, 0, 1, 1))
        hub.publish(Caption(0, 1, "es", "target", "buenas \x1b[2Jnoches", 0, 1, True, 0, 1, 1))
        while not hub.viewers:  # noqa: ASYNC110 - a hub tells nobody who joins
            await asyncio.sleep(0.01)
        hub.publish(Gap(1, 3.5, "overload"))
        hub.publish(SessionEnd(2, 2, {}))
        await server.drain(5)
        await asyncio.wait_for(watching, 5)
    notices = ["── en → es ──", "── 2.5 s missing: the computer could not keep up ──", "── the session is over ──"]
    if terminal:
        assert "buenas [2Jnoches" in printed.getvalue()
        assert all(notice in printed.getvalue() for notice in notices)
    else:
        assert printed.getvalue() == "buenas [2Jnoches\n"
        assert said.getvalue().splitlines() == notices


async def test_a_server_that_is_down_all_night_is_told_of_once_and_not_at_each_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def messages(*where: object, **who: object) -> AsyncIterator[dict[str, Any]]:
        for _ in range(2):
            yield {"type": "welcome", "recovered": True}
            yield {"type": "lost", "message": "the connection was closed (1001)"}
            for _ in range(1000):
                yield {"type": "lost", "message": "the server does not answer"}

    monkeypatch.setattr("surtitle.clients.watch.captions", messages)
    said = io.StringIO()
    await watch("", ["es"], Console(file=io.StringIO()), Console(file=said))
    told = [f"── reconnecting: {why} ──" for why in ("the connection was closed (1001)", "the server does not answer")]
    assert said.getvalue().splitlines() == 2 * told


# --- the command ---

COMMAND = [sys.executable, "-m", "surtitle.pipeline.cli", "watch"]


class Terminal:
    """A program in a pseudo-terminal of 24 lines of 60 cells, and what its screen shows."""

    def __init__(self, *arguments: str) -> None:
        self._screen = pyte.Screen(60, 24)
        self._stream = pyte.ByteStream(self._screen)
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment["TERM"] = "xterm-256color"
        self._changed = asyncio.Event()
        self.process = subprocess.Popen([*COMMAND, *arguments], stdin=far, stdout=far, stderr=far, env=environment)
        os.close(far)
        os.set_blocking(self._near, False)
        asyncio.get_running_loop().add_reader(self._near, self._read)

    def _read(self) -> None:
        self._changed.set()
        try:
            self._stream.feed(os.read(self._near, 65536))
        except OSError:
            # The program has ended.
            asyncio.get_running_loop().remove_reader(self._near)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def cursor_is_shown(self) -> bool:
        return not self._screen.cursor.hidden

    async def shows(self, *lines: str) -> None:
        """Wait until these are the last lines on the screen, the very last as far as it goes."""
        try:
            async with asyncio.timeout(20):
                while not (self.lines[-len(lines) : -1] == list(lines[:-1]) and self.lines[-1].startswith(lines[-1])):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"saw {self.lines}, expected {list(lines)}") from None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        asyncio.get_running_loop().remove_reader(self._near)
        os.close(self._near)


@pytest.fixture
async def terminal() -> AsyncIterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def final(cue: int, lang: str, text: str) -> Caption:
    return Caption(cue, 1, lang, "target", text, cue, cue + 1, True, 0, cue + 3, cue + 3)


async def test_the_command_shows_aligned_columns_and_goes_on_after_the_server_was_gone(
    terminal: Callable[..., Terminal],
) -> None:
    hub = Hub("e")
    hub.publish(SessionStart("night-1", ("en",), ("es", "ja"), {}, "real"))
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        screen = terminal(server.url, "--lang", "es,ja")
        await screen.shows("── en → es, ja ──", "es                           │ ja", "main · connected")
        hub.publish(final(0, "es", "buenas noches"))
        hub.publish(final(0, "ja", "皆さん、こんばんは。"))
        hub.publish(Caption(1, 0, "es", "target", "a to\x1b[2Jdos", 1, 2, False, 0, 3, 3))
        drafts = ["a to[2Jdos                   │", "es                           │ ja"]
        said = "buenas noches                │ 皆さん、こんばんは。"
        await screen.shows("── en → es, ja ──", said, *drafts, "main · connected · 2.0 s late")
        port = server.port
    await screen.shows(said, *drafts, "main · reconnecting: ")
    hub.publish(final(1, "es", "a todos"))
    hub.publish(final(1, "ja", "ようこそ"))
    async with CaptionServer(Rooms(lambda: hub), port=port) as server:
        both = "a todos                      │ ようこそ"
        await screen.shows("── en → es, ja ──", said, both, drafts[1], "main · connected · 2.0 s late")
        hub.publish(SessionEnd(2, 2, {}))
        await server.drain(5)
    await screen.shows("── en → es, ja ──", said, both, "── the session is over ──")
    assert await asyncio.to_thread(screen.process.wait, 10) == 0
    assert screen.cursor_is_shown


async def test_the_command_pipes_each_final_as_soon_as_it_comes() -> None:
    hub = Hub("e")
    async with CaptionServer(Rooms(lambda: hub), port=0) as server:
        watching = await asyncio.create_subprocess_exec(
            *COMMAND, server.url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert watching.stdout is not None
        hub.publish(final(0, "es", "buenas noches"))
        async with asyncio.timeout(20):
            assert await watching.stdout.readline() == b"es: buenas noches\n"
        hub.publish(SessionEnd(2, 2, {}))
        while not hub.viewers:  # noqa: ASYNC110 - a hub tells nobody who joins
            await asyncio.sleep(0.01)
        await server.drain(5)
        rest, notices = await watching.communicate()
    assert (rest, notices.decode(), watching.returncode) == (b"", "── the session is over ──\n", 0)


async def to_the_end(command: list[str], hub: Hub, server: CaptionServer) -> int:
    """The status of a command that watches until the session is over, which it is once it watches."""
    watching = asyncio.create_task(asyncio.to_thread(main, command))
    while not hub.viewers:  # noqa: ASYNC110 - a hub tells nobody who joins
        await asyncio.sleep(0.01)
    hub.publish(SessionEnd(2, 2, {}))
    await server.drain(5)
    return await watching


async def test_the_command_shows_a_token_and_names_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub("e")
    hub.publish(SessionStart("night-1", ("en",), ("es",), {}, "real", "hall-2"))
    hub.publish(final(0, "es", "buenas noches"))
    token = tmp_path / "token"
    tokens = Tokens((Token("phone", "read", digest("secret"), "hall-2"),))
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=lambda: tokens) as server:
        for secret, session, said in (
            ("wrong", "hall-2", "saw a token that is not"),
            ("secret", "main", "is good for session"),
        ):
            token.write_text(secret)
            command = ["watch", server.url, "--token-file", str(token), "--session", session]
            assert await asyncio.to_thread(main, command) == 1
            assert re.match(f"surtitle: .*{said}", capsys.readouterr().err)
        assert await to_the_end([*command[:-1], "hall-2", "--lang", "es"], hub, server) == 0
    assert capsys.readouterr().out == "buenas noches\n"


@pytest.mark.parametrize(
    ("asked", "seen"), [("de", "guten Abend\n"), ("de-AT%20es", "es: buenas noches\nde: guten Abend\n")]
)
async def test_a_link_that_readers_were_sent_is_watched_as_it_is(
    asked: str, seen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub("e")
    hub.publish(SessionStart("night-1", ("en",), ("es", "de"), {}, "real", "hall-2"))
    hub.publish(final(0, "es", "buenas noches"))
    hub.publish(final(0, "de", "guten Abend"))
    tokens = Tokens((Token("phone", "read", digest("secret"), "hall-2"),))
    async with CaptionServer(Rooms(lambda: hub), port=0, tokens=lambda: tokens) as server:
        link = f"{server.url}/read?session=hall-2&lang={asked}#token=secret"
        assert await asyncio.to_thread(main, ["watch", link, "--session", "main"]) == 1, "a flag says otherwise"
        assert "is good for session" in capsys.readouterr().err
        assert await to_the_end(["watch", link], hub, server) == 0
    assert capsys.readouterr().out == seen
