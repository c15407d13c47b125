"""How fast the subtitles of a session ask to be read.

In: captions as they were shown, by recording. Out: figures about the cues that the product's files have for them, or
would have (`pipeline/cues.py`): a log says enough. Knows no file.
"""

from __future__ import annotations

from collections.abc import Sequence

from score_latency import Figures, percentile
from score_record import Shown

from surtitle.pipeline.cues import cues
from surtitle.pipeline.events import Caption
from surtitle.pipeline.wrap import reading

ROUNDING = 1.01
"""A cue's times are multiples of 10 ms: a speed this much over the limit is at it."""


def subtitle_figures(recordings: Sequence[Sequence[Shown]], language: str) -> Figures:
    """The median speed in cells a second (a wide character is two), and the share of cues over the language's limit."""
    speeds = [cue.speed for shown in recordings for cue in cues(_caption(each, language) for each in shown)]
    fast = sum(speed > reading(language).speed * ROUNDING for speed in speeds)
    return {
        "subtitle_cps_p50": percentile(speeds, 50),
        "subtitles_too_fast": fast / len(speeds) if speeds else None,
    }


def _caption(shown: Shown, language: str) -> Caption:
    start, end = shown.start / 1000, shown.end / 1000
    return Caption(0, 0, language, "target", shown.text, start, end, True, len(shown.text), end, end)
