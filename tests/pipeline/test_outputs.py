"""`surtitle.pipeline.outputs`: files that are whole after every write, whatever was said."""

from __future__ import annotations

import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import caption

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import SessionEnd, SessionStart
from surtitle.pipeline.outputs import CaptionFiles, JsonLog, Recorder
from surtitle.pipeline.subtitles import Format, document


def test_a_record_is_in_the_file_before_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonLog(path)) as log:
        log.write({"type": "caption", "text": "¿Qué?"})
        assert path.read_text("utf-8") == '{"type":"caption","text":"¿Qué?"}\n'


@given(st.dictionaries(st.text(), st.text(st.characters()) | st.integers() | st.booleans()))
def test_any_record_is_one_line_and_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.jsonl"
    with closing(JsonLog(path)) as log:
        log.write(record)
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_bytes()) == record


def test_half_a_character_from_a_model_does_not_lose_the_record(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonLog(path)) as log:
        log.write({"text": "a\ud83d"})
    assert json.loads(path.read_bytes()) == {"text": "a\ud83d"}


def test_what_was_said_is_for_its_owner_alone_even_in_a_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("old\n")
    path.chmod(0o644)
    JsonLog(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == ""


def test_what_an_earlier_run_logged_is_set_aside_where_it_is_to_be_kept(tmp_path: Path) -> None:
    path, told = tmp_path / "log.jsonl", list[str]()
    for number in range(3):
        with closing(JsonLog(path, keep=told.append)) as log:
            log.write({"run": number})
    JsonLog(path, keep=told.append).close()
    JsonLog(path, keep=told.append).close()  # nothing was said meanwhile
    assert told == [f"{path}: an earlier run's file is kept as log-{number}.jsonl" for number in (1, 2, 3)]
    kept = {each.name: each.read_text() for each in tmp_path.iterdir()}
    said = {f"log-{number + 1}.jsonl": f'{{"run":{number}}}\n' for number in range(3)}
    assert kept == {"log.jsonl": "", **said}
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    JsonLog(Path("/dev/null"), keep=told.append).close()


@pytest.mark.parametrize("form", get_args(Format))
def test_what_an_earlier_run_captioned_is_set_aside_in_each_language_where_it_is_to_be_kept(
    tmp_path: Path, form: Format
) -> None:
    path, told = tmp_path / f"talk.{form}", list[str]()
    for text in ("Hola.", "Adiós."):
        with closing(CaptionFiles(path, ["es"], form, keep=told.append)) as files:
            files.publish(caption(text, 0.0, 1.0))
            files.publish(caption(text, 0.0, 1.0, language="fr"))  # it came to be wanted later
    for name in ("talk", "talk.fr"):
        assert "Hola." in (tmp_path / f"{name}-1.{form}").read_text("utf-8")
        assert "Adiós." in (tmp_path / f"{name}.{form}").read_text("utf-8")
    assert [each.rpartition(" as ")[2] for each in told] == [f"talk-1.{form}", f"talk.fr-1.{form}"]


def test_where_nothing_is_to_be_kept_captions_are_written_over_those_of_before(tmp_path: Path) -> None:
    for text in ("Hola.", "Adiós."):
        with closing(CaptionFiles(tmp_path / "talk.txt", ["es"], "txt")) as files:
            files.publish(caption(text, 0.0, 1.0))
    assert [path.read_text() for path in tmp_path.iterdir()] == ["Adiós.\n"]


def test_a_path_that_can_not_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no/log.jsonl: cannot be written \(No such file or directory\)"):
        JsonLog(tmp_path / "no" / "log.jsonl")
    with pytest.raises(UserError, match="Is a directory"):
        CaptionFiles(tmp_path, ["es"], "srt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
def test_a_full_disk_is_said_and_not_passed_over() -> None:
    full = r"/dev/full: can no longer be written \(No space left on device\); free some space"
    with closing(JsonLog(Path("/dev/full"))) as log, pytest.raises(UserError, match=full):
        log.write({"type": "end"})


def test_a_file_that_is_gone_is_not_said_to_lack_space(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with closing(JsonLog(path)) as log:
        os.close(reader)
        gone = r"can no longer be written \(Broken pipe\); see what is wrong with its disk"
        with pytest.raises(UserError, match=gone):
            log.write({"type": "end"})


@pytest.mark.parametrize(("room", "between"), [(5, ['{"typ']), (0, [])])
def test_a_record_that_broke_off_does_not_take_the_next_one_with_it(
    tmp_path: Path, room: int, between: list[str]
) -> None:
    path, full = tmp_path / "log.jsonl", "can no longer be written .File too large."
    with closing(JsonLog(path)) as log:
        log.write({"type": "session"})
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, hard))
        try:
            for _ in range(2):
                with pytest.raises(UserError, match=full):
                    log.write({"type": "caption"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        log.write({"type": "end"})
    assert path.read_text().splitlines() == ['{"type":"session"}', *between, '{"type":"end"}']


def test_a_log_that_was_copied_and_emptied_has_no_hole_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with closing(JsonLog(path)) as log:
        log.write({"type": "session"})
        os.truncate(path, 0)
        log.write({"type": "end"})
    assert path.read_bytes() == b'{"type":"end"}\n'


def test_the_file_is_whole_after_every_caption_and_only_grows(tmp_path: Path) -> None:
    path, before = tmp_path / "a.srt", b""
    with closing(CaptionFiles(path, ["es"], "srt")) as files:
        for count in range(4):
            files.publish(caption("Hola.", count * 2.0, count * 2.0 + 1))
            assert len(pysubs2.load(str(path), format_="srt")) == count  # the newest is held: how long it stays is open
            assert path.read_bytes().startswith(before)
            before = path.read_bytes()
    assert len(pysubs2.load(str(path))) == 4


def test_what_is_held_is_written_when_the_audio_is_well_past_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.srt"
    with closing(CaptionFiles(path, ["es"], "srt")) as files:
        files.publish(caption("Hola.", 0.0, 1.0))
        assert path.read_text() == ""
        files.publish(caption("Hello", 10.0, 11.0, language="en", role="source", final=False, audio=11.0))
        assert "Hola." in path.read_text()


def test_what_is_held_is_written_when_the_session_ends_and_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    with closing(CaptionFiles(path, ["es"], "srt")) as files:
        files.publish(caption("Hola.", 0.0, 1.0))
        files.publish(SessionEnd(2.0, 2.0, {}))
        assert "Hola." in path.read_text()
        files.publish(caption("Adiós.", 2.0, 3.0))
    assert "Adiós." in path.read_text()


@pytest.mark.parametrize("form", get_args(Format))
def test_a_file_holds_what_the_format_makes_of_the_captions(tmp_path: Path, form: Format) -> None:
    said = [caption("Hola a todos.", 0.0, 1.5), caption("¿Qué tal?", 2.0, 3.0)]
    with closing(CaptionFiles(tmp_path / "a", ["es"], form)) as files:
        for one in said:
            files.publish(one)
    assert (tmp_path / "a").read_text("utf-8") == document(form, said)


def test_drafts_and_the_source_are_not_written(tmp_path: Path) -> None:
    with closing(CaptionFiles(tmp_path / "a.srt", ["es"], "srt")) as files:
        files.publish(caption("Ho", 0.0, 1.0, final=False))
        files.publish(caption("Hello.", 0.0, 1.0, language="en", role="source"))
    assert (tmp_path / "a.srt").read_text() == ""


def test_each_language_has_its_own_file(tmp_path: Path) -> None:
    with closing(CaptionFiles(tmp_path / "talk.v1.srt", ["es", "de"], "srt")) as files:
        files.publish(caption("Hola.", 0.0, 1.0))
        files.publish(caption("Hallo.", 0.0, 1.0, language="de"))
    assert "Hola." in (tmp_path / "talk.v1.srt").read_text()
    assert "Hallo." in (tmp_path / "talk.v1.de.srt").read_text()


START = SessionStart("s", ("en",), ("es",), {"asr": "a", "llm": "b"}, "real")


def test_a_recorder_keeps_every_language_of_every_session_in_every_format(tmp_path: Path) -> None:
    folder = tmp_path / "kept" / "here"
    with closing(Recorder(folder, "main")) as recorder:
        for text in ("Hola.", "Adiós."):
            recorder.publish(START)
            recorder.publish(caption("Hello.", 0.0, 1.0, language="en", role="source"))
            recorder.publish(caption(text, 0.0, 1.0))
            recorder.publish(SessionEnd(1.0, 1.0, {}))
            assert text in max(folder.glob("*.es.srt")).read_text("utf-8")
    expected = {f"main-{n}.{language}.{form}" for n in (1, 2) for language in ("en", "es") for form in get_args(Format)}
    assert {path.name for path in folder.iterdir()} == expected
    assert (folder / "main-1.es.txt").read_text("utf-8") == "Hola.\n"
    assert (folder / "main-2.es.txt").read_text("utf-8") == "Adiós.\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_recorder_never_writes_over_an_earlier_recording(tmp_path: Path) -> None:
    (tmp_path / "main-1.de.vtt").write_text("old")
    with closing(Recorder(tmp_path, "main")) as recorder:
        recorder.publish(START)
        recorder.publish(caption("Hola.", 0.0, 1.0))
    assert (tmp_path / "main-1.de.vtt").read_text() == "old"
    assert (tmp_path / "main-2.es.vtt").exists()
    assert not (tmp_path / "main-1.es.vtt").exists()


@pytest.mark.parametrize("other", ["main", "Main"])
def test_two_that_record_in_a_folder_at_once_do_not_write_over_each_other(tmp_path: Path, other: str) -> None:
    with closing(Recorder(tmp_path, "main")) as first, closing(Recorder(tmp_path, other)) as second:
        first.publish(START)
        second.publish(START)
        first.publish(caption("Hola.", 0.0, 1.0))
        second.publish(caption("Adiós.", 0.0, 1.0))
    assert (tmp_path / "main-1.es.txt").read_text("utf-8") == "Hola.\n"
    assert (tmp_path / f"{other}-2.es.txt").read_text("utf-8") == "Adiós.\n"


def test_a_free_name_is_found_in_one_look_at_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (*range(1, 30), 31):
        (tmp_path / f"main-{number}.es.srt").touch()
    for other in ("main-30", "main-30-1.es.srt", "hall-30.es.srt"):
        (tmp_path / other).touch()
    looks, glob = list[str](), Path.glob

    def look(folder: Path, pattern: str) -> Iterator[Path]:
        looks.append(pattern)
        return iter(glob(folder, pattern))

    monkeypatch.setattr(Path, "glob", look)
    with closing(Recorder(tmp_path, "main")) as recorder:
        recorder.publish(START)
        recorder.publish(caption("Hola.", 0.0, 1.0))
    assert len(looks) == 1
    assert (tmp_path / "main-30.es.txt").exists()


def test_a_recorder_is_refused_a_file_for_a_folder_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made a folder"):
        Recorder(tmp_path / "file", "main")


def test_a_language_that_comes_to_be_wanted_later_has_a_file_of_its_own(tmp_path: Path) -> None:
    with closing(CaptionFiles(tmp_path / "talk.txt", ["es"], "txt")) as files:
        files.publish(caption("Hola.", 0, 1, language="es"))
        files.publish(caption("Hallo.", 0, 1, language="de"))
    assert (tmp_path / "talk.txt").read_text() == "Hola.\n"
    assert (tmp_path / "talk.de.txt").read_text() == "Hallo.\n"
