"""Captions into files: the log of everything, and subtitles that any player reads.

In: wire objects (`protocol.py`) for the log, captions for the subtitles. Out: files that are whole after
every write, so that a crash loses nothing that was written. Knows no hub, socket or clock. What a speaker
or a model says is untrusted text: in a subtitle file it may neither end its cue nor be taken for markup.
"""

from __future__ import annotations

import json
import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import Caption

Format = Literal["srt", "vtt"]

MIN_CUE_MS, MAX_CUE_MS = 833, 7_000
"""Milliseconds a subtitle is shown: five sixths of a second to seven seconds, as broadcasters do."""


class JsonLog:
    """One JSON object a line, in the file before `write` returns. Readable by its owner alone: it is what
    was said."""

    def __init__(self, path: Path) -> None:
        """Begin the log anew.

        Raises:
            UserError: The file can not be written.
        """
        self._path = path
        self._file = _create(path, mode=0o600)

    def write(self, record: Mapping[str, object]) -> None:
        """Append one record.

        Raises:
            UserError: The disk is full, or the file can not be written any more.
        """
        line = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        # Half of a surrogate pair has no UTF-8, but has a JSON escape, which is how Python writes it too.
        _append(self._file, self._path, line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SubtitleFiles:
    """The final captions of each target language in a file of its own."""

    def __init__(self, path: Path, targets: Iterable[str], form: Format) -> None:
        """Begin one file for each target: `path` for the first, `path` with `.de` before the suffix for `de`.

        Raises:
            UserError: A file can not be written.
        """
        self._files: dict[str, _SubtitleFile] = {}
        for language in targets:
            own = path if not self._files else path.with_name(f"{path.stem}.{language}{path.suffix}")
            self._files[language] = _SubtitleFile(own, form)

    def write(self, caption: Caption) -> None:
        """Append a final caption of a target language; drafts and the source are not for files.

        Raises:
            UserError: The disk is full, or the file can not be written any more.
        """
        if caption.final and caption.role == "target":
            self._files[caption.language].write(caption)

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _SubtitleFile:
    """One language's subtitles, a whole cue at a time."""

    def __init__(self, path: Path, form: Format) -> None:
        self._path = path
        self._form = form
        self._cues = 0
        self._shown_until_ms = 0
        self._file = _create(path, mode=0o666)
        if form == "vtt":
            _append(self._file, path, b"WEBVTT\n\n")

    def write(self, caption: Caption) -> None:
        text = plain(caption.text) if self._form == "srt" else escaped(caption.text)
        if not text:
            return
        start_ms, end_ms = shown(caption, self._shown_until_ms)
        self._cues += 1
        self._shown_until_ms = end_ms
        point = "," if self._form == "srt" else "."
        cue = f"{self._cues}\n{_clock(start_ms, point)} --> {_clock(end_ms, point)}\n{text}\n\n"
        _append(self._file, self._path, cue.encode("utf-8", "replace"))

    def close(self) -> None:
        self._file.close()


def shown(caption: Caption, free_from_ms: int) -> tuple[int, int]:
    """When to show a caption, in milliseconds: long enough to read, not too long, after the one before it.

    The next caption is not known yet, so it is always the later one that gives way.
    """
    start = max(round(caption.start * 1000), free_from_ms)
    end = max(round(caption.end * 1000), start + MIN_CUE_MS)
    return start, min(end, start + MAX_CUE_MS)


def plain(text: str) -> str:
    """`text` for SubRip, which has markup but no escapes: the characters of its markup become look-alikes."""
    return _one_line(text).translate({ord("<"): "‹", ord(">"): "›"})


def escaped(text: str) -> str:
    """`text` for WebVTT, which has escapes; `>` too, since `-->` may not stand in a cue."""
    return _one_line(text).translate({ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"})


def _one_line(text: str) -> str:
    """No line ends (an empty line would end the cue), no controls, no braces (players take them for
    styles)."""
    line = " ".join(text.split())
    braceless = line.translate({ord("{"): "(", ord("}"): ")"})
    return "".join(char for char in braceless if unicodedata.category(char) != "Cc")


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _create(path: Path, mode: int) -> FileIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    except OSError as error:
        raise UserError(f"{path}: can not be written ({error.strerror}); name another file") from error
    # A file that was there keeps its mode through open(). Only a plain file: this may be /dev/null or a pipe.
    if mode == 0o600 and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.chmod(path, mode)
    return FileIO(descriptor, "wb")


def _append(file: FileIO, path: Path, data: bytes) -> None:
    try:
        while data:  # Unbuffered: a write may take less than it is given.
            data = data[file.write(data) :]
    except OSError as error:
        raise UserError(f"{path}: can not be written any more ({error.strerror}); free some space") from error
