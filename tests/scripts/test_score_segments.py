from __future__ import annotations

import pytest
import scored_talks
from score_latency import Segment
from score_record import Record, Settled
from score_segments import by_record, column, from_tsv, from_yaml, with_references, with_transcripts

from surtitle.pipeline.errors import UserError


def record(name: str, audio: float | None = None) -> Record:
    return Record(name, Settled((), 0, 0), audio)


def segment(recording: str, offset: float = 0.0) -> Segment:
    return Segment(recording, offset, 1000.0, "x")


def test_a_yaml_list_and_a_table_tell_the_same() -> None:
    listed = with_references(from_yaml(scored_talks.yaml()), scored_talks.REFERENCES)
    table = with_references(from_tsv(scored_talks.tsv(), "de"), None)
    assert listed == table
    assert listed[1] == Segment("eins", 3200.0, 3000.0, scored_talks.REFERENCES[1])


def test_a_table_has_what_was_said_in_a_column_of_its_own() -> None:
    table = scored_talks.tsv(("de", "en"))
    assert column(table, "en") == scored_talks.REFERENCES
    assert column(table, "fr") is None


@pytest.mark.parametrize("count", [5, 7, 0])
def test_lines_of_another_length_are_refused(count: int) -> None:
    segments = from_yaml(scored_talks.yaml())
    for give in (with_references, with_transcripts):
        with pytest.raises(UserError, match=f"saw {count} lines of .* for 6 segments, expected a line a segment"):
            give(segments, ["x"] * count)


def test_a_segment_without_a_reference_is_refused() -> None:
    with pytest.raises(UserError, match="segment 1: has no reference: expected --reference"):
        with_references(from_tsv(scored_talks.tsv(), "fr"), None)
    with pytest.raises(UserError, match="segment 2: has no reference: its line of the reference is empty"):
        with_references([segment("a"), segment("a")], ["x", " "])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "saw no YAML"),
        ("a: 1", "saw dict, expected a list of segments"),
        ("- 1", "segment 1: saw 1, expected wav, offset and duration"),
        ("- {wav: a, offset: 1}", "segment 1: has no duration"),
        ("- {wav: a, offset: x, duration: 1}", "segment 1: could not convert"),
        ("- {wav: a, offset: 1, duration: -1}", "segment 1: begins at 1 s and lasts -1 s"),
        ("- {wav: a, offset: .nan, duration: 1}", "segment 1: begins at nan s"),
    ],
)
def test_a_wrong_list_of_segments_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        from_yaml(text)
    assert message in str(refused.value)


def test_a_short_row_of_a_table_is_refused() -> None:
    with pytest.raises(UserError, match="segment 1: has no de: the row is short"):
        from_tsv("talk\toffset_s\tduration_s\tde\na\t1\t2\n", "de")


def test_a_log_is_of_the_recording_whose_name_stands_in_its_own() -> None:
    segments = [segment("one"), segment("two"), segment("one", 2000.0)]
    found = by_record([record("run3.two.en"), record("one")], segments)
    assert found == [[segments[1]], [segments[0], segments[2]]]


def test_a_single_log_is_of_the_single_recording_whatever_their_names() -> None:
    assert by_record([record("log")], [segment("one")]) == [[segment("one")]]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["three"], "can't tell which recording the log three is of: name it, as in one=LOG"),
        (["oneself"], "can't tell"),
        (["one.two"], "can't tell"),
        (["one", "a.one"], "two logs are of one"),
    ],
)
def test_a_log_of_a_recording_that_can_not_be_told_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        by_record([record(name) for name in names], [segment("one"), segment("two")])
    assert message in str(refused.value)


def test_segments_that_outlast_the_logs_audio_are_refused() -> None:
    with pytest.raises(UserError, match=r"one: the segments end at 61.0 s, the log's audio at 30.0 s: is it cut"):
        by_record([record("one", 30_000.0)], [segment("one", 60_000.0)])
