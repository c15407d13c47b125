from __future__ import annotations

import pytest
import torch
from torch import Tensor

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.layer import SinkLayer
from surtitle.sinks.rope import Rotation


def entries(*rows: list[int]) -> Tensor:
    """(B, 1, n, 2), the numbers given."""
    return torch.tensor(rows).float()[:, None, :, None].expand(-1, 1, -1, 2).clone()


def held(layer: SinkLayer) -> list[list[int]]:
    return [[int(slot) for slot in row] for row in layer.held()[1][:, 0, :, 0]]


def filled(*rows: list[int]) -> SinkLayer:
    layer = SinkLayer(6)
    layer.update(entries(*rows), entries(*rows))
    return layer


def test_rows_are_repeated_reordered_and_left_alone() -> None:
    layer = filled([1, 2], [3, 4])
    layer.select(torch.tensor([1, 1, 0]))
    assert held(layer) == [[3, 4], [3, 4], [1, 2]]
    layer.select(torch.tensor([2, 0, 1]))
    assert held(layer) == [[1, 2], [3, 4], [3, 4]]
    layer.select(torch.tensor([0]))
    assert held(layer) == [[1, 2]]


def test_reordered_rows_stay_in_the_same_memory() -> None:
    layer = filled([1, 2], [3, 4])
    before = layer.held()[0].data_ptr()
    layer.select(torch.tensor([1, 0]))
    assert layer.held()[0].data_ptr() == before


def test_all_rows_adopt_the_last_token_of_the_chosen_ones() -> None:
    layer = filled([1, 5], [2, 6], [3, 7])
    layer.adopt(torch.tensor([1, 1, 2]))
    assert held(layer) == [[1, 6], [2, 6], [3, 7]]


def test_rows_go_in_lock_step() -> None:
    layer = filled([1, 2], [3, 4])
    with pytest.raises(ValueError, match="1 rows are coming, expected 2"):
        layer.update(entries([5]), entries([5]))


def test_no_gradient_flows_through_what_is_held() -> None:
    layer = SinkLayer(4)
    keys, _ = layer.update(entries([1]).requires_grad_(), entries([1]))
    assert not keys.requires_grad


def test_what_was_written_in_inference_mode_goes_on_outside_of_it() -> None:
    layer = SinkLayer(4)
    with torch.inference_mode():
        layer.update(entries([1]), entries([1]))
    layer.update(entries([2]), entries([2]))
    layer.remove(0, 1)
    assert held(layer) == [[2]]


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


@pytest.mark.parametrize(("tokens", "message"), [(0, "0 tokens to evict, expected 1 to 5"), (6, "6 tokens to evict")])
def test_the_prefix_is_not_evicted(tokens: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        some_cache().evict(tokens)


def test_what_is_forgotten_is_not_the_prefix() -> None:
    with pytest.raises(ValueError, match="6 tokens to forget of 8 with 3 pinned"):
        some_cache().forget(6)


def test_a_window_is_larger_than_its_prefix() -> None:
    cache = SinkCache(capacity=4, rotations=[Rotation.none()])
    cache.layers[0].update(entries([1, 2, 3, 4]), entries([1, 2, 3, 4]))
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
