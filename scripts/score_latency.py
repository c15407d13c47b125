"""How late, how restless and how hurried a translation is.

In: segments of units with their times, captions as they were shown. Out: figures in milliseconds. LongYAAL, LongAL,
LongLAAL, LongAP and LongDAL are OmniSTEval's own scorers; StreamLAAL is the mean of LAAL over what mweralign
cut; lags and reading speed are ours. Knows no file, no log and no quality.

*Without computation* (`cu`) a unit's time is the audio that had been consumed; *with computation* (`ca`) it is the wall
clock. Figures are None where the log has no such time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from omnisteval.data import Instance
from omnisteval.scoring import ALScorer, APScorer, DALScorer, LAALScorer, YAALScorer
from score_record import Record, Shown, Unit, joined, spaceless, split

LINES = 2
"""Captions that stand on a screen at once: the overlay's default."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence of the reference. Times are milliseconds of audio."""

    recording: str
    offset: float
    duration: float
    reference: str
    transcript: str | None = None
    """What was said, if known."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What a system said for one segment."""

    segment: Segment
    units: list[Unit]
    left: float
    """Milliseconds from the segment's beginning to the end of the recording's last segment."""


Figures = dict[str, float | None]


def cuts(segments: Sequence[Segment], units: Sequence[list[Unit]]) -> list[Cut]:
    """Join the segments of one recording with what belongs to each."""
    end = max(segment.offset + segment.duration for segment in segments)
    return [Cut(segment, own, end - segment.offset) for segment, own in zip(segments, units, strict=True)]


def long_figures(found: Sequence[Cut], *, characters: bool) -> Figures:
    """LongYAAL and its sisters, over segments cut by SoftSegmenter: means over those that are not empty."""
    instances = [_instance(cut, characters=characters) for cut in found]
    figures: Figures = {}
    for suffix, aware in (("cu", False), ("ca", True)):
        scorers = {
            f"longyaal_{suffix}_ms": YAALScorer(computation_aware=aware, is_longform=True),
            f"longal_{suffix}_ms": ALScorer(computation_aware=aware),
            f"longlaal_{suffix}_ms": LAALScorer(computation_aware=aware),
            f"longap_{suffix}": APScorer(computation_aware=aware),
            f"longdal_{suffix}_ms": DALScorer(computation_aware=aware),
        }
        figures |= {name: _number(scorer(instances)) for name, scorer in scorers.items()}
    return figures


def stream_figures(found: Sequence[Cut], *, characters: bool) -> Figures:
    """StreamLAAL, over segments cut by mweralign: the mean of LAAL over those that are not empty.

    A reference's words are counted as the translation's are, at every kind of space; OmniSTEval's own count, which
    LongYAAL keeps, takes two words around a no-break space for one.
    """
    instances = [_instance(cut, characters=characters) for cut in found]
    for instance in instances:
        instance.reference = " ".join(instance.reference.split())
    return {
        "streamlaal_cu_ms": _number(LAALScorer(computation_aware=False)(instances)),
        "streamlaal_ca_ms": _number(LAALScorer(computation_aware=True)(instances)),
    }


def lag_figures(records: Sequence[Record]) -> Figures:
    """From the end of the words to the final caption, for captions and for each word said.

    In languages that write without spaces, a character is a word. Where a log has no times of words, as it has none of
    characters, they are spread by their length over what it has.
    """
    captions = [caption.final - caption.end for record in records for caption in record.shown]
    words = [
        caption.final - end
        for record in records
        for caption in record.shown
        for text, start, until in caption.words or ((caption.source, caption.start, caption.end),)
        for end in word_ends(split(text, characters=spaceless(record.source or "")), start, until)
    ]
    return {
        "lag_p50_ms": percentile(captions, 50),
        "lag_p95_ms": percentile(captions, 95),
        "word_lag_p50_ms": percentile(words, 50),
        "word_lag_p95_ms": percentile(words, 95),
    }


def word_ends(words: Sequence[str], start: float, end: float) -> list[float]:
    """When each of the words ended that were said from `start` to `end` at an even pace; in their unit."""
    lengths = np.cumsum([len(word) for word in words])
    if not words:
        return []
    ends: list[float] = (start + (end - start) * lengths / lengths[-1]).tolist()
    return ends


def reading_figures(recordings: Sequence[Sequence[Shown]]) -> Figures:
    """Time on a screen of `LINES` captions, each pushed out by those that follow, and characters a second.

    The last captions of each recording are left out: nothing pushes them out.
    """
    pairs = [pair for shown in recordings for pair in zip(shown, shown[LINES:], strict=False)]
    times = [after.first - caption.first for caption, after in pairs]
    # Two captions of the same millisecond leave no time at all: a thousandth of a second then stands for it.
    speeds = [1000 * len(caption.text) / max(time, 1.0) for (caption, _), time in zip(pairs, times, strict=True)]
    return {
        "on_screen_p5_ms": percentile(times, 5),
        "on_screen_p50_ms": percentile(times, 50),
        "reading_cps_p50": percentile(speeds, 50),
        "reading_cps_p95": percentile(speeds, 95),
    }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed, as the product's own end line has it."""
    if not values:
        return None
    return float(np.percentile(values, percent, method="inverted_cdf"))


def drift(shown: Sequence[Shown]) -> float | None:
    """How much the lag of captions grows in an hour, in milliseconds, by least squares; None below a minute."""
    if len(shown) < 3 or shown[-1].end - shown[0].end < 60_000:
        return None
    hours = np.array([caption.end for caption in shown]) / 3_600_000
    return float(np.polyfit(hours - hours[0], [caption.final - caption.end for caption in shown], 1)[0])


def _instance(cut: Cut, *, characters: bool) -> Instance:
    elapsed = [unit.elapsed for unit in cut.units]
    return Instance(
        prediction=joined(cut.units, characters=characters),
        reference=cut.segment.reference.replace(" ", "") if characters else cut.segment.reference,
        latency_unit="char" if characters else "word",
        source_length=cut.segment.duration,
        emission_cu=[unit.audio - cut.segment.offset for unit in cut.units],
        emission_ca=[time - cut.segment.offset for time in elapsed if time is not None]
        if None not in elapsed
        else None,
        time_to_recording_end=cut.left,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
