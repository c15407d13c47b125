"""A benchmark's rows as one page.

In: rows. Out: HTML that needs nothing else: tables, and plots as SVG within it. What no row has is not drawn, and the
page says so. Knows no file and judges nothing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from bench_common import shown
from suite_row import Row

_COLUMNS = {
    "wer": "WER",
    "bleu": "BLEU",
    "chrf": "chrF",
    "longyaal_cu_ms": "LongYAAL CU, ms",
    "longyaal_ca_ms": "LongYAAL CA, ms",
    "streamlaal_cu_ms": "StreamLAAL CU, ms",
    "lag_p50_ms": "lag p50, ms",
    "lag_p95_ms": "lag p95, ms",
    "erasure": "erasure",
    "promises_broken": "promises broken",
    "untranslated": "untranslated",
    "segments_empty_soft": "empty segments (soft)",
    "segments_empty_mwer": "empty segments (mWER)",
    "skipped_s": "skipped, s",
    "rtf": "RTF",
    "rss_max_mb": "memory, MB",
}
"""Of the tables, by the figures' names."""
_STAGES = ("recognised", "committed", "first_token", "last_token", "lag", "painted")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; }
.wide { overflow-x: auto; }
td, th { padding: .2rem .6rem; text-align: right; }
td:first-child, th:first-child { text-align: left; }
tr:nth-child(even) { background: color-mix(in srgb, currentColor 6%, transparent); }
svg { max-width: 100%; height: auto; background: white; border-radius: .5rem; }
code { overflow-wrap: anywhere; }
footer { font-size: 90%; }
""".strip()

Points = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""By name: places to the right, and upwards."""


def report(rows: Sequence[Row], *, title: str, command: str) -> str:
    """The page; `command` made it."""
    good = [row for row in rows if not row.error]
    parts = [f"<h1>{escape(title)}</h1>", *_languages(good), "<h2>Where the time goes</h2>", _stages(good)]
    for heading, drawn in _plots(good):
        parts += [f"<h2>{heading}</h2>", drawn or "<p>No case has what this would show.</p>"]
    parts += ["<h2>Failures</h2>", _failures(rows), _footer(rows, command)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def _languages(rows: Sequence[Row]) -> Iterator[str]:
    """A table for each pair of languages."""
    for pair, own in groupby(sorted(rows, key=_pair), key=_pair):
        yield f"<h2>{escape(pair)}</h2>"
        yield _table(
            ["case", *_COLUMNS.values()],
            [[row.case, *(shown(row.figures.get(name)) for name in _COLUMNS)] for row in own],
        )


def _pair(row: Row) -> str:
    return f"{row.source} to {row.target}"


def _stages(rows: Sequence[Row]) -> str:
    """Milliseconds from the end of the words to each stage."""
    names = [f"{stage}_p50_ms" for stage in _STAGES]
    heads = [f"{'sent' if stage == 'lag' else stage.replace('_', ' ')}, p50 (p95)" for stage in _STAGES]
    lines = []
    for row in rows:
        if row.clock == "real" and any(name in row.stats for name in names):
            late = [row.stats.get(name.replace("p50", "p95")) for name in names]
            pairs = zip((row.stats.get(name) for name in names), late, strict=True)
            lines.append([row.case, *(f"{shown(median, 0)} ({shown(p95, 0)})" for median, p95 in pairs)])
    return _table(["milliseconds after the words", *heads], lines)


def _plots(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    quality = {
        row.case: ([latency / 1000], [chrf])
        for row in rows
        if (latency := row.figures.get("longyaal_cu_ms")) is not None and (chrf := row.figures.get("chrf")) is not None
    }
    yield "Quality against latency", _drawn(quality, "LongYAAL without computation, s", "chrF")
    real = [row for row in rows if row.clock == "real"]
    lags = {row.case: _lines(row.series.lag) for row in real if row.series.lag}
    yield "Lag over time", _drawn(lags, "seconds of audio", "seconds from the words to their caption")
    memory = {row.case: _lines(row.series.memory) for row in rows if row.series.memory}
    yield "Memory over time", _drawn(memory, "seconds since the process began", "resident MB")
    erasure = {row.case: row.figures.get("erasure") for row in rows}
    bars = {case: ([place], [value]) for place, (case, value) in enumerate(erasure.items()) if value is not None}
    yield "Erasure", _drawn(bars, "case", "units taken back, for each that stayed")


def _lines(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _drawn(points: Points, along: str, label: str) -> str:
    """An SVG; nothing without points."""
    if not points:
        return ""
    import matplotlib  # takes a second, and only pages need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 4.5))
    for name, (xs, ys) in points.items():
        axes.plot(xs, ys, label=name, linewidth=1, marker="o" if len(xs) == 1 else "", markersize=5)
    axes.set_xlabel(along)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    file = io.StringIO()
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    return re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.S)  # within HTML it needs no head of its own


def _failures(rows: Sequence[Row]) -> str:
    failed = [[row.case, row.error] for row in rows if row.error]
    return _table(["case", "why"], failed) if failed else "<p>None.</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "<p>No case has what this would show.</p>"
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _footer(rows: Sequence[Row], command: str) -> str:
    said = {
        "Hardware": {row.hardware for row in rows},
        "Revision": {row.revision for row in rows},
        "Versions": {", ".join(f"{name} {number}" for name, number in row.versions.items()) for row in rows},
        "Models": {", ".join(f"{role} {name}" for role, name in row.models.items()) for row in rows if row.models},
    }
    parts = [f"<p>{name}: {escape('; '.join(sorted(values)))}</p>" for name, values in said.items()]
    commands = "\n".join(f"<li><code>{escape(each)}</code></li>" for row in rows for each in row.commands)
    return f"<footer>{''.join(parts)}<p>Made by <code>{escape(command)}</code>, of:</p><ol>{commands}</ol></footer>"
