"""`surtitle.pipeline.cublas`: a library that the system does not know."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

import pytest

from surtitle.pipeline.cublas import load_cublas
from surtitle.pipeline.errors import UserError


def a_library(folder: Path) -> str:
    """Write one that nothing in this process has loaded, and tell its name: one of a wheel's under another."""
    wheel = find_spec("ctranslate2")
    assert wheel is not None
    assert wheel.origin is not None
    source = next((Path(wheel.origin).parents[1] / "ctranslate2.libs").glob("libgomp-*"))
    name = source.name.replace("libgomp", "libmine")
    (folder / name).write_bytes(source.read_bytes().replace(source.name.encode(), name.encode()))
    return name


def test_a_library_that_is_nowhere_is_named_with_what_gets_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs libno\.so\.12 .*not on this machine.*pip install nvidia-cublas-cu12"):
        load_cublas("libno.so.12", [tmp_path])


def test_a_library_of_the_system_needs_no_other_place() -> None:
    load_cublas("libc.so.6", [])


def test_what_was_loaded_from_elsewhere_is_found_by_its_name(tmp_path: Path) -> None:
    name = a_library(tmp_path)
    with pytest.raises(OSError, match="cannot open shared object file"):
        ctypes.CDLL(name)
    load_cublas(name, [tmp_path / "nowhere", tmp_path])
    ctypes.CDLL(name)
