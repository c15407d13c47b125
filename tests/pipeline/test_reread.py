"""`surtitle.pipeline.reread`: what a file says now, and what it said before it had a mistake."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.given import tell
from surtitle.pipeline.reread import AGAIN, Reread, Watched


def numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split()]
    except ValueError as error:
        raise UserError(f"saw {text!r}, expected numbers") from error


def reread(path: Path, told: list[str]) -> Reread[list[int]]:
    return Reread(path, numbers, told.append, what="a list of numbers")


def write(path: Path, text: str, second: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (second, second))


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path, told = tmp_path / "numbers", list[str]()
    write(path, "1 2", 1)
    file = reread(path, told)
    assert file.current() is file.current()
    write(path, "3 4", 2)
    assert file.current() == [3, 4]
    assert told == []


def test_a_file_that_takes_its_place_within_the_same_second_is_read_too(tmp_path: Path) -> None:
    path, other = tmp_path / "numbers", tmp_path / "other"
    write(path, "1 2", 1)
    file = reread(path, [])
    write(other, "3 4", 1)
    other.replace(path)
    assert file.current() == [3, 4]


def test_a_mistake_made_later_is_told_once_and_the_last_good_value_stays(tmp_path: Path) -> None:
    path, told = tmp_path / "numbers", list[str]()
    write(path, "1 2", 1)
    file = reread(path, told)
    write(path, "one", 2)
    assert file.current() == file.current() == [1, 2]
    assert told == [f"{path}: saw 'one', expected numbers; what it said before stays in force"]


def test_a_mistake_that_nobody_hears_of_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unread(StringIO):
        """Standard error, once its reader is gone."""

        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    path = tmp_path / "numbers"
    write(path, "1 2", 1)
    file = Reread(path, numbers, tell, what="a list of numbers")
    write(path, "one", 2)
    monkeypatch.setattr("sys.stderr", Unread())
    assert file.current() == [1, 2]


def test_a_file_that_vanishes_later_is_told_and_its_value_stays(tmp_path: Path) -> None:
    path, told = tmp_path / "numbers", list[str]()
    write(path, "1 2", 1)
    file = reread(path, told)
    path.unlink()
    assert file.current() == file.current() == [1, 2]
    assert len(told) == 1
    assert "No such file" in told[0]


def test_a_file_that_vanishes_twice_is_told_twice(tmp_path: Path) -> None:
    path, aside, told, now = tmp_path / "numbers", tmp_path / "aside", list[str](), [10.0]
    write(path, "1 2", 1)
    file = Reread(path, numbers, told.append, what="a list of numbers", now=lambda: now[0])
    for _ in range(2):
        path.rename(aside)
        assert file.current() == [1, 2]
        aside.rename(path)
        assert file.current() == [1, 2]
        now[0] += AGAIN
    assert len(told) == 2


def test_a_file_that_could_not_be_read_is_read_once_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> str:
        raise PermissionError("not yours")

    path, told, now = tmp_path / "numbers", list[str](), [10.0]
    write(path, "1 2", 1)
    file = Reread(path, numbers, told.append, what="a list of numbers", now=lambda: now[0])
    write(path, "3 4", 2)
    with monkeypatch.context() as forbidden:
        forbidden.setattr(Path, "read_text", refuse)
        assert file.current() == file.current() == [1, 2]
    assert file.current() == [1, 2]  # it is not tried at once
    now[0] += AGAIN
    assert file.current() == [3, 4]
    assert len(told) == 1


def test_a_mistake_is_read_once(tmp_path: Path) -> None:
    path, told, parsed = tmp_path / "numbers", list[str](), list[str]()

    def counted(text: str) -> list[int]:
        parsed.append(text)
        return numbers(text)

    write(path, "1 2", 1)
    file = Reread(path, counted, told.append, what="a list of numbers")
    write(path, "one", 2)
    assert [file.current() for _ in range(3)] == [[1, 2]] * 3
    assert (parsed, len(told)) == (["1 2", "one"], 1)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_at_the_start_what_can_not_be_read_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="expected a list of numbers in UTF-8"):
        reread(path, [])


def test_a_file_that_is_being_written_is_not_yet_empty(tmp_path: Path) -> None:
    path, now = tmp_path / "numbers", 100.0
    write(path, "1 2", 1)
    file = Reread(path, numbers, print, what="a list of numbers", now=lambda: now)
    write(path, "", 100)
    assert file.current() == [1, 2]
    now = 101.0
    assert file.current() == []
    write(path, "", 101)
    write(path, "3", 101)
    assert file.current() == [3]


def test_files_that_belong_together_are_read_when_either_has_changed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        write(path, "1", 1)
    files = Watched((one, other), lambda: one.read_text() + other.read_text(), print)
    assert files.current() == "11"
    write(other, "2", 2)
    assert files.current() == "12"
    write(one, "2", 2)
    assert files.current() == "22"
