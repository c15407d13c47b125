"""`surtitle.pipeline.broadcast`: the log first, then everybody else."""

from __future__ import annotations

import io
import json
import os
import sys
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from score_log import read_log

from surtitle.pipeline.broadcast import Broadcast, OutputPaths, Outputs
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, SessionEnd, SessionStart
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.protocol import parse_event
from surtitle.pipeline.rooms import Room
from surtitle.pipeline.stats import LagStats
from surtitle.pipeline.terminal import Terminal, TerminalCaptions

START = SessionStart("s", ("en",), ("es", "de"), {"asr": "a", "llm": "b"}, "virtual")
END = SessionEnd(2.0, 2.1, {"segments": 1})


def final(language: str, text: str) -> Caption:
    return Caption(
        cue=0,
        revision=0,
        language=language,
        role="target",
        text=text,
        start=0.0,
        end=1.5,
        final=True,
        stable=len(text),
        audio=2.0,
        elapsed=2.0,
    )


def room(name: str = "main") -> Room:
    return Room(name, Hub("e"))


def silent() -> TerminalCaptions:
    return TerminalCaptions(Console(quiet=True))


def taken(viewer: Viewer) -> list[dict[str, Any]]:
    """The messages that wait for `viewer`."""
    return [json.loads(message) for message in iter(viewer.next, None)]


def test_a_final_is_in_the_log_before_a_viewer_is_woken_for_it(tmp_path: Path) -> None:
    log, seen = tmp_path / "log.jsonl", list[bool]()
    with Outputs(OutputPaths(log=log), ("es",), silent()) as outputs:
        here = room()
        here.hub.join(wake=lambda: seen.append("hola" in log.read_text()))
        Broadcast(here, outputs).publish(final("es", "hola"))
    assert seen == [True]


def test_the_log_holds_what_viewers_get_with_the_same_numbers(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with Outputs(OutputPaths(log=log), ("es",), silent()) as outputs:
        broadcast = Broadcast(room(), outputs)
        viewer = broadcast.room.hub.join()
        taken(viewer)
        for event in (START, final("es", "hola"), END):
            broadcast.publish(event)
        sent = taken(viewer)
    assert [json.loads(line) for line in log.read_text().splitlines()] == sent
    assert [each["type"] for each in sent] == ["session", "caption", "end"]


async def test_the_newest_caption_is_in_its_file_while_the_run_lasts(tmp_path: Path) -> None:
    now = tmp_path / "now.txt"
    with Outputs(OutputPaths(text_now=now), ("es",), silent()) as outputs:
        Broadcast(room(), outputs).publish(final("es", "hola"))
        assert now.read_text() == "hola"
    assert now.read_text() == ""


def test_a_session_that_is_over_is_held_by_nobody(tmp_path: Path) -> None:
    class Session:
        def painted(self, cue: int, language: str) -> None: ...

        def want(self, targets: tuple[str, ...]) -> None: ...

    session = Session()
    held = weakref.ref(session)
    with Outputs(OutputPaths(), ("es",), silent()) as outputs:
        broadcast = Broadcast(room(), outputs)
        broadcast.follow(LagStats(), session.painted, session.want)
        del session
        assert held() is not None
        broadcast.unfollow()
    assert held() is None


def test_viewers_are_told_of_an_end_that_can_not_be_written() -> None:
    with Outputs(OutputPaths(log=Path("/dev/full")), (), silent()) as outputs:
        broadcast = Broadcast(room("hall"), outputs)
        broadcast.room.hub.publish(START)
        viewer = broadcast.room.hub.join()
        taken(viewer)
        with pytest.raises(UserError, match="full"):
            broadcast.publish(END)
        assert [each["type"] for each in taken(viewer)] == ["end"]
        assert broadcast.room.hub.session is None


def test_the_files_of_a_session_that_failed_are_closed(tmp_path: Path) -> None:
    with Outputs(OutputPaths(record=tmp_path), (), silent()) as outputs:
        broadcast = Broadcast(room("hall"), outputs)
        for event in (START, final("es", "hola")):
            broadcast.publish(event)
        broadcast.unfollow()
        assert "hola" in (tmp_path / "hall-1.es.srt").read_text()
        broadcast.publish(START)
        broadcast.publish(final("es", "otra vez"))
    assert "otra vez" in (tmp_path / "hall-2.es.srt").read_text()


def test_each_target_gets_its_subtitles_and_the_terminal_all(tmp_path: Path) -> None:
    shown = io.StringIO()
    terminal = TerminalCaptions(Console(file=shown, width=120))
    paths = OutputPaths(captions={"srt": tmp_path / "talk.srt", "vtt": tmp_path / "talk.vtt"})
    with Outputs(paths, ("es", "de"), terminal) as outputs:
        broadcast = Broadcast(room(), outputs)
        for caption in (final("es", "hola"), final("de", "hallo")):
            broadcast.publish(caption)
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name: [word for word in ("hola", "hallo") if word in text] for name, text in texts.items()} == {
        "talk.srt": ["hola"],
        "talk.vtt": ["hola"],
        "talk.de.srt": ["hallo"],
        "talk.de.vtt": ["hallo"],
    }
    assert "hola" in shown.getvalue()
    assert "hallo" in shown.getvalue()


