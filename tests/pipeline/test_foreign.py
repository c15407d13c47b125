"""`surtitle.pipeline.foreign`: what an address says, and audio that is cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surtitle.pipeline.foreign import Asked, Pcm, asked_of
from surtitle.pipeline.http import Head, HttpError


def asked(query: str) -> Asked:
    return asked_of(Head.of("GET", f"/simulstream{query}", ()))


@given(st.binary(max_size=64), st.lists(st.integers(0, 64), max_size=8).map(sorted))
def test_audio_that_is_cut_anywhere_is_the_same_audio_and_none_of_it_waits(data: bytes, cuts: list[int]) -> None:
    pcm, whole = Pcm(), np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768
    heard = np.zeros(0, np.float32)
    for begin, end in pairwise([0, *cuts, len(data)]):
        heard = np.concatenate([heard, pcm.push(data[begin:end])])
        assert len(heard) == min(end, len(data)) // 2
    assert np.array_equal(heard, whole)


def test_an_address_says_what_it_says_and_the_rest_is_any_speech_into_english_in_the_main_room() -> None:
    assert asked("") == Asked(source="auto", target="en", session="main", model="")
    assert asked("?from=de,fr&to=es&session=hall-2&model=gpt&more=1") == Asked("de,fr", "es", "hall-2", "gpt")


@pytest.mark.parametrize("room", ["A-Z_a-z-09", "x" * 64])
def test_a_room_has_a_name_as_rooms_have(room: str) -> None:
    assert asked(f"?session={room}").session == room


@pytest.mark.parametrize(
    "query",
    [
        *("session=", "session=no%20name", "session=hall%0A", f"session={'x' * 65}"),
        *(f"{field}=a&{field}=b" for field in ("from", "to", "session", "model")),
    ],
)
def test_what_can_not_be_meant_is_refused(query: str) -> None:
    with pytest.raises(HttpError, match="expected") as caught:
        asked(f"?{query}")
    assert caught.value.status == 400
