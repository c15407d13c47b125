"""`surtitle.pipeline.agenda`: what is captioned next, and in which languages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.agenda import PATIENCE, Agenda
from surtitle.pipeline.events import Segment, Stamps


def say(agenda: Agenda, cue: int, language: str = "en") -> bool:
    """Whether it is told at once."""
    return agenda.add(Segment(cue, "Yes.", cue, cue + 1.0, language, ()), Stamps(cue, cue), 0.0).is_told


def test_what_is_said_is_told_at_once_where_nothing_before_it_comes_in_its_language() -> None:
    agenda = Agenda(("es", "de"))
    assert [say(agenda, cue) for cue in range(3)] == [True, True, True]
    assert [say(agenda, cue, "de") for cue in range(3, 5)] == [False, False]
    assert not say(agenda, 5), "or what was said would not be in its order"


def test_what_is_said_waits_no_longer_where_the_one_before_was_told() -> None:
    agenda = Agenda(("en", "es"))
    assert [say(agenda, 0, "en"), say(agenda, 1, "es"), say(agenda, 2, "es")] == [True, False, False]
    agenda.done()
    agenda.tell()  # the translation is still made
    assert not say(agenda, 3, "es"), "behind what waits"
    agenda.done()
    agenda.tell()
    agenda.done()
    agenda.tell()
    assert say(agenda, 4, "es")


def test_what_waited_too_long_is_given_up_until_what_is_oldest_waited_for_half_of_that() -> None:
    agenda = Agenda(("es",))
    for cue in range(0, 200, 10):
        say(agenda, cue)
    assert not agenda.gives_up(PATIENCE)
    given_up = []
    while agenda.gives_up(PATIENCE + 100):
        given_up.append(agenda.first.segment.id)
        agenda.done()
    assert given_up == list(range(0, 130, 10))  # 130 was said 30 s ago
    assert not agenda.gives_up(PATIENCE + 130), "that it caught up is known"
    assert agenda.gives_up(PATIENCE + 131)


def test_others_apply_when_what_was_said_before_is_captioned() -> None:
    agenda = Agenda(("es",))
    say(agenda, 0)
    say(agenda, 1)
    agenda.want(("de",))
    say(agenda, 2)
    assert (agenda.targets, agenda.changes, agenda.due) == (("es",), True, False)
    agenda.done()
    assert not agenda.due
    agenda.done()
    assert agenda.due
    assert agenda.change() == agenda.targets == ("de",)
    assert not agenda.changes


def test_what_was_said_between_two_changes_is_translated_as_the_first_one_says() -> None:
    agenda = Agenda(("es",))
    say(agenda, 0)
    agenda.want(("de",))
    say(agenda, 1)
    agenda.want(("fr",))
    agenda.done()
    assert agenda.due
    assert agenda.change() == ("de",)
    assert not agenda.due
    agenda.done()
    assert agenda.change() == ("fr",)


def test_of_changes_between_which_nothing_was_said_the_newest_applies() -> None:
    agenda = Agenda(("es",))
    agenda.want(("de",))
    agenda.want(("fr",))
    assert agenda.change() == ("fr",)
    assert not agenda.changes


def test_the_same_languages_are_no_change() -> None:
    agenda = Agenda(("es",))
    agenda.want(("es",))
    assert not agenda.changes
    agenda.want(("de",))
    agenda.want(("de",))
    assert agenda.change() == ("de",)
    assert not agenda.changes


TARGETS = st.lists(st.sampled_from(["en", "es", "de"]), min_size=1, max_size=3, unique=True).map(tuple)


@given(TARGETS, st.lists(st.one_of(st.sampled_from(["en", "es", "fr"]), TARGETS, st.none()), max_size=30))
def test_finals_come_in_their_order_in_each_language_and_as_they_were_said(
    targets: tuple[str, ...], steps: list[str | tuple[str, ...] | None]
) -> None:
    """Languages are spoken, sets of them wanted, and a segment captioned where there is one, as a session does it."""
    agenda, said, finals = Agenda(targets), list[int](), dict[str, list[int]]()
    under_way = list[tuple[str, ...]]()  # languages into which the oldest segment is being translated

    def tell(cue: int, language: str, *, as_said: bool) -> None:
        finals.setdefault(language, []).append(cue)
        if as_said:
            said.append(cue)

    def caption() -> None:
        """Begin with the oldest segment, or end with it."""
        if under_way:
            for language in under_way.pop():
                if language != agenda.first.segment.language:
                    tell(agenda.first.segment.id, language, as_said=False)
            return agenda.done()
        if agenda.due:
            agenda.change()
        if agenda:
            if not agenda.first.is_told:
                tell(agenda.first.segment.id, agenda.first.segment.language, as_said=True)
                agenda.tell()
            under_way.append(agenda.targets)
        return None

    for cue, step in enumerate(steps):
        if step is None:
            caption()
        elif isinstance(step, tuple):
            agenda.want(step)
        elif say(agenda, cue, step):
            tell(cue, step, as_said=True)
    while agenda:
        caption()
    assert said == [cue for cue, step in enumerate(steps) if isinstance(step, str)]
    assert all(cues == sorted(cues) for cues in finals.values())
