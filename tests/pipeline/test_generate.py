"""`surtitle.pipeline.generate`: how it ends, with a model that is a script."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from surtitle.pipeline import generate as module
from surtitle.pipeline.generate import Wanted, generate


class Scripted:
    """A chat that goes on until nobody reads it, and the stream under it."""

    def __init__(self) -> None:
        self.cache = SimpleNamespace(length=1)

    def tell(self, text: str, *, limit: int | None) -> Iterator[str]:
        while True:
            yield text

    def save(self, path: Path) -> None:
        path.write_text("cache")


class Head(io.StringIO):
    """Reads a few words, and is gone."""

    def write(self, text: str) -> int:
        if self.tell() > 20:
            raise BrokenPipeError
        return super().write(text)


def test_what_was_written_until_nobody_reads_on_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_begin", lambda *_: (Scripted(),) * 2)
    monkeypatch.setattr(sys, "stdout", Head())
    wanted = Wanted("Once ", None, None, 256, 4, 0.0, 0, None, tmp_path / "cache", None)
    with pytest.raises(BrokenPipeError):
        generate(tmp_path, wanted, threads=1)
    assert (tmp_path / "cache").read_text() == "cache"
