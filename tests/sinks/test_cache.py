from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surtitle.sinks.cache import SinkCache, horizon_of
from surtitle.sinks.layer import CacheFull, SinkLayer
from surtitle.sinks.lean import LeanDecoder
from surtitle.sinks.rope import Rotation

VOCABULARY = 260
PREFIX = [3, 1, 4, 1, 5]
NO_ROTATION = Rotation(torch.zeros(8))
"""Leaves keys where they are: the bug of every predecessor."""


def sink_cache(decoder: LeanDecoder, capacity: int) -> SinkCache:
    return decoder.cache(capacity)


@pytest.fixture(scope="module")
def lean(make_model, as_lean) -> LeanDecoder:
    """Exact: what rounding the activations does to so small a model would hide what a wrong position does."""
    decoder: LeanDecoder = as_lean(make_model("qwen2"), exact=True)
    return decoder


@settings(max_examples=10)
@given(data=st.data())
def test_however_tokens_are_cut_into_forwards_the_logits_are_the_same(lean: LeanDecoder, data: st.DataObject) -> None:
    turns = data.draw(
        st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8), min_size=6, max_size=12)
    )
    whole, cut = sink_cache(lean, 24), sink_cache(lean, 24)
    for cache in (whole, cut):
        lean.decode(PREFIX, cache, keep=1)
        cache.pin()
    for turn in turns:
        for cache in (whole, cut):
            cache.make_room(len(turn))
        expected = lean.decode(turn, whole, keep=len(turn))
        ends = sorted(data.draw(st.sets(st.integers(1, len(turn)))) | {len(turn)})
        parts = [turn[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        got = torch.cat([lean.decode(part, cut, keep=len(part)) for part in parts])
        torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)
        whole.end_turn()
        cut.end_turn()


def fill(cache: SinkCache, tokens: int, first: int = 0) -> None:
    """Append `tokens` slots whose values are `first`, `first` + 1... so that a slot can be told by its value."""
    numbers = torch.arange(first, first + tokens).float()[None, None, :, None]
    for layer in cache.layers:
        layer.update(torch.ones(1, 2, tokens, 16), numbers.expand(1, 2, tokens, 16).clone())


def slots(cache: SinkCache) -> list[int]:
    return [int(value) for value in cache.layers[-1].held()[1][0, 0, :, 0]]


def test_whole_turns_are_evicted_oldest_first_and_never_the_prefix() -> None:
    cache = SinkCache(capacity=20, rotations=[NO_ROTATION] * 2)
    fill(cache, 4)
    cache.pin()
    for start, tokens in ((4, 5), (9, 3), (12, 6)):
        fill(cache, tokens, first=start)
        cache.end_turn()
    assert cache.make_room(3) == 5  # 2 are free; of 16 behind the prefix a quarter is to be free, and is
    assert slots(cache) == [0, 1, 2, 3, *range(9, 18)]
    assert (cache.evictions, cache.evicted, cache.length, cache.free) == (1, 5, 13, 7)


def test_nothing_is_evicted_while_there_is_room() -> None:
    cache = SinkCache(capacity=20, rotations=[NO_ROTATION])
    fill(cache, 15)
    cache.end_turn()
    assert cache.make_room(5) == 0
    assert cache.evictions == 0


def test_once_it_evicts_it_goes_on_to_the_low_water_mark() -> None:
    cache = SinkCache(capacity=104, rotations=[NO_ROTATION])
    fill(cache, 4)
    cache.pin()
    for _ in range(50):
        fill(cache, 2)
        cache.end_turn()
    assert cache.make_room(2, low_water=0.75) == 26
    evictions = cache.evictions
    for _ in range(12):
        assert cache.make_room(2) == 0
        fill(cache, 2)
        cache.end_turn()
    assert cache.evictions == evictions


def test_the_open_turn_is_not_evicted_and_the_message_says_what_is_in_the_way() -> None:
    cache = SinkCache(capacity=20, rotations=[NO_ROTATION])
    fill(cache, 4)
    cache.pin()
    fill(cache, 3)
    cache.end_turn()
    fill(cache, 10)
    with pytest.raises(ValueError, match=r"8 tokens can't fit: of 20, 4 are pinned and 10 belong to the open turn"):
        cache.make_room(8)
    assert cache.length == 17
    assert cache.make_room(6) == 3


def test_a_forward_without_room_is_refused_before_anything_is_written() -> None:
    cache = SinkCache(capacity=5, rotations=[NO_ROTATION])
    fill(cache, 4)
    with pytest.raises(
        CacheFull, match=r"holds 4 tokens and 2 are coming, expected at most 5 in all: call make_room\(2\)"
    ):
        fill(cache, 2, first=90)
    assert slots(cache) == [0, 1, 2, 3]


def test_the_prefix_is_pinned_before_the_first_turn_ends() -> None:
    cache = SinkCache(capacity=9, rotations=[NO_ROTATION])
    fill(cache, 2)
    cache.end_turn()
    with pytest.raises(ValueError, match="before the first turn ends"):
        cache.pin()


def test_an_empty_turn_is_no_turn() -> None:
    cache = SinkCache(capacity=9, rotations=[NO_ROTATION])
    cache.end_turn()
    cache.pin()
    cache.end_turn()
    fill(cache, 9)
    cache.end_turn()
    cache.end_turn()
    assert cache.make_room(1) == 9


def test_a_cache_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity is 0 tokens, expected at least 1"):
        SinkCache(capacity=0, rotations=[NO_ROTATION])
    with pytest.raises(ValueError, match="holds nothing yet"):
        SinkLayer(4).held()


def test_a_rollback_restores_every_bit(make_lean) -> None:
    decoder = make_lean("llama")
    cache = sink_cache(decoder, 40)
    decoder.decode(PREFIX, cache, keep=1)
    cache.end_turn()
    mark = cache.mark()
    before = [tensor.clone() for layer in cache.layers for tensor in layer.held()]
    once = decoder.decode([9, 8, 7], cache, keep=3)
    cache.end_turn()
    cache.rollback(mark)
    after = [tensor for layer in cache.layers for tensor in layer.held()]
    assert all(torch.equal(now, then) for now, then in zip(after, before, strict=True))
    assert torch.equal(decoder.decode([9, 8, 7], cache, keep=3), once)


def test_a_turn_that_was_rolled_back_is_not_evicted_later() -> None:
    cache = SinkCache(capacity=10, rotations=[NO_ROTATION])
    fill(cache, 3)
    cache.end_turn()
    mark = cache.mark()
    fill(cache, 4, first=50)
    cache.end_turn()
    cache.rollback(mark)
    fill(cache, 5, first=3)
    assert cache.make_room(5) == 3
    assert slots(cache) == [3, 4, 5, 6, 7]


def test_a_mark_does_not_outlive_an_eviction() -> None:
    cache = SinkCache(capacity=10, rotations=[NO_ROTATION])
    fill(cache, 6)
    cache.end_turn()
    mark = cache.mark()
    cache.make_room(8)
    fill(cache, 8)
    with pytest.raises(ValueError, match=r"made at 6 tokens with 0 evicted, .* 8 with 6 evicted: mark again"):
        cache.rollback(mark)


def test_a_mark_ahead_of_the_cache_is_refused() -> None:
    cache = SinkCache(capacity=10, rotations=[NO_ROTATION])
    earlier = cache.mark()
    fill(cache, 6)
    later = cache.mark()
    cache.rollback(earlier)
    with pytest.raises(ValueError, match="made at 6 tokens"):
        cache.rollback(later)


def test_two_thousand_turns_take_no_more_memory_than_one() -> None:
    cache = SinkCache(capacity=48, rotations=[Rotation(torch.tensor([1.0, 0.1]))] * 2)
    fill(cache, 5)
    cache.pin()
    at_first, addresses = cache.nbytes(), [tensor.data_ptr() for layer in cache.layers for tensor in layer.held()]
    for _ in range(2000):
        cache.make_room(4)
        fill(cache, 4)
        cache.end_turn()
    assert at_first == cache.nbytes() == 2 * 2 * 48 * 2 * 16 * 4  # layers, keys and values, slots, heads, size, bytes
    assert addresses == [tensor.data_ptr() for layer in cache.layers for tensor in layer.held()]
    assert cache.evicted + cache.length == 5 + 2000 * 4


def test_after_hundreds_of_evictions_the_model_is_still_fed_what_the_paper_says(lean: LeanDecoder) -> None:
    cache, fresh = sink_cache(lean, 24), sink_cache(lean, 24)
    for _ in range(300):
        cache.make_room(4)
        lean.decode([1, 2, 3, 4], cache, keep=1)
        cache.end_turn()
    # the first layer's keys depend on a token and its slot alone: 300 turns later they are those of a new cache
    for _ in range(cache.length // 4):
        lean.decode([1, 2, 3, 4], fresh, keep=1)
    torch.testing.assert_close(cache.layers[0].held(), fresh.layers[0].held(), atol=1e-4, rtol=0)
    assert cache.evictions > 100


@given(turns=st.lists(st.integers(1, 9), min_size=1, max_size=60), pinned=st.integers(0, 6))
def test_whatever_comes_the_cache_holds_the_prefix_and_the_newest_whole_turns(turns: list[int], pinned: int) -> None:
    cache = SinkCache(capacity=24, rotations=[NO_ROTATION])
    if pinned:
        fill(cache, pinned)
    cache.pin()
    starts, at = [], pinned
    for tokens in turns:
        cache.make_room(tokens)
        assert cache.free >= tokens
        fill(cache, tokens, first=at)
        cache.end_turn()
        starts.append(at)
        at += tokens
    rest = slots(cache)[pinned:]
    assert slots(cache)[:pinned] == list(range(pinned))
    assert rest == list(range(at - len(rest), at))
    assert rest[0] in starts


def some_cache(**settings: object) -> SinkCache:
    cache = SinkCache(capacity=10, rotations=[Rotation(torch.tensor([0.3]))], **settings)
    keys = torch.randn(2, 1, 8, 2, generator=torch.Generator().manual_seed(1))
    cache.layers[0].update(keys, keys)
    cache.record(torch.arange(16).reshape(2, 8))
    cache.pin(3)
    return cache


@pytest.mark.parametrize("anchored", [False, True])
def test_a_saved_cache_goes_on_bit_for_bit(anchored: bool) -> None:
    cache, other = (
        some_cache(anchored=anchored),
        SinkCache(capacity=10, rotations=[Rotation(torch.tensor([0.3]))], anchored=anchored),
    )
    cache.evict(2)
    other.restore(cache.state())
    for each in (cache, other):
        each.evict(2)
    assert torch.equal(cache.layers[0].held()[0], other.layers[0].held()[0])
    assert torch.equal(cache.ids, other.ids)
    assert cache.position == other.position


def test_the_ids_held_are_known_through_evictions_rollbacks_and_choices_of_rows() -> None:
    cache = some_cache()
    cache.evict(2)
    assert cache.ids.tolist() == [[0, 1, 2, 5, 6, 7], [8, 9, 10, 13, 14, 15]]
    cache.forget(1)
    cache.select(torch.tensor([1, 1, 0]))
    assert cache.ids.tolist() == [[8, 9, 10, 13, 14], [8, 9, 10, 13, 14], [0, 1, 2, 5, 6]]
    cache.adopt(torch.tensor([0, 2, 2]))
    assert cache.ids[:, -1].tolist() == [14, 6, 6]
    cache.layers[0].update(torch.zeros(3, 1, 1, 2), torch.zeros(3, 1, 1, 2))
    with pytest.raises(ValueError, match="not all were read as ids"):
        _ = cache.ids


@pytest.mark.parametrize("anchored", [False, True])
def test_the_tail_of_a_cache_that_went_another_way_from_the_same_place_is_held_bit_for_bit(anchored: bool) -> None:
    cache, other = some_cache(anchored=anchored), some_cache(anchored=anchored)
    for each, tokens in ((cache, [5, 6]), (other, [7])):
        each.evict(2)
        fresh = torch.randn(2, 1, len(tokens), 2, generator=torch.Generator().manual_seed(len(tokens)))
        each.layers[0].update(fresh, fresh)
        each.record(torch.tensor([tokens, tokens]))
    tail = other.tail(6)
    other.layers[0].held()[0].zero_()  # it is a copy
    cache.graft(6, tail)
    again = some_cache(anchored=anchored)
    again.evict(2)
    fresh = torch.randn(2, 1, 1, 2, generator=torch.Generator().manual_seed(1))
    again.layers[0].update(fresh, fresh)
    assert torch.equal(cache.layers[0].held()[0], again.layers[0].held()[0])
    assert cache.ids.tolist() == [[0, 1, 2, 5, 6, 7, 7], [8, 9, 10, 13, 14, 15, 7]]
    assert cache.position == other.position


def test_a_tail_is_not_grafted_into_the_prefix_nor_behind_what_is_held() -> None:
    cache = some_cache()
    tail = cache.tail(7)
    for slot in (2, 9):
        with pytest.raises(ValueError, match="tokens to forget of 8 with 3 pinned"):
            cache.graft(slot, tail)


@pytest.mark.parametrize(("tokens", "message"), [(0, "0 tokens to evict, expected 1 to 5"), (6, "6 tokens to evict")])
def test_the_prefix_is_not_evicted(tokens: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        some_cache().evict(tokens)


def test_what_is_forgotten_is_not_the_prefix() -> None:
    with pytest.raises(ValueError, match="6 tokens to forget of 8 with 3 pinned"):
        some_cache().forget(6)


def test_a_window_is_larger_than_its_prefix() -> None:
    cache = SinkCache(capacity=4, rotations=[Rotation.none()])
    fill(cache, 4)
    with pytest.raises(ValueError, match=r"4 tokens to pin of 4 held and 4 that fit: expected .* a window larger"):
        cache.pin()
    with pytest.raises(ValueError, match="5 tokens to pin"):
        cache.pin(5)


def test_positions_stay_below_the_horizon() -> None:
    with pytest.raises(ValueError, match="can't stay below 9 with 10 tokens held"):
        SinkCache(capacity=10, rotations=[Rotation.none()], anchored=True, horizon=9)
    cache = some_cache(anchored=True, horizon=14)
    highest = 0
    for _ in range(30):
        cache.evict(1)
        cache.layers[0].update(torch.zeros(2, 1, 1, 2), torch.zeros(2, 1, 1, 2))
        highest = max(highest, cache.position)
    assert highest == 12  # of the next token; two more fit


def test_the_horizon_leaves_a_wide_window_to_roll_and_ends_where_positions_do() -> None:
    assert [horizon_of(capacity, None) for capacity in (100, 8192, 12_000, 131_072)] == [
        16_384,
        16_384,
        24_000,
        262_144,
    ]
    assert [horizon_of(100, limit) for limit in (100, 512, 131_072)] == [100, 512, 16_384]


@pytest.mark.parametrize("taken", [False, True])
def test_what_was_held_far_on_goes_on_in_a_wider_window_below_its_horizon(taken: bool) -> None:
    rotation = Rotation(torch.tensor([0.3]))
    narrow = some_cache(anchored=True, horizon=40)
    for _ in range(24):
        narrow.evict(1)
        narrow.layers[0].update(torch.ones(2, 1, 1, 2), torch.ones(2, 1, 1, 2))
    keys = narrow.layers[0].held()[0]
    for capacity, position in ((16, 32), (17, 8)):
        wide = SinkCache(capacity=capacity, rotations=[rotation], anchored=True, horizon=40)
        if taken:
            wide.take(narrow)
        else:
            wide.restore(narrow.state())
        assert wide.position == position
        expected = keys.clone()
        rotation.rotate_(expected, position - 32)
        torch.testing.assert_close(wide.layers[0].held()[0], expected)
