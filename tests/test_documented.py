"""README's reference and the program name the same commands, flags and environment variables."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import benchmark
import conformance
import evaluate
import pytest
import simulate

from surtitle.pipeline.cli import build_parser
from surtitle.pipeline.operations import Operations

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = [path for folder in ("pipeline", "sinks", "clients", "scripts") for path in sorted((ROOT / folder).iterdir())]


def commands() -> dict[str, argparse.ArgumentParser]:
    (found,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(found.choices)


def flags(command: argparse.ArgumentParser) -> set[str]:
    return {name for action in command._actions for name in action.option_strings} - {"-h", "--help"}


def meanings(part: str = "Commands and flags") -> dict[str, dict[str, str]]:
    """What flags mean, by command: the tables of that part of the README, under headings that name the commands."""
    _, _, section = README.partition(f"\n## {part}\n")
    section = re.split(r"^## ", section, flags=re.M)[0]
    found: dict[str, dict[str, str]] = {}
    for heading, table in re.findall(r"^### (.*?)$(.*?)(?=^### |\Z)", section, re.M | re.S):
        rows = {
            flag: meaning
            for row, meaning in re.findall(r"^\| (.*?) \| (.*) \|$", table, re.M)
            for flag in re.findall(r"--[\w-]*\w", row)
        }
        for name in re.findall(r"`(?:surtitle |scripts/)?(\w+)`", heading):
            assert found.setdefault(name, {}).keys().isdisjoint(rows), f"two meanings of a flag of {name}"
            found[name] |= rows
    return found


def helped(command: argparse.ArgumentParser) -> dict[str, str]:
    """What flags mean, as `--help` says it."""
    return {
        flag: f"{action.help[:1].upper()}{action.help[1:]}{'; required' if action.required else ''}"
        for action in command._actions
        for flag in flags(command).intersection(action.option_strings)
        if action.help
    }


def test_the_tree_names_every_file_of_the_product() -> None:
    _, _, section = README.partition("\n## The tree\n")
    named = set(re.findall(r"[\w.]+", section.partition("\n## ")[0]))
    for folder in ("pipeline", "sinks", "clients"):
        files = {path.name: path for path in (ROOT / folder).iterdir() if path.is_file()}
        pages = {name for name, path in files.items() if path.suffix in (".html", ".css", ".js", ".png")}
        untold = files.keys() - named - {"py.typed", "__init__.py"}
        assert {name for name in untold if name not in pages or files[name].stem not in named} == set(), folder


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bSURTITLE_[A-Z_]*[A-Z]\b", text))


def test_every_command_is_documented_and_no_other() -> None:
    assert set(meanings()) == set(commands())


@pytest.mark.parametrize("name", commands())
def test_every_flag_is_documented_as_its_help_says_and_no_other(name: str) -> None:
    assert meanings()[name] == helped(commands()[name])


SCRIPTS = {script.__name__: script.build_parser for script in (benchmark, conformance, evaluate, simulate)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_flag_of_the_scripts_is_documented_and_no_other(name: str) -> None:
    assert meanings("Measuring it")[name] == helped(SCRIPTS[name]())


def test_every_parameter_of_the_overlay_is_documented_and_no_other() -> None:
    scripts = "".join((ROOT / "clients" / name).read_text(encoding="utf-8") for name in ("overlay.js", "connection.js"))
    looks = re.findall(r"^const looks = \{(.*)\};$", scripts, re.M)
    asked = re.findall(r'query\.get(?:All)?\("(\w+)"\)', scripts) + re.findall(r"(\w+):", looks[0])
    _, _, section = README.partition("### The overlay's address")
    table = re.split(r"^## ", section, flags=re.M)[0]
    assert set(re.findall(r"^\| `(\S+)` \|", table, re.M)) == {*asked, "outline", "#token"}


def test_every_environment_variable_is_documented_and_no_other() -> None:
    used = set[str]().union(*(variables(path.read_text("utf-8", "ignore")) for path in CODE if path.is_file()))
    assert variables(README) == used


def test_every_figure_for_prometheus_is_documented_and_no_other() -> None:
    _, _, section = README.partition("\n### Operating it\n")
    table = re.findall(r"^\|(.*?)\|", re.split(r"^##", section, flags=re.M)[0], re.M)
    named = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    text = Operations().metrics().decode()
    assert named == {name for name in re.findall(r"^# TYPE (\w+)", text, re.M) if not name.endswith("_created")}
