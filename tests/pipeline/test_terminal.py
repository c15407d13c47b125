"""`surtitle.pipeline.terminal`: what the one who runs the session sees."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
import termios
import threading
from dataclasses import replace

import numpy as np
import pyte
import pytest
from rich.console import Console
from scanned import Modules, read

from surtitle.pipeline.access import Access
from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, SessionStart, Stamps, Targets
from surtitle.pipeline.stats import LagStats
from surtitle.pipeline.terminal import Terminal, TerminalCaptions, show_invitation

FINAL = Caption(
    cue=0,
    revision=0,
    language="es",
    role="target",
    text="hola",
    start=61.0,
    end=62.0,
    final=True,
    stable=4,
    audio=63.0,
    elapsed=63.0,
)


def shown(*events: Event) -> list[str]:
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=100))
    for event in events:
        terminal.show(event)
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_a_final_is_a_line_with_its_time_and_language() -> None:
    assert shown(FINAL) == ["  1:01 es  hola"]


def test_drafts_and_beginnings_are_not_shown() -> None:
    assert shown(replace(FINAL, final=False), SessionStart("s", ("en",), ("es",), {}, "real")) == []


def test_a_gap_is_said_with_its_cause() -> None:
    assert shown(Gap(1.0, 31.0, "overload")) == ["  [1.0-31.0 s not recognised: this machine could not keep up]"]
    assert shown(Gap(1.0, 1.0, "overload")) == [
        "  [at 1.0 s not recognised: this machine could not keep up]"
    ]  # nobody knows how much


def test_text_can_neither_style_nor_steer_the_terminal() -> None:
    assert shown(replace(FINAL, text="[bold]a\x1b[2Jb")) == ["  1:01 es  [bold]a[2Jb"]


def test_in_a_pipe_a_caption_is_a_line_however_long() -> None:
    printed, text = io.StringIO(), " ".join(["palabra"] * 40)
    TerminalCaptions(Terminal(printed)).show(replace(FINAL, text=text))
    assert printed.getvalue() == f"  1:01 es  {text}\n"


def on_a_terminal(*events: Event, lags: LagStats) -> str:
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=200, force_terminal=True, color_system=None))
    terminal.follow(lags)
    for event in events:
        terminal.show(event)
    terminal.close()
    return screen.getvalue()


def test_a_terminal_says_below_the_captions_how_late_each_stage_was() -> None:
    lags = LagStats()
    assert "after the words" not in on_a_terminal(FINAL, lags=lags)
    lags.add(62.0, 2.13, Stamps(63.0, 63.5, 63.9, 64.1))
    lags.painted(2.22)
    said = on_a_terminal(FINAL, lags=lags)
    assert "seconds after the words, median (95th percentile): recognised 1.0 (1.0), committed 1.5 (1.5)," in said
    assert ", first token 1.9 (1.9), last token 2.1 (2.1), sent 2.1 (2.1), painted 2.2 (2.2)" in said


def on_screen(monkeypatch: pytest.MonkeyPatch) -> tuple[TerminalCaptions, io.StringIO]:
    """Captions on a terminal, which shows standard error as well."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    return TerminalCaptions(Console(file=screen, width=200, force_terminal=True, color_system=None)), screen


def test_a_terminal_shows_how_loud_the_microphone_is_and_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = on_screen(monkeypatch)
    terminal.show_level(-40.0)
    assert "level [##########          ] -40 dBFS" in screen.getvalue()
    terminal.show_level(-math.inf)
    assert screen.getvalue().rpartition("\x1b[2K")[2] == "level [                    ] no sound"
    terminal.close()
    assert "level" not in screen.getvalue().rpartition("\x1b[2K")[2]


def test_the_level_stands_below_how_late_captions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = on_screen(monkeypatch)
    lags = LagStats()
    lags.add(62.0, 2.13)
    terminal.follow(lags)
    terminal.show_level(-40.0)
    terminal.show(FINAL)
    terminal.show_level(0.0)
    late, level = screen.getvalue().rpartition("\x1b[2K")[2].splitlines()
    assert late.endswith("sent 2.1 (2.1)")
    assert level == "level [####################] 0 dBFS"


