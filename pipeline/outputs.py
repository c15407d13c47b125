"""Captions into files: the log of everything, and what is said in the formats of `subtitles.py`.

In: wire objects (`protocol.py`) for the log, events for the rest. Out: files that are only appended to, and whole
after every write, so that a crash loses nothing that was written. Knows no hub, socket or clock.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from io import FileIO
from itertools import chain, count
from pathlib import Path
from typing import TypeAlias, get_args

from surtitle.pipeline.errors import UserError, cure, unwritable
from surtitle.pipeline.events import Caption, Event, SessionEnd, SessionStart, Status
from surtitle.pipeline.lines import LineWriter
from surtitle.pipeline.subtitles import Format, subtitles

Keep: TypeAlias = Callable[[str], object] | None
"""Told where what an earlier run wrote is now: `talk.srt` becomes `talk-1.srt`, then `talk-2.srt`. None: it is lost."""


class JsonLog:
    """One JSON object a line, in the file before `write` returns. Its owner alone can read it: it is what was said."""

    def __init__(self, path: Path, *, keep: Keep = None) -> None:
        """Begin the log anew.

        Raises:
            UserError: The file can not be written.
        """
        self._file = _create(path, mode=0o600, keep=keep)
        self._lines = LineWriter(partial(_write, self._file, path))

    def write(self, record: Mapping[str, object]) -> None:
        """Append one record.

        Raises:
            UserError: The disk is full, or the file can not be written any more.
        """
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        # Half of a surrogate pair has no UTF-8, but has a JSON escape, which is how Python writes it too.
        self._lines.push(text.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        self._file.close()


class CaptionFiles:
    """The final captions of each target language in a file of its own, all in one format."""

    def __init__(self, path: Path, targets: Iterable[str], form: Format, *, keep: Keep = None) -> None:
        """Begin one file for each target: `path` for the first, `path` with `.de` before the suffix for `de`.

        Raises:
            UserError: A file can not be written.
        """
        self._path, self._form, self._keep = path, form, keep
        self._files: dict[str, _CaptionFile] = {}
        with ExitStack() as self._opened:
            for language in targets:
                self._begin(language)
            self._opened = self._opened.pop_all()

    def publish(self, event: Event) -> None:
        """Append what a final caption of a target language brings; drafts and the source are not for files.

        Raises:
            UserError: The disk is full, or a file can not be written any more.
        """
        _publish(event, self._files.values())
        if isinstance(event, Caption) and event.final and event.role == "target":
            if event.language not in self._files:  # it came to be wanted later
                self._begin(event.language)
            self._files[event.language].write(event)

    def _begin(self, language: str) -> None:
        own = beside(self._path, language if self._files else None)
        file = _CaptionFile(own, self._form, mode=0o666, keep=self._keep)
        self._files[language] = self._opened.enter_context(closing(file))

    def close(self) -> None:
        """Append what was held, and close the files."""
        self._opened.close()


def beside(path: Path, language: str | None) -> Path:
    """Where the captions of `language` are, if those of the first one, None, are in `path`."""
    return path if language is None else path.with_name(f"{path.stem}.{language}{path.suffix}")


class Recorder:
    """Sessions in a folder, one after the other: every language that is spoken or wanted, in every format."""

    def __init__(self, folder: Path, name: str) -> None:
        """Keep in `folder` what is said in the room called `name`.

        Raises:
            UserError: The folder can not be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot be made a folder ({error.strerror}); choose another") from error
        self._folder = folder
        self._name = name
        self._stem = ""
        self._files: dict[str, list[_CaptionFile]] = {}
        self._opened = ExitStack()

    def publish(self, event: Event) -> None:
        """Append what an event brings; a language's files begin with its first caption.

        Raises:
            UserError: The disk is full, or a file can not be written.
        """
        _publish(event, chain.from_iterable(self._files.values()))
        match event:
            case SessionStart():
                self.close()
            case Caption(final=True, language=language):
                if not self._files:  # not before: until now nothing shows another program that this name is taken
                    self._stem = self._free_stem()
                if language not in self._files:
                    self._files[language] = [self._begin(language, form) for form in get_args(Format)]
                for file in self._files[language]:
                    file.write(event)

    def close(self) -> None:
        """Append what was held, and close the files."""
        self._files = {}
        self._opened.close()

    def _free_stem(self) -> str:
        """The first number that nothing is recorded under: `main-1`, then `main-2`."""
        begin = f"{self._name}-"
        # on many disks, Main-1 is the same file
        names = (path.name.casefold() for path in self._folder.glob("*-*.*"))
        taken = {name.removeprefix(begin.casefold()).partition(".")[0] for name in names}
        return next(f"{begin}{number}" for number in count(1) if str(number) not in taken)

    def _begin(self, language: str, form: Format) -> _CaptionFile:
        path = self._folder / f"{self._stem}.{language}.{form}"
        return self._opened.enter_context(closing(_CaptionFile(path, form, mode=0o600)))


def _publish(event: Event, files: Iterable[_CaptionFile]) -> None:
    """Tell files how far the audio has come, or that it is over."""
    for file in files:
        match event:
            case Caption(audio=audio) | Status(audio=audio):
                file.advance(audio)
            case SessionEnd():
                file.flush()


class _CaptionFile:
    """One language in one format, whole after each write."""

    def __init__(self, path: Path, form: Format, mode: int, keep: Keep = None) -> None:
        self._path = path
        self._captions = subtitles(form)
        self._file = _create(path, mode, keep)
        self._append(self._captions.header)

    def write(self, caption: Caption) -> None:
        self._append(self._captions.push(caption))

    def advance(self, audio: float) -> None:
        self._append(self._captions.advance(audio))

    def flush(self) -> None:
        self._append(self._captions.flush())

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    def _append(self, text: str) -> None:
        left = text.encode()
        while left:
            left = left[_write(self._file, self._path, left) :]


def _set_aside(path: Path, tell: Callable[[str], object]) -> None:
    if not path.is_file() or not path.stat().st_size:
        return
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
    free = next(each for each in names if not each.exists())
    try:
        path.rename(free)
    except OSError as error:
        raise UserError(f"{path}: cannot be renamed to {free.name} ({error.strerror}); choose another file") from error
    tell(f"{path}: an earlier run's file is kept as {free.name}")


def _create(path: Path, mode: int, keep: Keep) -> FileIO:
    if keep is not None:
        _set_aside(path, keep)
    try:
        # appending: what somebody else empties, to put away what is in it, begins anew and without a hole
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, mode)
    except OSError as error:
        raise unwritable(path, error) from error
    # A file that was there keeps its mode through open(). Only a plain file: this may be /dev/null or a pipe.
    if mode == 0o600 and stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.chmod(path, mode)
    return FileIO(descriptor, "wb")


def _write(file: FileIO, path: Path, data: bytes) -> int:
    """Write what is taken of `data`, for nothing is buffered; return how much that is."""
    try:
        return file.write(data)
    except OSError as error:
        how = cure(error, "see what is wrong with its disk")
        raise UserError(f"{path}: can no longer be written ({error.strerror}); {how}") from error
