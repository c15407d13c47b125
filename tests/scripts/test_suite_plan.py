from __future__ import annotations

from pathlib import Path

import pytest
from suite_plan import Clip, plan

from surtitle.pipeline.errors import UserError

SUITES = sorted((Path(__file__).parents[2] / "scripts" / "suites").glob("*.toml"))
TALK = """
title = "t"
[[recording]]
name = "talk"
audio = "talks/{clip}.{lang}.ogg"
segments = "talks/segments.tsv"
pairs = ["en-de", "de-en"]
"""
CLIPS = """
title = "t"
clocks = ["virtual"]
[settings]
fast = ["--window", "2048"]
slow = []
[[recording]]
name = "clips"
clips = ["a", "b"]
audio = "{clip}.{lang}.ogg"
transcript = "{clip}.{lang}.txt"
references = { file = "english.tsv", language = "en", key = "{clip}/{lang}", column = "english" }
pairs = ["de-en", "de-fr"]
"""


def test_a_recording_is_run_in_all_its_languages_on_both_clocks() -> None:
    assert [case.name for case in plan(TALK).cases] == [
        "talk en-de virtual default",
        "talk en-de real default",
        "talk de-en virtual default",
        "talk de-en real default",
    ]
    german = plan(TALK).cases[2]
    assert german.clips == (Clip("talk", "talks/talk.de.ogg", "", ""),)
    assert german.segments == "talks/segments.tsv"


def test_clips_are_one_case_and_references_count_in_their_language_alone() -> None:
    cases = plan(CLIPS).cases
    assert [case.name for case in cases] == [
        f"clips de-{target} virtual {settings}" for target in ("en", "fr") for settings in ("fast", "slow")
    ]
    assert cases[0].clips[1] == Clip("b", "b.de.ogg", "b.de.txt", "b/de")
    assert cases[0].flags == ("--window", "2048")
    assert [case.references is not None for case in cases] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "expected a suite"),
        ("title = 't'\nrecording = []", "recording"),
        (TALK.replace("pairs", "pears"), "pears"),
        (TALK.replace('"de-en"', '"deen"'), "pairs"),
        (TALK.replace("{lang}", "{speaker}"), "speaker"),
        (TALK + TALK.partition("[[")[1] + TALK.partition("[[")[2], "case talk en-de virtual default is there twice"),
    ],
)
def test_a_suite_that_can_not_be_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        plan(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_our_own_suites_can_be_planned(path: Path) -> None:
    assert plan(path.read_text(encoding="utf-8")).cases
