from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_log import read_log, record_of
from score_record import Record, Unit

from surtitle.pipeline.errors import UserError

Message = dict[str, Any]


def caption(
    cue: int, lang: str, text: str, audio: int, *, rev: int = 0, final: bool = True, stable: int = 0
) -> Message:
    return {
        "type": "caption",
        "cue": cue,
        "rev": rev,
        "lang": lang,
        "role": "source" if lang == "en" else "target",
        "final": final,
        "start_ms": 1000 * cue,
        "end_ms": 1000 * cue + 900,
        "text": text,
        "stable": stable,
        "audio_ms": audio,
        "elapsed_ms": audio + 50,
    }


def log(*captions: Message, clock: str = "real", **changes: Any) -> list[str]:
    session = {
        "type": "session",
        "v": 1,
        "session": "x",
        "source": "en",
        "targets": ["de", "zh"],
        "sample_rate": 16000,
        "models": {"asr": "a"},
        "clock": clock,
    }
    end = {"type": "end", "audio_ms": 9000, "elapsed_ms": 9100, "stats": {"asr_s": 3.0, "rss_max_mb": 100.5}}
    messages = [session | changes, *captions, end]
    return [json.dumps({"seq": 5 + place, **message}) for place, message in enumerate(messages)]


WHOLE = log(
    caption(0, "en", "good morning", 1000),
    caption(0, "de", "Guten Tag", 1500, final=False, stable=5),
    caption(1, "en", "all", 2000),
    caption(1, "de", "alle", 2500),
    caption(0, "de", "Guten Morgen", 3000, rev=1),
    {"type": "gap", "start_ms": 4000, "end_ms": 4700, "why": "overload"},
)


def record(lines: list[str], language: str = "de") -> Record:
    return record_of(read_log(lines), "talk", language)


def test_words_stand_in_the_order_of_their_cues_with_the_time_of_their_last_change() -> None:
    found = record(WHOLE)
    assert found.settled.units == (
        Unit("Guten", 1500.0, 1550.0),
        Unit("Morgen", 3000.0, 3050.0),
        Unit("alle", 2500.0, 2550.0),
    )
    assert (found.settled.erased, found.settled.erasures) == (1, 1)


def test_a_record_tells_what_the_log_tells() -> None:
    found = record(WHOLE)
    assert (found.audio, found.source, found.clock) == (9000, "en", "real")
    assert found.transcript == "good morning all"
    assert found.skipped == 700
    assert dict(found.stats) == {"asr_s": 3.0, "rss_max_mb": 100.5}
    assert dict(found.models) == {"asr": "a"}
    assert (found.shown[0].first, found.shown[0].final) == (1550, 3050)
    assert found.shown[0].source == "good morning"


def test_on_the_virtual_clock_there_is_no_wall_time() -> None:
    found = record(log(caption(0, "en", "hi", 500), caption(0, "de", "na", 600), clock="virtual"))
    assert [unit.elapsed for unit in found.settled.units] == [None]
    assert found.shown[0].final == 600


def test_the_source_itself_can_be_scored() -> None:
    assert [unit.text for unit in record(WHOLE, "en").settled.units] == ["good", "morning", "all"]


def test_cues_without_a_translation_are_counted() -> None:
    assert record(WHOLE).untranslated == 0
    assert record(WHOLE, "zh").untranslated == 2


def test_what_was_said_while_a_language_was_not_wanted_is_not_untranslated() -> None:
    lines = log(
        caption(0, "en", "good", 1000),
        caption(0, "de", "gut", 1500),
        caption(1, "en", "all", 2000),  # as it was said: there before it is translated
        {"type": "targets", "targets": ["fr"]},
        caption(1, "fr", "tous", 2500),
        caption(2, "en", "bye", 3000),
        targets=["de"],
    )
    assert (record(lines, "de").untranslated, record(lines, "fr").untranslated) == (0, 1)
    assert record(lines, "en").untranslated == 0


def test_a_broken_promise_is_counted() -> None:
    drafts = log(
        caption(0, "de", "Guten Tag", 1, final=False, stable=9),
        caption(0, "de", "Guten Morgen", 2, rev=1),
    )
    assert record(drafts).promises_broken == 1
    assert record(WHOLE).promises_broken == 0


def test_a_language_that_was_not_spoken_is_refused() -> None:
    with pytest.raises(UserError, match="--language fr: the session has de, zh, en"):
        record(WHOLE, "fr")


@given(st.integers(0, len(WHOLE) - 1))
def test_a_log_that_lacks_any_line_is_refused(place: int) -> None:
    with pytest.raises(UserError):
        read_log(WHOLE[:place] + WHOLE[place + 1 :])


