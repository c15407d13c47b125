"""`surtitle.pipeline.gate`: when speech opens and closes, whatever the probabilities and their cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.gate import Closed, GateEvent, GateSettings, Opened, Quiet, SpeechGate

SETTINGS = GateSettings(
    frame=0.1, minimum_speech=0.3, minimum_silence=0.5, long_silence=1.5, padding=0.2, open_above=0.5, close_below=0.3
)
"""Round numbers: ten frames a second."""

RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 25)), max_size=20)
PROBABILITIES = RUNS.map(lambda runs: [level for level, count in runs for _ in range(count)])


def events_of(probabilities: list[float], gate: SpeechGate | None = None) -> list[GateEvent]:
    """Everything, the end included."""
    gate = gate or SpeechGate(SETTINGS)
    return gate.push(probabilities) + gate.flush()


def frames(speech: float, *seconds: float) -> list[float]:
    """Silence and speech in turns, silence first."""
    levels = [0.0, speech] * len(seconds)
    return [level for level, length in zip(levels, seconds, strict=False) for _ in range(round(length * 10))]


@given(PROBABILITIES, st.lists(st.integers(0, 400), max_size=6))
def test_however_the_frames_are_cut_the_events_are_the_same(probabilities: list[float], cuts: list[int]) -> None:
    gate = SpeechGate(SETTINGS)
    edges = sorted({0, len(probabilities), *(cut % (len(probabilities) + 1) for cut in cuts)})
    pieces = [event for a, b in pairwise(edges) for event in gate.push(probabilities[a:b])]
    assert pieces + gate.flush() == events_of(probabilities)


@given(PROBABILITIES)
def test_openings_and_closings_take_turns_and_quiet_comes_once_after_a_closing(probabilities: list[float]) -> None:
    after: dict[type[GateEvent] | None, set[type[GateEvent]]] = {
        None: {Opened},
        Opened: {Closed},
        Closed: {Opened, Quiet},
        Quiet: {Opened},
    }
    last: type[GateEvent] | None = None
    for event in events_of(probabilities):
        assert type(event) in after[last]
        last = type(event)


@given(PROBABILITIES)
def test_times_never_go_back_and_lie_within_the_audio(probabilities: list[float]) -> None:
    times = [0.0, *(event.time for event in events_of(probabilities)), len(probabilities) * SETTINGS.frame]
    assert times == sorted(times)


@given(PROBABILITIES)
def test_after_a_flush_nothing_is_open_and_nothing_more_comes(probabilities: list[float]) -> None:
    gate = SpeechGate(SETTINGS)
    gate.push(probabilities)
    gate.flush()
    assert not gate.is_open
    assert gate.flush() == []


def kinds_and_times(events: list[GateEvent]) -> list[tuple[type[GateEvent], float]]:
    return [(type(event), round(event.time, 3)) for event in events]


def test_speech_is_opened_and_closed_with_padding() -> None:
    events = events_of(frames(0.9, 1.0, 1.0, 2.0))
    assert kinds_and_times(events) == [(Opened, 0.8), (Closed, 2.2), (Quiet, 2.2)]


def test_speech_that_begins_softly_is_opened_where_it_begins() -> None:
    soft = frames(0.4, 1.0, 0.4)
    assert kinds_and_times(events_of([*soft, *[0.1] * 2, *[0.9] * 5]))[0] == (Opened, 0.8)
    too_long_ago = [*soft, *[0.1] * 3, *[0.9] * 5]
    assert kinds_and_times(events_of(too_long_ago))[0] == (Opened, 1.5)


def test_a_soft_beginning_is_no_longer_than_the_lead() -> None:
    assert kinds_and_times(events_of([*[0.4] * 30, *[0.9] * 5]))[0] == (Opened, 1.8)


def test_what_is_soft_alone_opens_nothing() -> None:
    assert events_of([0.4] * 30) == []


def test_padding_reaches_neither_before_the_audio_nor_behind_it() -> None:
    assert kinds_and_times(events_of(frames(0.9, 0.1, 1.0))) == [(Opened, 0.0), (Closed, 1.1), (Quiet, 1.1)]


def test_a_click_does_not_open_it() -> None:
    assert events_of(frames(1.0, 1.0, 0.2, 3.0)) == []
    assert [type(event) for event in events_of(frames(1.0, 0.0, 1.0, 0.5, 0.2, 3.0))] == [Opened, Closed, Quiet]


def test_a_breath_does_not_close_it() -> None:
    assert [type(event) for event in events_of(frames(0.9, 0.0, 1.0, 0.4, 1.0))] == [Opened, Closed, Quiet]


def test_a_pause_closes_it_but_is_not_yet_quiet() -> None:
    gate = SpeechGate(SETTINGS)
    assert [type(event) for event in gate.push(frames(0.9, 0.0, 1.0, 1.0, 1.0))] == [Opened, Closed, Opened]


def test_it_is_quiet_as_soon_as_nobody_has_spoken_for_long_enough() -> None:
    gate = SpeechGate(SETTINGS)
    assert [type(event) for event in gate.push(frames(0.9, 0.0, 1.0, 1.4))] == [Opened, Closed]
    assert kinds_and_times(gate.push([0.0])) == [(Quiet, 1.2)]
    assert gate.push([0.0] * 30) == []


def test_a_murmur_neither_opens_nor_closes_it() -> None:
    assert events_of([0.4] * 50) == []
    gate = SpeechGate(SETTINGS)
    assert [type(event) for event in gate.push([0.9] * 5 + [0.4] * 50)] == [Opened]
    assert gate.is_open
