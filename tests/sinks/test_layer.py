from __future__ import annotations

import pytest
import torch
from torch import Tensor

from surtitle.sinks.layer import SinkLayer


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
    with pytest.raises(ValueError, match=r"1 rows of 1 heads of 2 in .* are coming, expected 2 of 1 of 2"):
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


def test_what_is_held_moves_to_where_its_model_reads_on() -> None:
    layer, coming = filled([1, 2]), entries([3]).to("meta")  # loaded on one GPU, read on another
    keys, values = layer.update(coming, coming)
    assert {keys.device.type, values.device.type} == {"meta"}
    assert keys.shape == (1, 1, 3, 2)
