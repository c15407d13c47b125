"""`surtitle.pipeline.drafts`: what is shown of a caption that is not finished."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.cli import build_parser
from surtitle.pipeline.drafts import Drafts, Revision, steady_part
from surtitle.pipeline.events import CaptionMode

WORDS = st.lists(st.sampled_from(["ein", "Zug", "kommt,", "und", "dann", "noch", "einer"]), max_size=8)


@st.composite
def growing(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Drafts as the translator makes them: what is stable stays, and grows by whole words; the rest is anything."""
    stable: list[str] = []
    drafts = []
    for more, rest in draw(st.lists(st.tuples(WORDS, WORDS), max_size=6)):
        stable += more
        drafts.append((" ".join(stable + rest), len(" ".join(stable))))
    return drafts


@given(growing())
def test_no_character_that_was_shown_steadily_ever_changes(drafts: list[tuple[str, int]]) -> None:
    steady = Drafts("steady")
    shown = [revision for revision in (steady.revise(0, "de", *draft) for draft in drafts) if revision]
    for before, after in pairwise(shown):
        assert after.text.startswith(before.text)
        assert after.text != before.text
    assert [revision.number for revision in shown] == list(range(len(shown)))
    assert all(revision.stable == len(revision.text) for revision in shown)


@given(growing())
def test_live_shows_what_will_stand_and_more_and_its_promises_are_kept(drafts: list[tuple[str, int]]) -> None:
    live = Drafts("live")
    promised = ""
    for text, stable in drafts:
        revision = live.revise(0, "de", text, stable)
        if revision:
            assert text.startswith(revision.text)
            assert revision.text[: revision.stable].startswith(promised)
            promised = revision.text[: revision.stable]
            assert len(promised) == stable


def test_whole_captions_have_no_drafts() -> None:
    final = Drafts("final")
    assert final.revise(0, "de", "Ein Zug", 3) is None
    assert final.finish(0, "de") == 0


def test_nothing_is_said_twice_and_the_final_comes_after_its_drafts() -> None:
    steady = Drafts("steady")
    assert steady.revise(4, "de", "Ein Zug", 3) == Revision(0, "Ein", 3)
    assert steady.revise(4, "de", "Ein Bus", 3) is None
    assert steady.revise(4, "es", "", 0) is None
    assert steady.revise(4, "es", "Un tren", 2) == Revision(0, "Un", 2)
    assert steady.revise(4, "de", "Ein Bus kommt", 7) == Revision(1, "Ein Bus", 7)
    assert steady.finish(4, "de") == 2
    assert steady.finish(4, "es") == 1
    assert steady.finish(4, "de") == 0


def test_that_more_of_the_same_text_will_stand_is_told_once() -> None:
    live = Drafts("live")
    assert live.revise(4, "de", "Ein Zug kommt", 0) == Revision(0, "Ein Zug", 0)
    assert live.revise(4, "de", "Ein Zug fährt", 3) == Revision(1, "Ein Zug", 3)
    assert live.revise(4, "de", "Ein Zug fährt", 3) is None


def test_the_last_word_is_held_back_unless_it_will_stand() -> None:
    assert steady_part("one two three four", 0, "en") == "one two three"
    assert steady_part("one two three four", 18, "en") == "one two three four"
    assert steady_part("one", 0, "en") == ""
    assert steady_part("", 0, "en") == ""
    assert steady_part("火车九点到了", 0, "zh") == "火车九点"


def test_of_a_whole_sentence_no_word_is_held_back() -> None:
    revision = Drafts("live").revise(0, "de", "Ein Zug kommt.", 3, is_whole=True)
    assert revision == Revision(0, "Ein Zug kommt.", 3)
    assert Drafts("steady").revise(0, "de", "Ein Zug kommt.", 3, is_whole=True) == Revision(0, "Ein", 3)


def test_what_is_withdrawn_is_shown_no_more_and_its_final_may_still_come() -> None:
    live = Drafts("live")
    live.revise(4, "de", "Ein Zug kommt", 0)
    live.revise(4, "es", "Un", 0)  # of which nothing is shown
    live.revise(5, "fr", "Un train arrive", 0)
    assert live.withdraw(4) == [("de", Revision(1, "", 0))]
    assert live.withdraw(4) == []
    assert live.revise(4, "de", "Ein Bus kommt", 0) == Revision(2, "Ein Bus", 0)
    assert live.finish(4, "de") == 3


def test_the_command_line_offers_every_way() -> None:
    parser = build_parser()
    for mode in get_args(CaptionMode):
        assert parser.parse_args(["serve", "--captions", mode]).captions == mode
    assert parser.parse_args(["serve"]).captions == "final"
