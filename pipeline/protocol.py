"""Events to the wire and the log and back; clients' messages, checked.

In: events, and the bytes a client sent. Out: JSON objects (integer milliseconds, text without control
characters), checked client messages, float32 samples, or `Refused` with the close code that says whether to
come back. Knows no socket, ring or file; the messages themselves are in `messages.py`.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import (
    SAMPLE_RATE,
    Caption,
    Event,
    Gap,
    Samples,
    SessionEnd,
    SessionStart,
    Stamps,
    Status,
    Targets,
    Word,
)
from surtitle.pipeline.messages import (
    VERSION,
    BesideAudio,
    CaptionMessage,
    ClientMessage,
    CloseCode,
    EndMessage,
    EventMessage,
    GapMessage,
    Hello,
    Painted,
    PublishSkipped,
    PublishStart,
    PublishStop,
    PublishTargets,
    Refused,
    ServerMessage,
    SessionMessage,
    StampsMessage,
    StatusMessage,
    Subscribe,
    TargetsMessage,
    WordMessage,
)

T = TypeVar("T")

_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]")
_TOKEN = re.compile(r'("token"\s*:\s*")[^"]*')
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return `text` on one line, without control characters, bidi overrides and lone surrogates.

    A model or a file can emit what no speaker can say: terminal escapes, text that reverses its surroundings.
    Works character by character, so `clean_text(a + b) == clean_text(a) + clean_text(b)`.
    """
    return _UNSAFE.sub("", _BREAKS.sub(" ", text))


def to_message(event: Event, seq: int) -> EventMessage:
    """Return the wire form of `event` as a struct."""
    match event:
        case Caption():
            return CaptionMessage(
                seq=seq,
                cue=event.cue,
                rev=event.revision,
                lang=event.language,
                role=event.role,
                final=event.final,
                start_ms=_ms(event.start),
                end_ms=_ms(event.end),
                text=clean_text(event.text),
                stable=len(clean_text(event.text[: event.stable])),
                audio_ms=_ms(event.audio),
                elapsed_ms=_ms(event.elapsed),
                stamps=UNSET if event.stamps is None else _stamps_message(event.stamps),
                untranslated=event.untranslated or UNSET,
                words=tuple(map(_word_message, event.words)) or UNSET,
            )
        case Gap():
            return GapMessage(seq, _ms(event.start), _ms(event.end), event.why)
        case Targets():
            return TargetsMessage(seq, event.targets)
        case SessionStart():
            return SessionMessage(
                seq=seq,
                v=VERSION,
                session=event.session,
                source=event.sources[0],
                sources=event.sources if len(event.sources) > 1 else UNSET,
                targets=event.targets,
                sample_rate=SAMPLE_RATE,
                models=event.models,
                clock=event.clock,
                name=event.room,
                captions=event.captions,
            )
        case Status():
            return StatusMessage(
                seq=seq,
                state=event.state,
                audio_ms=_ms(event.audio),
                elapsed_ms=_ms(event.elapsed),
                lag_ms=UNSET if event.lag is None else _ms(event.lag),
            )
        case SessionEnd():
            return EndMessage(seq, _ms(event.audio), _ms(event.elapsed), event.stats)


def _stamps_message(stamps: Stamps) -> StampsMessage:
    return StampsMessage(
        recognised_ms=_ms(stamps.recognised),
        committed_ms=_ms(stamps.committed),
        first_token_ms=UNSET if stamps.first_token is None else _ms(stamps.first_token),
        last_token_ms=UNSET if stamps.last_token is None else _ms(stamps.last_token),
    )


def _word_message(word: Word) -> WordMessage:
    return WordMessage(clean_text(word.text), _ms(word.start), _ms(word.end), round(word.probability, 3))


def _word(message: WordMessage) -> Word:
    return Word(message.text, message.start_ms / 1000, message.end_ms / 1000, message.probability)


def _stamps(message: StampsMessage) -> Stamps:
    return Stamps(
        recognised=message.recognised_ms / 1000,
        committed=message.committed_ms / 1000,
        first_token=None if message.first_token_ms is UNSET else message.first_token_ms / 1000,
        last_token=None if message.last_token_ms is UNSET else message.last_token_ms / 1000,
    )


def to_wire(event: Event, seq: int) -> dict[str, Any]:
    """Return the wire and log form of `event`: a JSON-ready dict."""
    wire: dict[str, Any] = msgspec.to_builtins(to_message(event, seq))
    return wire


def encode(message: ServerMessage) -> bytes:
    """Return `message` as UTF-8 JSON text."""
    return msgspec.json.encode(message)


