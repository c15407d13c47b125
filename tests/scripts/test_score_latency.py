from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from score_align import mwer_segments
from score_latency import (
    Segment,
    cuts,
    drift,
    lag_figures,
    long_figures,
    percentile,
    reading_figures,
    stream_figures,
    word_ends,
)
from score_record import Record, Settled, Shown, Unit


def shown(start: float, end: float, *, at: float, source: str = "a b", text: str = "ein Wort") -> Shown:
    return Shown(source=source, text=text, start=start, end=end, first=at, final=at)


def talk(*captions: Shown, source: str = "en") -> Record:
    return Record("talk", Settled((), 0, 0), None, source=source, shown=captions)


def stream_laal(
    said: list[str], times: tuple[list[float], list[float]], segments: list[tuple[float, float, str]], *, letters: bool
) -> tuple[float, float]:
    """In seconds, as the example has it."""
    units = [Unit(text, 1000 * cu, 1000 * ca) for text, cu, ca in zip(said, *times, strict=True)]
    own = [Segment("a", 1000 * start, 1000 * length, text) for start, length, text in segments]
    cut = cuts(own, mwer_segments(units, [segment.reference for segment in own], characters=letters))
    figures = stream_figures(cut, characters=letters)
    cu, ca = figures["streamlaal_cu_ms"], figures["streamlaal_ca_ms"]
    assert cu is not None
    assert ca is not None
    return cu / 1000, ca / 1000


# The two examples are simulstream's own, with the figures that its StreamLAAL gives (Apache-2.0).
def test_streamlaal_is_what_simulstream_says_for_words() -> None:
    text = (
        "Tornando a New York, sono il capo dello sviluppo per un non-profit chiamato Robin Hood. "
        "Quando non sto combattendo la povertà, sto combattendo i fuochi."
    )
    delays = [14.0] * 4 + [16.0] * 9 + [18.0] * 8 + [20.0] * 4
    walls = [18.22] * 4 + [19.93] * 9 + [23.01] * 8 + [27.30] * 4
    segments = [
        (12.61, 4.07, "A New York, sono a capo di un'associazione no profit, chiamata Robin Hood."),
        (
            16.9,
            5.14,
            "Quando non combatto la povertà, combatto gli incendi come assistente capitano di una brigata di "
            "pompieri volontari.",
        ),
    ]
    found = stream_laal(text.split(), (delays, walls), segments, letters=False)
    assert found == pytest.approx((0.868587, 5.86), abs=1e-4)


def test_streamlaal_is_what_simulstream_says_for_characters() -> None:
    said = list("今天她很漂亮，我们一起去花园跑步吧。Amy 今天心情很好")
    delays = [14, 14, 14, 15, 15, 16, 17, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 21, 22, 22, 22, 22, *[24] * 6]
    walls = [14.5, 14.5, 14.5, 15.2, 15.2, 16.8, 17.5, 18, 18.5, 18.5, 18.5, 20.1, 20.1, 21.3, 21.3]
    walls += [22.0] * 3 + [23.0] * 4 + [25.0] * 6
    segments = [
        (12.61, 3.07, "今天她看起很好，"),
        (16.9, 3.14, "我们一起去公园散步吧。"),
        (21.0, 0.5, "Amy"),
        (21.5, 2.0, "今天心情很好"),
    ]
    found = stream_laal(said, ([float(each) for each in delays], walls), segments, letters=True)
    assert found == pytest.approx((1.333312, 2.074095), abs=1e-4)


def test_a_log_without_a_wall_clock_has_no_time_with_computation() -> None:
    found = cuts([Segment("a", 0.0, 1000.0, "eins zwei")], [[Unit("eins", 500.0, None), Unit("zwei", 600.0, None)]])
    figures = long_figures(found, characters=False) | stream_figures(found, characters=False)
    assert figures["longyaal_cu_ms"] is not None
    assert {name for name, value in figures.items() if value is None} == {name for name in figures if "_ca" in name}


@given(st.lists(st.floats(0, 900), min_size=1, max_size=6), st.floats(0, 5000))
def test_every_delay_more_is_so_much_latency_more(delays: list[float], more: float) -> None:
    def streamlaal(extra: float) -> float:
        units = [Unit("a", delay, delay + extra) for delay in sorted(delays)]
        found = cuts([Segment("a", 0.0, 1e6, "a a a")], [units])
        value = stream_figures(found, characters=False)["streamlaal_ca_ms"]
        assert value is not None
        return value

    assert streamlaal(more) - streamlaal(0.0) == pytest.approx(more, abs=1e-6)


def test_the_lag_of_a_caption_runs_from_the_end_of_its_words() -> None:
    figures = lag_figures([talk(shown(0, 1000, at=3000)), talk(shown(1000, 2000, at=5000))])
    assert (figures["lag_p50_ms"], figures["lag_p95_ms"]) == (2000, 3000)


def test_the_lag_of_a_word_runs_from_its_own_end() -> None:
    assert word_ends(["abc", "a"], 0, 1000) == [750, 1000]
    assert lag_figures([talk(shown(0, 1000, at=3000, source="abc a"))])["word_lag_p95_ms"] == 2250


def test_a_word_whose_time_the_log_tells_has_its_lag_from_there() -> None:
    words = (("a", 0.0, 100.0), ("b", 100.0, 200.0), ("c", 2800.0, 3000.0))  # with a pause between
    figures = lag_figures([talk(replace(shown(0, 3000, at=4000, source="a b c"), words=words))])
    assert (figures["word_lag_p50_ms"], figures["word_lag_p95_ms"]) == (3800, 3900)
    words = (("今天", 0.0, 200.0), ("好", 2800.0, 3000.0))
    letters = talk(replace(shown(0, 3000, at=4000, source="今天好"), words=words), source="zh")
    assert lag_figures([letters])["word_lag_p50_ms"] == 3800


def test_where_words_have_no_spaces_between_them_each_character_has_its_lag() -> None:
    figures = lag_figures([talk(shown(0, 1000, at=3000, source="今天很好"), source="zh")])
    assert (figures["word_lag_p50_ms"], figures["word_lag_p95_ms"]) == (2250, 2750)


def test_a_caption_is_on_the_screen_until_the_second_after_it_comes() -> None:
    figures = reading_figures([[shown(0, 1, at=1000 * at, text="x" * 20) for at in (1, 2, 6)]])
    assert figures["on_screen_p50_ms"] == 5000
    assert figures["reading_cps_p50"] == 4


def test_the_captions_of_a_talk_are_not_pushed_out_by_those_of_the_next() -> None:
    talks = [[shown(0, 1, at=1000 * at) for at in times] for times in ((100, 101, 106), (1, 2, 4))]
    figures = reading_figures(talks)
    assert (figures["on_screen_p5_ms"], figures["on_screen_p50_ms"]) == (3000, 3000)
    assert reading_figures([talks[0][:2], talks[1][:2]])["on_screen_p50_ms"] is None


def test_captions_that_come_at_once_are_too_fast_to_read_and_no_division_by_zero() -> None:
    speed = reading_figures([[shown(0, 1, at=7, text="four")] * 3])["reading_cps_p50"]
    assert speed == 4000


def test_nothing_shown_has_no_lag_and_no_speed() -> None:
    assert set((lag_figures([]) | reading_figures([[]])).values()) == {None}
    assert drift([]) is None


def test_drift_is_how_much_the_lag_grows_in_an_hour() -> None:
    captions = [shown(end - 500, end, at=end + 2000 + end / 100) for end in range(0, 600_000, 5000)]
    assert drift(captions) == pytest.approx(36_000)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9