def test_what_is_said_on_standard_error_does_not_run_into_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = on_screen(monkeypatch)
    terminal.show_level(-40.0)
    print("surtitle: nothing is heard", file=sys.stderr, flush=True)
    assert "\x1b[2Ksurtitle: nothing is heard\n" in screen.getvalue()
    terminal.close()
    assert sys.stderr is screen


def test_a_terminal_that_is_held_holds_up_no_session() -> None:
    reader, writer = os.openpty()
    with open(writer, "w", encoding="utf-8") as screen:
        terminal = Terminal(screen)
        termios.tcflow(screen, termios.TCOOFF)  # as Ctrl-S does
        showing = threading.Thread(target=TerminalCaptions(terminal).show, args=(FINAL,))
        showing.start()
        showing.join(5)
        waits = showing.is_alive()
        termios.tcflow(screen, termios.TCOON)
        showing.join()
        terminal.print("and on")
        seen = os.read(reader, 1024)
    os.close(reader)
    assert not waits
    assert seen == b"and on\r\n"


def test_a_terminal_that_is_closed_ends_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.openpty()
    with open(writer, "w") as screen:
        monkeypatch.setattr(sys, "stdout", screen)
        terminal = TerminalCaptions(Terminal())
        terminal.show(FINAL)
        os.close(reader)
        for _ in range(3):
            terminal.show(FINAL)
            terminal.show_level(-20.0)
        terminal.close()


def test_a_file_on_a_full_disk_ends_no_session_and_has_what_comes_when_there_is_room() -> None:
    class File(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    file = File()
    terminal = TerminalCaptions(Terminal(file))
    terminal.show(replace(FINAL, text="lost"))
    file.full = False
    terminal.show(FINAL)
    assert file.getvalue() == "  1:01 es  hola\n"


def test_a_file_has_no_level() -> None:
    screen = io.StringIO()
    TerminalCaptions(Console(file=screen, width=100)).show_level(-40.0)
    assert screen.getvalue() == ""


def test_a_file_is_told_of_captions_alone() -> None:
    lags = LagStats()
    lags.add(62.0, 2.13)
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=100))
    terminal.follow(lags)
    terminal.show(FINAL)
    assert screen.getvalue().strip() == "1:01 es  hola"


def test_the_end_sums_up() -> None:
    stats: dict[str, float | int] = {"segments": 3, "lag_p50_ms": 900, "lag_p95_ms": 1500}
    assert shown(SessionEnd(11.04, 12.0, stats)) == [
        "11.0 s of audio, 3 segments, captions 900 ms after the words (p95 1500)"
    ]
    assert shown(SessionEnd(0.0, 0.0, {"segments": 0})) == ["0.0 s of audio, 0 segments"]


def test_the_end_says_what_is_missing_of_its_own_session() -> None:
    end = SessionEnd(0.0, 0.0, {"segments": 0})
    assert shown(FINAL, replace(FINAL, start=723.0, untranslated=True), end, FINAL, end) == [
        "  1:01 es  hola",
        " 12:03 es  hola",
        "0.0 s of audio, 0 segments",
        "es: 1 of 2 captions could not be translated, at 12:03",
        "  1:01 es  hola",
        "0.0 s of audio, 0 segments",
    ]


def test_below_a_caption_stands_how_late_its_own_room_is_and_nothing_once_that_is_over() -> None:
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=200, force_terminal=True, color_system=None))

    def said(room: str) -> str:
        screen.seek(screen.truncate(0))
        terminal.show(FINAL, room)
        return screen.getvalue()

    for room, lag in (("hall", 1.0), ("cellar", 2.0)):
        lags = LagStats()
        lags.add(62.0, lag)
        terminal.follow(lags, room)
    assert "hall: seconds after the words, median (95th percentile): sent 1.0 (1.0)" in said("hall")
    assert "cellar: seconds after the words, median (95th percentile): sent 2.0 (2.0)" in said("cellar")
    terminal.unfollow("cellar")
    assert "after the words" not in said("cellar")
    assert "sent 1.0 (1.0)" in said("hall")
    terminal.close()


