"""`surtitle.pipeline.continuing`: what is read in one pass. That a real model reads it so is in `test_whisper.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from surtitle.pipeline.continuing import WALKED, continued, is_worth_it, load_continuing
from surtitle.pipeline.errors import UserError

END = 99


def test_all_but_the_last_forced_tokens_are_read_before_the_end_of_the_text() -> None:
    assert continued([1, 2], [3, 4, 5, 6, 7], end=END) == ([1, 2, 3, 4, END], [5, 6, 7])


@pytest.mark.parametrize(
    ("prompt", "forced", "is_worth"), [(4, WALKED, False), (4, 4, True), (4, 396, True), (5, 396, False)]
)
def test_it_is_worth_it_for_a_few_tokens_that_leave_room_to_write(prompt: int, forced: int, is_worth: bool) -> None:
    assert is_worth_it([0] * prompt, [1] * forced) == is_worth


def test_a_vocabulary_without_the_tokens_that_are_to_be_lacked_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text('["a", "\\u003c|startoftranscript|>"]', encoding="utf-8")
    with pytest.raises(ValueError, match=r"vocabulary.json has no <\|startoftranscript\|>"):
        load_continuing(tmp_path, threads=1)


def test_where_no_temporary_file_can_be_made_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="set TMPDIR to a folder that has it"):
        load_continuing(tmp_path, threads=1)
