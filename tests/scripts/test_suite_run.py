from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import suite_run
from hypothesis import given
from hypothesis import strategies as st
from score_segments import from_tsv
from suite_plan import Case, Clip, Table
from suite_run import POINTS, Place, Ran, run_case, texts_for, thinned, to_tsv, watched, without_folders

from surtitle.pipeline.errors import UserError


def case_of(*clips: str, segments: str = "", references: Table | None = None, target: str = "en") -> Case:
    return Case(
        recording="r",
        source="de",
        target=target,
        clock="virtual",
        settings="default",
        flags=(),
        clips=tuple(Clip(clip, f"{clip}.wav", f"{clip}.txt", f"{clip}/de") for clip in clips),
        segments=segments,
        references=references,
    )


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), max_size=1000))
def test_a_thinned_series_is_short_in_order_and_keeps_its_peak(points: list[tuple[float, float]]) -> None:
    found = thinned(points)
    assert len(found) <= POINTS
    places = iter(points)
    assert all(point in places for point in found)
    assert max((value for _, value in found), default=0) == max((value for _, value in points), default=0)


def test_a_command_names_files_without_their_folders() -> None:
    command = ["surtitle", "replay", "/a/b/talk one.ogg", "--from", "en", "x=/a/log.jsonl", "--window", "2048"]
    assert without_folders(command) == "surtitle replay 'talk one.ogg' --from en x=log.jsonl --window 2048"


def test_what_was_said_is_a_line_a_clip(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ein\nzwei\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("drei\n", encoding="utf-8")
    flags = texts_for(case_of("a", "b"), tmp_path, tmp_path)
    assert flags == ["--transcript", str(tmp_path / "transcript.txt")]
    assert (tmp_path / "transcript.txt").read_text(encoding="utf-8") == "ein zwei\ndrei\n"


def test_a_talks_segments_are_used_where_they_know_the_target_and_else_its_transcript(tmp_path: Path) -> None:
    rows = [["a", "0", "2", "Guten Tag", "Good day"], ["b", "0", "2", "Nein", "No"]]
    (tmp_path / "s.tsv").write_text(to_tsv(["talk", "offset_s", "duration_s", "de", "en"], rows), encoding="utf-8")
    assert texts_for(case_of("a", segments="s.tsv"), tmp_path, tmp_path) == ["--segments", str(tmp_path / "s.tsv")]
    texts_for(case_of("a", segments="s.tsv", target="fr"), tmp_path, tmp_path)
    assert (tmp_path / "transcript.txt").read_text(encoding="utf-8") == "Guten Tag\n"
    with pytest.raises(UserError, match=r"s\.tsv has no segment of c"):
        texts_for(case_of("c", segments="s.tsv", target="fr"), tmp_path, tmp_path)


def test_clips_with_references_become_segments_one_after_the_other(tmp_path: Path, speech: Path) -> None:
    for clip in ("a", "b"):
        (tmp_path / f"{clip}.wav").write_bytes(speech.read_bytes())
        (tmp_path / f"{clip}.txt").write_text(f"Satz {clip}\n", encoding="utf-8")
    (tmp_path / "english.tsv").write_text("clip\tenglish\na/de\tSentence a\nb/de\tSentence b\n", encoding="utf-8")
    references = Table("english.tsv", "en", "{clip}/{lang}", "english")
    flags = texts_for(case_of("a", "b", references=references), tmp_path, tmp_path)
    first, second = from_tsv(Path(flags[1]).read_text(encoding="utf-8"), "en")
    assert (first.offset, first.duration, first.reference) == (0.0, 500.0, "Sentence a")
    assert (second.offset, second.duration, second.reference) == (500.0, 500.0, "Sentence b")
    with pytest.raises(UserError, match=r"english\.tsv has no row c/de"):
        texts_for(case_of("c", references=references), tmp_path, tmp_path)


@pytest.mark.slow
def test_a_process_is_watched_until_it_ends(tmp_path: Path) -> None:
    program = "import sys, time; time.sleep(1.2); print('no such file', file=sys.stderr); sys.exit(3)"
    ran = watched([sys.executable, "-c", program], tmp_path / "said")
    assert (ran.status, ran.said) == (3, "no such file\n")
    assert max(mb for _, mb in ran.memory) > 5


def test_a_reference_that_is_not_there_is_said_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(command: Sequence[str], said: Path) -> Ran:
        raise AssertionError("it was run")

    monkeypatch.setattr(suite_run, "watched", never)
    row = run_case(case_of("a"), Place(tmp_path, tmp_path / "out", "abc"))
    assert "a.txt" in row.error
    assert row.commands == ["surtitle replay a.wav --from de --to en --clock virtual --log a.jsonl"]


@pytest.mark.slow
def test_a_case_that_can_not_run_is_a_row_that_says_why(tmp_path: Path) -> None:
    (tmp_path / "nowhere.txt").write_text("ein\n", encoding="utf-8")
    row = run_case(case_of("nowhere"), Place(tmp_path, tmp_path / "out", "abc"))
    assert "nowhere.wav" in row.error
    assert row.figures == {}
    assert row.commands == [
        "surtitle replay nowhere.wav --from de --to en --clock virtual --log nowhere.jsonl",
    ]
