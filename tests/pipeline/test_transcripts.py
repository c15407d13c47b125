"""`surtitle.pipeline.transcripts`: what OpenAI's clients ask for and are answered, without a request."""

from __future__ import annotations

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from said import caption

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Event, SessionEnd, Word
from surtitle.pipeline.http import BadField, HttpError
from surtitle.pipeline.languages import ALL, Pair
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.transcripts import Asked, Fields, Form, answer, failure, text_of, transcription, translation

GOOD_DAY = caption(
    "Good day.", 0.0, 2.0, language="en", role="source", words=(Word("Good", 0, 1, 1.0), Word("day.", 1, 2, 0.0))
)
BUENOS_DIAS = caption("Buenos días.", 0.0, 2.0)
DRAFT = replace(BUENOS_DIAS, text="Buenas", final=False)
EVENTS: list[Event] = [DRAFT, GOOD_DAY, BUENOS_DIAS, SessionEnd(2.5, 3.0, {})]


# --- what is asked ---


@pytest.mark.parametrize(
    ("fields", "sources"),
    [
        ({}, ALL),
        ({"language": ("",)}, ALL),
        ({"language": ("auto",)}, ALL),
        ({"language": ("EN",)}, ("en",)),
        ({"languages": ("en", "de"), "language": ("fr",)}, ("en", "de")),
    ],
)
def test_any_language_may_be_spoken_unless_some_are_named(fields: Fields, sources: tuple[str, ...]) -> None:
    assert transcription(fields).pair == Pair(sources, ())


@pytest.mark.parametrize(
    ("fields", "targets"),
    [
        ({}, ("en",)),
        ({"language": ("de",), "to": ("es",)}, ("es",)),
        ({"language": ("en",)}, ()),
        ({"languages": ("en", "de")}, ("en",)),
    ],
)
def test_what_is_said_in_the_language_that_is_wanted_alone_needs_no_translation(
    fields: Fields, targets: tuple[str, ...]
) -> None:
    assert translation(fields).pair.targets == targets


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"to": ("klingon",)}, "to"),
        ({"to": ("es", "de")}, "to"),
        ({"languages": ("en", "klingon")}, "languages"),
        ({"response_format": ("json", "srt")}, "response_format"),
        ({"stream": ("false", "true")}, "stream"),
        ({"stream": ("True",)}, "stream"),
        ({"stream": ("1",)}, "stream"),
    ],
)
def test_a_field_that_is_wrong_is_named(fields: Fields, param: str) -> None:
    with pytest.raises(BadField) as caught:
        translation(fields)
    assert caught.value.param == param


# --- what is answered ---


@pytest.mark.parametrize(
    ("form", "kind", "body"),
    [
        ("text", "text/plain; charset=utf-8", "Buenos días.\n"),
        ("srt", "application/x-subrip; charset=utf-8", "1\n00:00:00,000 --> 00:00:02,000\nBuenos días.\n\n"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n1\n00:00:00.000 --> 00:00:02.000\nBuenos días.\n\n"),
        ("json", "application/json", '{"text":"Buenos días.","usage":{"type":"duration","seconds":2.5}}'),
    ],
)
def test_every_form_has_the_finals_in_the_language_that_is_wanted(form: Form, kind: str, body: str) -> None:
    page = answer(Asked(Pair(("en",), ("es",)), "translate", form, frozenset()), EVENTS)
    assert (page.status, page.content_type, page.body.decode()) == (200, kind, body)


def verbose(asked: Asked, events: list[Event]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer(replace(asked, form="verbose_json"), events).body)
    return body


def test_a_translations_segments_are_as_sure_as_the_words_that_they_were_made_of() -> None:
    body = verbose(translation({"language": ("en",), "to": ("es",)}), EVENTS)
    (segment,) = body["segments"]
    assert (segment["text"], segment["start"], segment["end"]) == ("Buenos días.", 0.0, 2.0)
    assert segment["avg_logprob"] == pytest.approx(-6.9078, abs=1e-4)  # of 1 and, in place of 0, of a millionth
    assert "words" not in body


def test_what_could_not_be_translated_is_marked_where_there_is_room_for_it() -> None:
    asked, left = translation({"language": ("en",), "to": ("es",)}), replace(BUENOS_DIAS, cue=1, untranslated=True)
    segments = verbose(asked, [*EVENTS, left])["segments"]
    assert [segment.get("untranslated", False) for segment in segments] == [False, True]


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ([("en", 1.0), ("de", 3.0), ("en", 1.5)], "german"),
        ([("en", 1.0), ("de", 3.0), ("en", 2.5)], "english"),
        ([], "danish"),
    ],
)
def test_the_language_is_the_one_that_was_heard_for_longest_or_is_expected(
    said: list[tuple[str, float]], language: str
) -> None:
    captions: list[Event] = [caption("-", 5.0, 5.0 + seconds, language=code, role="source") for code, seconds in said]
    assert verbose(transcription({"language": ("da,en,de",)}), captions)["language"] == language


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ([("en", "Good day."), ("en", " We\n begin. ")], "Good day. We begin."),
        ([("en", ""), ("en", "Yes."), ("en", " \x1b"), ("en", "No.")], "Yes. No."),
        ([("ja", "はい。"), ("ja", "どうぞ。"), ("en", "Yes."), ("ja", "はい。")], "はい。どうぞ。 Yes.はい。"),
        ([("th", "สวัสดีครับ"), ("th", "ขอบคุณครับ")], "สวัสดีครับ ขอบคุณครับ"),
        ([], ""),
    ],
)
def test_captions_are_one_line_with_spaces_where_their_languages_have_them(
    said: list[tuple[str, str]], text: str
) -> None:
    assert text_of([caption(each, 0, 1, language=language) for language, each in said]) == text


# --- what went wrong ---


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadField("to", "saw klingon"), 400, "invalid_value"),
        (UserError("there is no sound"), 400, None),
        (Refused(CloseCode.SESSION_REFUSED, "not that language"), 400, None),
        (Refused(CloseCode.UNAUTHORIZED, "saw no token"), 401, "invalid_api_key"),
        (Refused(CloseCode.FORBIDDEN, "not here"), 403, "forbidden"),
        (HttpError(HTTPStatus.REQUEST_TIMEOUT, "too slow"), 408, "timeout"),
        (HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large"), 413, "file_too_large"),
        (HttpError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "no form"), 415, "unsupported_media_type"),
        (Refused(CloseCode.FULL, "too many"), 429, "rate_limit_exceeded"),
        (HttpError(HTTPStatus.INSUFFICIENT_STORAGE, "no room"), 507, None),
    ],
)
def test_a_failure_is_told_as_openais_clients_expect_it(error: UserError, status: int, code: str | None) -> None:
    page = failure(error)
    kind = {429: "rate_limit_error", 507: "server_error"}.get(status, "invalid_request_error")
    param = "to" if isinstance(error, BadField) else None
    assert page.status == status
    assert json.loads(page.body) == {"error": {"message": str(error), "type": kind, "param": param, "code": code}}


def test_a_client_is_told_when_to_come_back_and_how_to_show_its_key() -> None:
    assert failure(Refused(CloseCode.FULL, "too many")).headers == (("retry-after", "5"),)
    assert failure(Refused(CloseCode.UNAUTHORIZED, "saw no token")).headers == (("www-authenticate", "Bearer"),)
    asked_too_often = HttpError(HTTPStatus.TOO_MANY_REQUESTS, "too often", (("retry-after", "60"),))
    assert failure(asked_too_often).headers == asked_too_often.headers
