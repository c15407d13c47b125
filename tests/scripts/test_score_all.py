from __future__ import annotations

from dataclasses import replace

import pytest
from score_all import cost, flicker, lost, score, word_errors
from score_latency import Segment
from score_record import Record, Settled, Shown, Unit

from surtitle.pipeline.errors import UserError

UNITS = tuple(Unit(word, 1000.0, 1500.0) for word in ("das", "Haus", "ist", "alt"))
RECORD = Record(
    "one",
    Settled(UNITS, 2, 1),
    30_000.0,
    source="en",
    transcript="the house is old",
    clock="real",
    shown=(Shown("the house is old", "das Haus ist alt", 0, 900, 1200, 1500),),
    stats=(("asr_s", 6.0), ("llm_s", 9.0), ("rss_max_mb", 700.0)),
)
SEGMENT = Segment("one", 0.0, 2000.0, "das Haus ist alt", "the house is old")


def test_figures_of_several_recordings_are_pooled_by_their_lengths() -> None:
    longer = replace(RECORD, name="two", audio=90_000.0, settled=Settled(UNITS * 3, 0, 0))
    figures = flicker([RECORD, longer])
    assert figures["erasure"] == 2 / 16
    assert figures["erasures_per_min"] == 1 / 2
    spent = cost([RECORD, longer])
    assert (spent["rtf_asr"], spent["rtf_llm"], spent["rtf"]) == (12 / 120, 18 / 120, 30 / 120)
    assert spent["rss_max_mb"] == 700


def test_a_format_that_can_not_tell_revisions_has_no_erasure_rather_than_none_at_all() -> None:
    figures = flicker([replace(RECORD, revised=False)])
    assert figures["erasure"] is None
    assert figures["erasures_per_min"] is None


def test_what_the_logs_of_others_do_not_tell_is_not_nothing() -> None:
    ours = replace(RECORD, promises_broken=0, untranslated=2, skipped=500.0)
    assert lost([ours, ours]) == {"promises_broken": 0, "untranslated": 4, "skipped_s": 1.0}
    assert set(lost([replace(RECORD, clock=None)]).values()) == {None}


def test_costs_that_one_log_does_not_tell_are_not_averaged_over_the_others() -> None:
    spent = cost([RECORD, replace(RECORD, stats=())])
    assert spent["rtf"] is None
    assert cost([replace(RECORD, audio=None)])["rtf"] is None


def test_a_perfect_translation_scores_so() -> None:
    scores = score([RECORD], [[SEGMENT]], "de", timed=True)
    assert scores.figures["bleu"] == pytest.approx(100)
    assert scores.figures["chrf"] == pytest.approx(100)
    assert scores.figures["longyaal_cu_ms"] == pytest.approx(1000 - 0.75 * 1000)
    assert scores.figures["streamlaal_ca_ms"] == pytest.approx(1500 - 0.75 * 1000)
    assert scores.figures["lag_p50_ms"] == 600


def test_two_talks_are_each_read_on_a_screen_of_their_own() -> None:
    captions = tuple(replace(RECORD.shown[0], first=1000.0 * at) for at in (60, 61, 64))
    early = tuple(replace(caption, first=caption.first - 60_000) for caption in captions)
    talks = [replace(RECORD, shown=captions), replace(RECORD, name="two", shown=early)]
    assert score(talks, [], "de", timed=False).figures["on_screen_p5_ms"] == 4000


def test_a_talk_that_falls_behind_is_not_hidden_by_one_that_catches_up() -> None:
    def talk(name: str, more: float) -> Record:
        ends = [10_000.0 * place for place in range(8)]
        shown = tuple(replace(RECORD.shown[0], end=end, final=end + 9000 + more * end) for end in ends)
        return replace(RECORD, name=name, shown=shown)

    figures = score([talk("one", 0.01), talk("two", -0.1)], [], "de", timed=False).figures
    assert figures["lag_drift_ms_per_h"] == pytest.approx(36_000)


def test_every_figure_that_is_absent_has_a_reason() -> None:
    for segments, timed in (([], False), ([[SEGMENT]], False), ([[SEGMENT]], True)):
        scores = score([replace(RECORD, shown=(), stats=())], segments, "de", timed=timed)
        assert set(scores.absent) == {name for name, value in scores.figures.items() if value is None}
        assert all(scores.absent.values())


def test_without_times_there_is_quality_and_no_latency() -> None:
    scores = score([RECORD], [[SEGMENT]], "de", timed=False)
    assert scores.figures["bleu"] is not None
    assert scores.absent["longyaal_cu_ms"] == "segments with their times are needed: --segments"
    late = {
        name for name in score([RECORD], [[SEGMENT]], "de", timed=True).figures if name.startswith(("long", "stream"))
    }
    assert late <= scores.absent.keys()


def test_nothing_said_has_no_latency_and_no_erasure_but_a_quality() -> None:
    silent = replace(RECORD, settled=Settled((), 0, 0), shown=())
    scores = score([silent], [[SEGMENT]], "de", timed=True)
    assert (scores.figures["bleu"], scores.figures["segments_empty_soft"]) == (0, 1)
    assert scores.figures["longyaal_cu_ms"] is None
    assert scores.figures["erasure"] is None


def test_both_clocks_are_not_pooled() -> None:
    with pytest.raises(UserError, match="different clocks or systems, expected one kind"):
        score([RECORD, replace(RECORD, clock="virtual")], [], "de", timed=False)


def test_logs_of_speech_in_several_languages_are_refused_since_one_transcript_would_be_of_another() -> None:
    with pytest.raises(UserError, match="of speech in en, fr, expected one: score them apart"):
        score([RECORD, replace(RECORD, source="fr")], [], "de", timed=False)


def test_word_errors_are_pooled_by_the_references_lengths() -> None:
    worse = replace(RECORD, transcript="the mouse")
    found = word_errors([RECORD, worse], ["the house is old", "the house"], "en")
    assert found.figures["wer"] == pytest.approx(100 / 6)
    assert found.signatures == {"wer": "unit:word|norm:whisper-english|marks:no"}
    assert word_errors([replace(RECORD, transcript=None)], ["x"], "en").absent == {"wer": "the log has no transcript"}


def test_languages_without_spaces_are_scored_by_characters() -> None:
    units = tuple(Unit(letter, 1000.0, 1500.0) for letter in "我们一起去公园。")
    chinese = replace(RECORD, settled=Settled(units, 0, 0))
    scores = score([chinese], [[replace(SEGMENT, reference="我们一起去公园。")]], "zh", timed=True)
    assert scores.figures["bleu"] == pytest.approx(100)
    assert scores.figures["longyaal_cu_ms"] == pytest.approx(1000 - 7 / 8 * 1000)
    assert scores.figures["streamlaal_cu_ms"] == scores.figures["longyaal_cu_ms"]
    assert "tok:zh" in scores.signatures["bleu"]
