"""`surtitle.pipeline.textmode`: lines in, lines out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.languages import Pair
from surtitle.pipeline.store import open_store
from surtitle.pipeline.textmode import lines_of, translate_lines


def test_a_file_that_is_missing_or_no_text_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "latin1.txt").write_bytes(b"ma\xf1ana")
    for name in ("nowhere.txt", "latin1.txt", "."):
        with pytest.raises(UserError, match=r"can't read .*: expected a UTF-8 text file, a line a segment"):
            lines_of(tmp_path / name)


@pytest.mark.weights
def test_each_line_is_translated_and_empty_lines_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "talk.txt"
    text.write_text("The train arrives at nine.\n\nThe children are playing in the garden.\n")
    folder = open_store(os.environ).path("qwen2.5-coder-0.5b")
    translate_lines(lines_of(text), Engine(folder, threads=1), Pair(("en",), ("es",)), window=1100)
    first, empty, second = capsys.readouterr().out.splitlines()
    assert "tren" in first.lower()
    assert empty == ""
    assert "niños" in second.lower()