def test_gaps_changes_and_ends_say_of_which_room_they_are_where_there_are_several() -> None:
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=100))
    for event in (Gap(1.0, 31.0, "overload"), Targets(("es", "fr")), SessionEnd(0.0, 0.0, {"segments": 0})):
        terminal.show(event, "hall")
    assert screen.getvalue().splitlines() == [
        "  [hall 1.0-31.0 s not recognised: this machine could not keep up]",
        "  [hall now translated into es, fr]",
        "hall 0.0 s of audio, 0 segments",
        "hall 30.0 s of audio could not be recognised, at 0:01",
    ]


def test_what_a_session_that_failed_did_not_bring_is_not_told_of_the_next_one() -> None:
    screen = io.StringIO()
    terminal = TerminalCaptions(Console(file=screen, width=100))
    terminal.show(Gap(1.0, 31.0, "overload"), "hall")
    terminal.unfollow("hall")  # its end could not be written, and so was not shown
    terminal.show(SessionEnd(0.0, 0.0, {"segments": 0}), "hall")
    assert screen.getvalue().splitlines()[1:] == ["hall 0.0 s of audio, 0 segments"]


def test_an_address_in_brackets_is_shown_as_it_is() -> None:
    shown = io.StringIO()
    Terminal(shown).print("captions on http://[fd00:cd:ab::23]:8765/overlay", style="dim")
    assert shown.getvalue() == "captions on http://[fd00:cd:ab::23]:8765/overlay\n"


NAME = "https://captions.example.org"
NAMED = Access("127.0.0.1", 8765, (NAME,))


def invited(access: Access, *, width: int = 100, asks_readers: bool = False, terminal: bool = True) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    show_invitation(console, access, "hall", asks_readers=asks_readers)
    return screen.getvalue()


def lit(output: str) -> Modules:
    """What a terminal shows of it: two pixels a cell, 1 where it is dark."""
    screen = pyte.Screen(100, 40)
    pyte.Stream(screen).feed(output.replace("\n", "\r\n"))
    rows = []
    for line in range(40):
        cells = [screen.buffer[line][column] for column in range(100)]
        for drawn in ("▀█", "▄█"):
            shades = [cell.fg if cell.data in drawn else cell.bg for cell in cells]
            rows.append([int(shade != "ffffff") for shade in shades])
    return np.array(rows, np.uint8)


def test_a_terminal_shows_a_code_that_opens_the_room_that_readers_are_invited_to() -> None:
    shown = invited(NAMED)
    assert "readers open https://captions.example.org/read?session=hall" in shown
    assert read(lit(shown)) == "https://captions.example.org/read?session=hall"


@pytest.mark.parametrize("how", [{"terminal": False}, {"width": 20}, {"asks_readers": True}])
def test_there_is_no_code_where_none_can_be_read_or_would_do(how: dict[str, int]) -> None:
    shown = invited(NAMED, **how)  # type: ignore[arg-type]
    assert "▀" not in shown
    assert "https://captions.example.org/read?session=hall" in shown


def test_no_code_leads_to_a_site_that_may_only_show_the_captions() -> None:
    shown = invited(Access("127.0.0.1", 8765, ("https://church.example", "https://captions.example.org")))
    assert "or https://captions.example.org/read?session=hall" in shown
    assert "▀" not in shown
    assert "--url URL` makes" in invited(Access("127.0.0.1", 8765, ("https://a.example", NAME)), asks_readers=True)


def test_who_listens_on_every_address_names_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surtitle.pipeline.terminal.own_addresses", lambda version: {6: ["fd00::23"]}[version])
    assert "readers open http://[fd00::23]:8765/read?session=hall\n" in invited(Access("::", 8765), terminal=False)


def test_a_server_of_this_machine_alone_invites_nobody() -> None:
    assert invited(Access("127.0.0.1", 8765)) == ""
