"""`surtitle.pipeline.outputs`: files that are whole after every write, whatever was said."""

from __future__ import annotations

import html
import json
import stat
import string
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, Role
from surtitle.pipeline.outputs import MAX_CUE_MS, MIN_CUE_MS, Format, JsonLog, SubtitleFiles


def caption(
    text: str, start: float, end: float, *, language: str = "es", role: Role = "target", final: bool = True
) -> Caption:
    return Caption(
        cue=0,
        revision=0,
        language=language,
        role=role,
        text=text,
        start=start,
        end=end,
        final=final,
        stable=len(text),
        audio=end,
        elapsed=end,
    )


def written(path: Path, form: Format, captions: list[Caption]) -> str:
    with SubtitleFiles(path, ["es"], form) as files:
        for one in captions:
            files.write(one)
    return path.read_text("utf-8")


def test_a_record_is_in_the_file_before_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLog(path) as log:
        log.write({"type": "caption", "text": "¿Qué?"})
        assert path.read_text("utf-8") == '{"type":"caption","text":"¿Qué?"}\n'


@given(st.dictionaries(st.text(), st.text(st.characters()) | st.integers() | st.booleans()))
def test_any_record_is_one_line_and_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "record.jsonl"
    with JsonLog(path) as log:
        log.write(record)
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_bytes()) == record


def test_half_a_character_from_a_model_does_not_lose_the_record(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with JsonLog(path) as log:
        log.write({"text": "a\ud83d"})
    assert json.loads(path.read_bytes()) == {"text": "a\ud83d"}


def test_what_was_said_is_for_its_owner_alone_even_in_a_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("old\n")
    path.chmod(0o644)
    JsonLog(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == ""


def test_a_path_that_can_not_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no/log.jsonl: can not be written \(No such file or directory\)"):
        JsonLog(tmp_path / "no" / "log.jsonl")
    with pytest.raises(UserError, match="Is a directory"):
        SubtitleFiles(tmp_path, ["es"], "srt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux that is always full")
def test_a_full_disk_is_said_and_not_passed_over() -> None:
    full = r"/dev/full: can not be written any more \(No space left on device\)"
    with JsonLog(Path("/dev/full")) as log, pytest.raises(UserError, match=full):
        log.write({"type": "end"})


def test_subrip_counts_its_cues_from_one(tmp_path: Path) -> None:
    said = [caption("Hola.", 1.2, 3.48), caption("Adiós.", 3661.0, 3662.5)]
    assert written(tmp_path / "a.srt", "srt", said) == (
        "1\n00:00:01,200 --> 00:00:03,480\nHola.\n\n2\n01:01:01,000 --> 01:01:02,500\nAdiós.\n\n"
    )


def test_webvtt_has_its_header_from_the_start(tmp_path: Path) -> None:
    assert written(tmp_path / "a.vtt", "vtt", []) == "WEBVTT\n\n"
    assert written(tmp_path / "b.vtt", "vtt", [caption("Hola.", 0.0, 1.0)]) == (
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:01.000\nHola.\n\n"
    )


def test_the_file_is_whole_after_every_caption(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    with SubtitleFiles(path, ["es"], "srt") as files:
        for count in range(1, 4):
            files.write(caption("Hola.", count * 2.0, count * 2.0 + 1))
            assert len(pysubs2.load(str(path))) == count


def test_drafts_and_the_source_are_not_written(tmp_path: Path) -> None:
    draft = caption("Ho", 0.0, 1.0, final=False)
    source = caption("Hello.", 0.0, 1.0, language="en", role="source")
    assert written(tmp_path / "a.srt", "srt", [draft, source]) == ""


def test_each_language_has_its_own_file(tmp_path: Path) -> None:
    with SubtitleFiles(tmp_path / "talk.v1.srt", ["es", "de"], "srt") as files:
        files.write(caption("Hola.", 0.0, 1.0))
        files.write(caption("Hallo.", 0.0, 1.0, language="de"))
    assert "Hola." in (tmp_path / "talk.v1.srt").read_text()
    assert "Hallo." in (tmp_path / "talk.v1.de.srt").read_text()


HOSTILE = "1\n\n00:00:00,000 --> 00:00:09,000\r\n<script>x</script> {\\an8} A&B\x1b[31m\u2028-->\x00"


def test_hostile_text_stays_one_cue_of_text(tmp_path: Path) -> None:
    subrip = written(tmp_path / "a.srt", "srt", [caption(HOSTILE, 0.0, 1.0)])
    assert subrip.splitlines()[2:] == [
        "1 00:00:00,000 --› 00:00:09,000 ‹script›x‹/script› (\\an8) A&B[31m --›",
        "",
    ]
    webvtt = written(tmp_path / "a.vtt", "vtt", [caption(HOSTILE, 0.0, 1.0)])
    assert webvtt.splitlines()[4:] == [
        "1 00:00:00,000 --&gt; 00:00:09,000 &lt;script&gt;x&lt;/script&gt; (\\an8) A&amp;B[31m --&gt;",
        "",
    ]


TIMES = st.floats(0, 5_000, allow_nan=False)
SPOKEN = st.text(string.printable + "áßñ你好مرحبا\u2028\u0085", min_size=1, max_size=80)


@given(st.sampled_from(["srt", "vtt"]), st.lists(st.tuples(SPOKEN, TIMES, TIMES), max_size=12))
def test_a_player_reads_every_caption_in_order_in_time_and_none_over_another(
    tmp_path_factory: pytest.TempPathFactory, form: Format, said: list[tuple[str, float, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"round.{form}"
    written(path, form, [caption(text, start, start + length / 100) for text, start, length in said])
    events = list(pysubs2.load(str(path), format_=form))
    visible = [text for text, _, _ in said if "".join(filter(str.isprintable, text)).strip()]
    assert len(events) == len(visible)
    for event, text in zip(events, visible, strict=True):
        assert letters(html.unescape(event.text)) == letters(text)
        assert MIN_CUE_MS <= event.duration <= MAX_CUE_MS
    assert all(event.end <= after.start for event, after in pairwise(events))


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())
