"""`surtitle.pipeline.wanted`: when other languages apply."""

from __future__ import annotations

from surtitle.pipeline.wanted import Wanted


def test_others_apply_when_what_was_said_before_is_captioned() -> None:
    wanted = Wanted(("es",))
    wanted.want(("de",), 2)
    assert (wanted.now, wanted.changes, wanted.due) == (("es",), True, False)
    wanted.captioned()
    assert not wanted.due
    wanted.captioned()
    assert wanted.due
    assert wanted.change() == wanted.now == ("de",)
    assert not wanted.changes


def test_a_change_that_is_changed_again_waits_no_longer_for_that() -> None:
    wanted = Wanted(("es",))
    wanted.want(("de",), 1)
    wanted.want(("fr",), 3)
    wanted.captioned()
    assert wanted.due
    assert wanted.change() == ("fr",)


def test_what_was_said_may_be_translated_into_either_until_they_change() -> None:
    wanted = Wanted(("es",))
    wanted.want(("de",), 1)
    assert [wanted.may_be(language) for language in ("es", "de", "fr")] == [True, True, False]
    wanted.captioned()
    wanted.change()
    assert [wanted.may_be(language) for language in ("es", "de", "fr")] == [False, True, False]


def test_the_same_languages_are_no_change() -> None:
    wanted = Wanted(("es",))
    wanted.want(("es",), 0)
    assert not wanted.changes
    wanted.want(("de",), 0)
    wanted.want(("es",), 0)
    assert not wanted.due