@given(st.integers(0, len("\n".join(WHOLE)) - 1))
def test_a_log_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(UserError):
        read_log("\n".join(WHOLE)[:length].split("\n"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the log is empty"),
        (WHOLE[1:], "line 1: saw a caption, expected the session: the log's beginning is missing"),
        (WHOLE[:-1], "line 7: saw a gap, expected the end: the log is cut, or its session still runs"),
        (WHOLE[:3] + WHOLE[4:], "line 4: seq is 9 after 7, expected 8: lines are missing"),
        (WHOLE + WHOLE, "line 9: another session begins"),
        (log(v=2), "line 1: the log's version is 2, expected 1"),
        (["{}"], "line 1: saw '{}'"),
        (log(caption(0, "fr", "oui", 1)), "seq 6: a caption in fr, expected de, en, zh"),
        (log(caption(0, "de", "a", 1), caption(0, "de", "b", 2, rev=1)), "cue 0 changes after its final"),
        (log(caption(0, "de", "a", 1, final=False), caption(0, "de", "b", 2)), "rev 0 after 0"),
        (log(caption(0, "de", "a", 1, final=False)), "cue 0 has no final in de"),
    ],
)
def test_a_wrong_log_is_refused_with_the_line_and_the_reason(lines: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        read_log(lines)
    assert message in str(refused.value)


def test_sessions_that_a_server_mixed_are_scored_one_by_one_as_the_refusal_says() -> None:
    one, other = ([json.dumps({**json.loads(line), "session": name}) for line in WHOLE] for name in ("x1", "x2"))
    mixed = [line for pair in zip(one, other, strict=True) for line in pair]
    with pytest.raises(UserError, match=r"line 2: another session begins.*`grep x1` finds"):
        read_log(mixed)
    assert record([line for line in mixed if "x1" in line]) == record(WHOLE)


def test_an_event_that_came_into_the_protocol_later_is_ignored_and_its_number_is_not() -> None:
    later = [*WHOLE[:3], '{"type":"applause","seq":8}', *WHOLE[3:]]
    with pytest.raises(UserError, match="line 5: seq is 8 after 8"):
        read_log(later)
    begun = [WHOLE[0].replace('"seq": 5', '"seq": 4'), '{"type":"applause","seq":5,"loud":true}', *WHOLE[1:]]
    assert record(begun) == record(WHOLE)


def test_a_guess_that_was_taken_back_needs_no_final_and_counts_as_erased() -> None:
    lines = log(caption(0, "de", "vielen Dank", 1, final=False), caption(0, "de", "", 2, rev=1, final=False))
    record = record_of(read_log(lines), "a", "de")
    assert (record.settled.units, record.settled.erased, record.shown) == ((), 2, ())


def test_what_is_said_after_a_guess_was_taken_back_was_not_shown_before() -> None:
    guess = [caption(0, "de", "Dank", 1000, final=False), caption(0, "de", "", 2000, rev=1, final=False)]
    lines = log(*guess, caption(0, "de", "Gut", 9000, rev=2, final=False), caption(0, "de", "Gut so.", 9500, rev=3))
    (shown,) = record_of(read_log(lines), "a", "de").shown
    assert (shown.first, shown.final) == (9050, 9550)


def test_the_transcript_of_several_languages_is_what_was_said_in_each() -> None:
    said = {"role": "target", "words": [["x", 0, 900, 0.9]]}
    lines = log(
        caption(0, "en", "good morning", 1000) | said,
        caption(0, "de", "Guten Morgen", 1500),
        caption(1, "de", "und alle", 2000) | said,
        caption(1, "en", "and all", 2500) | {"role": "target"},
        source="en",
        sources=["en", "de"],
        targets=["en", "de"],
    )
    assert record(lines).transcript == "good morning und alle"


def test_a_caption_has_the_times_of_the_words_that_were_said() -> None:
    said = caption(0, "en", "good morning", 1000) | {"words": [["good", 0, 300, 0.9], ["morning", 500, 900, 0.8]]}
    (shown,) = record(log(said, caption(0, "de", "Guten Morgen", 1500))).shown
    assert shown.words == (("good", 0.0, 300.0), ("morning", 500.0, 900.0))
    assert record(WHOLE).shown[0].words == ()


def test_the_language_of_the_speech_is_the_one_that_most_was_said_in() -> None:
    said = [caption(0, "en", "good morning", 1000), caption(1, "de", "und alle anderen", 2000) | {"role": "source"}]
    assert record(log(*said, sources=["en", "de", "ja"]), "zh").source == "de"
    assert record(log(said[0], sources=["en", "de", "ja"]), "zh").source == "en"
    assert record(log(source="ja", sources=["ja", "de"]), "zh").source == "ja"


CHANGED = (
    caption(0, "de", "Guten Morgen", 1000),
    caption(1, "de", "alle", 1500, final=False),
    {"type": "targets", "targets": ["fr"]},
    caption(1, "fr", "tous", 2000),
)


def test_languages_that_came_and_went_are_scored_and_a_draft_that_went_with_its_language_is_no_fault() -> None:
    record = record_of(read_log(log(*CHANGED)), "talk", "fr")
    assert [shown.text for shown in record.shown] == ["tous"]
    with pytest.raises(UserError, match="cue 1 has no final in de"):
        read_log(log(CHANGED[1], CHANGED[0]))
    with pytest.raises(UserError, match="cue 0 has no final in en"):
        read_log(log(caption(0, "en", "good", 1000, final=False), CHANGED[2]))
    with pytest.raises(UserError, match="a caption in fr, expected de, en, zh"):
        read_log(log(CHANGED[3]))
