"""The vocabulary: everything that flows from speech to captions.

In: nothing but the types of numpy. Out: frozen dataclasses that every other module speaks. Seconds are floats on the
audio clock (0.0 is the first sample of the session); the wire and the log use integer milliseconds
(`protocol.py`). Knows no model, clock, socket or file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:  # numpy looks at the environment when it is loaded, and the command line sets that first
    import numpy as np
    import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Hertz. All audio inside the pipeline is mono float32 at this rate."""

Samples: TypeAlias = "npt.NDArray[np.float32]"
"""float32[n], mono, nominally in [-1, 1], always finite (sources scrub NaN and infinity)."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """A run of consecutive samples."""

    samples: Samples
    """float32[n], 16 kHz mono."""
    start: float
    """Seconds on the audio clock of the first sample."""

    @property
    def end(self) -> float:
        """Seconds on the audio clock just after the last sample."""
        return self.start + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word, as written (punctuation attached, no surrounding space)."""

    text: str
    start: float
    """Seconds on the audio clock."""
    end: float
    """Seconds on the audio clock."""
    probability: float
    """Mean probability of the word's tokens, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Final source text, worth translating: the unit of translation."""

    id: int
    """Counts from 0 within the session; becomes the captions' cue."""
    text: str
    start: float
    """Seconds on the audio clock."""
    end: float
    """Seconds on the audio clock."""
    language: str
    """ISO 639-1 code of `text`."""
    words: tuple[Word, ...] = ()
    """What `text` was joined from."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """How a segment's translation begins."""

    text: str
    stable: int
    """Leading characters of `text` that the final translation begins with too."""


@dataclass(frozen=True, slots=True)
class Translated:
    """What becomes of a segment."""

    text: str
    untranslated: bool = False
    """No translation could be made: `text` is what was said, or what was promised of a translation."""


Role = Literal["source", "target"]
MAIN_ROOM = "main"
"""The room that is meant where none is named."""
Device = Literal["cpu", "cuda"]
"""What a model runs on: processor cores, or a GPU."""
CaptionMode = Literal["final", "steady", "live"]
"""What is shown: whole captions; their beginnings that will stand; drafts, whose ends may change."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """When a final caption passed each stage: seconds since the audio began, by the session's clock.

    Its words ended at `Caption.end`, and it was sent at `Caption.elapsed`.
    """

    recognised: float
    """The recogniser's guess first reached the end of its words."""
    committed: float
    """Its source text became final."""
    first_token: float | None = None
    """The translator wrote the first token of it; None in the source language, and for an empty translation."""
    last_token: float | None = None
    """The last one; None likewise."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a viewer sees: one revision of one cue in one language."""

    cue: int
    """The segment's id: captions of the same cue in several languages say the same thing."""
    revision: int
    """Counts from 0 within a cue and language; a higher one replaces a lower one."""
    language: str
    """ISO 639-1 code of `text`."""
    role: Role
    text: str
    start: float
    """Seconds on the audio clock: when the words began."""
    end: float
    """Seconds on the audio clock: when the words ended."""
    final: bool
    """True: this cue will never change again in this language."""
    stable: int
    """How many leading characters of `text` will never change (all of them when final)."""
    audio: float
    """Seconds of audio consumed when this was emitted: latency without computation."""
    elapsed: float
    """Seconds of wall time since the audio began when this was emitted."""
    stamps: Stamps | None = None
    """The way of a final; None for drafts."""
    untranslated: bool = False
    """No translation could be made: `text` is what was said."""
    words: tuple[Word, ...] = ()
    """Of a final in the language of the speech: when each word was said, and how sure the recogniser is of it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that was not recognised, and why."""

    start: float
    """Seconds on the audio clock."""
    end: float
    """Seconds on the audio clock."""
    why: str
    """A short word for the cause: `overload`, `device`, `invalid`, `network`."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Audio that a publisher did not send."""

    samples: int
    """At the publisher's rate."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Other translations from here on: as a publisher wants them, and as an event, when the translator is ready."""

    targets: tuple[str, ...]
    """ISO 639-1 codes of all that there are then."""


Sound: TypeAlias = "Samples | Skipped | Targets"
"""What comes of a publisher."""
Item: TypeAlias = "AudioChunk | Gap | Targets"
"""What a session is driven by."""


@dataclass(frozen=True, slots=True)
class SessionStart:
    """The first event of a session."""

    session: str
    """An id unique to this run."""
    sources: tuple[str, ...]
    """ISO 639-1 codes of the speech: one, or several that speakers change between, the one expected first in front."""
    targets: tuple[str, ...]
    """ISO 639-1 codes of the translations, at first."""
    models: dict[str, str]
    """Role (`asr`, `llm`) to model name."""
    clock: Literal["real", "virtual"]
    room: str = MAIN_ROOM
    """Where on a server it is watched."""
    captions: CaptionMode = "final"
    """Whether there are drafts, and of which kind."""


SessionState = Literal["ok", "behind", "overload", "device"]
"""How a session fares: as it should; captions come late; audio is skipped; the microphone is gone."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a session on the real clock fares at a moment; the newest is the only one of interest."""

    state: SessionState
    lag: float | None
    """Seconds from the end of the words of the newest final caption in a language that is wanted until it was sent;
    None before the first."""
    audio: float
    """Seconds of audio consumed."""
    elapsed: float
    """Seconds of wall time since the audio began."""


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The last event of a session."""

    audio: float
    """Seconds of audio consumed."""
    elapsed: float
    """Seconds of wall time since the audio began."""
    stats: dict[str, float | int]
    """Figures by name, units in the name (`_s`, `_ms`, `_mb`)."""


Event = SessionStart | Caption | Gap | Targets | Status | SessionEnd
"""Everything that is logged and sent; `protocol.py` gives its wire form."""
