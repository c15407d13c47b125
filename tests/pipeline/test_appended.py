"""`surtitle.pipeline.appended`: captions as text that only grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.appended import Appended
from surtitle.pipeline.events import Caption, Targets


def caption(cue: int, text: str, stable: int, *, final: bool = False, language: str = "en") -> Caption:
    return Caption(cue, 0, language, "target", text, 0.0, 1.0, final, stable, 1.0, 1.0)


@given(st.lists(st.lists(st.integers(0, 12), max_size=4), min_size=1, max_size=4))
def test_whatever_drafts_come_what_was_appended_is_the_finals(drafts: list[list[int]]) -> None:
    appended, said = Appended(), "twelve words"
    captions = [
        each
        for cue, lengths in enumerate(drafts)
        for each in (*(caption(cue, said, length) for length in sorted(lengths)), caption(cue, said, 12, final=True))
    ]
    assert "".join(map(appended.push, captions)) == " ".join([said] * len(drafts))


def test_between_thai_captions_is_a_space_and_between_chinese_ones_nothing() -> None:
    for language, texts, text in (("th", ["ครับ", "ค่ะ"], "ครับ ค่ะ"), ("zh", ["你好。", "谢谢。"], "你好。谢谢。")):
        appended = Appended()
        said = [caption(n, each, len(each), final=True, language=language) for n, each in enumerate(texts)]
        assert "".join(map(appended.push, said)) == text


def test_a_guess_appends_nothing_and_holds_up_no_final_of_the_cue_before() -> None:
    appended = Appended()
    pieces = [caption(0, "Good", 4), caption(1, "Thank", 0), caption(0, "Good night.", 11, final=True)]
    pieces += [caption(1, "", 0), caption(1, "We go.", 6, final=True)]
    assert [appended.push(each) for each in pieces] == ["Good", "", " night.", "", " We go."]


def test_of_a_session_only_its_own_language_is_followed_and_whole_where_that_comes_back_within_a_cue() -> None:
    appended = Appended()
    events = [
        caption(0, "Good", 4),
        Targets(("en", "fr")),
        caption(0, "Bonjour.", 8, language="fr", final=True),
        caption(0, "Good night.", 11, final=True),
        caption(1, "Thank", 5),
        Targets(("fr",)),
        Targets(("en",)),
        caption(1, "We thank", 2),
        caption(1, "We thank you.", 13, final=True),
    ]
    added = [appended.follow(event, "en") for event in events]
    assert "|".join(filter(None, added)) == "Good| night.| Thank| We| thank you."
