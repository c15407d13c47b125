"""The figures of a session's last line.

In: lags, memory readings and stage times as they come. Out: percentiles and slopes. Memory is bounded: lags
are kept as counts per 10 ms, memory readings at most one a minute of audio. Knows no clock and no process.
"""

from __future__ import annotations

from collections import Counter

_BIN = 0.01
"""Seconds."""
_EDGE = 60.0
"""Seconds of audio that count as the first and as the last minute."""


class LagStats:
    """Lags of final target captions: from the end of the words to the caption."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self._first: list[float] = []
        self._last: list[tuple[float, float]] = []

    def add(self, end: float, lag: float) -> None:
        """A caption whose words ended at `end` came `lag` seconds later."""
        self._bins[round(lag / _BIN)] += 1
        if end <= _EDGE:
            self._first.append(lag)
        self._last = [(when, each) for when, each in self._last if when > end - _EDGE] + [(end, lag)]

    def figures(self) -> dict[str, int]:
        """`lag_p50_ms`, `lag_p95_ms`, `lag_first_minute_ms` and `lag_last_minute_ms` (means); nothing without lags."""
        if not self._bins:
            return {}
        last = [lag for _, lag in self._last]
        figures = {"lag_p50_ms": self._quantile(0.5), "lag_p95_ms": self._quantile(0.95)}
        if self._first:
            figures["lag_first_minute_ms"] = round(1000 * sum(self._first) / len(self._first))
        figures["lag_last_minute_ms"] = round(1000 * sum(last) / len(last))
        return figures

    def _quantile(self, share: float) -> int:
        left = share * self._bins.total()
        for index in sorted(self._bins):
            left -= self._bins[index]
            if left <= 0:
                return round(index * _BIN * 1000)
        raise AssertionError("a share of at most 1 lies in some bin")


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
            mean_t = sum(t for t, _ in steady) / len(steady)
            mean_m = sum(m for _, m in steady) / len(steady)
            spread = sum((t - mean_t) ** 2 for t, _ in steady)
            slope = sum((t - mean_t) * (m - mean_m) for t, m in steady) / spread
            figures["rss_slope_mb_per_h"] = round(slope * 3600, 2)
        return figures
