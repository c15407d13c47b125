from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache, GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.rope import Rotation
from surtitle.sinks.stock import StockDecoder, as_transformers, rotation_of

VOCABULARY = 260
PREFIX = [3, 1, 4, 1, 5]
TURNS = [[(7 * turn + 3 * token) % VOCABULARY for token in range(3 + turn % 4)] for turn in range(16)]
NO_ROTATION = Rotation(torch.zeros(8))
"""Leaves keys where they are: the bug of every predecessor."""


class Oracle:
    """StreamingLLM as the paper has it: keys are cached unrotated, and all are rotated at every step."""

    def __init__(self, model: PreTrainedModel) -> None:
        rotation = rotation_of(model)

        def rotated(x: Tensor, start: int) -> Tensor:
            angles = rotation.angles(start + x.shape[2])[start:].repeat(1, 2)  # (T, d)
            first, second = x.chunk(2, dim=-1)
            return (x * angles.cos() + torch.cat((-second, first), dim=-1) * angles.sin()).float()

        def attend(
            module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **kwargs: Any
        ) -> tuple[Tensor, None]:
            query = rotated(query, key.shape[2] - query.shape[2])
            out, _ = sdpa_attention_forward(module, query, rotated(key, 0), value, mask, **kwargs)
            return out, None

        AttentionInterface.register("prerope", attend)
        AttentionMaskInterface.register("prerope", sdpa_mask)
        self.model = model
        self.cache = DynamicCache()

    @torch.inference_mode()
    def decode(self, ids: Sequence[int]) -> Tensor:
        self.model.set_attn_implementation("prerope")
        nowhere = torch.zeros(1, len(ids), dtype=torch.long)  # at position 0 the model's own rotation is none
        output = self.model(torch.tensor([list(ids)]), position_ids=nowhere, past_key_values=self.cache)
        self.model.set_attn_implementation("sdpa")
        logits: Tensor = output.logits[0]
        return logits

    def evict(self, start: int, count: int) -> None:
        for layer in self.cache.layers:
            layer.keys = torch.cat((layer.keys[:, :, :start], layer.keys[:, :, start + count :]), dim=2)
            layer.values = torch.cat((layer.values[:, :, :start], layer.values[:, :, start + count :]), dim=2)


def differences(model: PreTrainedModel, step: int, rotation: Rotation | None = None) -> list[float]:
    """The largest difference of a logit from the oracle's, turn by turn; turns are read `step` tokens at a time."""
    decoder, oracle = StockDecoder(model), Oracle(model)
    cache = SinkCache(layers=decoder.layers, capacity=24, rotation=rotation or decoder.rotation)
    decoder.decode(PREFIX, cache, keep=1)
    oracle.decode(PREFIX)
    cache.pin()
    found = []
    for turn in TURNS:
        oracle.evict(cache.pinned, cache.make_room(len(turn)))
        for start in range(0, len(turn), step):
            part = turn[start : start + step]
            found.append((decoder.decode(part, cache, keep=len(part)) - oracle.decode(part)).abs().max().item())
        cache.end_turn()
    assert cache.evictions > 4  # or nothing was tested
    return found


@pytest.mark.parametrize(("family", "step"), [("llama", 1), ("llama", 100), ("qwen2", 3), ("qwen3", 3)])
def test_after_evictions_the_model_sees_what_the_papers_algorithm_shows_it(family: str, step: int, make_model) -> None:
    assert max(differences(make_model(family), step)) < 1e-4


def test_keys_that_are_not_moved_are_far_from_it(make_model) -> None:
    assert max(differences(make_model("llama"), 3, NO_ROTATION)) > 0.1


def test_without_evictions_it_is_a_plain_cache(make_model) -> None:
    model = make_model("qwen2")
    decoder, plain = StockDecoder(model), DynamicCache()
    cache = SinkCache(layers=decoder.layers, capacity=200, rotation=decoder.rotation)
    for turn in TURNS:
        ours = decoder.decode(turn, cache, keep=len(turn))
        with torch.inference_mode():
            theirs = model(torch.tensor([turn]), past_key_values=plain).logits[0]
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_a_model_without_rotary_positions_is_refused() -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(ValueError, match="GPT2LMHeadModel has 0 rotary embeddings, expected exactly one"):
        rotation_of(model)


def test_the_rotation_is_read_from_the_live_model(make_model) -> None:
    model = make_model("llama", rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    torch.testing.assert_close(rotation_of(model).angles(2)[1], 500.0 ** -(torch.arange(0, 16, 2).double() / 16))


def test_transformers_sees_the_length_and_the_limit_of_the_cache(make_model) -> None:
    decoder = StockDecoder(make_model("llama"))
    cache = SinkCache(layers=decoder.layers, capacity=30, rotation=decoder.rotation)
    decoder.decode([1, 2, 3], cache, keep=1)
    seen = as_transformers(cache)
    assert seen.get_seq_length() == 3
    assert seen.get_mask_sizes(4, 0) == (7, 0)
    assert seen.layers[0].get_max_length() == 30
    assert decoder.decode([4, 5], cache, keep=2).shape == (2, 260)
    assert seen.get_seq_length() == 5


def test_generate_of_transformers_runs_on_it(make_model) -> None:
    model = make_model("qwen2", eos_token_id=None)
    cache = SinkCache(layers=2, capacity=30, rotation=rotation_of(model))
    prompt = torch.tensor([[7, 8, 9]])
    ours = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        past_key_values=as_transformers(cache),
        max_new_tokens=9,
        do_sample=False,
    )
    theirs = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=9, do_sample=False)
    assert torch.equal(ours, theirs)
