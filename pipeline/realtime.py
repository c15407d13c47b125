"""OpenAI's realtime translation, as its server speaks it (`/v1/realtime/translations`); text, and no voice.

In: client events (`session.update`, `session.input_audio_buffer.append`, `session.close`), a session's captions. Out:
samples, and server events. Transcripts only ever grow there, so of drafts only what is stable is sent. Knows no socket.

https://developers.openai.com/api/reference/resources/realtime/translation-client-events, and -server-events.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from surtitle.pipeline.appended import Appended
from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption, Event, Samples
from surtitle.pipeline.foreign import Asked, Codes, Pcm
from surtitle.pipeline.languages import find_language, parse_languages
from surtitle.pipeline.messages import VERSION, PublishStart, Refused

RATE = 24_000
"""Hertz of its audio: 16-bit mono PCM, little endian."""
FRAME_MS = 200
"""Its times are multiples of this."""
NO_END = 2**31 - 1
"""When a session expires, in seconds since 1970: ours end when their speakers do."""


class _Transcription(Struct, frozen=True):
    model: str


class _Input(Struct, frozen=True):
    transcription: _Transcription | UnsetType | None = UNSET
    """None, as it is at first: what was said is not sent, only its translation."""
    noise_reduction: Any = UNSET


class _Output(Struct, frozen=True):
    language: Codes | UnsetType = UNSET


class _Audio(Struct, frozen=True):
    input: _Input = _Input()
    output: _Output = _Output()


class _Config(Struct, frozen=True):
    audio: _Audio = _Audio()


class _Update(Struct, tag_field="type", tag="session.update", frozen=True):
    session: _Config


class _Append(Struct, tag_field="type", tag="session.input_audio_buffer.append", frozen=True):
    audio: str


class _Close(Struct, tag_field="type", tag="session.close", frozen=True):
    pass


_decoder = msgspec.json.Decoder(_Update | _Append | _Close)


class _Id(Struct, frozen=True):
    event_id: str | None = None


class Realtime:
    """One connection's; see `foreign.Guest`."""

    def __init__(self, asked: Asked, session: str) -> None:
        self._asked = asked
        self._session = session
        self._language = asked.target
        self._transcription: _Transcription | None = None
        self._noise_reduction: Any = None
        self._pcm = Pcm()
        self._begun = False
        self._ids = itertools.count(1)
        self._said, self._translated = Appended(), Appended()
        self.over = False

    @property
    def start(self) -> PublishStart:
        asked = self._asked
        return PublishStart(VERSION, (asked.source,), (self._language,), RATE, asked.session)

    def greet(self) -> list[str]:
        return [self._event("session.created", session=self._config())]

    def receive(self, message: str | bytes) -> list[Samples | str]:
        """Take a client event. What is wrong with it is answered, and the session goes on."""
        try:
            return self._take(_decoder.decode(message))
        except (msgspec.DecodeError, UnicodeError, RecursionError, UserError) as error:
            return [self._error(str(error), _id(message))]

    def tell(self, event: Event) -> list[str]:
        translated = self._translated.follow(event, parse_languages(self._language)[0])
        if not isinstance(event, Caption):
            return []
        is_said = self._transcription is not None and (event.role == "source" or event.words)
        said = self._said.push(event) if is_said else ""
        deltas = (("session.input_transcript.delta", said), ("session.output_transcript.delta", translated))
        elapsed = round(event.audio * 1000) // FRAME_MS * FRAME_MS
        return [self._event(kind, delta=delta, elapsed_ms=elapsed) for kind, delta in deltas if delta]

    def bye(self) -> list[str]:
        return [self._event("session.closed")]

    @staticmethod
    def refuse(refused: Refused) -> str:
        return _encode("error", "event_refused", error=_described(str(refused), refused.code, None))

    def _take(self, event: _Update | _Append | _Close) -> list[Samples | str]:
        match event:
            case _Append():
                return [self._samples(event.audio)]
            case _Update():
                self._update(event.session.audio)
                return [self._event("session.updated", session=self._config())]
            case _Close():
                self.over = True
                return []

    def _samples(self, audio: str) -> Samples:
        try:
            data = base64.b64decode(audio, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UserError(f"audio: {error}; expected base64 of 16-bit mono PCM at {RATE} Hz") from error
        self._begun = self._begun or bool(data)
        return self._pcm.push(data)

    def _update(self, audio: _Audio) -> None:
        language = audio.output.language
        if language is not UNSET:
            code = find_language(language).code
            if self._begun and code != self._language:
                raise UserError(
                    f"saw the language {code}, expected {self._language} now that audio has begun; reconnect for {code}"
                )
            self._language = code
        if audio.input.transcription is not UNSET:
            self._transcription = audio.input.transcription
        if audio.input.noise_reduction is not UNSET:
            self._noise_reduction = audio.input.noise_reduction

    def _config(self) -> dict[str, Any]:
        return {
            "id": f"sess_{self._session}",
            "type": "translation",
            "model": self._asked.model,
            "expires_at": NO_END,
            "audio": {
                "input": {"transcription": self._transcription, "noise_reduction": self._noise_reduction},
                "output": {"language": self._language},
            },
        }

    def _event(self, kind: str, **fields: Any) -> str:
        return _encode(kind, f"event_{next(self._ids)}", **fields)

    def _error(self, message: str, event_id: str | None) -> str:
        return self._event("error", error=_described(message, "invalid_value", event_id))


def _described(message: str, code: str, event_id: str | None) -> dict[str, Any]:
    return {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": event_id}


def _encode(kind: str, event_id: str, **fields: Any) -> str:
    return msgspec.json.encode({"type": kind, "event_id": event_id, **fields}).decode()


def _id(message: str | bytes) -> str | None:
    """What the client calls its event, if that can be read."""
    try:
        return msgspec.json.decode(message, type=_Id).event_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
