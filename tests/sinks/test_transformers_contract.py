"""What the sinks take for granted in transformers: an upgrade that changes it fails here first, with the reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from transformers import GenerationConfig, GenerationMixin, PreTrainedModel
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)
from transformers.generation import GenerationMode
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

PROMPT = torch.tensor([[7, 8, 9, 10]])


@pytest.fixture(scope="module")
def model(make_model) -> PreTrainedModel:
    model: PreTrainedModel = make_model("qwen2", eos_token_id=None)
    return model


def arguments(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)[1:]


def test_a_cache_layer_is_asked_these_things_and_no_others() -> None:
    # stock.py's layer answers them; another abstract method would leave it unmade
    assert CacheLayerMixin.__abstractmethods__ == {
        "lazy_initialization",
        "update",
        "get_mask_sizes",
        "get_seq_length",
        "get_max_length",
    }
    assert arguments(CacheLayerMixin.get_mask_sizes) == ["query_length"]
    assert arguments(CacheLayerMixin.update)[:2] == ["key_states", "value_states"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("get_seq_length", ["layer_idx"]),
        ("crop", ["tokens_to_remove"]),
        ("reorder_cache", ["beam_idx"]),
        ("batch_select_indices", ["indices"]),
        ("batch_repeat_interleave", ["repeats"]),
        ("reset", []),
    ],
)
def test_what_drop_in_overrides_of_a_cache_is_still_called_so(name: str, expected: list[str]) -> None:
    assert arguments(getattr(Cache, name)) == expected


def test_a_model_hands_its_layers_the_cache_it_is_given_in_order(model: PreTrainedModel) -> None:
    # positions.py reads the probe's keys from a plain cache's layers, one for each of the model's
    cache = DynamicCache()
    model(PROMPT, past_key_values=cache)
    assert [tuple(layer.keys.shape) for layer in cache.layers] == [(1, 2, 4, 16)] * 2


def test_a_configuration_says_which_layers_slide(make_model) -> None:
    # positions.py finds the limit of all-sliding models, and refuses recurrent ones, by these types
    sliding = make_model("qwen2", use_sliding_window=True, sliding_window=9, max_window_layers=1)
    assert [type(layer) for layer in DynamicCache(config=sliding.config).layers] == [
        DynamicLayer,
        DynamicSlidingWindowLayer,
    ]
    assert DynamicCache(config=sliding.config).layers[1].sliding_window == 9


def test_frequencies_are_buffers_whose_names_end_so(model: PreTrainedModel) -> None:
    # positions.py looks for candidates there
    names = [name for name, _ in model.named_buffers() if name.endswith("inv_freq")]
    assert any(not name.endswith("original_inv_freq") for name in names)


def test_the_causal_mask_counts_from_the_caches_length_and_not_from_positions(model: PreTrainedModel) -> None:
    # an anchored cache's positions are far ahead of its slots
    near, far = DynamicCache(), DynamicCache()
    for cache, start in ((near, 0), (far, 1000)):
        model(PROMPT, past_key_values=cache, position_ids=torch.arange(start, start + 4)[None])
    here = model(PROMPT + 5, past_key_values=near, position_ids=torch.arange(4, 8)[None]).logits
    there = model(PROMPT + 5, past_key_values=far, position_ids=torch.arange(1004, 1008)[None]).logits
    torch.testing.assert_close(here, there, atol=1e-3, rtol=0)


def test_generate_reads_only_what_the_cache_has_not_seen(model: PreTrainedModel) -> None:
    # an EndlessCache counts evicted tokens so that this arithmetic holds
    cache, lengths = DynamicCache(), []
    model(PROMPT[:, :3], past_key_values=cache)
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    model.generate(PROMPT, past_key_values=cache, max_new_tokens=3, do_sample=False)
    handle.remove()
    assert lengths == [1, 1, 1]


def test_assisted_decoding_begins_with_all_ids(model: PreTrainedModel) -> None:
    # drop_in.py takes away what was read; once this fails it need not
    cache, lengths = DynamicCache(), []
    model(PROMPT[:, :3], past_key_values=cache)
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    model.generate(PROMPT, past_key_values=cache, max_new_tokens=3, do_sample=False, prompt_lookup_num_tokens=2)
    handle.remove()
    assert lengths[0] >= PROMPT.shape[1]
    asked = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
    assert {"next_sequence_length", "past_key_values", "inputs_embeds", "is_first_iteration"} <= asked.keys()


def test_generate_calls_the_model_as_an_object_and_takes_its_cache_from_the_output() -> None:
    # drop_in.py overrides __call__, which holds for compiled and dispatched models too, and puts the cache back
    assert "self.__call__" in inspect.getsource(GenerationMixin._sample)
    assert "ALL_CACHE_NAMES" in inspect.getsource(GenerationMixin._update_model_kwargs_for_generation)


def test_a_decoding_method_is_called_with_these_arguments(model: PreTrainedModel) -> None:
    # contrastive.py is one; it gets the streamer when it is made, since generate does not pass it on
    seen = {}

    def method(model, input_ids, logits_processor, stopping_criteria, generation_config, **model_kwargs):
        seen.update(model_kwargs, config=generation_config)
        return input_ids

    model.generate(PROMPT, custom_generate=method, max_new_tokens=3)
    assert isinstance(seen["past_key_values"], Cache)
    assert isinstance(seen["config"], GenerationConfig)


def test_a_models_own_settings_are_those_that_a_configuration_leaves_open(model: PreTrainedModel) -> None:
    # drop_in.py asks what generate will go by
    given = GenerationConfig(num_beams=2)
    config, rest = model._prepare_generation_config(given, top_k=7, past_key_values=None)
    assert (config.num_beams, config.top_k, config.use_cache, rest) == (2, 7, True, {"past_key_values": None})
    assert given.top_k is None
    places = list(inspect.signature(GenerationMixin.generate).parameters)
    assert places[:3] == ["self", "inputs", "generation_config"]


def test_contrastive_search_is_known_by_its_settings_and_gone_from_the_core() -> None:
    config = GenerationConfig(penalty_alpha=0.6, top_k=4)
    assert config.get_generation_mode() == GenerationMode.CONTRASTIVE_SEARCH
    assert not hasattr(GenerationMixin, "_contrastive_search")


def test_a_models_class_is_found_by_its_configuration(model: PreTrainedModel) -> None:
    # load_stock builds from weights in memory, which the Auto classes do not
    assert MODEL_FOR_CAUSAL_LM_MAPPING[type(model.config)] is type(model)
    assert "state_dict" in inspect.getsource(PreTrainedModel.from_pretrained)
