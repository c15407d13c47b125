"""What got better and what worse between two runs of a suite.

In: rows of both. Out: for each case and figure both values and a verdict. BLEU, chrF and WER are judged by a paired
bootstrap (Koehn 2004: the same segments are drawn for both, a thousand times); other figures by how far they moved, for
one run has no spread of its own. Knows no file and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from bench_common import shown, table
from numpy.typing import NDArray
from score_quality import bleu_of, chrf_of
from suite_row import Row

Verdict = Literal["better", "worse", "same", "new", "gone", "not comparable"]
RESAMPLES = 1000
FEWEST = 5
"""Segments that an interval can be drawn from."""
TOLERANCE = 0.05
"""Of the old value: what moved less is the same."""
_HIGHER = ("bleu", "chrf", "comet")
_LOWER = ("wer",)
_FLOORS = {
    "longap": 0.02,
    "long": 20.0,
    "streamlaal": 20.0,
    "lag_p": 20.0,
    "lag_drift": 500.0,
    "word_lag": 20.0,
    "erasure": 0.01,
    "rtf": 0.01,
    "rss_max_mb": 10.0,
    "untranslated": 0.5,
    "promises_broken": 0.5,
    "skipped_s": 0.5,
    "segments_empty": 0.5,
}
"""Figures of which less is better, by how their names begin (the first that fits), and what moved less than that is the
same. Half a one for what is counted: up to twenty, one more is a change.
"""
_TIMED = ("rtf", "rss_max_mb", "lag_", "word_lag")
"""Figures that another machine changes."""
_LATENCIES = ("long", "streamlaal")
"""Those that it changes on the real clock, and on the virtual one where computing counts (CA)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of one case."""

    name: str
    old: float | None
    new: float | None
    verdict: Verdict
    interval: tuple[float, float] | None = None
    """In which the difference lies with 95 %; None where it can't be said."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """One case that both runs have."""

    case: str
    changes: tuple[Change, ...]
    """Of figures that are judged."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs."""

    cases: tuple[CaseChange, ...]
    left_out: tuple[tuple[str, str], ...]
    """Cases that were not compared, and why."""


def compare(old: Sequence[Row], new: Sequence[Row]) -> Comparison:
    """Pair the rows by case, in the order of `new`."""
    before = {row.case: row for row in old}
    now = {row.case: row for row in new}
    cases, left_out = [], []
    for case in [*now, *(each for each in before if each not in now)]:
        why = _why_not(before.get(case), now.get(case))
        if why:
            left_out.append((case, why))
        else:
            cases.append(CaseChange(case, tuple(_changes(before[case], now[case]))))
    return Comparison(tuple(cases), tuple(left_out))


def _why_not(old: Row | None, new: Row | None) -> str:
    if old is None or new is None:
        return "was not run then" if old is None else "was not run now"
    if old.error or new.error:
        return f"failed {'then' if old.error else 'now'}: {old.error or new.error}"
    return ""


def _changes(old: Row, new: Row) -> Iterator[Change]:
    chance = np.random.default_rng(0)
    for name in new.figures | old.figures:
        then, now = old.figures.get(name), new.figures.get(name)
        floor = next((floor for start, floor in _FLOORS.items() if name.startswith(start)), None)
        if (then is None and now is None) or (floor is None and name not in _HIGHER + _LOWER):
            continue
        if then is None or now is None:
            yield Change(name, then, now, "new" if then is None else "gone")
        elif name in _SCORES:
            yield _drawn(name, old, new, then, now, chance)
        elif old.hardware != new.hardware and _is_of_the_machine(name, new.clock):
            yield Change(name, then, now, "not comparable")
        else:
            before, after = then, now
            if name.startswith("lag_drift"):  # a lag that falls is no better than one that stays
                before, after = max(then, 0.0), max(now, 0.0)
            moved = abs(after - before) > max(TOLERANCE * abs(before), floor or 0.0)
            better = (after > before) == (name in _HIGHER)
            yield Change(name, then, now, ("better" if better else "worse") if moved else "same")


def _is_of_the_machine(name: str, clock: str) -> bool:
    """Whether another machine changes the figure on this clock."""
    is_computed = clock == "real" or name.removesuffix("_ms").endswith("_ca")
    return name.startswith(_TIMED) or (is_computed and name.startswith(_LATENCIES))


def _drawn(name: str, old: Row, new: Row, then: float, now: float, chance: np.random.Generator) -> Change:
    """A score judged by drawing the segments that it is made of."""
    counts = [np.array(_counts(row, name), dtype=np.int64) for row in (old, new)]  # (segments, columns) each
    if counts[0].shape != counts[1].shape:
        return Change(name, then, now, "not comparable")  # against another reference
    size = len(counts[0])
    if size < FEWEST:
        return Change(name, then, now, "same" if then == now else "not comparable")
    low, high = difference(counts[0], counts[1], _SCORES[name], chance)
    if low <= 0 <= high:
        return Change(name, then, now, "same", (low, high))
    return Change(name, then, now, "better" if (low > 0) == (name in _HIGHER) else "worse", (low, high))


def difference(
    old: NDArray[np.int64],
    new: NDArray[np.int64],
    score: Callable[[Sequence[int]], float],
    chance: np.random.Generator,
) -> tuple[float, float]:
    """The bounds of 95 % around how much higher `new` scores than `old`: counts (segments, columns) of the same."""
    size = len(old)
    chosen = chance.integers(0, size, (RESAMPLES, size))
    times = np.stack([np.bincount(each, minlength=size) for each in chosen])  # (resamples, segments): how often each
    scores = [np.array([score(sums) for sums in (times @ each).tolist()]) for each in (old, new)]
    low, high = np.percentile(scores[1] - scores[0], (2.5, 97.5)).tolist()
    return low, high


def _counts(row: Row, name: str) -> list[list[int]]:
    found: dict[str, list[list[int]]] = {
        "bleu": row.statistics.bleu,
        "chrf": row.statistics.chrf,
        "wer": row.statistics.wer,
    }
    return found[name]


def _error_rate(counts: Sequence[int]) -> float:
    wrong, units = counts
    return 100 * wrong / units if units else 0.0


_SCORES: dict[str, Callable[[Sequence[int]], float]] = {"bleu": bleu_of, "chrf": chrf_of, "wer": _error_rate}


def lines(comparison: Comparison) -> str:
    """For people: what is not the same, case by case, and how much is."""
    rows = [["case", "figure", "old", "new", "", "95 % of the difference"]]
    same = 0
    for each in comparison.cases:
        for change in each.changes:
            if change.verdict == "same":
                same += 1
                continue
            interval = "-" if change.interval is None else "{:+.2f} to {:+.2f}".format(*change.interval)
            values = (shown(change.old), shown(change.new))
            rows.append([each.case, change.name, *values, change.verdict, interval])
    said = [table(rows)] if len(rows) > 1 else []
    said += [f"{case}: {why}" for case, why in comparison.left_out]
    return "\n".join([*said, f"{same} figures of {len(comparison.cases)} cases are the same"])


def as_json(comparison: Comparison) -> dict[str, Any]:
    """For programs."""
    return {
        "cases": {each.case: [asdict(change) for change in each.changes] for each in comparison.cases},
        "left_out": dict(comparison.left_out),
    }