def test_a_path_that_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    paths = OutputPaths(log=tmp_path / "log", captions={"srt": tmp_path / "missing" / "talk.srt"})
    with pytest.raises(UserError, match="missing"):
        Outputs(paths, ("es",), silent())


def test_without_outputs_viewers_still_get_everything() -> None:
    with Outputs(OutputPaths(), (), silent()) as outputs:
        here = room()
        viewer = here.hub.join(["es"])
        Broadcast(here, outputs).publish(final("es", "hola"))
        assert taken(viewer)[-1]["text"] == "hola"


def test_sessions_that_share_a_log_can_be_told_apart_and_each_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with Outputs(OutputPaths(log=log), (), silent()) as outputs:
        rooms = [Broadcast(room(name), outputs, shared=True) for name in ("hall", "cellar")]
        for turn in ("first", "second"):
            for broadcast in rooms:
                name = broadcast.room.name
                broadcast.publish(replace(START, session=f"{turn} in {name}", room=name))
            for broadcast in rooms:
                broadcast.publish(final("es", f"hola {broadcast.room.name}"))
            for broadcast in rooms:
                broadcast.publish(END)
    lines = log.read_text().splitlines()
    for turn in ("first", "second"):
        for name in ("hall", "cellar"):
            mine = [line for line in lines if json.loads(line)["session"] == f"{turn} in {name}"]
            assert [caption.text for caption in read_log(mine).captions] == [f"hola {name}"]
            events = [parse_event(line)[0] for line in mine]
            assert [type(event) for event in events] == [SessionStart, Caption, SessionEnd]
            assert isinstance(events[0], SessionStart)
            assert events[0].room == name


def test_the_terminal_says_whose_captions_they_are_where_it_is_not_the_only_room() -> None:
    shown = io.StringIO()
    with Outputs(OutputPaths(), (), TerminalCaptions(Console(file=shown, width=120))) as outputs:
        for name in ("main", "hall"):
            Broadcast(room(name), outputs).publish(final("es", "hola"))
    assert [line.split() for line in shown.getvalue().splitlines()] == [
        ["0:00", "es", "hola"],
        ["0:00", "hall", "es", "hola"],
    ]


def test_what_an_earlier_run_wrote_is_kept_and_that_is_said_to_who_runs_this_one(tmp_path: Path) -> None:
    shown = io.StringIO()
    paths = OutputPaths(log=tmp_path / "log.jsonl", keeps=True, captions={"txt": tmp_path / "talk.txt"})
    for word in ("hola", "adiós"):
        with Outputs(paths, ("es",), TerminalCaptions(Console(file=shown, width=1000))) as outputs:
            Broadcast(room(), outputs).publish(final("es", word))
    assert "hola" in (tmp_path / "log-1.jsonl").read_text("utf-8")
    assert (tmp_path / "talk-1.txt").read_text("utf-8") == "hola\n"
    assert (tmp_path / "talk.txt").read_text("utf-8") == "adiós\n"
    told = [line for line in shown.getvalue().splitlines() if "an earlier run" in line]
    assert [line.split()[-1] for line in told] == ["log-1.jsonl", "talk-1.txt"]


def test_who_reads_along_may_leave_and_the_log_and_viewers_have_all_that_follows(tmp_path: Path) -> None:
    class Left(io.StringIO):
        """The way to a program that ended."""

        def write(self, text: str) -> int:
            raise BrokenPipeError

    log, out = tmp_path / "log.jsonl", os.dup(sys.stdout.fileno())
    try:
        with Outputs(OutputPaths(log=log), (), TerminalCaptions(Terminal(file=Left()))) as outputs:
            broadcast = Broadcast(room(), outputs)
            viewer = broadcast.room.hub.join()
            taken(viewer)
            for event in (START, final("es", "hola"), final("de", "hallo"), END):
                broadcast.publish(event)
            sent = taken(viewer)
    finally:
        os.dup2(out, sys.stdout.fileno())
        os.close(out)
    assert [each["type"] for each in sent] == ["session", "caption", "caption", "end"]
    assert [json.loads(line) for line in log.read_text().splitlines()] == sent
