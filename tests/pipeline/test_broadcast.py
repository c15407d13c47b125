"""`surtitle.pipeline.broadcast`: the log first, then everybody else."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from surtitle.pipeline.broadcast import Broadcast, OutputPaths
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, SessionEnd, SessionStart
from surtitle.pipeline.terminal import TerminalCaptions

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


def test_a_final_is_in_the_log_before_a_viewer_is_woken_for_it(tmp_path: Path) -> None:
    log, seen = tmp_path / "log.jsonl", list[bool]()
    with Broadcast(OutputPaths(log=log), ("es",), None) as broadcast:
        broadcast.hub.join(wake=lambda: seen.append("hola" in log.read_text()))
        broadcast.publish(final("es", "hola"))
    assert seen == [True]


def test_the_log_holds_what_viewers_get_with_the_same_numbers(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with Broadcast(OutputPaths(log=log), ("es",), None) as broadcast:
        viewer = broadcast.hub.join()
        viewer.take()
        for event in (START, final("es", "hola"), END):
            broadcast.publish(event)
        sent = [json.loads(message) for message in viewer.take()]
    assert [json.loads(line) for line in log.read_text().splitlines()] == sent
    assert [each["type"] for each in sent] == ["session", "caption", "end"]


def test_each_target_gets_its_subtitles_and_the_terminal_all(tmp_path: Path) -> None:
    shown = io.StringIO()
    terminal = TerminalCaptions(Console(file=shown, width=120))
    paths = OutputPaths(captions={"srt": tmp_path / "talk.srt", "vtt": tmp_path / "talk.vtt"})
    with Broadcast(paths, ("es", "de"), terminal) as broadcast:
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
    with pytest.raises(UserError, match="missing"):
        Broadcast(OutputPaths(log=tmp_path / "log", captions={"srt": tmp_path / "missing" / "talk.srt"}), ("es",), None)


def test_without_outputs_viewers_still_get_everything() -> None:
    with Broadcast(OutputPaths(), (), None) as broadcast:
        viewer = broadcast.hub.join(["es"])
        broadcast.publish(final("es", "hola"))
        assert b"hola" in viewer.take()[-1]
