"""The hub: one ring of encoded messages, any number of viewers with a cursor each.

In: events, in the order they happened. Out: for each viewer the messages it asked for: every final exactly
once and in order, of each draft and of the session's status at most the newest. Knows no socket, task or clock: a
viewer that stops taking costs nothing and delays nobody, because all it has is a number.

Not thread-safe: publish, join and take on one thread (the event loop's).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from surtitle.pipeline.callbacks import ignore
from surtitle.pipeline.events import Caption, Event, SessionEnd, SessionStart, Status, Targets
from surtitle.pipeline.messages import (
    VERSION,
    BeatMessage,
    CloseCode,
    Refused,
    SessionMessage,
    Since,
    SnapshotMessage,
    WelcomeMessage,
)
from surtitle.pipeline.protocol import encode, to_message

_Slot = tuple[int, str]
"""What a message may take the place of: the caption before of its cue and language, or the status before."""
_STATUS: _Slot = (-1, "")


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """One message in the ring."""

    seq: int
    message: bytes
    """JSON text, encoded once for all viewers."""
    language: str | None
    """Of a caption; None for what every viewer gets."""
    slot: _Slot | None
    """Of captions and statuses."""
    final: bool
    """Whether it must not be dropped: whatever is neither draft nor status."""
    wanted: bool
    """Whether it is there because its language is a target, and goes when that is one no more. What was said in such a
    language stays: once it is final, it has its words."""


def _seq(entry: _Entry) -> int:
    return entry.seq


class Hub:
    """Numbers events, keeps the newest in a ring and hands them to viewers."""

    def __init__(
        self, epoch: str, *, ring: int = 4096, history: int = 20, now: Callable[[], float] | None = None
    ) -> None:
        """Make an empty hub.

        Args:
            epoch: A name for this hub's numbering, new at each start of the program.
            ring: How many messages are kept for viewers that lag or resume.
            history: How many finals of each language a viewer that comes late is shown.
            now: Tells seconds, from any beginning; without it nobody is told how old captions are.
        """
        assert min(ring, history) > 0, "a hub keeps at least one message"
        self.epoch = epoch
        self.seq = 0
        """The sequence number of the newest event; 0 before the first."""
        self.session: SessionMessage | None = None
        """The running session, with the translations that it has now."""
        self.on_painted: Callable[[int, str], None] = ignore
        """Told the cue and language of each final that a viewer says it has painted."""
        self._limit = ring
        self._ring: list[_Entry] = []
        self._history_length = history
        self._history: dict[str, deque[_Entry]] = {}
        self._open: dict[_Slot, _Entry] = {}  # drafts and the status: what a newer message will take the place of
        # The newest sequence number that left the ring for good, by language: superseded drafts are no loss.
        self._lost: dict[str | None, int] = {}
        self._newest_lost = 0
        self._began = 0
        self._now = now
        self._audio_began: float | None = None  # of the newest session, by `now`
        self._viewers: set[Viewer] = set()

    @property
    def viewers(self) -> int:
        """How many viewers have joined and not left."""
        return len(self._viewers)

    def publish(self, event: Event) -> int:
        """Number `event`, keep it and wake the viewers that want it; return its sequence number."""
        self.seq += 1
        message = to_message(event, self.seq)
        language = event.language if isinstance(event, Caption) else None
        entry = _Entry(self.seq, encode(message), language, _slot(event), _is_final(event), _is_wanted(event))
        if self._now is not None and isinstance(event, Caption | Status | SessionEnd):
            self._audio_began = self._now() - event.elapsed
        match event:
            case SessionStart():
                self._began, self._audio_began = self.seq, None
                self._forget()
                self.session = message if isinstance(message, SessionMessage) else None
            case Targets(targets=targets) if self.session is not None:
                self._retarget(self.session, targets)
            case SessionEnd():
                for slot in [*self._open]:
                    self._supersede(slot)
                self.session = None
            case _ if entry.slot is not None:
                self._remember(entry, entry.slot)
        self._ring.append(entry)
        if len(self._ring) > self._limit:
            self._evict()
        for viewer in self._viewers:
            if viewer.wants(entry.language):
                viewer.wake()
        return self.seq

    def join(
        self, langs: Collection[str] = (), since: Since | None = None, wake: Callable[[], None] = ignore
    ) -> Viewer:
        """Add a viewer; its first messages are `welcome` and, unless it resumes without loss, `snapshot` and `status`.

        Args:
            langs: The languages it wants; none means all, and `pt-BR` means `pt` too.
            since: The last message it saw, when it comes back.
            wake: Called on each publish of something this viewer wants; must not raise or publish.
        """
        viewer = Viewer(self, langs, wake)
        lost = self.lost(viewer)
        if since is not None and since.epoch == self.epoch and lost <= since.seq <= self.seq:
            viewer.start([self._welcome(viewer, recovered=True)], since.seq)
        else:
            self.greet(viewer)
        self._viewers.add(viewer)
        return viewer

    def greet(self, viewer: Viewer) -> None:
        """Let `viewer` begin with what those that come late are shown, and go on from now."""
        greeting = [self._welcome(viewer, recovered=False), self._snapshot(viewer)]
        if status := self._open.get(_STATUS):
            greeting.append(status.message)
        viewer.start(greeting, self.seq)

    def leave(self, viewer: Viewer) -> None:
        """Forget `viewer`; it is no longer woken."""
        self._viewers.discard(viewer)

    def wake_all(self) -> None:
        """Wake every viewer, whether or not there is something for it."""
        for viewer in self._viewers:
            viewer.wake()

    def after(self, seq: int) -> Iterator[_Entry]:
        """Yield what the ring holds after `seq`."""
        ring = self._ring
        # Nearly always it is the newest alone that is asked for.
        newest = len(ring) > 1 and ring[-2].seq <= seq < ring[-1].seq
        first = len(ring) - 1 if newest else bisect_right(ring, seq, key=_seq)
        for index in range(first, len(ring)):
            yield ring[index]

    def finals(self, language: str) -> list[bytes]:
        """Return the final captions in `language` of the newest session that the ring still holds, oldest first."""
        meant = _meant([language])
        return [entry.message for entry in self.after(self._began) if entry.final and entry.language in meant]

    def painted(self, seq: int) -> None:
        """A viewer has painted the caption numbered `seq`; of interest if it is a final and still in the ring."""
        if seq <= self._began:  # of a session that is over: another caption has its cue now
            return
        entry = next(self.after(seq - 1), None)
        if entry is not None and entry.seq == seq and entry.final and entry.slot is not None:
            self.on_painted(*entry.slot)

    def lost(self, viewer: Viewer) -> int:
        """Return the newest sequence number that `viewer` wants and the ring no longer holds; 0 if none."""
        return max((seq for language, seq in self._lost.items() if viewer.wants(language)), default=0)

    def has_lost(self, viewer: Viewer, seq: int) -> bool:
        """Whether something after `seq` that `viewer` wants has left the ring; asked for every message, so quick."""
        return seq < self._newest_lost and seq < self.lost(viewer)

    def _remember(self, entry: _Entry, slot: _Slot) -> None:
        """Let `entry` take the place of what is in its slot, in the ring and in what late viewers are shown."""
        self._supersede(slot)
        if not entry.final:
            self._open[slot] = entry
        elif entry.language is not None:
            self._history.setdefault(entry.language, deque(maxlen=self._history_length)).append(entry)

    def _retarget(self, session: SessionMessage, targets: tuple[str, ...]) -> None:
        """Other translations: nobody who comes late is shown those that are gone, and their drafts stay unfinished."""
        self.session = replace(session, targets=targets)
        for slot, entry in list(self._open.items()):
            if entry.wanted and entry.language not in targets:
                self._supersede(slot)
        for language in self._history.keys() - {*targets}:
            said = [entry for entry in self._history.pop(language) if not entry.wanted]
            if said:
                self._history[language] = deque(said, self._history_length)

    def _supersede(self, slot: _Slot) -> None:
        superseded = self._open.pop(slot, None)
        if superseded is not None:
            del self._ring[bisect_left(self._ring, superseded.seq, key=_seq)]

    def _forget(self) -> None:
        """Drop what belongs to the session before: its drafts stay unfinished, its cues will be reused."""
        self._ring = [entry for entry in self._ring if entry.final]
        self._open.clear()
        self._history.clear()

    def _evict(self) -> None:
        entry = self._ring.pop(0)
        if entry.final:
            self._lost[entry.language] = self._newest_lost = entry.seq
        elif entry.slot is not None:
            del self._open[entry.slot]

    def _welcome(self, viewer: Viewer, *, recovered: bool) -> bytes:
        return encode(
            WelcomeMessage(
                v=VERSION,
                epoch=self.epoch,
                seq=self.seq,
                recovered=recovered,
                ring_first=self.lost(viewer) + 1,
                langs=viewer.langs,
                session=self.session if self.session is not None else UNSET,
                now_ms=self._now_ms(),
            )
        )

    def _now_ms(self) -> int | UnsetType:
        if self._now is None or self._audio_began is None:
            return UNSET
        return round((self._now() - self._audio_began) * 1000)

    def _snapshot(self, viewer: Viewer) -> bytes:
        shown = [entry for finals in self._history.values() for entry in finals]
        shown += (entry for entry in self._open.values() if entry.language is not None)
        wanted = sorted((entry for entry in shown if viewer.wants(entry.language)), key=_seq)
        return encode(SnapshotMessage([Raw(entry.message) for entry in wanted]))


def _meant(langs: Iterable[str]) -> frozenset[str]:
    """The languages of captions for who asks for `langs`: `pt-BR` means `pt` too."""
    parts = [lang.split("-") for lang in langs]
    return frozenset("-".join(each[:count]) for each in parts for count in range(1, len(each) + 1))


def _slot(event: Event) -> _Slot | None:
    match event:
        case Caption():
            return event.cue, event.language
        case Status():
            return _STATUS
        case _:
            return None


def _is_final(event: Event) -> bool:
    return not isinstance(event, Status) and (not isinstance(event, Caption) or event.final)


def _is_wanted(event: Event) -> bool:
    return isinstance(event, Caption) and event.role == "target" and not event.words


class Viewer:
    """A cursor into the hub's ring and the languages it shows."""

    __slots__ = ("_cursor", "_greeting", "_hub", "_langs", "_meant", "_painted", "wake")

    def __init__(self, hub: Hub, langs: Collection[str], wake: Callable[[], None]) -> None:
        self.wake = wake
        self._hub = hub
        self._want(langs)
        self._greeting: deque[bytes] = deque()
        self._cursor = 0
        self._painted = 0

    def start(self, greeting: Iterable[bytes], cursor: int) -> None:
        """Set the next messages, and the sequence number after which the ring's follow."""
        self._greeting = deque(greeting)
        self._cursor = cursor

    @property
    def seen(self) -> int | None:
        """The number to resume after if all that was taken arrives; None within a greeting, which comes as a whole."""
        return None if self._greeting else self._cursor

    def subscribe(self, langs: Collection[str]) -> None:
        """From now on show `langs` instead (none means all): greeted anew, with a snapshot in these languages."""
        self._want(langs)
        self._hub.greet(self)

    def _want(self, langs: Collection[str]) -> None:
        self._langs, self._meant = tuple(sorted(set(langs))), _meant(langs)

    @property
    def langs(self) -> tuple[str, ...]:
        """The languages that it asked for, sorted; empty for all."""
        return self._langs

    def wants(self, language: str | None) -> bool:
        """Whether a caption in `language` is for this viewer (None: what is for everybody)."""
        return not self._meant or language is None or language in self._meant

    def beat(self) -> None:
        """Say next that we are there; its number promises nothing that was not sent."""
        self._greeting.append(encode(BeatMessage(self._cursor)))

    @property
    def is_behind(self) -> bool:
        """Whether there may be something to take."""
        return self._cursor != self._hub.seq or bool(self._greeting)

    def next(self) -> bytes | None:
        """Return the next message to send, the oldest first; None when everything was taken.

        Take it when it can be sent: what is still in the ring can be superseded, what was taken cannot.

        Raises:
            Refused: something this viewer wanted has left the ring (`CloseCode.SLOW`).
        """
        if self._greeting:
            return self._greeting.popleft()
        if self._cursor == self._hub.seq:
            return None
        if self._hub.has_lost(self, self._cursor):
            raise Refused(
                CloseCode.SLOW,
                "this viewer is too far behind: its next captions are gone; reconnect to go on from now",
            )
        for entry in self._hub.after(self._cursor):
            self._cursor = entry.seq
            if self.wants(entry.language):
                return entry.message
        return None

    def painted(self, seq: int) -> bool:
        """This viewer has painted the caption numbered `seq`; whether that is news, and not an older one or the same.

        Raises:
            Refused: it was not sent yet (`CloseCode.BAD_MESSAGE`).
        """
        if seq > self._cursor:
            raise Refused(
                CloseCode.BAD_MESSAGE,
                f"saw seq {seq} painted, expected one of the captions that were sent, up to {self._cursor}",
            )
        if seq <= self._painted:
            return False
        self._painted = seq
        self._hub.painted(seq)
        return True

    def leave(self) -> None:
        """Leave the hub."""
        self._hub.leave(self)
