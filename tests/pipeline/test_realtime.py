"""OpenAI's realtime translation without a socket: however it is cut, the same is said, and nothing is taken back."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import caption

from surtitle.pipeline.events import Caption, Event, Gap, Targets, Word
from surtitle.pipeline.foreign import Asked
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.realtime import RATE, Realtime

PCM = np.arange(-500, 500, dtype="<i2").tobytes()


def append(pcm: bytes) -> str:
    return json.dumps({"type": "session.input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})


def update(**audio: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"audio": audio}, "event_id": "mine"})


def transcribing(language: str = "es") -> Realtime:
    made = Realtime(Asked(), "1")
    made.receive(update(input={"transcription": {"model": "any"}}, output={"language": language}))
    return made


def answers(items: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(item) for item in items if isinstance(item, str)]


def deltas(events: list[dict[str, Any]], kind: str) -> list[str]:
    return [event["delta"] for event in events if event["type"] == f"session.{kind}_transcript.delta"]


@given(st.lists(st.integers(0, len(PCM)), max_size=12).map(sorted))
def test_however_audio_is_cut_the_same_samples_are_heard(cuts: list[int]) -> None:
    made = Realtime(Asked(), "1")
    pieces = [PCM[a:b] for a, b in zip([0, *cuts], [*cuts, len(PCM)], strict=True)]
    heard = [item for piece in pieces for item in made.receive(append(piece)) if not isinstance(item, str)]
    assert np.array_equal(np.concatenate(heard), np.arange(-500, 500) / np.float32(32768))


STEPS = st.lists(st.tuples(st.text("aé b.", min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4)))
"""Texts, and how much of each is stable in its drafts."""


def revisions(steps: list[tuple[str, list[int]]], language: str = "es") -> list[Caption]:
    """Drafts whose ends are guesses, and finals."""
    captions = []
    for cue, (text, lengths) in enumerate(steps):
        final = replace(caption(text, cue, cue + 1, language=language), cue=cue)
        for stable in sorted(lengths):
            guess = text[:stable] + "?"
            captions.append(replace(final, text=guess, final=False, stable=min(stable, len(text))))
        captions.append(final)
    return captions


@given(STEPS, st.data())
def test_the_deltas_joined_are_the_finals_whichever_drafts_were_seen(
    steps: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    made = transcribing()
    seen = [each for each in revisions(steps) if each.final or data.draw(st.booleans())]
    events = answers([message for each in seen for message in made.tell(each)])
    assert "".join(deltas(events, "output")) == " ".join(text for text, _ in steps)
    assert not deltas(events, "input")


def test_languages_without_spaces_get_none() -> None:
    made = transcribing("ja")
    captions = [replace(caption(text, 0, 1, language="ja"), cue=cue) for cue, text in enumerate(["はい。", "どうぞ。"])]
    events = answers([message for each in captions for message in made.tell(each)])
    assert deltas(events, "output") == ["はい。", "どうぞ。"]


def test_what_was_said_is_sent_where_it_is_asked_for() -> None:
    said = caption("Good day.", 0, 1.5, language="en", role="source", audio=1.93)
    assert Realtime(Asked(), "1").tell(said) == []
    (event,) = answers(list(transcribing().tell(said)))
    assert (event["type"], event["delta"]) == ("session.input_transcript.delta", "Good day.")
    assert event["elapsed_ms"] == 1800  # a multiple of 200


def test_speech_in_the_language_that_is_wanted_is_both() -> None:
    said = caption("Buenos días.", 0, 1, words=(Word("Buenos", 0, 0.5, 1), Word("días.", 0.5, 1, 1)))
    events = answers(list(transcribing().tell(said)))
    assert (deltas(events, "input"), deltas(events, "output")) == (["Buenos días."], ["Buenos días."])


def test_translations_that_others_asked_for_are_not_its_own() -> None:
    made = transcribing()
    es, fr = (caption(text, 0, 1, language=language) for text, language in (("Buenos días.", "es"), ("Bonjour.", "fr")))
    told: list[Event] = [replace(es, final=False, stable=6), Targets(("es", "fr")), replace(fr, final=False), fr, es]
    events = answers([message for each in told for message in made.tell(each)])
    assert deltas(events, "output") == ["Buenos", " días."]


def test_a_session_is_created_updated_and_closed_as_openais_is() -> None:
    made = Realtime(Asked(model="gpt-realtime-translate"), "1")
    (created,) = answers(list(made.greet()))
    assert (created["type"], created["session"]["type"]) == ("session.created", "translation")
    assert created["session"]["model"] == "gpt-realtime-translate"
    assert created["session"]["audio"]["output"]["language"] == "en"
    (updated,) = answers(made.receive(update(output={"language": "de"})))
    assert (updated["type"], updated["session"]["audio"]["output"]["language"]) == ("session.updated", "de")
    assert (made.start.targets, made.start.sample_rate, made.start.sources) == (("de",), RATE, ("auto",))
    assert made.receive('{"type":"session.close"}') == []
    assert made.over
    (closed,) = answers(list(made.bye()))
    assert closed["type"] == "session.closed"
    assert len({created["event_id"], updated["event_id"], closed["event_id"]}) == 3


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        b"\xff\xfe",
        "{}",
        '{"type":"response.create"}',
        '{"type":"session.input_audio_buffer.append","audio":"no base64!"}',
        '{"type":"session.update","session":{"audio":{"output":{"language":"klingon"}}}}',
        '{"type":"session.update","session":{"audio":' + "[" * 100_000,
    ],
)
def test_a_mistake_is_answered_and_the_session_goes_on(message: str | bytes) -> None:
    made = Realtime(Asked(), "1")
    (error,) = answers(made.receive(message))
    assert error["type"] == "error"
    assert set(error["error"]) == {"type", "code", "message", "param", "event_id"}
    assert not made.over
    assert len(made.receive(append(PCM))) == 1


def test_in_a_megabyte_no_language_is_looked_for() -> None:
    (error,) = answers(Realtime(Asked(), "1").receive(update(output={"language": "x" * 10**6})))
    assert "expected" in error["error"]["message"].lower()
    assert len(error["error"]["message"]) < 200


def test_the_language_stays_once_audio_has_begun() -> None:
    made = Realtime(Asked(), "1")
    made.receive(append(PCM))
    (error,) = answers(made.receive(update(output={"language": "de"})))
    assert (error["error"]["event_id"], made.start.targets) == ("mine", ("en",))
    (updated,) = answers(
        made.receive(update(output={"language": "en"}, input={"noise_reduction": {"type": "far_field"}}))
    )
    assert updated["session"]["audio"]["input"]["noise_reduction"] == {"type": "far_field"}


def test_what_is_no_caption_is_not_told() -> None:
    assert Realtime(Asked(), "1").tell(Gap(0, 1, "overload")) == []


def test_a_refusal_is_an_error_event() -> None:
    error = json.loads(Realtime.refuse(Refused(CloseCode.UNAUTHORIZED, "saw no token")))
    assert (error["type"], error["error"]["code"], error["error"]["message"]) == (
        "error",
        "unauthorized",
        "saw no token",
    )
