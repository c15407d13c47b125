"""`surtitle.pipeline.cublas`: a library that the system does not know."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from surtitle.pipeline.cublas import load_cublas
from surtitle.pipeline.errors import UserError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the library has this name on Linux")


def a_library(folder: Path, name: str) -> str:
    """Write one that nothing in this process has loaded, and tell its name: one of a wheel's under another, of four
    letters as its own."""
    wheel = find_spec("ctranslate2")
    assert wheel is not None
    assert wheel.origin is not None
    source = next((Path(wheel.origin).parents[1] / "ctranslate2.libs").glob("libgomp-*"))
    whole = source.name.replace("gomp", name)
    (folder / whole).write_bytes(source.read_bytes().replace(source.name.encode(), whole.encode()))
    return whole


def test_a_library_that_is_nowhere_is_named_with_what_gets_it(tmp_path: Path) -> None:
    python = re.escape(sys.executable)
    said = rf"needs libno\.so\.12 .*cannot open shared object file.*{python} -m pip install nvidia-cublas-cu12"
    with pytest.raises(UserError, match=said):
        load_cublas("libno.so.12", [tmp_path])


def test_a_library_of_the_system_needs_no_other_place() -> None:
    load_cublas("libc.so.6", [])


def test_what_was_loaded_from_elsewhere_is_found_by_its_name(tmp_path: Path) -> None:
    name = a_library(tmp_path, "mine")
    with pytest.raises(OSError, match="cannot open shared object file"):
        ctypes.CDLL(name)
    load_cublas(name, [tmp_path / "nowhere", tmp_path])
    ctypes.CDLL(name)


def test_a_library_is_looked_for_where_pip_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    name = a_library(folder, "ours")
    monkeypatch.syspath_prepend(tmp_path)
    load_cublas(name)
    ctypes.CDLL(name)


def test_a_library_that_is_there_and_broken_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "libbroken.so.12").write_bytes(b"no library")
    with pytest.raises(
        UserError, match=r"libbroken\.so\.12.*can't be loaded .*libbroken\.so\.12: (file too short|invalid)"
    ):
        load_cublas("libbroken.so.12", [tmp_path])
