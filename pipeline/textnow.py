"""The newest caption in a file of its own, for programs that show a text file: OBS, vMix.

In: events, on the event loop. Out: a file for each target language, put in place whole, so that nobody reads half of a
caption, and emptied when that is old. Knows no hub and no format.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from surtitle.pipeline.errors import UserError, unwritable
from surtitle.pipeline.events import Caption, Event
from surtitle.pipeline.outputs import beside
from surtitle.pipeline.protocol import clean_text

HOLD = 20.0
"""Seconds that a caption stays where no other comes, as on the overlay. Those who watch count them, so they are no
audio's: a microphone that is lost must not leave its last words on a screen."""


class TextNow:
    """One run's files."""

    def __init__(self, path: Path, targets: Iterable[str], *, hold: float = HOLD) -> None:
        """Empty `path`, for the first target, and those that stand beside it; a caption stays for `hold` seconds.

        Raises:
            UserError: A file can not be written.
        """
        self._path = path.resolve()  # what a link leads to is replaced, and not the link
        self._hold = hold
        self._files: dict[str, Path] = {}
        self._old: dict[str, asyncio.TimerHandle] = {}
        for language in targets:
            self._write(language, "")

    def publish(self, event: Event) -> None:
        """Show a final caption of a target language.

        Raises:
            UserError: The disk is full, or a file can not be written any more.
        """
        if isinstance(event, Caption) and event.final and event.role == "target":
            self._write(event.language, clean_text(event.text))
            if event.language in self._old:
                self._old[event.language].cancel()
            loop = asyncio.get_running_loop()
            self._old[event.language] = loop.call_later(self._hold, self._clear, event.language)

    def close(self) -> None:
        """Empty the files."""
        for handle in self._old.values():
            handle.cancel()
        for language in self._files:
            self._clear(language)

    def _clear(self, language: str) -> None:
        with suppress(UserError):  # the next caption says it
            self._write(language, "")

    def _write(self, language: str, text: str) -> None:
        path = self._files.setdefault(language, beside(self._path, language if self._files else None))
        new = path.with_name(f".{path.name}.new")
        try:
            if path.exists() and not path.is_file():  # /dev/null can be written, but must not be replaced
                raise UserError(f"{path}: is not a file that can be replaced; choose another")
            new.write_text(text, encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise unwritable(path, error) from error
