"""README's programs over a model of one's own, as they stand there."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from chat_folders import chat_folder
from readme_programs import program

pytestmark = pytest.mark.slow


def run(name: str, folder: Path, lines: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the program has made when it is over."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(sys, "argv", [name, str(folder)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    exec(compile(program(name), name, "exec"), made)
    return made


def test_a_stock_model_generates_on_beyond_its_window(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, "chatml", "Ċ")  # a newline, for a streamer prints whole words
    command = [sys.executable, "-c", program("endless.py"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = list(islice(running.stdout, 1200))
        assert running.poll() is None  # and so on
        running.terminate()
    assert said == ["The lighthouse keeper opened the door and\n", *["\n"] * 1199]


def test_a_chat_over_a_stock_model_goes_on_beyond_its_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chat_folder(tmp_path, "gemma", "x")
    made = run("chat.py", folder, "One?\nTwo?\n", monkeypatch)
    assert capsys.readouterr().out == f"{'x' * 1000}\n" * 2
    cache = made["chat"]._stream.cache
    assert cache.evictions > 0
    assert cache.length <= 1024


def test_a_stream_over_a_stock_model_holds_the_lines_and_no_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"Line {number} is about ships.\n" for number in range(100)]
    made = run("guess.py", chat_folder(tmp_path, "chatml", "x"), "".join(lines), monkeypatch)
    assert capsys.readouterr().out == f"{'x' * 20}\n" * 100
    cache = made["stream"].cache
    assert cache.evictions > 0
    held = made["tokenizer"].decode(cache.ids[0].tolist())
    assert held.startswith("A talk about the sea.\n")
    assert "".join(lines).endswith(held.removeprefix("A talk about the sea.\n"))
