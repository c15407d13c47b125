"""`surtitle.pipeline.textmode`: lines in, lines out."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_translator import ENGLISH, SMALLEST, SPANISH, write_model

from surtitle.pipeline.engine import Engine
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Drafted, Translated
from surtitle.pipeline.identify import Identifier
from surtitle.pipeline.languages import find_language
from surtitle.pipeline.state import SavedConversations
from surtitle.pipeline.statefile import StateFile
from surtitle.pipeline.store import open_store
from surtitle.pipeline.textmode import (
    Line,
    as_json,
    as_text,
    lines_of,
    tell_untranslated,
    timed_lines_of,
    translate_lines,
)
from surtitle.pipeline.translator import Translator


class Shouts:
    """In every language the same; German is too much for it."""

    def translate(
        self, text: str, *, in_time: Callable[[], bool], wrote: Callable[[str, int], None]
    ) -> Iterator[tuple[str, Translated]]:
        if text == "too long":
            raise UserError("a segment of 300 tokens")
        yield "es", Translated(text.upper())
        yield "de", Translated(text, untranslated=True)

    def draft(self, text: str, stop: Callable[[], bool], *, binds: bool) -> Iterator[tuple[str, Drafted]]:
        yield from ()

    def abandon(self) -> None:
        raise NotImplementedError

    def retarget(self, targets: Sequence[str]) -> None:
        raise NotImplementedError

    def figures(self) -> dict[str, int]:
        return {}


def file_of(folder: Path, *lines: object) -> Path:
    path = folder / "talk.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_a_file_that_is_missing_or_no_text_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "latin1.txt").write_bytes(b"one\nma\xf1ana")
    for name in ("nowhere.txt", "latin1.txt", "."):
        with pytest.raises(UserError, match=r"can't read .*: expected a UTF-8 text file, a segment on each line"):
            lines_of(tmp_path / name)
    with pytest.raises(UserError, match=r"latin1\.txt, line 2 "):
        lines_of(tmp_path / "latin1.txt")


def test_accents_that_are_marks_of_their_own_are_part_of_their_letters(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Königsberg")
    (tmp_path / "talk.txt").write_text(apart, encoding="utf-8")
    path = file_of(tmp_path, {"text": apart, "start_ms": 5, "end_ms": 9})
    assert [each.text for each in (*lines_of(tmp_path / "talk.txt"), *timed_lines_of(path, "de"))] == ["Königsberg"] * 2


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"one\n\n\xff\n")))
    lines = lines_of(None)
    assert [next(lines), next(lines)] == [Line(1, "one"), Line(2, "")]
    with pytest.raises(UserError, match="can't read standard input, line 3 "):
        next(lines)


@pytest.mark.parametrize("content", [b"", b"\n", b"one", b"one\n", b"one\r\n\n", b"\n\none\n", b"\xef\xbb\xbfone\n"])
def test_a_file_has_the_lines_that_standard_input_has(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "talk.txt").write_bytes(content)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert [*lines_of(tmp_path / "talk.txt")] == [*lines_of(None)]


def test_several_languages_are_marked_and_empty_lines_stay_empty(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [Line(1, "one"), Line(2, "")]
    translate_lines(lines, Shouts(), as_text(("es", "de")))
    assert capsys.readouterr().out == "es\tONE\nde\tone\nes\t\nde\t\n"
    translate_lines(lines, Shouts(), as_text(("es",)))
    assert capsys.readouterr().out == "ONE\n\n"


def test_a_line_that_has_no_translation_is_told_beside_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [Line(1, "one"), Line(2, "two")]
    translate_lines(lines, Shouts(), as_text(("es", "de")), untranslated=tell_untranslated)
    assert capsys.readouterr().err == "".join(
        f"line {number}: could not be translated into de, and stands there as it was\n" for number in (1, 2)
    )


def test_json_lines_keep_their_times_and_say_what_is_no_translation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file_of(
        tmp_path, {"text": "mañana \n ", "start_ms": 10, "end_ms": 900}, "", {"text": "", "start_ms": 1, "end_ms": 1}
    )
    translate_lines(timed_lines_of(path, "en"), Shouts(), as_json(("es", "de")))
    first, second = capsys.readouterr().out.splitlines()
    assert "mañana" in first
    assert json.loads(first) == {
        "text": "mañana",
        "start_ms": 10,
        "end_ms": 900,
        "translations": {"es": "MAÑANA", "de": "mañana"},
        "untranslated": ["de"],
    }
    assert json.loads(second) == {"text": "", "start_ms": 1, "end_ms": 1, "translations": {"es": "", "de": ""}}


def test_of_a_log_what_was_said_is_translated(tmp_path: Path) -> None:
    caption = {
        "type": "caption",
        "seq": 2,
        "lang": "en",
        "role": "source",
        "final": True,
        "text": "One.",
        "start_ms": 5,
    }
    path = file_of(
        tmp_path,
        {"type": "session", "v": 1, "source": "en"},
        {**caption, "end_ms": 9, "final": False},
        {**caption, "end_ms": 9},
        {**caption, "end_ms": 9, "role": "target", "lang": "es", "text": "Uno."},
        {"type": "gap", "start_ms": 1, "end_ms": 2, "why": "overload"},
        {"type": "end", "stats": {}},
    )
    assert list(timed_lines_of(path, "en")) == [Line(3, "One.", 5, 9)]
    with pytest.raises(UserError, match=r"talk\.jsonl, line 3: saw a caption in en, expected --from fr"):
        timed_lines_of(path, "fr")


def test_of_a_log_what_was_said_in_a_language_that_is_wanted_is_translated_too(tmp_path: Path) -> None:
    caption = {"type": "caption", "lang": "en", "role": "target", "final": True, "start_ms": 5, "end_ms": 9}
    path = file_of(
        tmp_path,
        {**caption, "text": "One.", "words": [["One.", 5, 9, 0.9]]},
        {**caption, "text": "Two.", "words": []},  # made of another language
    )
    assert list(timed_lines_of(path, "en")) == [Line(1, "One.", 5, 9)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("One.", "malformed"),
        ("[]", "`object`"),
        ({"text": "One.", "start_ms": 1}, "`end_ms`"),
        ({"text": 1, "start_ms": 1, "end_ms": 2}, "`str`"),
        ({"text": "One.", "start_ms": -1, "end_ms": 2}, ">= 0"),
        ({"text": "One.", "start_ms": 0.5, "end_ms": 2}, "`int`"),
        ({"text": "One.", "start_ms": 3, "end_ms": 2}, "saw end_ms 2, before start_ms 3"),
        pytest.param(f'{{"words": {"[" * 100_000}', "recursion", id="deep"),
    ],
)
def test_a_line_that_is_no_segment_is_named_before_a_model_is_loaded(line: object, said: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, {"text": "One.", "start_ms": 1, "end_ms": 2}, line)
    with pytest.raises(UserError, match=rf'talk\.jsonl, line 2: .*{said}.*[,;] expected {{"text": "…", "start_ms": 0'):
        timed_lines_of(path, "en")


def test_what_a_translator_refuses_is_told_with_its_line() -> None:
    with pytest.raises(UserError, match="line 7: a segment of 300 tokens"):
        translate_lines([Line(7, "too long")], Shouts(), as_text(("es",)))


def test_a_text_that_is_cut_in_two_is_translated_as_if_it_were_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], identifier: Identifier
) -> None:
    engine = Engine(write_model(tmp_path, ending=3.0, seed=6), threads=1, identifier=identifier)
    lines = [Line(number, f"line {number} of Marenko") for number in range(6)]
    file = StateFile(tmp_path / "text.state", "tiny")

    def translated(part: list[Line], state: SavedConversations | None) -> str:
        translator = Translator(engine, ENGLISH, [SPANISH, find_language("de")], window=SMALLEST)
        if state is not None:
            translator.restore(state)
        translate_lines(part, translator, as_text(("es", "de")), lambda: file.write(translator.state()))
        return capsys.readouterr().out

    whole = translated(lines, None)
    assert translated(lines[:4], None) + translated(lines[4:], file.read()) == whole


@pytest.mark.weights
def test_each_line_is_translated_and_empty_lines_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "talk.txt"
    text.write_text("The train arrives at nine.\n\nThe children are playing in the garden.\n")
    engine = Engine(open_store(os.environ).path("qwen2.5-coder-0.5b"), threads=1)
    translator = Translator(engine, find_language("en"), [find_language("es")], window=1100)
    translate_lines(lines_of(text), translator, as_text(("es",)))
    first, empty, second = capsys.readouterr().out.splitlines()
    assert "tren" in first.lower()
    assert empty == ""
    assert "niños" in second.lower()
