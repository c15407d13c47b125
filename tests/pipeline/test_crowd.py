"""Two hundred viewers that join, stall, are cut off at any byte, come back and change their languages.

The promise of PROTOCOL.md, held against what was published: each viewer has every final of its languages exactly once
and in order, or was told `recovered: false` and given a snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import msgspec
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from taken import taken

from surtitle.pipeline.events import Caption, Event, Gap, SessionEnd, SessionStart, Status
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.messages import Refused, Since
from surtitle.pipeline.rooms import Room, Rooms

Message = dict[str, Any]
seeds = st.integers(0, 2**32).map(Random)
LANGUAGES = ("en", "es", "de")
CHOICES = ((), ("es",), ("de",), ("de", "es"), ("de", "en"))
ROOMS = ("hall", "cellar")
MOST = 200
RING, HISTORY = 12, 3
"""Small, so that who stalls loses something."""


@dataclass(slots=True)
class Client:
    """A viewer as PROTOCOL.md wants it, and the bytes that are on their way to it."""

    room: str
    langs: tuple[str, ...]
    """Asked for."""
    viewer: Viewer | None = None
    """None while it is cut off."""
    arriving: bytes = b""
    epoch: str = ""
    seq: int = 0
    shown: tuple[str, ...] = ()
    """What the last `welcome` said that it gets."""
    begun_at: int = 0
    """What was published after this number, it must have."""
    finals: list[tuple[int, str]] = field(default_factory=list)
    """Seen since then: number and language."""
    answered: bool = False
    """Whether what it asked for last was answered, the snapshot included."""
    greeted: str = ""
    """What the greeting said last."""

    def take(self, limit: int) -> None:
        """The server sends up to `limit` messages."""
        if self.viewer is None:
            return
        try:
            for message in taken(self.viewer, limit):
                self.arriving += message + b"\n"
        except Refused:
            self.cut(len(self.arriving))

    def read(self) -> None:
        """What arrived is read."""
        lines, self.arriving = self.arriving, b""
        for line in lines.splitlines():
            self._see(msgspec.json.decode(line))

    def cut(self, at: int) -> None:
        """The connection is lost after `at` more bytes."""
        whole = self.arriving[:at].rpartition(b"\n")[0]
        self.arriving = whole and whole + b"\n"
        self.read()
        self.leave()

    def leave(self) -> None:
        if self.viewer is not None:
            self.viewer.leave()
        self.viewer, self.arriving = None, b""

    def come(self, room: Room) -> None:
        """Connect, for the first time or again."""
        if self.viewer is None:
            # Where a greeting did not come whole, it begins anew.
            since = Since(self.epoch, self.seq) if self.answered else None
            self.viewer = room.hub.join(self.langs, since)

    def subscribe(self, langs: tuple[str, ...]) -> None:
        if self.viewer is not None:
            self.viewer.subscribe(langs)
            self.langs, self.answered = langs, False

    def _see(self, message: Message) -> None:
        match message["type"]:
            case "welcome":
                self.shown, self.greeted = tuple(message["langs"]), "welcome"
                if message["recovered"]:
                    assert message["epoch"] == self.epoch
                    self.answered = self.shown == self.langs
                else:
                    self.answered = False
                    self.finals.clear()
                    self.epoch, self.begun_at, self.seq = message["epoch"], message["seq"], message["seq"]
                return
            case "snapshot":
                assert self.greeted == "welcome"
                self._check_snapshot(message["captions"])
                self.answered, self.greeted = self.shown == self.langs, "snapshot"
                return
            case "status" if self.greeted == "snapshot" and message["seq"] <= self.seq:
                pass
            case _:
                assert message["seq"] > self.seq, "twice, or out of order"
                self.seq = message["seq"]
        self.greeted = ""
        if message["type"] == "caption":
            assert not self.shown or message["lang"] in self.shown
            if message["final"]:
                self.finals.append((message["seq"], message["lang"]))

    def _check_snapshot(self, captions: list[Message]) -> None:
        numbers = [caption["seq"] for caption in captions]
        assert numbers == sorted(set(numbers))
        assert not numbers or numbers[-1] <= self.begun_at
        finals = [caption["lang"] for caption in captions if caption["final"]]
        assert all(finals.count(language) <= HISTORY for language in LANGUAGES)
        assert not self.shown or {caption["lang"] for caption in captions} <= set(self.shown)


class Crowd(RuleBasedStateMachine):
    """Speakers in two rooms, and whoever watches them."""

    @initialize()
    def open(self) -> None:
        epochs = count()
        self.rooms = Rooms(lambda: Hub(f"epoch-{next(epochs)}", ring=RING, history=HISTORY))
        self.speaking: dict[str, Room] = {}
        self.cues: dict[tuple[str, str], int] = {}
        self.published = defaultdict[str, list[tuple[int, str]]](list)
        """By epoch: number and language of every final."""
        self.clients: list[Client] = []
        for room in ROOMS:
            self.speak_or_hush(room)
            self.join(room, (), 10)
            self.join(room, ("es",), 10)

    @rule(room=st.sampled_from(ROOMS))
    def speak_or_hush(self, room: str) -> None:
        if room in self.speaking:
            speaking = self.speaking.pop(room)
            speaking.hub.publish(SessionEnd(1.0, 1.0, {}))
            self.rooms.hush(speaking)
        else:
            self.speaking[room] = self.rooms.speak(room)
            self.cues = {key: cue for key, cue in self.cues.items() if key[0] != room}
            self._publish(room, SessionStart("s", ("en",), ("es", "de"), {}, "real", room))

    @precondition(lambda self: self.speaking)
    @rule(random=seeds, events=st.integers(1, 40))
    def say(self, random: Random, events: int) -> None:
        for _ in range(events):
            room = random.choice(sorted(self.speaking))
            self._publish(room, self._anything(room, random))
            if random.random() < 0.2:
                self.go_on(random)

    @rule(room=st.sampled_from(ROOMS), langs=st.sampled_from(CHOICES), number=st.integers(1, 80))
    def join(self, room: str, langs: tuple[str, ...], number: int) -> None:
        self.clients += [Client(room, langs) for _ in range(min(number, MOST - len(self.clients)))]

    @rule(random=seeds)
    def go_on(self, random: Random) -> None:
        """Each does something, or nothing."""
        for client in self.clients:
            match random.choice(("stall", "stall", "take", "take", "read", "read", "read", "cut", "come", "subscribe")):
                case "take":
                    client.take(random.randint(1, 9))
                case "read":
                    client.take(random.randint(1, 9))
                    client.read()
                case "cut" if client.viewer is not None:
                    client.cut(random.randint(0, len(client.arriving)))
                case "come":
                    client.come(self.rooms.watch(client.room))
                case "subscribe" if random.random() < 0.2:
                    client.subscribe(random.choice(CHOICES))
            self._check(client)

    @rule()
    def settle(self) -> None:
        """Everybody comes back and reads all there is."""
        for client in self.clients:
            for _ in range(3):  # who has lost something, comes once more
                room = self.rooms.watch(client.room)
                client.come(room)
                client.take(10_000)
                client.read()
            assert (client.epoch, client.answered) == (room.hub.epoch, True)
            client.seq = room.hub.seq  # nothing is on its way any more
            self._check(client)

    def teardown(self) -> None:
        if hasattr(self, "clients"):
            self.settle()

    def _check(self, client: Client) -> None:
        """Of what was published since it began, up to what it saw last, it has all finals that it wants."""
        assert client.finals == [
            (seq, language)
            for seq, language in self.published[client.epoch]
            if client.begun_at < seq <= client.seq and (not client.shown or language in client.shown)
        ]

    def _publish(self, room: str, event: Event) -> None:
        hub = self.speaking[room].hub
        seq = hub.publish(event)
        if isinstance(event, Caption) and event.final:
            self.published[hub.epoch].append((seq, event.language))
            self.cues[room, event.language] = event.cue + 1

    def _anything(self, room: str, random: Random) -> Event:
        match random.choice(("draft", "draft", "final", "final", "status", "gap")):
            case "gap":
                return Gap(0.0, 1.0, "overload")
            case "status":
                return Status("ok", 1.0, 1.0, 1.0)
            case kind:
                language = random.choice(LANGUAGES)
                cue, final = self.cues.get((room, language), 0), kind == "final"
                text = "x" * random.randint(0, 30)
                return Caption(cue, 0, language, "target", text, cue, cue + 1, final, 0, cue, cue)


TestCrowd = Crowd.TestCase
# Shrinking a crowd takes minutes and leaves a crowd: the steps and seeds as they were found say as much.
PHASES = set(Phase) - {Phase.shrink, Phase.explain}
TestCrowd.settings = settings(max_examples=12, stateful_step_count=15, deadline=None, phases=PHASES)
