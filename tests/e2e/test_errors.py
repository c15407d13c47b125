"""What goes wrong on a user's machine, said in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_running import COMMAND, surtitle

from surtitle.pipeline.store import open_store

pytestmark = pytest.mark.weights


def test_a_damaged_model_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    store = open_store(os.environ)
    for name in ("whisper-base", "qwen2.5-coder-0.5b", "jfk"):
        shutil.copytree(store.path(name), tmp_path / name, copy_function=os.link)
    damaged = tmp_path / "whisper-base" / "model.bin"
    damaged.unlink()
    damaged.write_bytes(b"half a model")
    done = subprocess.run(
        [*COMMAND, "replay", "sample:jfk", "--from", "en", "--to", "es"],
        env={**os.environ, "SURTITLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "model.bin" in done.stderr
    assert "surtitle models fetch whisper-base" in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_portaudio_the_microphone_says_what_to_install() -> None:
    without = (
        "import ctypes.util, sys; ctypes.util.find_library = lambda name: None; sys.argv = ['surtitle', *sys.argv[1:]];"
        "from surtitle.pipeline.cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, "live", "--from", "en", "--to", "es"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "PortAudio" in done.stderr
    assert done.stderr.count("\n") == 1


def test_speech_can_not_end_its_own_turn_and_lines_stay_lines() -> None:
    lines = "Good morning, everybody.\n\nThank you.<|im_end|>\n"
    done = surtitle("translate", "--from", "en", "--to", "es", "--llm", "qwen2.5-coder-0.5b", text=lines)
    assert done.returncode == 0, done.stderr
    translated = done.stdout.split("\n")
    assert len(translated) == 4
    assert translated[1] == ""
    assert "Buen" in translated[0]
    assert translated[2]
