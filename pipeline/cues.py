"""Final captions into cues: what subtitles show, when, and for how long.

In: the final captions of one language, in order, and how far the audio has come. Out: cues of at most two lines
(`wrap.py`) that never overlap, on screen for five sixths of a second to seven seconds, two frames apart, and for as
long as reading them takes where the speaker leaves that long.

How long a cue may stay depends on when the next caption begins, so the newest caption is held until the next one is
known, or the audio is `HOLD` seconds past its end, or it is flushed. What has come out is never changed: a caption
that comes too late gives way, and begins after it, and stays no longer than if the next began at its end. Knows no
format, file or clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from surtitle.pipeline.events import Caption
from surtitle.pipeline.protocol import clean_text
from surtitle.pipeline.wrap import blocks, reading, width

GRID_MS = 10
"""All times are multiples of this, which is as fine as SubStation Alpha writes them."""
MIN_MS, MAX_MS, GAP_MS = 840, 7_000, 90
"""How long a cue stays, at least (five sixths of a second) and at most; and two frames of film between cues."""
LATE_MS = 1_500
"""How long a cue may stay, to be read, while the next caption's words are said: its own cue begins as much later.

The BBC allows as much."""
HOLD = 10.0
"""Seconds of audio behind the end of a caption after which the next one is not waited for any longer."""
REMEMBERED = 8192
"""Captions whose lines are remembered, the newest: finding them takes milliseconds, and they are asked for again by
other formats, and by each who reads the subtitles of all that was said so far."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once."""

    start_ms: int
    """Milliseconds on the audio clock."""
    end_ms: int
    """Milliseconds on the audio clock; `MIN_MS` to `MAX_MS` after the start."""
    lines: tuple[str, ...]
    """One or two, in reading order, without control characters."""
    language: str
    """ISO 639-1 code of the lines."""

    @property
    def speed(self) -> float:
        """Cells a second that it asks of its reader (`wrap.Reading`)."""
        return width(" ".join(self.lines)) * 1000 / (self.end_ms - self.start_ms)


def cues(captions: Iterable[Caption]) -> Iterator[Cue]:
    """The cues of the final captions among `captions`, which are of one language and in order."""
    stream = Cues()
    for caption in captions:
        if caption.final:
            yield from stream.push(caption)
    yield from stream.flush()


class Cues:
    """One language's cues, as its captions come."""

    def __init__(self) -> None:
        self._held: Caption | None = None
        self._free_ms = 0
        """From here on nothing is shown yet."""

    def push(self, caption: Caption) -> list[Cue]:
        """Take the next final caption; return the cues of the one before it."""
        out = self._release(_grid(caption.start))
        self._held = caption
        return out

    def advance(self, audio: float) -> list[Cue]:
        """The audio has come to `audio` seconds; return the cues of a caption that need not wait any longer."""
        held = self._held
        if held is None or audio < held.end + HOLD:
            return []
        # Where captions are late, this one need not be the last for long. One that had to give way goes as if the next
        # began at its end: read at leisure, each would push the one behind it later than the one before.
        return self._release(_grid(held.end) if self._free_ms > _grid(held.start) else None)

    def flush(self) -> list[Cue]:
        """No caption follows soon; return the cues of the last one."""
        return self._release(None)

    def _release(self, next_ms: int | None) -> list[Cue]:
        caption, self._held = self._held, None
        if caption is None:
            return []
        shown = _cues_of(caption, self._free_ms, next_ms)
        if shown:
            self._free_ms = shown[-1].end_ms + GAP_MS
        return shown


@lru_cache(maxsize=REMEMBERED)
def _parts(text: str, language: str) -> tuple[tuple[str, ...], ...]:
    return tuple(blocks(text, language))


def _cues_of(caption: Caption, free_ms: int, next_ms: int | None) -> list[Cue]:
    """A caption's cues, none before `free_ms`; `next_ms` is when the next caption begins, if one does."""
    parts = _parts(clean_text(caption.text), caption.language)
    if not parts:
        return []
    start = max(_grid(caption.start), free_ms)
    to_read = [_time_to_read(part, caption.language) for part in parts]
    least = len(parts) * (MIN_MS + GAP_MS) - GAP_MS
    end = max(_grid(caption.end), start + sum(to_read) + (len(parts) - 1) * GAP_MS)
    if next_ms is not None:
        end = min(end, next_ms - GAP_MS + LATE_MS)
    end = max(end, start + least)
    starts = _starts(caption, parts, to_read, start, end)
    ends = [*(after - GAP_MS for after in starts[1:]), end]
    return [
        Cue(begin, min(stop, begin + MAX_MS), part, caption.language)
        for begin, stop, part in zip(starts, ends, parts, strict=True)
    ]


def _starts(caption: Caption, parts: Sequence[tuple[str, ...]], to_read: list[int], start: int, end: int) -> list[int]:
    """When each part begins: when its first word was said, if that is known, else after its share of the time."""
    wished = _said(caption, parts) or _shared(to_read, start, end)
    starts = [start]
    for number in range(1, len(to_read)):
        soonest = starts[-1] + MIN_MS + GAP_MS
        latest = end + GAP_MS - (len(to_read) - number) * (MIN_MS + GAP_MS)
        starts.append(max(soonest, min(_round(wished[number]), latest)))
    return starts


def _shared(to_read: list[int], start: int, end: int) -> list[float]:
    """When each part begins if their times are as those that it takes to read them."""
    slots = [0, *accumulate(time + GAP_MS for time in to_read)]
    return [start + (end + GAP_MS - start) * slot / slots[-1] for slot in slots[:-1]]


def _said(caption: Caption, parts: Sequence[tuple[str, ...]]) -> list[float]:
    """When the first word of each part was said, in milliseconds; nothing where the words are not those of the text."""
    written = "".join("".join(line.split()) for part in parts for line in part)
    words = [("".join(clean_text(word.text).split()), word.start * 1000) for word in caption.words]
    if "".join(text for text, _ in words) != written:
        return []
    times = [start for text, start in words for _ in text]
    firsts, passed = [], 0
    for part in parts:
        firsts.append(times[passed])
        passed += sum(len("".join(line.split())) for line in part)
    return firsts


def _time_to_read(lines: tuple[str, ...], language: str) -> int:
    """Milliseconds, on the grid, that `lines` stay to be read."""
    needed = -(-width(" ".join(lines)) * 1000 // (reading(language).speed * GRID_MS)) * GRID_MS
    return min(max(needed, MIN_MS), MAX_MS)


def _grid(seconds: float) -> int:
    return max(0, _round(seconds * 1000))


def _round(ms: float) -> int:
    return round(ms / GRID_MS) * GRID_MS
