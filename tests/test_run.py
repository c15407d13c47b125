"""`scripts/run`: what it fetches before it runs, with a program that only writes down what it is asked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from surtitle.pipeline.store import load_manifest

RUN = Path(__file__).parents[1] / "scripts" / "run"
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
DEFAULTS = load_manifest().defaults
ASR, SMALL, LARGE, SAMPLE = DEFAULTS.asr, DEFAULTS.llm, DEFAULTS.text_llm, DEFAULTS.sample
URL = ("--translator-url", "http://127.0.0.1:9", "--translator-model", "m")
PAIR = ("--from", "en", "--to", "es")
Asked = Callable[..., list[str]]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Run it in a tree of its own: what `surtitle` was asked, a line each. `fails` is asked in vain. What was typed is
    looked at where the environment has READS."""
    for folder in ("scripts", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(RUN, tmp_path / "scripts" / "run")
    log = tmp_path / "asked"
    for path, body in (
        (tmp_path / "scripts" / "setup", ""),
        (tmp_path / ".venv" / "bin" / "surtitle", f'echo "$*" >>"{log}"; [ "$1" != "$FAILS" ]'),
        (tmp_path / ".venv" / "bin" / "python", f'[ -z "$READS" ] || exec {sys.executable} "$@"'),
    ):
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def run(
        *arguments: str, fails: str = "", by: str = "scripts/run", env: Mapping[str, str] = MappingProxyType({})
    ) -> list[str]:
        log.unlink(missing_ok=True)
        subprocess.run([tmp_path / by, *arguments], env={"PATH": "/usr/bin:/bin", "FAILS": fails, **env})
        return log.read_text().splitlines() if log.exists() else []

    return run


def test_the_demonstration_fetches_both_translators_and_measures_them(asked: Asked) -> None:
    *before, replay = asked()
    assert before == ["models fetch --text", "check --once --to es,de,fr,pt"]
    assert replay.startswith(f"replay sample:{SAMPLE} ")


@pytest.mark.parametrize("command", ["live", "serve", "replay talk.wav"])
def test_speech_that_another_server_translates_needs_no_translator_here(asked: Asked, command: str) -> None:
    words = (*command.split(), *PAIR, *URL)
    before = ["devices"] if command == "live" else []
    assert asked(*words) == [*before, f"models fetch {ASR}", " ".join(words)]
    words = (*words, "--asr", "whisper-tiny.en")
    assert asked(*words) == [*before, "models fetch whisper-tiny.en", " ".join(words)]


def test_a_translator_that_is_named_is_fetched_and_no_other(asked: Asked, tmp_path: Path) -> None:
    words = ("serve", "--llm", SMALL)
    assert asked(*words) == [f"models fetch {SMALL}", f"models fetch {ASR}", " ".join(words)]
    words = ("serve", f"--llm={tmp_path}")  # a folder is there
    assert asked(*words) == [f"models fetch {ASR}", " ".join(words)]


def test_where_both_models_are_paths_nothing_is_fetched_but_the_sample_that_is_asked_for(
    asked: Asked, tmp_path: Path
) -> None:
    (tmp_path / "a model").mkdir()
    paths = ("--llm", f"{tmp_path}/a model", "--asr=~/a model")  # the shell does not take such a ~ for the home
    for words in (("serve", *paths), ("replay", "talk.wav", *PAIR, *paths)):
        assert asked(*words, env={"HOME": str(tmp_path)}) == [" ".join(words)]
    for words in (("replay", "sample:jfk", *PAIR, *paths), paths):
        assert asked(*words, env={"HOME": str(tmp_path)})[0] == f"models fetch {SAMPLE}"


def test_it_is_found_by_way_of_a_link(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "home" / "bin").mkdir(parents=True)
    (tmp_path / "home" / "bin" / "captions").symlink_to(tmp_path / "scripts" / "run")
    assert asked("devices", by="home/bin/captions") == ["devices"]


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


@pytest.mark.parametrize(
    "words", [("replay", "talk.wav", "--from", "en"), ("live", *PAIR, "--caption", "live"), ("--too",)]
)
def test_where_something_is_mistyped_nothing_is_fetched(asked: Asked, words: tuple[str, ...]) -> None:
    assert asked(*words, env={"READS": "1"}) == []


def test_what_is_typed_right_is_run(asked: Asked) -> None:
    assert asked("devices", env={"READS": "1"}) == ["devices"]


PYTHON = f"""#!/bin/sh
[ "$1" = -c ] && exec {sys.executable} "$@"
echo "$*" >>"$LOG"
case "$*" in
*pip*) [ -e "$(dirname "$0")/pip" ] || exit 1 ;;
*venv*)
    sleep 0.3
    rm -f .venv/bin/python
    cp "$0" .venv/bin/python
    touch .venv/bin/pip
    ;;
esac
"""
"""Writes down what it is asked, and makes what it is asked to make; only there it has pip."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with a .venv that was interrupted as it was made, and a Python beside it."""
    for folder in ("scripts", "tools", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(RUN.with_name("setup"), tmp_path / "scripts" / "setup")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    python = tmp_path / "tools" / "python3.11"
    python.write_text(PYTHON)
    python.chmod(0o755)
    shutil.copy(python, tmp_path / ".venv" / "bin" / "python")
    return tmp_path


def set_up(tree: Path, *, times: int = 1) -> list[str]:
    """Run that many at once: what Python was asked until the last one ended."""
    env = {"PATH": f"{tree}/tools:/usr/bin:/bin", "LOG": str(tree / "asked")}
    running = [subprocess.Popen([tree / "scripts" / "setup"], env=env) for _ in range(times)]
    assert [each.wait() for each in running] == [0] * times
    return (tree / "asked").read_text().splitlines()


def test_an_installation_is_made_again_where_its_python_is_gone_and_else_not(tree: Path) -> None:
    (tree / ".venv" / "installed").write_text(f"{tree}\n[project]\n")
    (tree / ".venv" / "bin" / "python").unlink()
    (tree / ".venv" / "bin" / "python").symlink_to("/usr/bin/python-that-an-upgrade-took-away")
    asked = set_up(tree)
    assert "-m venv --clear .venv" in asked
    assert any(each.startswith("-m pip install") for each in asked)
    assert set_up(tree) == asked


def test_an_environment_that_was_interrupted_before_it_had_pip_is_made_again(tree: Path) -> None:
    assert "-m venv --clear .venv" in set_up(tree)


def test_of_two_at_once_the_second_waits_and_finds_it_done(tree: Path) -> None:
    assert set_up(tree, times=2).count("-m venv --clear .venv") == 1


def test_what_was_installed_before_does_not_count_while_another_is_installed(tree: Path) -> None:
    (tree / ".venv" / "installed-dev").write_text("of another checkout")
    set_up(tree)
    assert not (tree / ".venv" / "installed-dev").exists()


@pytest.fixture
def bare(tree: Path) -> Path:
    """The same on a system without any Python but what a test puts there."""
    (tree / "tools" / "python3.11").unlink()
    (tree / ".venv" / "bin" / "python").unlink()
    for needed in ("bash", "cat", "cp", "dirname", "rm", "sleep", "touch"):
        (tree / "tools" / needed).symlink_to(str(shutil.which(needed)))
    return tree


def set_up_by(bare: Path, name: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run it where the only Python is that `program`, under that name."""
    (bare / "tools" / name).write_text(program)
    (bare / "tools" / name).chmod(0o755)
    env = {"PATH": f"{bare}/tools", "LOG": str(bare / "asked")}
    return subprocess.run([bare / "scripts" / "setup"], env=env, capture_output=True, text=True)


def test_a_python_that_has_no_other_name_than_its_version_is_found(bare: Path) -> None:
    assert set_up_by(bare, "python3.14", PYTHON).returncode == 0
    assert "-m venv --clear .venv" in (bare / "asked").read_text().splitlines()


@pytest.mark.parametrize("version", ["3.10.12", "3.15.0"])
def test_a_python_that_is_too_old_or_too_new_is_named_and_so_is_the_package_of_another(
    bare: Path, version: str
) -> None:
    as_if = f"import sys; sys.version_info = ({version.replace('.', ', ')}); exec(sys.argv[1])"
    program = f'[ "$1" = --version ] && echo "Python {version}" || exec {sys.executable} -c "{as_if}" "$2"'
    other = set_up_by(bare, "python3", f"#!/bin/sh\n{program}\n")
    assert other.returncode == 1
    (expected,) = re.findall(r"^- \*\*You need\*\* .* (Python [\d.]+ to [\d.]+\d)\.", README, re.M)
    assert f"saw Python {version}, expected {expected} with venv" in other.stderr
    assert "python3.11-venv" in other.stderr


def test_the_tests_run_on_a_system_that_has_what_they_need_and_no_apt(tree: Path) -> None:
    shutil.copy(RUN.with_name("test"), tree / "scripts" / "test")
    log = tree / "asked"
    programs = (".venv/bin/surtitle", ".venv/bin/python", "tools/curl", "tools/perl")
    for path in ("scripts/setup", "scripts/check", *programs):
        (tree / path).write_text(f'#!/bin/sh\necho "$*" >>"{log}"\n')
        (tree / path).chmod(0o755)
    for needed in ("bash", "dirname"):
        (tree / "tools" / needed).symlink_to(str(shutil.which(needed)))
    subprocess.run([tree / "scripts" / "test"], env={"PATH": f"{tree}/tools"}, check=True)
    assert log.read_text().splitlines()[-1] == "-P -m pytest -m slow or weights"
