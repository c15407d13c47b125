"""OpenAI's speech endpoints: a recording is sent, and what was said in it comes back, or its translation.

In: requests. Out: answers made by a session of their own, which counts among those that run at once. A client that
leaves ends it. What is asked and answered is in `transcripts.py`. Knows no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import MAIN_ROOM, Event
from surtitle.pipeline.files import CAPTIONED
from surtitle.pipeline.http import Answer, BadField, Handler, Request
from surtitle.pipeline.languages import Pair
from surtitle.pipeline.rooms import Rooms
from surtitle.pipeline.tokens import Tokens
from surtitle.pipeline.transcripts import Asked, Fields, answer, failure, transcription, translation
from surtitle.pipeline.uploads import FILE, Form, received

UPLOAD_BYTES = 200 * 1024 * 1024
"""The largest request: 1.8 hours of 16 kHz WAV, or days of anything compressed."""

OnRecording = Callable[[Path, Pair], Awaitable[list[Event]]]
"""Captions a recording; returns everything that its session said. Raises UserError for what is no recording."""


class Transcriptions:
    """What answers at OpenAI's paths."""

    def __init__(self, rooms: Rooms, tokens: Callable[[], Tokens], on_recording: OnRecording) -> None:
        """`rooms` are those of the server, whose sessions share the models; `tokens` returns those of now."""
        self._rooms = rooms
        self._tokens = tokens
        self._on_recording = on_recording
        self._laying_out = ThreadPoolExecutor(1, "transcripts")  # of its own: sessions need the event loop's threads

    def routes(self) -> Mapping[tuple[str, str], Handler]:
        """Return a handler for each method and path."""
        return {
            ("POST", "/v1/audio/transcriptions"): partial(self._answer, transcription),
            ("POST", "/v1/audio/translations"): partial(self._answer, translation),
        }

    async def _answer(self, read: Callable[[Fields], Asked], request: Request) -> Answer:
        try:
            session = request.head.field("session", MAIN_ROOM)
            self._tokens().admit(request.head.secret, "publish", session)
            # Before the file is taken: so many files may be on the disk at once, and no more.
            with self._rooms.unwatched():
                async with received(request, UPLOAD_BYTES) as form:
                    asked = read(form.fields)
                    events = await self._caption(form, asked.pair)
                    # hours of talk take seconds: not on the loop
                    return await asyncio.get_running_loop().run_in_executor(self._laying_out, answer, asked, events)
        except UserError as error:
            return failure(error)

    async def _caption(self, form: Form, pair: Pair) -> list[Event]:
        try:
            return await self._on_recording(form.file, pair)
        except UserError as error:
            if str(form.file) not in str(error):
                raise
            # The sender knows its file by its own name, and is given all of it or nothing.
            why = str(error).replace(str(form.file), form.name).replace(CAPTIONED, ", expected a whole recording")
            raise BadField(FILE, why) from error
