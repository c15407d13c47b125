"""The wire form: exact objects, strict client messages, text that steers nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, SessionStart, Stamps, Status, Word
from surtitle.pipeline.messages import CloseCode, Painted, Refused, Subscribe
from surtitle.pipeline.protocol import (
    clean_text,
    encode,
    parse_event,
    parse_hello,
    parse_pcm,
    parse_publisher,
    parse_start,
    parse_viewer,
    to_message,
    to_wire,
)

CAPTION = Caption(4, 2, "en", "source", "good evening", 1.2, 3.48, True, 12, 4.1, 4.63)

milliseconds = st.integers(0, 10**9).map(lambda ms: ms / 1000)
safe_text = st.text(max_size=80).map(clean_text)
captions = st.builds(
    Caption,
    cue=st.integers(0, 10**6),
    revision=st.integers(0, 999),
    language=st.sampled_from(["en", "es", "pt-BR"]),
    role=st.sampled_from(["source", "target"]),
    text=safe_text,
    start=milliseconds,
    end=milliseconds,
    final=st.booleans(),
    stable=st.just(0),
    audio=milliseconds,
    elapsed=milliseconds,
    stamps=st.none()
    | st.builds(Stamps, milliseconds, milliseconds, st.none() | milliseconds, st.none() | milliseconds),
    untranslated=st.booleans(),
    words=st.lists(
        st.builds(Word, safe_text, milliseconds, milliseconds, st.integers(0, 1000).map(lambda p: p / 1000))
    ).map(tuple),
)
events = st.one_of(
    captions,
    st.builds(Gap, milliseconds, milliseconds, st.sampled_from(["overload", "device"])),
    st.builds(
        SessionStart,
        safe_text,
        st.sampled_from([("en",), ("en", "es")]),
        st.lists(st.sampled_from(["es", "de"])).map(tuple),
        st.dictionaries(st.sampled_from(["asr", "llm"]), safe_text),
        st.sampled_from(["real", "virtual"]),
        st.sampled_from(["main", "hall-2"]),
        st.sampled_from(["final", "steady", "live"]),
    ),
    st.builds(
        Status,
        st.sampled_from(["ok", "behind", "overload", "device"]),
        st.none() | milliseconds,
        milliseconds,
        milliseconds,
    ),
    st.builds(SessionEnd, milliseconds, milliseconds, st.dictionaries(safe_text, st.integers(0, 10**9))),
)


def test_a_caption_on_the_wire_has_exactly_the_documented_fields() -> None:
    assert to_wire(CAPTION, 17) == {
        "type": "caption",
        "seq": 17,
        "cue": 4,
        "rev": 2,
        "lang": "en",
        "role": "source",
        "final": True,
        "start_ms": 1200,
        "end_ms": 3480,
        "text": "good evening",
        "stable": 12,
        "audio_ms": 4100,
        "elapsed_ms": 4630,
    }


def test_a_final_tells_its_way_and_leaves_out_what_it_did_not_pass() -> None:
    said = replace(CAPTION, stamps=Stamps(3.6, 3.75))
    assert to_wire(said, 17)["stamps"] == {"recognised_ms": 3600, "committed_ms": 3750}
    translated = replace(CAPTION, stamps=Stamps(3.6, 3.75, 4.0, 4.5))
    assert to_wire(translated, 17)["stamps"] == {
        "recognised_ms": 3600,
        "committed_ms": 3750,
        "first_token_ms": 4000,
        "last_token_ms": 4500,
    }


def test_a_caption_without_a_translation_says_so() -> None:
    assert to_wire(replace(CAPTION, untranslated=True), 17)["untranslated"] is True


def test_a_caption_says_when_each_word_was_said_and_how_sure_that_is() -> None:
    words = Word("good", 1.2, 1.48, 0.96789), Word("evening", 1.5, 3.48, 1.0)
    wire = json.loads(encode(to_message(replace(CAPTION, words=words), 17)))
    assert wire["words"] == [["good", 1200, 1480, 0.968], ["evening", 1500, 3480, 1.0]]


def test_a_session_says_what_a_reader_of_the_log_must_know() -> None:
    event = SessionStart("night-1", ("en",), ("es",), {"asr": "small"}, "real", "hall-2", "live")
    assert to_wire(event, 1) == {
        "type": "session",
        "seq": 1,
        "v": 1,
        "session": "night-1",
        "source": "en",
        "targets": ("es",),
        "sample_rate": 16000,
        "models": {"asr": "small"},
        "clock": "real",
        "name": "hall-2",
        "captions": "live",
    }


def test_a_status_leaves_out_the_lag_before_there_is_one() -> None:
    assert to_wire(Status("behind", 6.5, 60.0, 61.2), 9) == {
        "type": "status",
        "seq": 9,
        "state": "behind",
        "lag_ms": 6500,
        "audio_ms": 60_000,
        "elapsed_ms": 61_200,
    }
    assert "lag_ms" not in to_wire(Status("ok", None, 0.1, 0.1), 2)


def test_an_older_log_that_names_no_room_is_still_read() -> None:
    line = '{"type":"session","seq":1,"v":1,"session":"s","source":"en","targets":["es"],'
    event, _ = parse_event(line + '"sample_rate":16000,"models":{},"clock":"virtual"}')
    assert event == SessionStart("s", ("en",), ("es",), {}, "virtual", "main")


def test_a_session_of_several_languages_says_them_all() -> None:
    event = SessionStart("night-1", ("en", "es"), ("es",), {}, "real")
    wire = to_wire(event, 1)
    assert (wire["source"], wire["sources"]) == ("en", ("en", "es"))
    assert parse_event(json.dumps(wire)) == (event, 1)


@given(events, st.integers(1, 10**9))
def test_what_was_written_is_read_back_the_same(event: Event, seq: int) -> None:
    assert parse_event(encode(to_message(event, seq))) == (event, seq)
    assert parse_event(json.dumps(to_wire(event, seq))) == (event, seq)


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_cleaning_keeps_nothing_that_steers_and_works_letter_by_letter(one: str, other: str) -> None:
    cleaned = clean_text(one + other)
    assert cleaned == clean_text(one) + clean_text(other) == clean_text(cleaned)
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert not set(cleaned) & set("\x1b\x00\x7f\x9b\n\r\u202e\u2066\u2069\u2028")


def test_stable_still_counts_right_after_cleaning() -> None:
    caption = replace(CAPTION, text="\x1b[1mgood\nevening", stable=8, final=False)
    wire = to_wire(caption, 1)
    assert wire["text"] == "[1mgood evening"
    assert wire["text"][: wire["stable"]] == "[1mgood"


def test_a_line_that_is_no_event_is_shown_in_the_error() -> None:
    with pytest.raises(UserError, match=r"saw '\{\"type\":\"captoin\"\}'.*expected a caption"):
        parse_event('{"type":"captoin"}')


def test_a_newer_log_with_more_fields_is_still_read() -> None:
    assert parse_event(json.dumps({**to_wire(CAPTION, 3), "speaker": "A"})) == (CAPTION, 3)


def test_hello_may_name_languages_and_where_to_resume() -> None:
    hello = parse_hello('{"type":"hello","v":1,"langs":["es","pt-BR"],"since":{"epoch":"e","seq":7}}')
    assert hello.langs == ("es", "pt-BR")
    assert hello.since is not None
    assert (hello.since.epoch, hello.since.seq) == ("e", 7)
    assert (hello.session, hello.token) == ("main", None)


def test_hello_and_start_may_name_a_room_and_show_a_token() -> None:
    hello = parse_hello('{"type":"hello","v":1,"session":"hall-2","token":"t"}')
    start = parse_start('{"type":"start","v":1,"from":"en","to":["es"],"session":"hall-2","token":"t"}')
    assert (hello.session, hello.token) == (start.session, start.token) == ("hall-2", "t")


def test_a_viewer_may_change_its_languages_and_say_what_it_painted() -> None:
    changed = parse_viewer('{"type":"subscribe","langs":["de"]}')
    assert isinstance(changed, Subscribe)
    assert changed.langs == ("de",)
    assert parse_viewer('{"type":"painted","seq":7}') == Painted(7)
    with pytest.raises(Refused, match="nothing else after hello"):
        parse_viewer('{"type":"hello","v":1}')


def test_what_is_wrong_is_shown_without_the_token_in_it() -> None:
    with pytest.raises(Refused, match="expected") as caught:
        parse_hello('{"token" : "s3cret","type":"hello"')
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[" * 50_000,
        b"\xff\xfe",
        "\ud800",
        '{"v":1}',
        '{"type":"stop"}',
        '{"type":"start","v":1}',
        '{"type":"hello"}',
        '{"type":"hello","v":"1"}',
        '{"type":"hello","v":1,"lang":["es"]}',
        '{"type":"hello","v":1,"langs":"es"}',
        '{"type":"hello","v":1,"langs":["Spanish!"]}',
        '{"type":"hello","v":1,"since":{"epoch":"e","seq":-1}}',
        '{"type":"hello","v":1,"since":"e.7"}',
        '{"type":"hello","v":1,"session":"../etc"}',
        '{"type":"hello","v":1,"session":""}',
        '{"type":"hello","v":1,"session":"' + "x" * 65 + '"}',
        '{"type":"hello","v":1,"session":"main\\n"}',
        '{"type":"hello","v":1,"token":7}',
        '{"type":"hello","v":1,"token":"' + "x" * 257 + '"}',
        '{"type":"subscribe","langs":["es"]}',
    ],
)
def test_a_wrong_hello_is_refused_for_good_and_told_why(message: str | bytes) -> None:
    with pytest.raises(Refused, match=r"saw .* expected") as caught:
        parse_hello(message)
    assert caught.value.close_code is CloseCode.BAD_MESSAGE
    assert not caught.value.retry


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="saw protocol version 2, expected 1") as caught:
        parse_hello('{"type":"hello","v":2}')
    assert caught.value.code == "wrong_version"


def test_start_says_the_languages_and_the_rate() -> None:
    start = parse_start('{"type":"start","v":1,"from":"en","to":["es","de"],"sample_rate":48000}')
    assert (start.sources, start.targets, start.sample_rate) == (("en",), ("es", "de"), 48000)


def test_start_may_say_several_languages_that_are_spoken() -> None:
    start = parse_start('{"type":"start","v":1,"from":["en","es"],"to":["es","de"]}')
    assert start.sources == ("en", "es")


@pytest.mark.parametrize(
    "fields",
    [
        '"to":["es"]',
        '"from":[],"to":["es"]',
        '"from":"en","to":[]',
        '"from":"en","to":["es"],"sample_rate":4',
    ],
)
def test_a_wrong_start_is_refused(fields: str) -> None:
    with pytest.raises(Refused):
        parse_start('{"type":"start","v":1,' + fields + "}")


def test_after_start_only_stop_is_text() -> None:
    parse_publisher('{"type":"stop"}')
    with pytest.raises(Refused, match="binary PCM"):
        parse_publisher('{"type":"pause"}')


def test_pcm_becomes_float_between_minus_one_and_one() -> None:
    samples = parse_pcm(np.array([-32768, 0, 16384, 32767], dtype="<i2").tobytes())
    assert samples.dtype == np.float32
    assert samples.tolist() == [-1.0, 0.0, 0.5, 32767 / 32768]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(Refused, match="saw 3 bytes of audio, expected an even number"):
        parse_pcm(b"abc")


def test_close_codes_say_whether_to_come_back() -> None:
    retries = {code: Refused(code, "").retry for code in CloseCode}
    assert retries == {code: 4000 <= code < 4500 for code in CloseCode}
