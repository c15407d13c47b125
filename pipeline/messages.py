"""The messages on the wire and in the log: one struct a type, and the close codes.

In: nothing. Out: structs that `protocol.py` fills and checks. Times are integer milliseconds on the audio clock. Knows
no event, socket or ring; `PROTOCOL.md` is this module in prose and a test keeps the two together.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from surtitle.pipeline.errors import UserError
from surtitle.pipeline.events import MAIN_ROOM, SAMPLE_RATE, CaptionMode, Role, SessionState

VERSION = 1
"""The protocol version. Adding a field or a message type does not change it; anything else does."""


class CloseCode(enum.IntEnum):
    """Why this server closes a websocket. 4000-4499: reconnect; 4500-4999: do not, it would happen again."""

    NO_HELLO = 4407
    """The first message did not come in time."""
    SLOW = 4408
    """The viewer fell so far behind that captions it needs are gone; a reconnect gets a snapshot."""
    BUSY = 4409
    """Another publisher is speaking in this room."""
    FULL = 4410
    """Too many connections, rooms or sessions at this moment, or no place for a speaker: the server is stopping."""
    BAD_MESSAGE = 4500
    """Not JSON, not a known type, a missing, unknown or wrong field, or half a sample."""
    WRONG_VERSION = 4501
    """`v` is not a version this server speaks."""
    NO_PUBLISHERS = 4503
    """This server takes no publishers."""
    SESSION_REFUSED = 4504
    """The session could not run as asked (a language the models do not know, for example)."""
    UNAUTHORIZED = 4505
    """No token, a wrong one, or one that was revoked."""
    FORBIDDEN = 4506
    """The token does not give the right to do this, or not in this room."""
    FLOOD = 4507
    """More messages or more audio than the limits allow."""


class Refused(UserError):
    """A client's mistake or misfortune: it is sent an `error` message, then its connection is closed."""

    def __init__(self, close_code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.close_code = close_code

    @property
    def retry(self) -> bool:
        """Whether the client should reconnect."""
        return self.close_code < 4500

    @property
    def code(self) -> str:
        """The close code's name as it stands in the `error` message."""
        return self.close_code.name.lower()


Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z", max_length=35)]
"""A language code: `es`, `pt-BR`."""
Count = Annotated[int, Meta(ge=0, le=2**53)]
"""An integer that JavaScript can hold."""
ROOM_PATTERN = r"^[A-Za-z0-9_-]{1,64}\Z"
RoomName = Annotated[str, Meta(pattern=ROOM_PATTERN)]
"""Names a room: where one speaker's session runs and viewers watch. On the wire it is called `session`."""
Secret = Annotated[str, Meta(max_length=256)]
"""A token as its owner holds it."""
Languages = Annotated[tuple[Language, ...], Meta(max_length=32)]
"""Languages wanted; none named means every language, the source included, and `pt-BR` means `pt` too."""


# --- client to server ---


class _ClientMessage(Struct, tag_field="type", frozen=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a silent `lang` for `langs` would show the wrong captions."""


class Since(Struct, frozen=True, forbid_unknown_fields=True):
    """The last message a viewer saw: where to resume."""

    epoch: Annotated[str, Meta(max_length=64)]
    """As given in `welcome`."""
    seq: Count


class Hello(_ClientMessage, tag="hello", frozen=True):
    """A viewer's first message."""

    v: int
    langs: Languages = ()
    since: Since | None = None
    session: RoomName = MAIN_ROOM
    token: Secret | None = None


class Subscribe(_ClientMessage, tag="subscribe", frozen=True):
    """From now on a viewer wants these languages instead; it is welcomed anew."""

    langs: Languages


class PublishStart(_ClientMessage, tag="start", frozen=True):
    """A publisher's first message; binary messages of s16le mono PCM follow."""

    v: int
    source: Language | Annotated[tuple[Language, ...], Meta(min_length=1, max_length=32)] = msgspec.field(name="from")
    """The speech's language; several where the speakers change between them."""
    targets: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=16)] = msgspec.field(name="to")
    """The translations' languages."""
    sample_rate: Annotated[int, Meta(ge=8_000, le=96_000)] = SAMPLE_RATE
    """Hertz of the PCM that follows."""
    session: RoomName = MAIN_ROOM
    token: Secret | None = None

    @property
    def sources(self) -> tuple[Language, ...]:
        """`source`, as many as it is."""
        return (self.source,) if isinstance(self.source, str) else self.source


class PublishStop(_ClientMessage, tag="stop", frozen=True):
    """The publisher has said everything; captions still to come will come."""


class PublishSkipped(_ClientMessage, tag="skipped", frozen=True):
    """Some of the publisher's sound was not sent, such as where the network was too slow: a gap is where it was."""

    samples: Annotated[int, Meta(ge=1, le=2**32)]
    """How many, before the audio that comes next."""


class PublishTargets(_ClientMessage, tag="translate", frozen=True):
    """From here on the publisher wants these translations; languages that stay keep their context."""

    targets: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=16)] = msgspec.field(name="to")
    """The translations' languages, all of them."""


