"""The hub: one ring of encoded messages, any number of viewers with a cursor each.

In: events, in the order they happened. Out: for each viewer the messages it asked for: every final exactly
once and in order, of each draft at most the newest revision. Knows no socket, task or clock: a viewer that
stops taking costs nothing and delays nobody, because all it has is a number.

Not thread-safe: publish, join and take on one thread (the event loop's).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from msgspec import UNSET, Raw

from surtitle.pipeline.events import Caption, Event, SessionEnd, SessionStart
from surtitle.pipeline.messages import (
    VERSION,
    CloseCode,
    Refused,
    SessionMessage,
    Since,
    SnapshotMessage,
    WelcomeMessage,
)
from surtitle.pipeline.protocol import encode, to_message


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """One message in the ring."""

    seq: int
    message: bytes
    """JSON text, encoded once for all viewers."""
    language: str | None
    """Of a caption; None for what every viewer gets."""
    cue: int | None
    """Of a caption; None for what every viewer gets."""
    final: bool
    """Whether it must not be dropped: whatever is no draft."""


def _seq(entry: _Entry) -> int:
    return entry.seq


def _ignore() -> None:
    """The wake of a viewer that polls."""


def _ignore_painted(cue: int, language: str) -> None:
    """No session asks who has painted what."""


class Hub:
    """Numbers events, keeps the newest in a ring and hands them to viewers."""

    def __init__(self, epoch: str, *, ring: int = 4096, history: int = 20) -> None:
        """Make an empty hub.

        Args:
            epoch: A name for this hub's numbering, new at each start of the program.
            ring: How many messages are kept for viewers that lag or resume.
            history: How many finals of each language a viewer that comes late is shown.
        """
        assert min(ring, history) > 0, "a hub keeps at least one message"
        self.epoch = epoch
        self.seq = 0
        """The sequence number of the newest event; 0 before the first."""
        self.session: SessionMessage | None = None
        """The running session."""
        self.on_painted: Callable[[int, str], None] = _ignore_painted
        """Told the cue and language of each final that a viewer says it has painted."""
        self._limit = ring
        self._ring: list[_Entry] = []
        self._history_length = history
        self._history: dict[str, deque[_Entry]] = {}
        self._drafts: dict[tuple[int, str], _Entry] = {}
        # The newest sequence number that left the ring for good, by language: superseded drafts are no loss.
        self._lost: dict[str | None, int] = {}
        self._viewers: set[Viewer] = set()

    @property
    def viewers(self) -> int:
        """How many viewers have joined and not left."""
        return len(self._viewers)

    def publish(self, event: Event) -> int:
        """Number `event`, keep it and wake the viewers that want it; return its sequence number."""
        self.seq += 1
        message = to_message(event, self.seq)
        entry = _Entry(
            seq=self.seq,
            message=encode(message),
            language=event.language if isinstance(event, Caption) else None,
            cue=event.cue if isinstance(event, Caption) else None,
            final=event.final if isinstance(event, Caption) else True,
        )
        match event:
            case Caption():
                self._remember(event, entry)
            case SessionStart():
                self._forget()
                self.session = message if isinstance(message, SessionMessage) else None
            case SessionEnd():
                self.session = None
        self._ring.append(entry)
        if len(self._ring) > self._limit:
            self._evict()
        for viewer in self._viewers:
            if viewer.wants(entry.language):
                viewer.wake()
        return self.seq

    def join(
        self, langs: Collection[str] = (), since: Since | None = None, wake: Callable[[], None] = _ignore
    ) -> Viewer:
        """Add a viewer; its first messages are `welcome` and, unless it resumes without loss, `snapshot`.

        Args:
            langs: The languages it wants; none means all.
            since: The last message it saw, when it comes back.
            wake: Called on each publish of something this viewer wants; must not raise or publish.
        """
        viewer = Viewer(self, frozenset(langs), wake)
        lost = self.lost(viewer)
        recovered = since is not None and since.epoch == self.epoch and lost <= since.seq <= self.seq
        welcome = WelcomeMessage(
            v=VERSION,
            epoch=self.epoch,
            seq=self.seq,
            recovered=recovered,
            ring_first=lost + 1,
            session=self.session if self.session is not None else UNSET,
        )
        if since is not None and recovered:
            viewer.start([encode(welcome)], since.seq)
        else:
            viewer.start([encode(welcome), self._snapshot(viewer)], self.seq)
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget `viewer`; it is no longer woken."""
        self._viewers.discard(viewer)

    def wake_all(self) -> None:
        """Wake every viewer, whether or not there is something for it."""
        for viewer in self._viewers:
            viewer.wake()

    def after(self, seq: int) -> Iterator[_Entry]:
        """Yield what the ring holds after `seq`."""
        for index in range(bisect_right(self._ring, seq, key=_seq), len(self._ring)):
            yield self._ring[index]

    def painted(self, seq: int) -> None:
        """A viewer has painted the caption numbered `seq`; of interest if it is a final and still in the ring."""
        entry = next(self.after(seq - 1), None)
        if entry is not None and entry.seq == seq and entry.final and entry.cue is not None and entry.language:
            self.on_painted(entry.cue, entry.language)

    def lost(self, viewer: Viewer) -> int:
        """Return the newest sequence number that `viewer` wants and the ring no longer holds; 0 if none."""
        return max((seq for language, seq in self._lost.items() if viewer.wants(language)), default=0)

    def _remember(self, caption: Caption, entry: _Entry) -> None:
        """Let `caption` take the place of its draft, in the ring and in what late viewers are shown."""
        key = (caption.cue, caption.language)
        superseded = self._drafts.pop(key, None)
        if superseded is not None:
            del self._ring[bisect_left(self._ring, superseded.seq, key=_seq)]
        if not caption.final:
            self._drafts[key] = entry
            return
        finals = self._history.setdefault(caption.language, deque(maxlen=self._history_length))
        finals.append(entry)

    def _forget(self) -> None:
        """Drop what belongs to the session before: its drafts stay unfinished, its cues will be reused."""
        self._ring = [entry for entry in self._ring if entry.final]
        self._drafts.clear()
        self._history.clear()

    def _evict(self) -> None:
        entry = self._ring.pop(0)
        if entry.final:
            self._lost[entry.language] = entry.seq
        elif entry.cue is not None and entry.language is not None:
            del self._drafts[entry.cue, entry.language]

    def _snapshot(self, viewer: Viewer) -> bytes:
        shown = [entry for finals in self._history.values() for entry in finals]
        shown += self._drafts.values()
        wanted = sorted((entry for entry in shown if viewer.wants(entry.language)), key=_seq)
        return encode(SnapshotMessage([Raw(entry.message) for entry in wanted]))


