"""Rooms: one speaker each, viewers before and after, and no more of them than are needed."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.events import MAIN_ROOM
from surtitle.pipeline.hub import Hub, Viewer
from surtitle.pipeline.messages import CloseCode, Refused
from surtitle.pipeline.rooms import SPARE, Room, Rooms


def rooms(sessions: int | None = None) -> Rooms:
    epochs = count()
    return Rooms(lambda: Hub(f"epoch-{next(epochs)}"), sessions=sessions)


def names(rooms: Rooms) -> list[str]:
    return [room.name for room in rooms]


def test_a_viewer_may_wait_where_nobody_speaks_yet() -> None:
    here = rooms()
    waiting = here.watch("hall")
    waiting.hub.join()
    assert here.speak("hall") is waiting


def test_each_room_has_an_epoch_of_its_own() -> None:
    here = rooms()
    assert here.speak("one").hub.epoch != here.speak("other").hub.epoch


def test_one_speaks_in_a_room_at_a_time() -> None:
    here = rooms()
    room = here.speak("hall")
    here.speak("other")
    with pytest.raises(Refused, match="someone else is speaking in session 'hall'") as caught:
        here.speak("hall")
    assert caught.value.close_code is CloseCode.BUSY
    here.hush(room)
    assert here.speak("hall") is room


def test_no_more_sessions_run_than_are_taken() -> None:
    here = rooms(sessions=2)
    first = here.speak("1")
    here.speak("2")
    with pytest.raises(Refused, match="2 sessions are running") as caught:
        here.speak("3")
    assert (caught.value.close_code, caught.value.retry) == (CloseCode.FULL, True)
    here.hush(first)
    here.speak("3")


def test_a_session_that_nobody_watches_takes_a_place_among_those_that_run() -> None:
    here = rooms(sessions=1)
    with here.unwatched():
        with pytest.raises(Refused, match="1 sessions are running"):
            here.speak("1")
        assert names(here) == []
    room = here.speak("1")
    with pytest.raises(Refused, match="1 sessions are running"), here.unwatched():
        pass
    here.hush(room)
    with here.unwatched():
        pass


def test_a_room_where_nobody_ever_spoke_is_forgotten_with_its_last_viewer() -> None:
    here = rooms()
    viewer = here.watch("hall").hub.join()
    assert names(here) == ["hall"]
    viewer.leave()
    assert names(here) == []


def test_what_was_said_can_be_read_after_everybody_has_left() -> None:
    here = rooms()
    room = here.speak("hall")
    here.hush(room)
    assert here.watch("hall") is room


def test_of_rooms_that_nobody_needs_those_spoken_in_last_are_kept() -> None:
    here = rooms()
    for number in range(SPARE + 2):
        here.hush(here.speak(str(number)))
        here.hush(here.speak("0"))
    assert len(names(here)) == SPARE
    assert {"0", str(SPARE + 1)} <= set(names(here))
    assert "1" not in names(here)


def test_rooms_to_wait_in_are_bounded_and_rooms_with_a_speaker_are_not() -> None:
    here = rooms()
    for number in range(SPARE):
        here.watch(str(number)).hub.join()
    with pytest.raises(Refused, match="more wait for a speaker") as caught:
        here.watch("one more")
    assert caught.value.close_code is CloseCode.FULL
    here.watch("7").hub.join()
    here.speak("one more")
    here.watch("one more")


def test_names_that_others_made_up_keep_nobody_from_waiting_in_the_main_room() -> None:
    here = rooms()
    for number in range(SPARE):
        here.watch(str(number)).hub.join()
    assert here.watch(MAIN_ROOM).hub.join()


steps = st.lists(
    st.tuples(st.sampled_from(["watch", "leave", "speak", "hush"]), st.integers(0, 200).map(str)), max_size=120
)


@given(steps)
def test_nobody_is_ever_left_in_a_room_that_was_forgotten(steps: list[tuple[str, str]]) -> None:
    here, viewers, speaking = rooms(), dict[str, tuple[Room, Viewer]](), dict[str, Room]()
    for step, name in steps:
        match step:
            case "watch" if name not in viewers:
                try:
                    room = here.watch(name)
                except Refused:
                    assert len(viewers) >= SPARE
                    continue
                viewers[name] = room, room.hub.join()
            case "leave" if name in viewers:
                viewers.pop(name)[1].leave()
            case "speak" if name not in speaking:
                speaking[name] = here.speak(name)
            case "hush" if name in speaking:
                here.hush(speaking.pop(name))
        there = {room.name: room for room in here}
        assert all(there[name] is room for name, (room, _) in viewers.items())
        assert all(there[name] is room for name, room in speaking.items())
        assert sum(room.deserted for room in there.values()) <= SPARE