_event_decoder = msgspec.json.Decoder(EventMessage)


def parse_event(line: bytes | str) -> tuple[Event, int]:
    """Return the event and its sequence number from a log line or a wire message.

    Raises:
        UserError: the line is not a caption, gap, session, targets, status or end object.
    """
    try:
        message = _event_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"saw {_shown(line)} ({error}), expected a caption, gap, session, targets, status or end object"
        ) from error
    return _from_message(message), message.seq


def _from_message(message: EventMessage) -> Event:
    match message:
        case CaptionMessage():
            return Caption(
                cue=message.cue,
                revision=message.rev,
                language=message.lang,
                role=message.role,
                text=message.text,
                start=message.start_ms / 1000,
                end=message.end_ms / 1000,
                final=message.final,
                stable=message.stable,
                audio=message.audio_ms / 1000,
                elapsed=message.elapsed_ms / 1000,
                stamps=None if message.stamps is UNSET else _stamps(message.stamps),
                untranslated=message.untranslated is True,
                words=() if message.words is UNSET else tuple(map(_word, message.words)),
            )
        case GapMessage():
            return Gap(message.start_ms / 1000, message.end_ms / 1000, message.why)
        case TargetsMessage():
            return Targets(message.targets)
        case SessionMessage():
            return SessionStart(
                message.session,
                message.spoken,
                message.targets,
                message.models,
                message.clock,
                message.name,
                message.captions,
            )
        case StatusMessage():
            lag = None if message.lag_ms is UNSET else message.lag_ms / 1000
            return Status(message.state, lag, message.audio_ms / 1000, message.elapsed_ms / 1000)
        case EndMessage():
            return SessionEnd(message.audio_ms / 1000, message.elapsed_ms / 1000, message.stats)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


# All kinds at once: a decoder of one kind would let a message pass that does not say its type.
_client_decoder = msgspec.json.Decoder(ClientMessage)


def parse_hello(message: str | bytes) -> Hello:
    """Return a viewer's first message; raises `Refused` (bad message, wrong version)."""
    hello = _decode((Hello,), message, '{"type":"hello","v":1}')
    _check_version(hello.v)
    return hello


def parse_viewer(message: str | bytes) -> Painted | Subscribe:
    """Return what a viewer says after its hello; raises `Refused` (bad message)."""
    example = '{"type":"painted","seq":17} or {"type":"subscribe","langs":["de"]}, and nothing else after hello'
    kinds: tuple[type[Painted | Subscribe], ...] = (Painted, Subscribe)
    return _decode(kinds, message, example)


def parse_start(message: str | bytes) -> PublishStart:
    """Return a publisher's first message; raises `Refused` (bad message, wrong version)."""
    example = '{"type":"start","v":1,"from":"en","to":["es"],"sample_rate":16000}'
    start = _decode((PublishStart,), message, example)
    _check_version(start.v)
    return start


def parse_publisher(message: str | bytes) -> BesideAudio:
    """Return what a publisher says beside its audio; raises `Refused` (bad message)."""
    example = '{"type":"skipped","samples":1600}, {"type":"translate","to":["es"]}, {"type":"stop"} or binary PCM'
    kinds: tuple[type[BesideAudio], ...] = (PublishStop, PublishSkipped, PublishTargets)
    return _decode(kinds, message, example)


def parse_pcm(message: bytes) -> Samples:
    """Return s16le mono PCM as float32 in [-1, 1); raises `Refused` when the bytes end inside a sample."""
    if len(message) % 2:
        raise Refused(
            CloseCode.BAD_MESSAGE,
            f"saw {len(message)} bytes of audio, expected an even number: s16le mono has two bytes a sample",
        )
    return np.frombuffer(message, dtype="<i2").astype(np.float32) / np.float32(32768)


def _decode(kinds: tuple[type[T], ...], message: str | bytes, example: str) -> T:
    try:
        decoded = _client_decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused(
            CloseCode.BAD_MESSAGE, f"saw {_shown(message)} ({error}), expected something like {example}"
        ) from error
    if not isinstance(decoded, kinds):
        raise Refused(CloseCode.BAD_MESSAGE, f"saw {_shown(message)}, expected something like {example}")
    return decoded


def _check_version(version: int) -> None:
    if version != VERSION:
        raise Refused(CloseCode.WRONG_VERSION, f"saw protocol version {version}, expected {VERSION}")


def _shown(message: str | bytes) -> str:
    """Return the beginning of what was seen, quoted, safe to print and without the token that may stand in it."""
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else message
    text = _TOKEN.sub(r"\1…", text[:400])
    return repr(text if len(text) <= 60 else text[:60] + "…")
