"""simulstream's websocket, as its server speaks it (version 1.0): JSON that configures, audio, and text that grows.

In: text messages (`sample_rate`, `source_lang`, `target_lang`; `end_of_stream`), 16-bit PCM, a session's captions. Out:
samples, and `{"new": ..., "deleted": ""}`: nothing is ever taken back here. Knows no socket.

https://github.com/hlt-mt/simulstream
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from surtitle.pipeline.appended import Appended
from surtitle.pipeline.events import SAMPLE_RATE, Event, Samples
from surtitle.pipeline.foreign import Asked, Codes, Pcm
from surtitle.pipeline.languages import parse_languages
from surtitle.pipeline.messages import VERSION, CloseCode, PublishStart, Refused


class _Text(Struct, frozen=True):
    """Any text message; other fields, such as `metrics_metadata`, are for its server's own log."""

    sample_rate: Annotated[int, Meta(ge=8_000, le=96_000)] | None = None
    source_lang: Codes | None = None
    target_lang: Codes | None = None
    end_of_stream: Any = None


_decoder = msgspec.json.Decoder(_Text)


class Simulstream:
    """One connection's; see `foreign.Guest`."""

    def __init__(self, asked: Asked, session: str) -> None:
        self._source, self._target, self._room = asked.source, asked.target, asked.session
        self._rate = SAMPLE_RATE
        self._pcm = Pcm()
        self._begun = False
        self._text = Appended()
        self.over = False

    @property
    def start(self) -> PublishStart:
        return PublishStart(VERSION, (self._source,), (self._target,), self._rate, self._room)

    def greet(self) -> list[str]:
        return []

    def receive(self, message: str | bytes) -> list[Samples | str]:
        """Take a message; raises `Refused` for what is none of the protocol's, or comes too late."""
        if isinstance(message, str):
            self._configure(message)
            return []
        self._begun = self._begun or bool(message)
        return [self._pcm.push(message)]

    def tell(self, event: Event) -> list[str]:
        added = self._text.follow(event, parse_languages(self._target)[0])
        return [_output(added)] if added else []

    def bye(self) -> list[str]:
        return [_output(""), '{"end_of_processing": true}']

    @staticmethod
    def refuse(refused: Refused) -> str:
        return json.dumps({"error": str(refused)}, ensure_ascii=False)

    def _configure(self, message: str) -> None:
        try:
            text = _decoder.decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise Refused(CloseCode.BAD_MESSAGE, f"{error}; expected sample_rate, source_lang, target_lang") from error
        wanted = (text.source_lang or self._source, text.target_lang or self._target, text.sample_rate or self._rate)
        if self._begun and wanted != (self._source, self._target, self._rate):
            raise Refused(CloseCode.BAD_MESSAGE, "saw another configuration after audio, expected it before any audio")
        self._source, self._target, self._rate = wanted
        self.over = text.end_of_stream is not None


def _output(new: str) -> str:
    return json.dumps({"new": new, "deleted": ""}, ensure_ascii=False)
