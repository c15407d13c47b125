"""What OpenAI's speech endpoints are asked, and what they answer, as values.

In: the fields of a form, the events of a session, errors. Out: which languages are spoken and wanted, and pages in the
shape of OpenAI's API reference (`audio/transcriptions`, `audio/translations`). Knows no request, file or model.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, Event, SessionEnd, Word
from surtitle.pipeline.http import BadField, Headers, Page, json_page, refusal
from surtitle.pipeline.languages import ALL, ANY, LANGUAGES, Pair, find_language, parse_languages
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.subtitles import to_srt, to_vtt
from surtitle.pipeline.text import space_between

Fields = Mapping[str, tuple[str, ...]]
"""Values by name."""
Form = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]
TRANSLATED = "en"
"""What OpenAI translates into."""


class Given(Struct, frozen=True):
    """The fields that are read; each may come several times, and what is empty was not given."""

    language: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    response_format: tuple[str, ...] = ()
    timestamp_granularities: tuple[str, ...] = ()
    stream: tuple[str, ...] = ()
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a recording."""

    pair: Pair
    """Without targets where what was said is wanted as it is."""
    task: Literal["transcribe", "translate"]
    form: Form
    granularities: frozenset[Granularity]
    """Which times `verbose_json` has."""


def transcription(fields: Fields) -> Asked:
    """What `/v1/audio/transcriptions` is asked; raises `BadField`."""
    given = _given(fields)
    return Asked(Pair(_spoken(given), ()), "transcribe", _form(given), _granularities(given))


def translation(fields: Fields) -> Asked:
    """What `/v1/audio/translations` is asked: `to`, which OpenAI has not, is another language; raises `BadField`."""
    given = _given(fields)
    try:
        target = find_language(_only("to", given.to, TRANSLATED)).code
    except UserError as error:
        raise BadField("to", str(error)) from error
    spoken = _spoken(given)
    # What is said in the language that is wanted needs no translation.
    return Asked(Pair(spoken, () if spoken == (target,) else (target,)), "translate", _form(given), frozenset())


def answer(asked: Asked, events: Sequence[Event]) -> Page:
    """Return the page with what a session made of a recording."""
    finals = [event for event in events if isinstance(event, Caption) and event.final]
    captions = [each for each in finals if not asked.pair.targets or each.language in asked.pair.targets]
    match asked.form:
        case "text":
            return _page("text/plain", f"{text_of(captions)}\n")
        case "srt":
            return _page("application/x-subrip", to_srt(captions))
        case "vtt":
            return _page("text/vtt", to_vtt(captions))
        case "json":
            return json_page({"text": text_of(captions), "usage": _usage(events)})
        case "verbose_json":
            return json_page(_verbose(asked, captions, events))


def text_of(captions: Sequence[Caption]) -> str:
    """All captions on one line, with spaces between where their language has them."""
    text = ""
    for caption in captions:
        said = " ".join(clean_text(caption.text).split())
        text += f"{space_between(caption.language)}{said}" if text and said else said
    return text


def failure(error: UserError) -> Page:
    """Return the page that says what was wrong, as OpenAI's clients expect it."""
    plain = refusal(error)
    status = HTTPStatus.TOO_MANY_REQUESTS if _is_full(error) else plain.status
    param = error.param if isinstance(error, BadField) else None
    body = {"error": {"message": str(error), "type": _kind(status), "param": param, "code": _code(error, status)}}
    headers: Headers = (("retry-after", "5"),) if _is_full(error) else plain.headers
    return Page(status, "application/json", msgspec.json.encode(body), headers)


# --- fields ---


def _given(fields: Fields) -> Given:
    given = msgspec.convert(fields, Given)
    if {each.lower() for each in given.stream} & {"true", "1"}:  # as Python and PHP write it, too
        raise BadField("stream", "saw stream set, expected it false: the answer comes as a whole")
    return given


def _only(name: str, values: tuple[str, ...], default: str) -> str:
    if len(values) > 1:
        raise BadField(name, f"saw {name} {len(values)} times, expected it once")
    return "".join(values) or default