class Painted(_ClientMessage, tag="painted", frozen=True):
    """A viewer has a final caption on its screen."""

    seq: Count
    """The caption's."""


# --- server to client ---


class _ServerMessage(Struct, tag_field="type", frozen=True):
    """Unknown fields are ignored: an older reader understands a newer log."""


class StampsMessage(Struct, frozen=True):
    """When a final passed each stage, in milliseconds since the audio began."""

    recognised_ms: int
    committed_ms: int
    first_token_ms: int | UnsetType = UNSET
    last_token_ms: int | UnsetType = UNSET


class WordMessage(Struct, array_like=True, frozen=True):
    """A word, when it was said, and how sure the recogniser is of it, 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    probability: float


class CaptionMessage(_ServerMessage, tag="caption", frozen=True):
    """One revision of one cue in one language."""

    seq: int
    cue: int
    rev: int
    lang: str
    role: Role
    final: bool
    start_ms: int
    end_ms: int
    text: str
    stable: int
    """How many leading code points of `text` will never change."""
    audio_ms: int
    elapsed_ms: int
    stamps: StampsMessage | UnsetType = UNSET
    """Of finals."""
    untranslated: bool | UnsetType = UNSET
    """True where no translation could be made: `text` is what was said."""
    words: tuple[WordMessage, ...] | UnsetType = UNSET
    """Of finals in the language of the speech."""


class GapMessage(_ServerMessage, tag="gap", frozen=True):
    """Audio that was not recognised."""

    seq: int
    start_ms: int
    end_ms: int
    why: str


class SessionMessage(_ServerMessage, tag="session", frozen=True):
    """A session begins: cues count from 0 again, what was shown before is over."""

    seq: int
    v: int
    session: str
    source: str
    """Of the speech; the first of `sources`."""
    targets: tuple[str, ...]
    sample_rate: int
    models: dict[str, str]
    clock: Literal["real", "virtual"]
    name: str = MAIN_ROOM
    """The room's."""
    sources: tuple[str, ...] | UnsetType = UNSET
    """Where several languages may be spoken."""
    captions: CaptionMode = "final"
    """Whether there are drafts, and of which kind."""

    @property
    def spoken(self) -> tuple[str, ...]:
        """`sources`, or `source` alone."""
        return (self.source,) if self.sources is UNSET else self.sources


class TargetsMessage(_ServerMessage, tag="targets", frozen=True):
    """From here on there are other translations: the rest of the session is as it was."""

    seq: int
    targets: tuple[str, ...]
    """All of them."""


class StatusMessage(_ServerMessage, tag="status", frozen=True):
    """How the session fares; a newer one replaces it."""

    seq: int
    state: SessionState
    audio_ms: int
    elapsed_ms: int
    lag_ms: int | UnsetType = UNSET
    """How late the newest final translation was; absent before the first."""


class EndMessage(_ServerMessage, tag="end", frozen=True):
    """The session is over."""

    seq: int
    audio_ms: int
    elapsed_ms: int
    stats: dict[str, float | int]


class WelcomeMessage(_ServerMessage, tag="welcome", frozen=True):
    """The answer to `hello`."""

    v: int
    epoch: str
    """Changes when the server restarts: sequence numbers of two epochs have nothing to do with each other."""
    seq: int
    """The newest sequence number at this moment."""
    recovered: bool
    """True: everything after `since` follows. False: forget what is shown, a `snapshot` follows."""
    ring_first: int
    """The oldest sequence number after which nothing this viewer asked for has been dropped, plus one."""
    langs: tuple[str, ...]
    """The languages asked for; empty for all. It tells which of several requests this answers."""
    session: SessionMessage | UnsetType = UNSET
    """The running session; absent when none is."""
    now_ms: int | UnsetType = UNSET
    """Since the audio of the newest session began, also when it is over: what makes ages of `elapsed_ms`."""


class SnapshotMessage(_ServerMessage, tag="snapshot", frozen=True):
    """What a viewer that comes late should show: recent finals and the open drafts, in order."""

    captions: list[Raw]
    """`caption` objects."""


class BeatMessage(_ServerMessage, tag="beat", frozen=True):
    """Sent when nothing else was for a while: a client that hears nothing at all should reconnect."""

    seq: int


class ErrorMessage(_ServerMessage, tag="error", frozen=True):
    """Why the connection is about to be closed."""

    code: str
    message: str
    retry: bool


class ReadyMessage(_ServerMessage, tag="ready", frozen=True):
    """To a publisher: its audio is being heard."""

    session: str
    """The room's name."""


BesideAudio = PublishStop | PublishSkipped | PublishTargets
ClientMessage = Hello | Subscribe | Painted | PublishStart | BesideAudio
EventMessage = CaptionMessage | GapMessage | SessionMessage | TargetsMessage | StatusMessage | EndMessage
ServerMessage = EventMessage | WelcomeMessage | SnapshotMessage | BeatMessage | ReadyMessage | ErrorMessage
