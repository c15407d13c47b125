"""The file of a session's state: what a restarted program goes on from.

In: a path, and what the conversations know. Out: one safetensors file, written whole or not at all, for its owner alone
(it has what was said); and what it held. Knows nothing of what it keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import MAIN_ROOM
from surtitle.pipeline.state import SavedConversations, pack, unpack

T = TypeVar("T")
EVERY = 60.0
"""Seconds between two times that it is written while a session runs: it has tens of megabytes a language."""
_TEXT = "surtitle"
_NEW, _OLD = ".new", ".old"
"""What is added to the name of a file that is being written, and of one that did not fit."""


class StateFile:
    """One file, of one model."""

    def __init__(self, path: Path, llm: str) -> None:
        self._path = path
        self._llm = llm

    def read(self) -> SavedConversations | None:
        """What it holds; None where there is no file. Raises ValueError for what is damaged or does not fit."""
        try:
            if not self._path.exists():
                return None
            with safe_open(self._path, framework="pt") as file:
                text = (file.metadata() or {}).get(_TEXT, "")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            return unpack(text, tensors, self._llm)
        except (OSError, SafetensorError, msgspec.MsgspecError) as error:
            raise ValueError(f"it is not a saved state ({error})") from error

    def write(self, state: SavedConversations) -> None:
        """Put `state` there instead of what is there. Raises UserError where that can't be."""
        text, tensors = pack(state, self._llm)
        new = self._path.with_name(f"{self._path.name}{_NEW}")
        try:
            new.unlink(missing_ok=True)
            os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # before there is anything to read
            save_file(tensors, new, metadata={_TEXT: text})
            new.chmod(0o600)
            new.replace(self._path)
        except (OSError, SafetensorError) as error:
            with suppress(OSError):  # on a full disk, a part of it would take the room of the log's next line
                new.unlink(missing_ok=True)
            raise UserError(
                f"can't write the state {self._path} ({error}): expected a writable folder with free space"
            ) from error

    def resume(self, make: Callable[[SavedConversations | None], T], tell: Callable[[str], object]) -> T:
        """What `make` makes of what the file holds; `tell` hears why that could not be, where it starts afresh."""
        try:
            return make(self.read())
        except ValueError as error:
            made = make(None)  # first: where this fails too, the file is not to blame
            tell(f"{self._path} can't be used: {error}; the context starts afresh, and it is now {self._set_aside()}")
            return made

    def _set_aside(self) -> Path:
        # one alone, and with a name that no room's state can have: publishers may change languages as they like
        kept = self._path.with_name(f"{self._path.name}{_OLD}")
        try:
            return self._path.replace(kept)
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be renamed to {kept.name} ({error.strerror}); choose another file"
            ) from error


def in_room(path: Path, room: str) -> Path:
    """The file of one of a server's rooms: the main one's is `path`, others have their name in it."""
    # a room may be called `new` or `old` too: in `kept.old` would lie what was set aside of `kept`
    dot = "-" if path.suffix in ("", _NEW, _OLD) else "."
    return path if room == MAIN_ROOM else path.with_name(f"{path.stem}{dot}{room}{path.suffix}")


class Keeper:
    """Saves what somebody knows: at most once in `EVERY` seconds, and whenever it is told to."""

    def __init__(
        self,
        state: Callable[[], SavedConversations],
        save: Callable[[SavedConversations], None],
        *,
        now: Callable[[], float],
        tell: Callable[[str], object],
    ) -> None:
        """`now` is in seconds, from any beginning; `tell` hears what went wrong meanwhile."""
        self._state = state
        self._save = save
        self._now = now
        self._tell = tell
        self._saved = now()
        self._told = ""  # since it was last saved

    def keep_if_due(self) -> None:
        """Save if that was long ago. Where it can't be, that is told, and the captions go on."""
        if self._now() >= self._saved + EVERY:
            self._saved = self._now()
            try:
                self.keep()
                self._told = ""
            except UserError as error:
                if str(error) != self._told:  # a disk may be full all night
                    self._tell(f"{error}; trying again in a later pause")
                self._told = str(error)

    def keep(self) -> None:
        """Save now. Raises UserError where it can't be. What was saved before stays where nothing is known."""
        if state := self._state():
            self._save(state)
