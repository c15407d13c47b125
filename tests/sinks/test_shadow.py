"""`surtitle.sinks.shadow`: a context read afresh, however it is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.sinks.decoder import Decoder
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.lockstep import alone
from surtitle.sinks.shadow import SLICE, Shadow
from surtitle.sinks.stream import TokenStream

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]
CAPACITY = 120
TURNS = st.lists(st.lists(st.integers(0, 259), min_size=1, max_size=12), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def decoder(make_lean: Callable[[str], LeanDecoder]) -> LeanDecoder:
    return make_lean("qwen2")


def used(decoder: Decoder) -> TokenStream:
    """A stream that has lost turns."""
    stream = TokenStream(decoder, capacity=CAPACITY)
    stream.pin(PROMPT)
    for turn in range(20):
        stream.cache.make_room(12)
        stream.append([turn] * 12)
        stream.cache.end_turn()
    return stream


def read_some(decoder: Decoder, shadow: Shadow, turns: list[list[int]], forwards: int) -> bool:
    """Whether it came to an end in so many forwards."""
    steps = shadow.reading(PROMPT, turns)
    try:
        read = next(steps)
        for _ in range(forwards):
            read = steps.send(decoder.decode(read.ids, read.cache, keep=read.keep))
    except StopIteration:
        return True
    steps.close()
    return False


@settings(max_examples=15)
@given(turns=TURNS, forwards=st.integers(1, 4))
def test_wherever_it_is_left_it_holds_in_the_end_what_a_fresh_stream_does(
    decoder: Decoder, turns: list[list[int]], forwards: int
) -> None:
    stream, shadow, fresh = used(decoder), Shadow(decoder, CAPACITY), TokenStream(decoder, capacity=CAPACITY)
    store = stream.cache.layers[0].held()[0].data_ptr()
    evicted = stream.cache.evictions
    while not read_some(decoder, shadow, turns, forwards):
        pass
    shadow.replace(stream)
    ids = [*PROMPT, *(token for turn in turns for token in turn)]
    for start in range(0, len(ids), SLICE):
        fresh.append(ids[start : start + SLICE])
    assert stream.cache.ids[0].tolist() == ids
    assert (stream.cache.pinned, len(stream.cache.turn_ends)) == (len(PROMPT), len(turns))
    assert (stream.cache.turn_ends[-1], stream.cache.open_turn, stream.cache.evictions) == (len(ids), 0, evicted)
    for mine, theirs in zip(stream.cache.layers, fresh.cache.layers, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine.held(), theirs.held(), strict=True))
    assert stream.cache.layers[0].held()[0].data_ptr() == store  # what others read beside it stays beside it
    assert list(stream.write(stop=(), limit=4)) == list(fresh.write(stop=(), limit=4))


def test_other_turns_are_read_from_the_beginning(decoder: Decoder) -> None:
    stream, shadow = used(decoder), Shadow(decoder, CAPACITY)
    assert not read_some(decoder, shadow, [[1] * 30, [2] * 30], 1)
    alone(decoder, shadow.reading(PROMPT, [[2] * 30, [5] * 4]))
    shadow.replace(stream)
    assert stream.cache.ids[0].tolist() == [*PROMPT, *[2] * 30, *[5] * 4]


def test_a_context_that_does_not_fit_takes_no_place(decoder: Decoder) -> None:
    stream, shadow = TokenStream(decoder, capacity=40), Shadow(decoder, CAPACITY)
    stream.pin(PROMPT)
    alone(decoder, shadow.reading(PROMPT, [[1] * 40]))
    with pytest.raises(ValueError, match=r"48 tokens, expected .* at most 40"):
        shadow.replace(stream)
    assert stream.cache.length == len(PROMPT)
    with pytest.raises(ValueError, match="a turn that ends at slot 50, expected 8 to 8"):
        stream.cache.end_turn(50)