def _spoken(given: Given) -> tuple[str, ...]:
    """`language`, or several `languages[]`; any where neither is given."""
    name = "languages" if given.languages else "language"
    named = ",".join(given.languages or given.language) or ANY
    try:
        return ALL if named == ANY else parse_languages(named)
    except UserError as error:
        raise BadField(name, str(error)) from error


def _form(given: Given) -> Form:
    named = _only("response_format", given.response_format, "json")
    for form in get_args(Form):
        if form == named:
            found: Form = form
            return found
    raise BadField("response_format", f"saw {named!r}, expected one of {', '.join(get_args(Form))}")


def _granularities(given: Given) -> frozenset[Granularity]:
    name, named = "timestamp_granularities", given.timestamp_granularities
    unknown = set(named) - set(get_args(Granularity))
    if unknown:
        raise BadField(name, f"saw {', '.join(sorted(unknown))}, expected {' or '.join(get_args(Granularity))}")
    if named and _form(given) != "verbose_json":
        raise BadField(name, f"saw {name}, expected it with response_format verbose_json alone")
    return frozenset(each for each in get_args(Granularity) if each in named) or frozenset({"segment"})


# --- answers ---


def _page(kind: str, text: str) -> Page:
    return Page(HTTPStatus.OK, f"{kind}; charset=utf-8", text.encode("utf-8", "replace"))


def _seconds(events: Sequence[Event]) -> float:
    return round(sum(event.audio for event in events if isinstance(event, SessionEnd)), 3)


def _usage(events: Sequence[Event]) -> dict[str, Any]:
    return {"type": "duration", "seconds": _seconds(events)}


def _verbose(asked: Asked, captions: Sequence[Caption], events: Sequence[Event]) -> dict[str, Any]:
    words = [word for caption in captions for word in caption.words]
    body: dict[str, Any] = {
        "task": asked.task,
        "language": LANGUAGES[_language(asked, captions)].name.lower(),
        "duration": _seconds(events),
        "text": text_of(captions),
        "usage": _usage(events),
    }
    if "word" in asked.granularities:
        body["words"] = [_word(word) for word in words]
    if asked.task == "translate" or "segment" in asked.granularities:
        heard = {event.cue: event.words for event in events if isinstance(event, Caption) and event.words}
        body["segments"] = [_segment(n, each, heard.get(each.cue, ())) for n, each in enumerate(captions)]
    return body


def _language(asked: Asked, captions: Sequence[Caption]) -> str:
    """The one that was heard for longest, or that was wanted."""
    heard = Counter[str]()
    for caption in captions:
        heard[caption.language] += max(1, round(1000 * (caption.end - caption.start)))
    return heard.most_common(1)[0][0] if heard else (*asked.pair.targets, *asked.pair.sources)[0]


def _word(word: Word) -> dict[str, Any]:
    return {"word": clean_text(word.text), "start": round(word.start, 2), "end": round(word.end, 2)}


def _segment(number: int, caption: Caption, heard: Sequence[Word]) -> dict[str, Any]:
    """`heard` are the words that it was made of. What is only known inside a Whisper model is empty or 0."""
    text = clean_text(caption.text)
    logs = [math.log(max(word.probability, 1e-6)) for word in heard]
    encoded = text.encode("utf-8", "replace")
    marked = {"untranslated": True} if caption.untranslated else {}  # OpenAI has no word for it
    return {
        "id": number,
        "seek": 0,
        "start": round(caption.start, 2),
        "end": round(caption.end, 2),
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logs) / len(logs), 4) if logs else 0.0,
        "compression_ratio": round(len(encoded) / len(zlib.compress(encoded)), 4),
        "no_speech_prob": 0.0,
        **marked,
    }


# --- errors ---

_CODES = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "file_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}


def _is_full(error: UserError) -> bool:
    """OpenAI's clients come back after a 429, as they should here."""
    return isinstance(error, Refused) and error.close_code is CloseCode.FULL


def _kind(status: HTTPStatus) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return "rate_limit_error" if status is HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"


def _code(error: UserError, status: HTTPStatus) -> str | None:
    return "invalid_value" if isinstance(error, BadField) else _CODES.get(status)
