"""`surtitle.pipeline.shortfalls`: what could not be translated or heard is said at the end, with when."""

from __future__ import annotations

from surtitle.pipeline.events import Caption, Event, Gap, Role, Targets, Word
from surtitle.pipeline.shortfalls import NAMED, Shortfalls


def final(
    start: float, language: str = "es", *, role: Role = "target", untranslated: bool = False, final: bool = True
) -> Caption:
    return Caption(0, 0, language, role, "hola", start, start + 1, final, 4, 9.0, 9.0, untranslated=untranslated)


def lines(*events: Event) -> list[str]:
    shortfalls = Shortfalls()
    for event in events:
        shortfalls.push(event)
    return shortfalls.lines()


def test_nothing_is_said_where_everything_was_heard_and_translated() -> None:
    assert lines() == []
    assert lines(final(1.0, "en", role="source"), final(1.0), final(1.0, "de"), Targets(("es",))) == []


def test_what_could_not_be_translated_is_counted_in_each_language_and_its_times_are_named() -> None:
    events = [final(float(start), untranslated=start in (723, 895)) for start in (0, 723, 800, 895)]
    events += [final(7325.0, "de", untranslated=True), final(1.0, "fr")]
    assert lines(*events) == [
        "es: 2 of 4 captions could not be translated, at 12:03, 14:55",
        "de: 1 of 1 captions could not be translated, at 122:05",
    ]


def test_of_many_failures_the_first_few_are_named() -> None:
    events = [final(float(start), untranslated=True) for start in range(NAMED + 1)]
    assert lines(*events[:NAMED]) == ["es: 5 of 5 captions could not be translated, at 0:00, 0:01, 0:02, 0:03, 0:04"]
    assert lines(*events) == ["es: 6 of 6 captions could not be translated, at 0:00, 0:01, 0:02, 0:03, 0:04, ..."]


def test_drafts_and_what_was_said_in_a_wanted_language_count_for_no_translation() -> None:
    said = Caption(0, 0, "es", "target", "hola", 0.0, 1.0, True, 4, 9.0, 9.0, words=(Word("hola", 0.0, 1.0, 0.9),))
    events = (said, final(5.0, untranslated=True), final(9.0, final=False))
    assert lines(*events) == ["es: 1 of 1 captions could not be translated, at 0:05"]


def test_audio_that_was_not_heard_is_summed_up_with_where_it_was() -> None:
    assert lines(Gap(61.0, 91.5, "overload"), Gap(100.0, 101.0, "device")) == [
        "31.5 s of audio could not be recognised, at 1:01, 1:40"
    ]
    assert lines(Gap(61.0, 61.0, "device")) == ["some audio could not be recognised, at 1:01"]  # nobody knows how much


def test_one_stretch_that_is_told_in_pieces_is_one() -> None:
    pieces = [Gap(61.0, 62.5, "device"), Gap(62.5, 90.0, "device"), Gap(100.0, 110.0, "invalid")]
    assert lines(*pieces, Gap(110.0, 112.0, "invalid")) == ["41.0 s of audio could not be recognised, at 1:01, 1:40"]
