from __future__ import annotations

from html.parser import HTMLParser

from suite_report import report
from suite_row import Row, Series


class Page(HTMLParser):
    """What a browser would show, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and value and value[0] != "#"]

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def row(case: str, *, target: str = "de", clock: str = "real", **found: object) -> Row:
    return Row(
        case=case,
        recording="talk",
        source="en",
        target=target,
        clock=clock,
        settings="default",
        commands=["surtitle replay talk.ogg --to de"],
        revision="abc123",
        hardware="two cores",
        versions={"python": "3.11"},
        **found,  # type: ignore[arg-type]
    )


FULL = row(
    "talk en-de",
    figures={"chrf": 51.25, "longyaal_cu_ms": 2100.0, "erasure": 0.125, "wer": None},
    stats={"lag_p50_ms": 1234.0, "lag_p95_ms": 2345.0, "recognised_p50_ms": 321.0, "recognised_p95_ms": 654.0},
    series=Series(lag=[(1.0, 2.0), (3.0, 2.5)], memory=[(0.0, 10.0), (1.0, 900.0)]),
    models={"asr": "whisper-base"},
)


def test_everything_is_on_one_page_that_fetches_nothing() -> None:
    page = Page(report([FULL, row("talk en-es", target="es")], title="a suite", command="scripts/benchmark x.toml"))
    text = " ".join(page.shown)
    for wanted in ("a suite", "talk en-de", "talk en-es", "en to de", "en to es", "51.25", "1234 (2345)", "321 (654)"):
        assert wanted in text
    for wanted in ("two cores", "abc123", "python 3.11", "asr whisper-base", "surtitle replay talk.ogg --to de"):
        assert wanted in text
    assert page.tags.count("svg") == 4
    assert "script" not in page.tags
    assert page.fetched == []


def test_what_was_lost_stands_in_the_table() -> None:
    lost = {
        "promises_broken": 21.0,
        "untranslated": 22.0,
        "segments_empty_soft": 23.0,
        "segments_empty_mwer": 24.0,
        "skipped_s": 25.0,
    }
    page = Page(report([row("talk en-de", figures=dict(lost))], title="t", command="c"))
    for wanted in ("promises broken", "untranslated", "empty segments (soft)", "empty segments (mWER)", "skipped, s"):
        assert wanted in page.shown
    for value in lost.values():
        assert f"{value:.2f}" in page.shown


def test_what_no_case_has_is_not_drawn_and_said() -> None:
    text = report([row("talk en-de", figures={"wer": 3.0})], title="t", command="c")
    assert "<svg" not in text
    assert text.count("No case has what this would show.") == 5


def test_a_failure_is_said_and_is_in_no_table() -> None:
    page = Page(report([FULL, row("talk en-fr", target="fr", error="no such file")], title="t", command="c"))
    assert "no such file" in page.shown
    assert "en to fr" not in page.shown


def test_text_from_outside_can_not_become_markup() -> None:
    nasty = "<script>alert('x')</script> & \"more\""
    page = Page(report([row(nasty, error=nasty)], title=nasty, command=nasty))
    assert "script" not in page.tags
    assert page.shown.count(nasty) >= 3
