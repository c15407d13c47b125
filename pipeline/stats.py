"""The figures of a session's last line.

In: delays of captions, memory readings. Out: percentiles and slopes. Memory is bounded: lags
are kept as counts per 10 ms, memory readings at most one a minute of audio. Knows no clock and no process.
"""

from __future__ import annotations

from collections import Counter
from statistics import linear_regression

from surtitle.pipeline.events import Stamps

_BIN = 0.01
"""Seconds."""
_EDGE = 60.0
"""Seconds of audio that count as the first and as the last minute."""
STAGES = ("recognised", "committed", "first_token", "last_token", "sent", "painted")
"""Of a caption's way, in their order; see `events.Stamps`."""


class Delays:
    """Delays of one stage."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """One more."""
        self._bins[round(seconds / _BIN)] += 1

    def __len__(self) -> int:
        return self._bins.total()

    def quantile_ms(self, share: float) -> int:
        """Milliseconds that this `share` (0 to 1) of the delays does not exceed, to ten. There must be some delays."""
        left = share * len(self)
        for index in sorted(self._bins):
            left -= self._bins[index]
            if left <= 0:
                return round(index * _BIN * 1000)
        raise AssertionError("a share of at most 1 lies in some bin")


class LagStats:
    """How late final captions are that are waited for: from the end of the words to each stage of their way, and to the
    caption."""

    def __init__(self) -> None:
        self._stages = {stage: Delays() for stage in STAGES}
        self._first: list[float] = []
        self._last: list[tuple[float, float]] = []

    def add(self, end: float, lag: float, stamps: Stamps | None = None) -> None:
        """A caption whose words ended at `end` was sent `lag` seconds later; `stamps` tell its way."""
        self._stages["sent"].add(lag)
        for stage, when in () if stamps is None else _passed(stamps):
            self._stages[stage].add(when - end)
        if end <= _EDGE:
            self._first.append(lag)
        self._last = [(when, each) for when, each in self._last if when > end - _EDGE] + [(end, lag)]

    def painted(self, delay: float) -> None:
        """A viewer had a caption on its screen `delay` seconds after the end of its words."""
        self._stages["painted"].add(delay)

    def figures(self) -> dict[str, int]:
        """By name, in milliseconds; nothing without lags.

        `lag_p50_ms` and `lag_p95_ms` of the captions as they were sent, `lag_first_minute_ms` and
        `lag_last_minute_ms` (means), and for every other stage that was passed `STAGE_p50_ms` and `STAGE_p95_ms`.
        """
        if not self._stages["sent"]:
            return {}
        last = [lag for _, lag in self._last]
        figures: dict[str, int] = {}
        for stage, (median, late) in self.percentiles().items():
            name = "lag" if stage == "sent" else stage
            figures |= {f"{name}_p50_ms": median, f"{name}_p95_ms": late}
        if self._first:
            figures["lag_first_minute_ms"] = round(1000 * sum(self._first) / len(self._first))
        figures["lag_last_minute_ms"] = round(1000 * sum(last) / len(last))
        return figures

    def percentiles(self) -> dict[str, tuple[int, int]]:
        """The median and the 95th percentile in milliseconds, of each stage that was passed, in their order."""
        return {
            stage: (delays.quantile_ms(0.5), delays.quantile_ms(0.95))
            for stage, delays in self._stages.items()
            if delays
        }


def _passed(stamps: Stamps) -> list[tuple[str, float]]:
    stages = [("recognised", stamps.recognised), ("committed", stamps.committed)]
    for stage, when in (("first_token", stamps.first_token), ("last_token", stamps.last_token)):
        if when is not None:
            stages.append((stage, when))
    return stages


class MemoryStats:
    """Resident memory over the audio's time."""

    def __init__(self) -> None:
        self._readings: list[tuple[float, float]] = []
        self._largest = 0.0

    def add(self, audio: float, mb: float) -> None:
        """`mb` megabytes were resident after `audio` seconds of audio."""
        self._largest = max(self._largest, mb)
        if not self._readings or audio - self._readings[-1][0] >= _EDGE:
            self._readings.append((audio, mb))

    def figures(self) -> dict[str, float]:
        """`rss_max_mb`, and `rss_slope_mb_per_h`: a least-squares line through all but the first fifth (warm-up)."""
        if not self._readings:
            return {}
        figures = {"rss_max_mb": round(self._largest, 1)}
        steady = self._readings[len(self._readings) // 5 :]
        if len(steady) >= 8:
            slope = linear_regression(*zip(*steady, strict=True)).slope
            figures["rss_slope_mb_per_h"] = round(slope * 3600, 2)
        return figures
