"""`scripts/run`: what it fetches before it runs, with a program that only writes down what it is asked."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from surtitle.pipeline.store import load_manifest

RUN = Path(__file__).parents[1] / "scripts" / "run"
DEFAULTS = load_manifest().defaults
ASR, SMALL, LARGE, SAMPLE = DEFAULTS.asr, DEFAULTS.llm, DEFAULTS.text_llm, DEFAULTS.sample
URL = ("--translator-url", "http://127.0.0.1:9", "--translator-model", "m")
PAIR = ("--from", "en", "--to", "es")
Asked = Callable[..., list[str]]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Run it in a tree of its own: what `surtitle` was asked, a line each. `fails` is asked in vain."""
    for folder in ("scripts", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "scripts" / "run")
    log = tmp_path / "asked"
    for path, body in (
        (tmp_path / "scripts" / "setup", ""),
        (tmp_path / ".venv" / "bin" / "surtitle", f'echo "$*" >>"{log}"; [ "$1" != "$FAILS" ]'),
    ):
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(*arguments: str, fails: str = "") -> list[str]:
        log.unlink(missing_ok=True)
        subprocess.run([tmp_path / "scripts" / "run", *arguments], env={"PATH": "/usr/bin:/bin", "FAILS": fails})
        return log.read_text().splitlines()

    return run


def test_the_demonstration_fetches_both_translators_and_measures_them(asked: Asked) -> None:
    *before, replay = asked()
    assert before == ["models fetch --text", "check --once --to es,de,fr,pt"]
    assert replay.startswith(f"replay sample:{SAMPLE} ")


@pytest.mark.parametrize("command", ["live", "serve", "replay talk.wav"])
def test_speech_that_another_server_translates_needs_no_translator_here(asked: Asked, command: str) -> None:
    words = (*command.split(), *PAIR, *URL)
    before = ["devices"] if command == "live" else []
    assert asked(*words) == [*before, f"models fetch {ASR} {SAMPLE}", " ".join(words)]
    words = (*words, "--asr", "whisper-tiny.en")
    fetched = ["models fetch whisper-tiny.en", f"models fetch {SAMPLE}"]
    assert asked(*words) == [*before, *fetched, " ".join(words)]


def test_a_translator_that_is_named_is_fetched_and_no_other(asked: Asked, tmp_path: Path) -> None:
    words = ("serve", "--llm", SMALL)
    assert asked(*words) == [f"models fetch {SMALL}", f"models fetch {ASR} {SAMPLE}", " ".join(words)]
    words = ("serve", f"--llm={tmp_path}")  # a folder is there
    assert asked(*words) == [f"models fetch {ASR} {SAMPLE}", " ".join(words)]


def test_text_needs_no_recogniser_and_where_another_server_translates_it_nothing(asked: Asked, tmp_path: Path) -> None:
    for words, fetched in (
        (("translate", *PAIR), [f"models fetch {LARGE}"]),
        (("translate", *PAIR, *URL), []),
        (("translate", *PAIR, "--llm", SMALL), [f"models fetch {SMALL}"]),
        (("translate", *PAIR, "--llm", str(tmp_path)), []),
        (("generate", "--prompt", "Once", "--model", SMALL), [f"models fetch {SMALL}"]),
    ):
        assert asked(*words) == [*fetched, " ".join(words)]


def test_without_a_microphone_nothing_is_fetched(asked: Asked) -> None:
    assert asked("live", *PAIR, fails="devices") == ["devices"]


PYTHON = """#!/bin/sh
echo "$*" >>"$LOG"
if [ "$2" = venv ]; then
    rm .venv/bin/python
    cp "$0" .venv/bin/python
fi
"""
"""Writes down what it is asked, and makes what it is asked to make."""


def test_an_installation_is_made_again_where_its_python_is_gone_and_else_not(tmp_path: Path) -> None:
    for folder in ("scripts", "tools", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(RUN.with_name("setup"), tmp_path / "scripts" / "setup")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / ".venv" / "installed").write_text(f"{tmp_path}\n[project]\n")
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/usr/bin/python-that-an-upgrade-took-away")
    python = tmp_path / "tools" / "python3.11"
    python.write_text(PYTHON)
    python.chmod(0o755)
    log = tmp_path / "asked"
    env = {"PATH": f"{tmp_path}/tools:/usr/bin:/bin", "LOG": str(log)}
    subprocess.run([tmp_path / "scripts" / "setup"], env=env, check=True)
    asked = log.read_text()
    assert "-m venv --clear .venv\n" in asked
    assert "-m pip install" in asked
    subprocess.run([tmp_path / "scripts" / "setup"], env=env, check=True)
    assert log.read_text() == asked
