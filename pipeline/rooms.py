"""Rooms: named places on a server, each with a hub, where one session runs at a time and viewers watch.

In: names, as viewers and speakers come. Out: rooms, made when they are first named and forgotten when nobody needs
them; or `Refused`. Knows no socket, task or clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from surtitle.pipeline.events import MAIN_ROOM, Sound
from surtitle.pipeline.hub import Hub
from surtitle.pipeline.messages import CloseCode, PublishStart, Refused

SPARE = 64
"""How many rooms are kept in which nobody has spoken yet; and how many in which nobody speaks or watches any more."""
Retarget = Callable[[tuple[str, ...]], None]
"""Told all the languages that are to be translated into from now on."""


@dataclass(slots=True, eq=False)
class Room:
    """One speaker at a time, any number of viewers."""

    name: str
    hub: Hub
    speaking: bool = False
    """Whether a session runs here, or is being prepared."""
    spoken: bool = False
    """Whether one has run here."""
    retarget: Retarget | None = None
    """Asks the session that runs here for other translations; None where none runs."""

    @property
    def deserted(self) -> bool:
        """Whether nobody speaks or watches here."""
        return not self.speaking and not self.hub.viewers


Ready = Callable[[], Awaitable[None]]
"""To be called once a publisher's audio is heard."""
OnPublish = Callable[[PublishStart, AsyncIterator[Sound], Room, Ready], Awaitable[None]]
"""Runs one publisher's session in its room: the sound is at the rate that `PublishStart` names; the iterator ends
when the publisher stops, leaves or sends nonsense. A `UserError` is told to the publisher."""


class Rooms:
    """All rooms of a server, those that were spoken in longest ago first."""

    def __init__(self, make: Callable[[], Hub], *, sessions: int | None = None) -> None:
        """Begin without rooms.

        Args:
            make: A new hub, with an epoch of its own.
            sessions: How many sessions may run at once; None for any number.
        """
        self._make = make
        self._sessions = sessions
        self._unwatched = 0
        self._rooms: dict[str, Room] = {}

    def __iter__(self) -> Iterator[Room]:
        self._forget()
        return iter(list(self._rooms.values()))

    def find(self, name: str) -> Room | None:
        """The room called `name`, if there is one."""
        self._forget()
        return self._rooms.get(name)

    def watch(self, name: str) -> Room:
        """The room for a viewer, who joins its hub at once; nobody need have spoken there.

        Raises:
            Refused: there are too many rooms in which nobody has spoken yet (`CloseCode.FULL`).
        """
        if (room := self.find(name)) is not None:
            return room
        # in the main one, whatever names others have made up
        if name != MAIN_ROOM and sum(not room.spoken for room in self._rooms.values()) >= SPARE:
            raise Refused(
                CloseCode.FULL, f"nobody has spoken in session {name!r}, and {SPARE} more wait for a speaker; try later"
            )
        return self._add(name)

    def speak(self, name: str) -> Room:
        """The room for a session; `hush` it when the session is over.

        Raises:
            Refused: one is there already (`CloseCode.BUSY`), or there are too many elsewhere (`CloseCode.FULL`).
        """
        room = self._rooms.get(name)
        if room is not None and room.speaking:
            raise Refused(
                CloseCode.BUSY, f"someone else is speaking in session {name!r}; try again when they have stopped"
            )
        self._check_full()
        room = self._rooms.pop(name, None) or self._add(name)
        self._rooms[name] = room
        room.speaking = room.spoken = True
        return room

    def hush(self, room: Room) -> None:
        """Nobody speaks in `room` any more; what was said stays to be read."""
        room.speaking = False
        self._forget()

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """A session that needs no room, since nobody watches it, counts among those that run.

        Raises:
            Refused: there are too many (`CloseCode.FULL`).
        """
        self._check_full()
        self._unwatched += 1
        try:
            yield
        finally:
            self._unwatched -= 1

    def _check_full(self) -> None:
        running = self._unwatched + sum(room.speaking for room in self._rooms.values())
        if self._sessions is not None and running >= self._sessions:
            raise Refused(CloseCode.FULL, f"{self._sessions} sessions are running, as many as may; try again later")

    def _add(self, name: str) -> Room:
        room = self._rooms[name] = Room(name, self._make())
        return room

    def _forget(self) -> None:
        deserted = [room for room in self._rooms.values() if room.deserted]
        silent = [room for room in deserted if room.spoken]
        unused = [room for room in deserted if not room.spoken]
        for room in [*unused, *silent[:-SPARE]]:
            del self._rooms[room.name]
