from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omnisteval.data import load_hypothesis_jsonl
from score_formats import format_of, from_simuleval, from_simulstream, objects, to_simuleval, to_simulstream
from score_record import Change, Record, Revision, Settled, Unit, settle, together

from surtitle.pipeline.errors import UserError

MILLISECONDS = st.integers(0, 10**7).map(float)
LETTERS = "aäöz,.!今"


@st.composite
def records(draw: st.DrawFn, *, characters: bool) -> Record:
    """A recording whose units came one after the other, with or without a wall clock."""
    text = st.sampled_from(LETTERS) if characters else st.text(LETTERS, min_size=1, max_size=4)
    words = draw(st.lists(text, min_size=1, max_size=8))
    times = sorted(draw(st.lists(MILLISECONDS, min_size=len(words), max_size=len(words))))
    late = draw(st.none() | st.integers(0, 5000))
    units = tuple(
        Unit(word, time, None if late is None else time + late) for word, time in zip(words, times, strict=True)
    )
    return Record(draw(st.sampled_from(["a", "talk.1.en"])), Settled(units, 0, 0), draw(MILLISECONDS), revised=False)


def through_json(lines: list[Any]) -> list[Any]:
    return objects("".join(json.dumps(line) + "\n" for line in lines).split("\n"))


@given(st.data(), st.booleans())
def test_a_record_comes_back_from_omnistevals_format_as_it_was(data: st.DataObject, characters: bool) -> None:
    record = data.draw(records(characters=characters))
    lines = through_json([to_simuleval(record, 0, characters=characters)])
    assert from_simuleval(lines, characters=characters, cumulative=False) == [record]


@given(st.data(), st.booleans())
def test_a_record_comes_back_from_simulstreams_format_with_its_units(data: st.DataObject, characters: bool) -> None:
    record = data.draw(records(characters=characters))
    (back,) = from_simulstream(through_json(to_simulstream(record, 0, characters=characters)), characters=characters)
    assert back.name == record.name
    assert [unit.text for unit in back.settled.units] == [unit.text for unit in record.settled.units]
    for ours, theirs in zip(record.settled.units, back.settled.units, strict=True):
        assert theirs.audio == pytest.approx(ours.audio)
        assert theirs.elapsed == pytest.approx(ours.audio if ours.elapsed is None else ours.elapsed)


@given(st.lists(st.lists(st.text("ab ", max_size=9), min_size=1, max_size=4), max_size=4))
def test_what_drafts_erase_is_told_to_simulstream(cues: list[list[str]]) -> None:
    changes, moment = [], 0.0
    for cue, texts in enumerate(cues):
        for text in texts:
            moment += 1000.0
            changes.append(Change(cue, Revision(text, moment, moment + 500)))
    own = [[change.revision for change in changes if change.cue == cue] for cue in range(len(cues))]
    settled = together(settle(revisions, characters=False) for revisions in own)
    record = Record("a", settled, moment, changes=tuple(changes))
    (back,) = from_simulstream(through_json(to_simulstream(record, 0, characters=False)), characters=False)
    assert back.settled == settled


def test_omnisteval_reads_what_we_write(tmp_path: Path) -> None:
    record = Record("talk.1", Settled((Unit("a", 1.0, 2.0), Unit("b", 3.0, 4.0)), 0, 0), 9.0)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(to_simuleval(record, 0, characters=False)) + "\n")
    ((first, second),) = load_hypothesis_jsonl(str(path), False, ["talk.1"], False)
    assert (first.text, first.emission_cu, first.emission_ca) == ("a", 1.0, 2.0)
    assert (second.text, second.emission_cu, second.emission_ca) == ("b", 3.0, 4.0)


def test_simulevals_sums_of_running_times_are_undone() -> None:
    line = {"source": "a.wav", "prediction": "x y z", "delays": [1000, 2000, 3000], "elapsed": [1100, 2300, 3600]}
    (taken,) = from_simuleval([line], characters=False, cumulative=False)
    (undone,) = from_simuleval([line], characters=False, cumulative=True)
    assert [unit.elapsed for unit in taken.settled.units] == [1100, 2300, 3600]
    assert [unit.elapsed for unit in undone.settled.units] == [1100, 2200, 3300]


