"""`surtitle.sinks.lockstep`: streams in step, with a decoder that counts its forwards."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from surtitle.sinks.decoder import Read
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.lockstep import Steps, alone, together, until, without
from surtitle.sinks.stream import SLICE, TokenStream

CAPACITY = 90


@pytest.fixture(scope="module")
def exact(make_lean) -> LeanDecoder:
    return make_lean("qwen2", exact=True)


class Counted:
    """A decoder that remembers how many rows each forward had."""

    def __init__(self, decoder: LeanDecoder) -> None:
        self.rows: list[int] = []
        self._decoder = decoder

    def decode_rows(self, reads: Sequence[Read]) -> list[Tensor]:
        self.rows.append(len(reads))
        return self._decoder.decode_rows(reads)


def saying(stream: TokenStream, ids: Sequence[int], limit: int, draft: Sequence[int] = ()) -> Steps[list[int]]:
    said: list[int] = []
    yield from stream.writing(said.append, stop=(), limit=limit, draft=draft, behind=ids)
    return said


TOKEN = st.integers(0, 259)
IDS = st.lists(TOKEN, min_size=1, max_size=20) | st.lists(TOKEN, min_size=SLICE - 5, max_size=SLICE + 5)
TURN = st.tuples(IDS, st.integers(0, 9))


@given(turns=st.lists(TURN, min_size=1, max_size=4), drafted=st.booleans())
@settings(max_examples=25, deadline=None)
def test_streams_in_step_say_what_each_says_alone(exact, turns: list[tuple[list[int], int]], drafted: bool) -> None:
    expected = [alone(exact, saying(TokenStream(exact, capacity=CAPACITY), *turn)) for turn in turns]
    streams = [TokenStream(exact, cache) for cache in exact.caches(len(turns), CAPACITY)]
    steps = [
        saying(stream, *turn, draft=said if drafted else ())
        for stream, turn, said in zip(streams, turns, expected, strict=True)
    ]
    got = dict(together(exact, steps))
    assert [got[index] for index in range(len(turns))] == expected


@given(turn=TURN, draft=st.lists(TOKEN, max_size=9), never=st.sets(TOKEN, max_size=200))
@settings(max_examples=25, deadline=None)
def test_what_is_ruled_out_is_never_said_whatever_the_draft_says(
    exact, turn: tuple[list[int], int], draft: list[int], never: set[int]
) -> None:
    tokens = torch.tensor(sorted(never), dtype=torch.long)
    said, plain = (
        alone(exact, without(saying(TokenStream(exact, capacity=CAPACITY), *turn, draft=guess), tokens))
        for guess in (draft, ())
    )
    assert said == plain
    assert not never & {*said}
    free = alone(exact, saying(TokenStream(exact, capacity=CAPACITY), *turn))
    assert said == free or never & {*free}


def test_each_is_told_when_it_is_done_and_leaves_its_place_to_nobody(exact) -> None:
    counted = Counted(exact)
    streams = [TokenStream(exact, cache) for cache in exact.caches(3, CAPACITY)]
    steps = [saying(stream, [7, 8, 9], limit) for stream, limit in zip(streams, (2, 0, 4), strict=True)]
    done = []
    for index, said in together(counted, steps):
        done.append((index, len(said), len(counted.rows)))
    assert done == [(1, 0, 1), (0, 2, 3), (2, 4, 5)]
    assert counted.rows == [3, 2, 2, 1, 1]


def test_what_nobody_asks_for_is_not_read(exact) -> None:
    counted = Counted(exact)
    streams = [TokenStream(exact, cache) for cache in exact.caches(2, CAPACITY)]
    finished = together(counted, [saying(stream, [5], limit) for stream, limit in zip(streams, (1, 60), strict=True)])
    assert next(finished)[0] == 0
    finished.close()
    assert counted.rows == [2, 2]


def test_where_one_fails_all_end(exact) -> None:
    ended = []

    def waiting(stream: TokenStream) -> Steps[None]:
        try:
            yield from stream.reading([1] * 65)
            yield from stream.reading([1])
        finally:
            ended.append(stream)

    def failing(stream: TokenStream) -> Steps[None]:
        yield from stream.reading([1])
        raise RuntimeError("out of words")

    one, other = (TokenStream(exact, cache) for cache in exact.caches(2, CAPACITY))
    with pytest.raises(RuntimeError, match="out of words"):
        list(together(exact, [waiting(one), failing(other)]))
    assert ended == [one]


def test_nothing_is_said_of_no_steps(exact) -> None:
    assert list(together(exact, [])) == []


def test_logits_are_sent_to_who_asked(exact) -> None:
    def asking(ids: Sequence[int]) -> Steps[Tensor]:
        return (yield Read(ids, exact.cache(CAPACITY), keep=len(ids)))

    found = dict(together(exact, [asking([1, 2, 3]), asking([4])]))
    for index, ids in enumerate(([1, 2, 3], [4])):
        torch.testing.assert_close(found[index], exact.decode(ids, exact.cache(CAPACITY), keep=len(ids)))


def test_steps_that_are_left_between_two_forwards_did_not_end(exact) -> None:
    stream = TokenStream(exact, capacity=CAPACITY)
    assert not alone(exact, until(stream.reading([1] * (SLICE + 1)), lambda: True))
    assert stream.cache.length == SLICE


def test_steps_that_nobody_leaves_end(exact) -> None:
    stream = TokenStream(exact, capacity=CAPACITY)
    assert alone(exact, until(stream.reading([1] * (SLICE + 1)), lambda: False))
    assert stream.cache.length == SLICE + 1