class Viewer:
    """A cursor into the hub's ring and the languages it shows."""

    def __init__(self, hub: Hub, langs: frozenset[str], wake: Callable[[], None]) -> None:
        self.wake = wake
        self._hub = hub
        self._langs = langs
        self._greeting: list[bytes] = []
        self._cursor = 0
        self._painted = 0

    def start(self, greeting: list[bytes], cursor: int) -> None:
        """Set the first messages, and the sequence number after which the ring's follow."""
        self._greeting = greeting
        self._cursor = cursor

    def wants(self, language: str | None) -> bool:
        """Whether a caption in `language` is for this viewer (None: what is for everybody)."""
        return not self._langs or language is None or language in self._langs

    def take(self, limit: int = 64) -> list[bytes]:
        """Return up to `limit` messages to send, oldest first; none when everything was taken.

        Take few at a time: what is still in the ring can be superseded, what was taken cannot.

        Raises:
            Refused: something this viewer wanted has left the ring (`CloseCode.SLOW`).
        """
        messages, self._greeting = self._greeting[:limit], self._greeting[limit:]
        if self._cursor < self._hub.lost(self):
            raise Refused(
                CloseCode.SLOW,
                "this viewer is so far behind that its next captions are gone; reconnect to go on from now",
            )
        if len(messages) == limit:
            return messages
        for entry in self._hub.after(self._cursor):
            self._cursor = entry.seq
            if self.wants(entry.language):
                messages.append(entry.message)
                if len(messages) == limit:
                    break
        return messages

    def painted(self, seq: int) -> None:
        """This viewer has painted the caption numbered `seq`.

        Raises:
            Refused: it was not sent yet, or the viewer has said so already (`CloseCode.BAD_MESSAGE`).
        """
        if not self._painted < seq <= self._cursor:
            raise Refused(
                CloseCode.BAD_MESSAGE,
                f"saw seq {seq} painted, expected a caption after {self._painted} of those up to {self._cursor} sent",
            )
        self._painted = seq
        self._hub.painted(seq)

    def leave(self) -> None:
        """Leave the hub."""
        self._hub.leave(self)
