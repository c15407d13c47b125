"""`surtitle.pipeline.captioner`: whom a caption is for, how it is numbered, and how late it is said to be."""

from __future__ import annotations

from collections.abc import Callable

from hand_clock import HandClock

from surtitle.pipeline.captioner import REPORTS, Captioner
from surtitle.pipeline.events import Caption, Segment, Stamps, Translated
from surtitle.pipeline.segmenter import Opening

STAMPS = Stamps(recognised=1.5, committed=2.0, first_token=3.0, last_token=3.5)
MADE = Translated("Buenos días.")


def segment(cue: int = 0) -> Segment:
    """Two seconds of English."""
    return Segment(cue, "Good day.", 0.0, 2.0, "en")


def captioner(*targets: str, now: Callable[[], float] = lambda: 4.0) -> Captioner:
    """Four seconds after the audio began, of which three were heard."""
    return Captioner(targets, "live", now=now, heard=lambda: 3.0)


def draft(made: Captioner, language: str, text: str) -> Caption | None:
    """Of which nothing is sure, and the last word not shown."""
    return made.draft(Opening(segment(), committed=0, is_whole=False), language, text, 0)


def test_a_final_has_the_times_of_its_words_and_of_its_making() -> None:
    final = captioner("es").final(segment(7), "es", MADE, STAMPS, behind=0.5)
    assert final == Caption(7, 0, "es", "target", "Buenos días.", 0.0, 2.0, True, 12, 3.0, 4.0, STAMPS)


def test_what_was_said_in_a_language_that_is_wanted_is_a_target_for_as_long_as_it_is_wanted() -> None:
    made = captioner("en", "es")
    roles = [made.final(segment(0), language, MADE, STAMPS).role for language in ("en", "es")]
    made.retarget(("es",))
    roles += [made.final(segment(1), language, MADE, STAMPS).role for language in ("en", "es")]
    assert roles == ["target", "target", "source", "target"]


def test_each_cue_is_numbered_in_each_language_and_its_final_comes_last() -> None:
    made = captioner("es", "de")
    drafts = (("es", "Buenos días a"), ("de", "Guten Tag an"), ("es", "Buenos días a ti"))
    seen = [draft(made, language, text) for language, text in drafts]
    seen += made.withdrawn(segment())
    assert all(each and not each.final and each.stamps is None for each in seen)
    seen += [made.final(segment(), language, MADE, STAMPS) for language in ("es", "de", "en")]
    assert [(each.language, each.revision) for each in seen if each] == [
        *(("es", 0), ("de", 0), ("es", 1)),
        *(("es", 2), ("de", 1)),  # withdrawn
        *(("es", 3), ("de", 2), ("en", 0)),
    ]
    assert made.final(segment(1), "es", MADE, STAMPS).revision == 0


def test_a_draft_is_shown_again_where_its_language_was_gone_and_nowhere_else() -> None:
    made = captioner("es", "de")
    before = [draft(made, language, "uno dos") for language in ("es", "de")]
    for targets in (("de",), ("es", "de")):
        made.retarget(targets)
    after = [draft(made, language, "uno dos") for language in ("es", "de")]
    assert [each and each.revision for each in before + after] == [0, 0, 1, None]


def test_only_translations_are_late_and_not_by_what_their_source_is() -> None:
    made = captioner("es")
    made.final(segment(), "en", Translated("Good day."), STAMPS)
    assert made.lags.percentiles() == {}
    made.final(segment(), "es", MADE, STAMPS, behind=0.5)
    late = {"recognised": -1000, "committed": -500, "first_token": 500, "last_token": 1000, "sent": 1500}
    assert made.lags.percentiles() == {stage: (ms, ms) for stage, ms in late.items()}


def test_what_stands_as_it_was_said_is_late_only_where_nothing_else_is_wanted() -> None:
    made = captioner("en", "es")
    made.final(segment(), "en", Translated("Good day."), STAMPS)
    made.painted(0, "en")
    assert made.lags.percentiles() == {}
    made.retarget(("en",))
    made.final(segment(1), "en", Translated("Good day."), STAMPS)
    assert made.lags.percentiles()["sent"] == (2000, 2000)


def test_a_translation_is_painted_as_late_as_a_viewer_shows_it_and_nothing_else_is() -> None:
    clock = HandClock()
    clock.begin(ago=4.0)
    made = captioner("es", now=clock.now)
    draft(made, "es", "Buenos días a")
    made.painted(0, "es")  # before it is final
    made.final(segment(), "en", Translated("Good day."), STAMPS)
    made.final(segment(), "es", MADE, STAMPS, behind=0.5)
    for cue, language in ((0, "en"), (1, "es"), (0, "de")):
        made.painted(cue, language)
    assert "painted" not in made.lags.percentiles()
    clock.advance(0.5)
    made.painted(0, "es")
    assert made.lags.percentiles()["painted"] == (2000, 2000)


def test_viewers_may_report_the_newest_finals_and_no_older_ones() -> None:
    made = captioner("es")
    for cue in range(REPORTS + 1):
        made.final(segment(cue), "es", MADE, STAMPS)
    made.painted(0, "es")
    assert "painted" not in made.lags.percentiles()
    made.painted(1, "es")
    assert "painted" in made.lags.percentiles()
