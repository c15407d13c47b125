"""`score_subtitles`: how fast the subtitles ask to be read."""

from __future__ import annotations

from score_record import Shown
from score_subtitles import subtitle_figures


def shown(text: str, start: float, end: float) -> Shown:
    return Shown(source="", text=text, start=start, end=end, first=end, final=end)


def test_cues_that_nobody_can_read_in_their_time_are_counted() -> None:
    slow = [shown("x" * 34, 0, 2_000), shown("x" * 17, 60_000, 61_000)]
    assert subtitle_figures([slow], "en") == {"subtitle_cps_p50": 17.0, "subtitles_too_fast": 0.0}
    fast = [shown("x" * 80, 1_000 * at, 1_000 * at + 1_000) for at in range(4)]
    assert subtitle_figures([slow, fast], "en")["subtitles_too_fast"] == 3 / 6  # the last has the time it needs


def test_a_limit_is_that_of_the_language() -> None:
    four_a_second = [shown("字" * 8, 0, 2_000)]  # each takes two cells
    assert subtitle_figures([four_a_second], "ja") == {"subtitle_cps_p50": 8.0, "subtitles_too_fast": 0.0}
    eight_a_second = [shown("字" * 8, 1_000 * at, 1_000 * at + 1_000) for at in range(4)]
    assert subtitle_figures([eight_a_second], "ja")["subtitles_too_fast"] == 2 / 4
    assert subtitle_figures([eight_a_second], "zh")["subtitles_too_fast"] == 0.0


def test_where_nothing_was_said_there_is_no_speed() -> None:
    assert set(subtitle_figures([[]], "en").values()) == {None}
