"""`surtitle.pipeline.appended`: captions as text that only grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.appended import Appended
from surtitle.pipeline.events import Caption


def caption(cue: int, text: str, stable: int, *, final: bool = False) -> Caption:
    return Caption(cue, 0, "en", "target", text, 0.0, 1.0, final, stable, 1.0, 1.0)


@given(st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=4))
def test_whatever_drafts_come_what_was_appended_is_the_finals(drafts: list[list[int]]) -> None:
    appended, said = Appended(), "twelve words"
    captions = [
        each
        for cue, lengths in enumerate(drafts)
        for each in (*(caption(cue, said, length) for length in sorted(lengths)), caption(cue, said, 12, final=True))
    ]
    assert "".join(map(appended.push, captions)) == " ".join([said] * len(drafts))


def test_a_guess_appends_nothing_and_holds_up_no_final_of_the_cue_before() -> None:
    appended = Appended()
    pieces = [caption(0, "Good", 4), caption(1, "Thank", 0), caption(0, "Good night.", 11, final=True)]
    pieces += [caption(1, "", 0), caption(1, "We go.", 6, final=True)]
    assert [appended.push(each) for each in pieces] == ["Good", "", " night.", "", " We go."]
