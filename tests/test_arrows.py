"""Imports follow the data: what a folder may know of another, and no more."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"sinks", "clients", "pipeline"}
EXCEPTIONS = {
    "pipeline/engine.py": {"sinks"},
    "pipeline/aside.py": {"sinks"},
    "pipeline/context.py": {"sinks"},
    "pipeline/conversation.py": {"sinks"},
    "pipeline/terms.py": {"sinks"},
    "pipeline/translator.py": {"sinks"},
    "pipeline/generate.py": {"sinks"},
    "pipeline/commands.py": {"clients"},
}
"""The files of the pipeline that know of attention sinks, and the one that knows of viewers."""
OUTSIDE = {
    "asyncio", "concurrent", "threading", "queue", "socket", "ssl", "subprocess", "time", "os", "pathlib", "torch",
    "transformers", "onnxruntime", "ctranslate2", "faster_whisper", "websockets", "httpx2", "sounddevice", "rich",
}  # fmt: skip
"""What a policy does not know: threads, sockets, files, clocks, models, devices and terminals."""
VOCABULARY = ("pipeline/events.py", "pipeline/errors.py")


def sources() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).glob("*.py"))


@cache
def imports(source: str) -> frozenset[str]:
    """Dotted names of everything that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} imports relatively: write surtitle.{Path(source).parent}"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def our_folders(source: str) -> set[str]:
    """Of a file's imports, the folders of this project."""
    dotted = [name.split(".") for name in imports(source)]
    return {parts[1] for parts in dotted if parts[0] == "surtitle"}


def packages(source: str) -> set[str]:
    """The first parts of their names."""
    return {name.partition(".")[0] for name in imports(source)}


def test_every_folder_has_sources_to_check() -> None:
    assert {Path(source).parts[0] for source in sources()} == FOLDERS
    assert "sinks" in our_folders("sinks/stream.py")


def test_a_file_knows_its_own_folder_alone_but_for_the_exceptions() -> None:
    others = {source: our_folders(source) - {Path(source).parts[0]} for source in sources()}
    assert {source: found for source, found in others.items() if found} == EXCEPTIONS


def test_the_vocabulary_depends_on_nothing() -> None:
    assert not {source: found for source in VOCABULARY if (found := our_folders(source))}


def test_what_is_imported_is_installed_with_the_program() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = {normal(re.split(r"[<>=]", each)[0]) for each in project["dependencies"]}
    comes_from = packages_distributions()
    assert not {
        source: lacking
        for source in sources()
        for name in packages(source) - sys.stdlib_module_names - {"surtitle"}
        if not installed & (lacking := {normal(each) for each in comes_from[name]})
    }


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_file_loads_a_second_copy_of_a_module() -> None:
    assert not {source: found for source in sources() if (found := packages(source) & FOLDERS)}


def table(kind: str) -> list[str]:
    """The files that ARCHITECTURE.md's table of one kind names."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^\| {kind} .*?\n\n", text, re.M | re.S)
    return [f"pipeline/{name}.py" for name in re.findall(r"`(\w+)`", found)]


def test_the_tables_name_files_that_are_there() -> None:
    policies, shells = table("policies"), table("shells")
    assert len(policies) > 40
    assert len(shells) > 10
    assert {*policies, *shells} <= set(sources())


def test_what_a_policy_must_not_know_goes_by_that_name() -> None:
    assert not [name for name in OUTSIDE if find_spec(name) is None]


def test_a_policy_imports_no_thread_socket_clock_model_or_shell() -> None:
    shells = {path.removesuffix(".py").replace("/", ".") for path in table("shells")}
    for source in table("policies"):
        modules = {name.removeprefix("surtitle.").rpartition(".")[0] for name in imports(source)}
        assert not packages(source) & OUTSIDE | modules & shells, source