def step(audio: float, generated: list[str], deleted: list[str] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "id": 0,
        "total_audio_processed": audio,
        "computation_time": 0.25,
        "generated_tokens": generated,
        "deleted_tokens": deleted or [],
    } | changes


NAMED = {"id": 0, "metadata": {"wav_name": "talks/one.wav"}}


def test_simulstreams_deletions_are_erasures() -> None:
    lines = [
        {"model_loading_time": 3.0},
        NAMED,
        step(1.0, ["▁the", "▁ca"]),
        step(2.0, ["t"]),
        step(3.0, ["▁dog"], ["▁ca", "t"]),
    ]
    (record,) = from_simulstream(lines, characters=False)
    assert record.name == "one"
    assert record.settled.units == (Unit("the", 1000, 1250), Unit("dog", 3000, 3250))
    assert (record.settled.erased, record.settled.erasures) == (1, 1)
    assert (record.audio, dict(record.stats)) == (3000, {"compute_s": 0.75})


def test_recordings_to_which_a_server_gave_the_same_id_are_all_there() -> None:
    other = {"id": 0, "metadata": {"wav_name": "two.wav"}}  # it is where a connection lay in memory, as the next may
    found = from_simulstream([NAMED, step(1.0, ["the"]), other, step(1.0, ["a", "cat"])], characters=False)
    assert [(each.name, [unit.text for unit in each.settled.units]) for each in found] == [
        ("one", ["the"]),
        ("two", ["a", "cat"]),
    ]


def test_simulstreams_plain_words_are_put_together_by_spaces() -> None:
    (record,) = from_simulstream([NAMED, step(1.0, ["the", "cat"])], characters=False)
    assert [unit.text for unit in record.settled.units] == ["the", "cat"]


def test_formats_are_told_from_the_first_object() -> None:
    assert format_of({"type": "session"}) == "surtitle"
    assert format_of({"index": 0, "prediction": ""}) == "simuleval"
    assert format_of({"model_loading_time": 1}) == "simulstream"
    with pytest.raises(UserError, match="saw an object with x, expected a log of surtitle"):
        format_of({"x": 1})


def test_lines_that_hold_no_object_are_refused() -> None:
    with pytest.raises(UserError, match=r"line 2: saw '.\"a\": 1'.* is it cut"):
        objects(["{}", '{"a": 1'])
    with pytest.raises(UserError, match=r"line 1: saw '\[\]', expected a JSON object"):
        objects(["[]"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prediction": "x", "delays": [1]}, "source"),
        ({"source": [], "prediction": "x", "delays": [1]}, "source"),
        ({"source": "a", "prediction": "x", "delays": ["1"]}, "delays"),
        ({"source": "a", "prediction": "x y", "delays": [1]}, "2 words, 1 delays and 1 elapsed"),
        ({"source": "a", "prediction": "x", "delays": [1], "elapsed": []}, "1 words, 1 delays and 0 elapsed"),
        ({"source": "a", "prediction": "x", "delays": [float("nan")]}, "a time that is no number"),
    ],
)
def test_a_wrong_simuleval_object_is_refused(line: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        from_simuleval([line], characters=False, cumulative=False)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([step(1.0, ["a"])], "object 1 belongs to no recording"),
        ([NAMED, step(1.0, ["a"], generated_tokens=None)], "object 2"),
        ([NAMED, step(1.0, ["a"]), step(2.0, [], ["b"])], "deleted tokens are not the last ones"),
        ([NAMED, {**NAMED, "id": 1}], "recording one is there twice"),
        ([NAMED, NAMED], "recording one is there twice"),
        ([{"model_loading_time": 1.0}], "no recording"),
    ],
)
def test_a_wrong_simulstream_log_is_refused(lines: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UserError) as refused:
        from_simulstream(lines, characters=False)
    assert message in str(refused.value)
