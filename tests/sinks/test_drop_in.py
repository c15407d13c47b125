from __future__ import annotations

from copy import deepcopy
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    DynamicCache,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    GenerationConfig,
    PreTrainedModel,
    StaticCache,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.generation.streamers import BaseStreamer

from surtitle.sinks import AutoModelForCausalLM, StockDecoder, UnsupportedModel, endless
from surtitle.sinks.drop_in import Endless

from .families import FAMILIES, make_family

PROMPT = torch.tensor([[31, 41, 59, 26, 53, 58, 97, 93]])
TEXT = torch.tensor([[(17 * n * n + 5 * n) % 250 for n in range(200)]])  # more than three windows


@pytest.fixture(scope="module")
def stock(make_model) -> PreTrainedModel:
    model: PreTrainedModel = make_model("qwen2", eos_token_id=None)
    model.generation_config.eos_token_id = None
    return model


@pytest.fixture(scope="module")
def model(stock: PreTrainedModel) -> PreTrainedModel:
    return endless(deepcopy(stock), sinks=4, window=52)


def generated(model: PreTrainedModel, ids: Tensor = PROMPT, **kwargs: object) -> Tensor:
    ids = model.generate(ids, **{"max_new_tokens": 20, "do_sample": False} | kwargs)
    return ids


def test_it_is_still_the_stock_model(model: PreTrainedModel, stock: PreTrainedModel, tmp_path: Path) -> None:
    assert isinstance(model, type(stock))
    assert type(model).__name__ == "Qwen2ForCausalLM"
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, attention_sink_size=4, attention_sink_window_size=52)
    assert isinstance(again, Endless)
    assert again.config.architectures == ["Qwen2ForCausalLM"]
    assert torch.equal(generated(again, max_new_tokens=60), generated(model, max_new_tokens=60))


@pytest.mark.parametrize(
    "how",
    [{}, {"num_beams": 3}, {"prompt_lookup_num_tokens": 3}, {"num_beams": 2, "num_return_sequences": 2}],
    ids=["greedy", "beams", "lookup", "two beams returned"],
)
def test_while_everything_fits_it_generates_what_the_stock_model_does(
    how: dict[str, int], model: PreTrainedModel, stock: PreTrainedModel
) -> None:
    assert torch.equal(generated(model, **how), generated(stock, **how))


@pytest.mark.slow
@pytest.mark.parametrize("length", [8, 200], ids=["before the window is full", "after"])
@pytest.mark.parametrize("how", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 3}], ids=str)
def test_beams_and_several_sequences_go_on_from_a_cache_whose_rows_were_repeated(
    how: dict[str, object], length: int, model: PreTrainedModel
) -> None:
    cache, more = model.new_cache(), torch.cat((TEXT[:, :length], PROMPT), dim=1)
    model(more[:, :-1], past_key_values=cache)
    with pytest.raises(ValueError, match=r"3 rows for a cache of 1: .*cache.batch_repeat_interleave makes more"):
        generated(model, more, past_key_values=cache, **how)
    cache.batch_repeat_interleave(3)
    torch.manual_seed(3)
    ours = generated(model, more, past_key_values=cache, **how)
    torch.manual_seed(3)
    assert torch.equal(ours, generated(model, more, **how))


@pytest.mark.slow
@pytest.mark.parametrize("assisted", ["stock", "endless"])
@pytest.mark.parametrize("helper", ["stock", "endless"])
def test_an_assistant_changes_nothing_of_what_is_written_but_how_early_a_full_window_makes_room(
    assisted: str, helper: str, model: PreTrainedModel, stock: PreTrainedModel, make_model
) -> None:
    small = make_model("qwen2", num_hidden_layers=1, eos_token_id=None)
    small.generation_config.eos_token_id = None
    large = {"stock": stock, "endless": model}[assisted]
    small = endless(small, sinks=4, window=28) if helper == "endless" else small
    alone, together = generated(large, max_new_tokens=150), generated(large, assistant_model=small, max_new_tokens=150)
    fits = 150 if assisted == "stock" else 52 - 20
    assert together.shape == alone.shape
    assert torch.equal(together[:, : 8 + fits], alone[:, : 8 + fits])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_drafts_by_its_first_layers_goes_on_beyond_its_window(
    dtype: torch.dtype, stock: PreTrainedModel
) -> None:
    model = endless(deepcopy(stock).to(dtype), sinks=4, window=52)
    ids = generated(model, assistant_early_exit=1, max_new_tokens=120)
    assert ids.shape == (1, 128)
    if dtype == torch.float32:  # or a rounding decides
        assert torch.equal(ids[:, : 8 + 32], generated(stock, max_new_tokens=32))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["lookup", "stock", "endless"])
def test_an_assisted_conversation_reads_nothing_twice(way: str, model: PreTrainedModel, stock: PreTrainedModel) -> None:
    small = {"stock": stock, "endless": model}.get(way)
    how = {"prompt_lookup_num_tokens": 3} if small is None else {"assistant_model": small}
    ids = torch.cat((PROMPT, PROMPT + 1), dim=1)
    for asked, mask in ((ids, {}), (ids[:, 8:], {"attention_mask": torch.ones(1, 16)})):
        cache = model.new_cache()
        model(PROMPT, past_key_values=cache)
        ours = generated(model, asked, past_key_values=cache, **mask, **how)
        assert torch.equal(ours[:, -20:], generated(model, ids)[:, -20:])
        assert cache.get_seq_length() == 16 + 20 - 1


def test_a_prompt_may_be_read_in_chunks(model: PreTrainedModel) -> None:
    assert torch.equal(generated(model, TEXT, prefill_chunk_size=16), generated(model, TEXT))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [3, 8, 16])
@pytest.mark.parametrize("how", [{}, {"num_beams": 3}], ids=str)
def test_a_conversation_goes_on_with_a_prompt_that_is_read_in_chunks(
    how: dict[str, int], chunk: int, model: PreTrainedModel
) -> None:
    cache, ids = model.new_cache(), torch.cat((PROMPT, TEXT[:, :30]), dim=1)
    model(PROMPT, past_key_values=cache)
    cache.batch_repeat_interleave(how.get("num_beams", 1))
    ours = generated(model, ids, past_key_values=cache, prefill_chunk_size=chunk, **how)
    assert torch.equal(ours, generated(model, ids, **how))
    assert cache.get_seq_length() == 38 + 20 - 1


@pytest.mark.parametrize("window", [52, 60, 84])
def test_a_text_beyond_the_window_is_read_in_forwards_as_long_as_what_goes(window: int, stock: PreTrainedModel) -> None:
    model, lengths = endless(deepcopy(stock), sinks=4, window=window), []
    model.get_input_embeddings().register_forward_hook(lambda module, args, output: lengths.append(args[0].shape[1]))
    cache = model.new_cache()
    model(TEXT, past_key_values=cache)
    assert lengths[0] == window + 4
    assert set(lengths[1:-1]) == {cache.slots.evicted // cache.slots.evictions}


def test_the_window_is_full_before_anything_goes(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    for count in range(1, 57):
        model(TEXT[:, count : count + 1], past_key_values=cache)
        assert (cache.slots.length, cache.slots.evictions) == (count, 0)
    model(PROMPT[:, :1], past_key_values=cache)
    assert (cache.slots.length, cache.slots.evictions) == (51, 1)


def test_a_single_row_hides_nothing_though_it_says_the_padding(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    said = torch.tensor([[31, 257, 257, 53]])
    expected = generated(stock, said, pad_token_id=257, attention_mask=torch.ones_like(said))
    for mask in ({}, {"attention_mask": None}):
        assert torch.equal(generated(model, said, pad_token_id=257, **mask), expected)


def test_a_model_whose_makers_chose_a_cache_generates_with_ours(stock: PreTrainedModel) -> None:
    theirs = deepcopy(stock)
    theirs.generation_config.cache_implementation = "hybrid"  # as in Gemma 2 and 3
    assert torch.equal(generated(endless(theirs, sinks=4, window=52)), generated(stock))


def test_a_model_that_was_saved_in_training_without_a_cache_is_endless(stock: PreTrainedModel) -> None:
    trained = deepcopy(stock)
    trained.config.use_cache = trained.generation_config.use_cache = False
    model = endless(trained, sinks=4, window=52)
    cache = model.new_cache()
    assert torch.equal(generated(model, max_new_tokens=100, past_key_values=cache)[:, :28], generated(stock))
    assert cache.slots.evictions
    assert model(PROMPT).past_key_values.get_seq_length() == 8


@pytest.mark.parametrize("name", ["phi3", "phi3 longrope"])
def test_phi_3_goes_on_in_the_cache_it_was_given_where_its_positions_would_change(name: str) -> None:
    model = make_family(FAMILIES[name])
    model.config.original_max_position_embeddings = 30
    model = endless(model, sinks=4, window=24)
    cache, how = model.new_cache(), {"max_new_tokens": 30, "min_new_tokens": 30}
    ids = generated(model, past_key_values=cache, **how)
    assert cache.get_seq_length() == 37
    assert torch.equal(ids, generated(model, **how))


def test_sizes_may_be_chosen_anew(stock: PreTrainedModel) -> None:
    model = endless(endless(deepcopy(stock), sinks=4, window=52), sinks=2, window=20)
    cache = model.new_cache()
    again = generated(model, max_new_tokens=60, past_key_values=cache)
    assert (cache.slots.capacity, cache.slots.pinned) == (22, 2)
    assert torch.equal(again, generated(endless(deepcopy(stock), sinks=2, window=20), max_new_tokens=60))


def test_a_model_that_was_cast_since_is_refused_until_it_is_made_endless_again(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=52).to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"was torch.float32 .* is torch.bfloat16 now.* after the cast"):
        generated(model)
    assert generated(endless(model, sinks=4, window=52), max_new_tokens=120).shape == (1, 128)


def test_gradients_are_those_of_the_stock_model_or_none(stock: PreTrainedModel) -> None:
    plain = deepcopy(stock).requires_grad_(True)
    model = endless(deepcopy(plain), sinks=4, window=52)
    plain(PROMPT, labels=PROMPT).loss.backward()
    with pytest.raises(RuntimeError, match="does not require grad"):
        model(PROMPT, labels=PROMPT).loss.backward()
    model(PROMPT, labels=PROMPT, use_cache=False).loss.backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.slow
def test_a_model_that_is_partly_on_disk_generates_as_it_does_in_memory(model: PreTrainedModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    names = ("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb", "lm_head")
    spread = AutoModelForCausalLM.from_pretrained(
        *(tmp_path,),
        device_map={**dict.fromkeys(names, "cpu"), "model.layers.1": "disk"},
        offload_folder=tmp_path / "rest",
        attention_sink_size=4,
        attention_sink_window_size=52,
    )
    assert torch.equal(generated(spread, max_new_tokens=100), generated(model, max_new_tokens=100))


def test_sampling_gives_what_the_stock_model_samples(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    torch.manual_seed(3)
    ours = generated(model, do_sample=True, top_k=20)
    torch.manual_seed(3)
    assert torch.equal(ours, generated(stock, do_sample=True, top_k=20))


@pytest.mark.parametrize("how", [{}, {"do_sample": True}, {"penalty_alpha": 0.6, "top_k": 4}])
def test_it_generates_far_beyond_its_window_in_the_same_memory(how: dict[str, object], model: PreTrainedModel) -> None:
    cache = model.new_cache()
    ids = generated(model, max_new_tokens=10, past_key_values=cache, **how)
    before = cache.slots.nbytes()
    ids = generated(model, ids, min_new_tokens=120, max_new_tokens=120, past_key_values=cache, **how)
    assert ids.shape == (1, 8 + 10 + 120)
    assert cache.slots.nbytes() == before
    assert cache.slots.length <= 56
    assert cache.slots.evictions > 10
    assert torch.equal(cache.slots.ids[:, :4], PROMPT[:, :4])


def test_beams_go_far_beyond_the_window_and_are_no_conversation_to_go_on_with(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    ids = generated(model, num_beams=2, max_new_tokens=100, past_key_values=cache)
    assert ids.shape == (1, 108)
    assert cache.slots.rows == 2
    with pytest.raises(
        ValueError, match=r"1 rows for a cache of 2: expected as many .* behind beams begin a new cache"
    ):
        generated(model, ids, past_key_values=cache)


def test_a_prompt_longer_than_the_window_is_read_as_token_by_token(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    for token in TEXT.split(1, dim=1):
        model(token, past_key_values=cache)
    one_by_one = generated(model, torch.cat((TEXT, PROMPT[:, :1]), dim=1), past_key_values=cache)
    assert torch.equal(one_by_one, generated(model, torch.cat((TEXT, PROMPT[:, :1]), dim=1)))


@settings(max_examples=6)
@given(ends=st.sets(st.integers(1, 199), max_size=30))
def test_however_a_text_is_cut_into_forwards_the_logits_are_the_same(model: PreTrainedModel, ends: set[int]) -> None:
    cache = model.new_cache()
    with torch.no_grad():
        whole = model(TEXT).logits
        parts = [
            model(TEXT[:, start:end], past_key_values=cache).logits for start, end in pairwise([0, *sorted(ends), 200])
        ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=0)


def test_many_turns_go_on_where_the_last_one_ended(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    ids = PROMPT
    for turn in range(8):
        ids = generated(model, ids, past_key_values=cache, max_new_tokens=15)
        assert cache.get_seq_length() == ids.shape[1] - 1  # transformers never reads the last token of a call
        ids = torch.cat((ids, PROMPT[:, : 3 + turn % 3] + turn), dim=1)
    fresh = model.new_cache()
    model(ids[:, :-1], past_key_values=fresh, logits_to_keep=1)
    held = cache.slots.length
    assert torch.equal(cache.slots.ids[:, 4:], ids[:, cache.get_seq_length() - held + 4 : cache.get_seq_length()])


def test_a_prompt_that_was_read_once_begins_many_conversations(model: PreTrainedModel) -> None:
    read = model.new_cache()
    model(TEXT, past_key_values=read)
    for last in (5, 9):
        ids = torch.cat((TEXT, torch.tensor([[last]])), dim=1)
        assert torch.equal(generated(model, ids, past_key_values=deepcopy(read)), generated(model, ids))
    assert read.get_seq_length() == 200


def test_a_generation_that_was_interrupted_within_a_forward_can_be_gone_on_with(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=52)
    cache, forwards = model.new_cache(), iter(range(50))

    def interrupt(*args: object) -> None:
        if next(forwards, None) == 40:
            raise KeyboardInterrupt

    handle = model.model.layers[1].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        generated(model, max_new_tokens=100, past_key_values=cache)
    handle.remove()
    assert cache.get_seq_length() == 8 + 39  # the prompt, and what came of it before
    held = cache.slots.ids
    assert {layer.length for layer in cache.slots.layers} == {held.shape[1]} == {47}
    ids = torch.cat((held, PROMPT), dim=1)
    assert torch.equal(generated(model, ids, past_key_values=cache), generated(model, ids))


def test_only_new_ids_will_do_with_a_mask_as_long_as_everything(model: PreTrainedModel) -> None:
    whole, new = model.new_cache(), model.new_cache()
    for cache in (whole, new):
        model(PROMPT, past_key_values=cache)
    more = torch.tensor([[5, 6, 7]])
    ours = generated(model, torch.cat((PROMPT, more), dim=1), past_key_values=whole)
    theirs = generated(model, more, past_key_values=new, attention_mask=torch.ones(1, 11))
    assert torch.equal(ours[:, 8:], theirs)


def test_rows_of_a_batch_are_what_each_row_is_alone(model: PreTrainedModel) -> None:
    rows = torch.cat((PROMPT, PROMPT + 7, PROMPT + 31))
    together = generated(model, rows, max_new_tokens=50)
    assert torch.equal(together, torch.cat([generated(model, row[None], max_new_tokens=50) for row in rows]))


class Words(BaseStreamer):
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.ended = 0

    def put(self, value: Tensor) -> None:
        self.ids += value.flatten().tolist()

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize("how", [{}, {"penalty_alpha": 0.6, "top_k": 5}])
def test_a_streamer_gets_every_token(how: dict[str, object], model: PreTrainedModel) -> None:
    words = Words()
    config = GenerationConfig(
        use_cache=True, min_new_tokens=90, max_new_tokens=100, eos_token_id=7, pad_token_id=7, **how
    )
    ids = model.generate(PROMPT, generation_config=config, streamer=words)
    assert words.ids == ids[0].tolist()
    assert words.ended == 1
    assert 98 <= ids.shape[1] <= 108
    by_place = Words()
    assert torch.equal(model.generate(PROMPT, config, None, None, None, None, None, by_place), ids)
    assert (by_place.ids, by_place.ended) == (words.ids, 1)


def test_a_models_own_settings_hold_where_a_call_says_nothing_of_them(stock: PreTrainedModel) -> None:
    model, few = endless(deepcopy(stock), sinks=4, window=52), GenerationConfig(max_new_tokens=9)
    alone = model.generate(PROMPT, few)
    searched = generated(model, max_new_tokens=9, penalty_alpha=0.6, top_k=5)
    assert not torch.equal(searched, alone)
    model.generation_config.penalty_alpha, model.generation_config.top_k = 0.6, 5
    assert torch.equal(model.generate(PROMPT, few), searched)
    model.generation_config.penalty_alpha, model.generation_config.num_beams = None, 3
    cache = model.new_cache()
    model(PROMPT[:, :5], past_key_values=cache)
    cache.batch_repeat_interleave(3)
    assert torch.equal(
        model.generate(PROMPT, few, past_key_values=cache), generated(stock, num_beams=3, max_new_tokens=9)
    )
    model.generation_config.num_beams, model.generation_config.use_cache = 1, False
    assert torch.equal(model.generate(PROMPT, few), alone)


def test_the_loss_of_a_long_text_is_that_of_its_logits(model: PreTrainedModel) -> None:
    with torch.no_grad():
        output = model(TEXT, labels=TEXT)
    expected = torch.nn.functional.cross_entropy(output.logits[0, :-1], TEXT[0, 1:])
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("ids", [PROMPT, TEXT[:, :40]], ids=["a few", "more"])
@torch.no_grad()
def test_a_loss_comes_before_all_else_as_from_the_stock_model(
    ids: Tensor, model: PreTrainedModel, stock: PreTrainedModel
) -> None:
    ours, theirs = (each(ids, labels=ids) for each in (model, stock))
    assert list(ours) == list(theirs) == ["loss", "logits", "past_key_values"]
    torch.testing.assert_close(ours[:2], theirs[:2])
    loss, logits, cache = model(TEXT, labels=TEXT, return_dict=False)
    assert (loss.shape, logits.shape[:2], cache.get_seq_length()) == ((), (1, 200), 200)


def test_a_loss_is_shared_out_as_the_stock_model_shares_it(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    share = {"labels": PROMPT, "num_items_in_batch": torch.tensor(4)}  # as a Trainer has it
    torch.testing.assert_close(model(PROMPT, **share).loss, stock(PROMPT, **share).loss)
    halves = model(TEXT, labels=TEXT, num_items_in_batch=torch.tensor(199 * 2)).loss
    torch.testing.assert_close(halves * 2, model(TEXT, labels=TEXT).loss)


def test_what_experts_were_asked_is_told_as_by_the_stock_model_or_not_at_all() -> None:
    stock = make_family(FAMILIES["gpt_oss"])
    model, asked = endless(deepcopy(stock), sinks=4, window=52), {"output_router_logits": True}
    torch.testing.assert_close(model(PROMPT, **asked).aux_loss, stock(PROMPT, **asked).aux_loss)
    assert generated(model, max_new_tokens=60, **asked).shape == (1, 68)
    for more in ({"labels": PROMPT, "input_ids": PROMPT}, {"input_ids": TEXT}):
        with pytest.raises(ValueError, match=r"output_router_logits is set: .* expected it unset, or use_cache=False"):
            model(**more, **asked)
    model.config.output_router_logits = True
    for more in ({"labels": PROMPT, "input_ids": PROMPT}, {"input_ids": TEXT}):
        with pytest.raises(ValueError, match=r"output_router_logits is set"):
            model(**more)
    assert generated(model, TEXT, max_new_tokens=3).shape == (1, 203)


def test_attention_weights_are_not_shown_either_where_the_configuration_asks_for_them(make_model) -> None:
    model = endless(make_model("llama", attn_implementation="eager"), sinks=4, window=52)
    model.config.output_attentions = True
    with pytest.raises(ValueError, match="output_attentions is set"):
        model(TEXT)
    assert model(TEXT, output_attentions=False).logits.shape[:2] == (1, 200)
    assert generated(model, TEXT, max_new_tokens=3, min_new_tokens=3).shape == (1, 203)


def test_hidden_states_and_tuples_come_as_from_the_stock_model(model: PreTrainedModel) -> None:
    with torch.no_grad():
        output = model(TEXT, output_hidden_states=True)
        logits, cache = model(TEXT, return_dict=False)
        last = model(TEXT, logits_to_keep=40).logits  # more than the last part has
    assert [tuple(states.shape) for states in output.hidden_states] == [(1, 200, 64)] * 3
    torch.testing.assert_close(logits, output.logits)
    torch.testing.assert_close(last, output.logits[:, -40:])
    assert cache.get_seq_length() == 200


def test_without_a_cache_it_is_the_stock_model(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    with torch.no_grad():
        torch.testing.assert_close(model(PROMPT, use_cache=False).logits, stock(PROMPT).logits)
    assert torch.equal(generated(model, use_cache=False), generated(stock))
    cache = model.new_cache()
    training = deepcopy(model).train()
    for run in (partial(model, use_cache=False), partial(generated, model, use_cache=False), training):
        with pytest.raises(ValueError, match="past_key_values is given, and use_cache=False or"):
            run(PROMPT, past_key_values=cache)
    assert cache.slots.length == cache.get_seq_length() == 0


def test_a_model_that_also_sees_reads_text_without_being_told_of_the_cache() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 300, "sliding_window": 64}
    seen = {**sizes, "num_hidden_layers": 1, "image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=text, vision_config=seen, mm_tokens_per_image=4, image_token_index=299)
    model = endless(Gemma3ForConditionalGeneration(config).eval(), sinks=4, window=52)
    assert model(TEXT).logits.shape == (1, 200, 300)


def test_embeddings_are_read_as_ids_are(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    with torch.no_grad():
        ours = model(inputs_embeds=model.get_input_embeddings()(TEXT), past_key_values=cache).logits
        torch.testing.assert_close(ours, model(TEXT).logits)
    with pytest.raises(ValueError, match="not all were read as ids"):
        model.rebuild(cache)


def embedded(model: PreTrainedModel, ids: Tensor, **kwargs: object) -> Tensor:
    embeddings = model.get_input_embeddings()(ids)
    return model.generate(inputs_embeds=embeddings, **{"max_new_tokens": 20, "do_sample": False} | kwargs)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"max_new_tokens": 120}, {"num_beams": 3}], ids=str)
@pytest.mark.parametrize("ids", [PROMPT, TEXT], ids=["short", "longer than the window"])
def test_embeddings_are_gone_on_from_as_ids_are(how: dict[str, int], ids: Tensor, model: PreTrainedModel) -> None:
    assert torch.equal(embedded(model, ids, **how), generated(model, ids, **how)[:, ids.shape[1] :])


def test_a_conversation_of_embeddings_goes_on_with_all_of_them_or_all_ids(model: PreTrainedModel) -> None:
    for go_on in (embedded, generated):
        cache = model.new_cache()
        ids = torch.cat((PROMPT, embedded(model, PROMPT, past_key_values=cache), PROMPT), dim=1)
        ours = go_on(model, ids, past_key_values=cache)
        assert torch.equal(ours[:, -20:], generated(model, ids)[:, -20:])
        with pytest.raises(ValueError, match=r"8 \w+ for a cache that has read 55: expected all of these"):
            go_on(model, PROMPT, past_key_values=cache)
    with pytest.raises(ValueError, match="contrastive search goes on from ids: expected input_ids"):
        embedded(model, PROMPT, penalty_alpha=0.6, top_k=4)


@pytest.mark.parametrize("read", [3, 4, 5])
def test_a_cache_of_the_sinks_alone_is_gone_on_with(model: PreTrainedModel, read: int) -> None:
    cache = model.new_cache()
    ids = generated(model, PROMPT[:, :read], max_new_tokens=1, past_key_values=cache)
    assert cache.get_seq_length() == read
    more = generated(model, ids, max_new_tokens=5, past_key_values=cache)
    assert torch.equal(more, generated(model, PROMPT[:, :read], max_new_tokens=6))


def test_a_rebuilt_cache_is_that_of_what_it_holds_alone(model: PreTrainedModel) -> None:
    cache, fresh = model.new_cache(), model.new_cache()
    model(TEXT, past_key_values=cache)
    held = cache.slots.ids.clone()
    before = [layer.held()[0].clone() for layer in cache.slots.layers]
    model.rebuild(cache)
    model(held, past_key_values=fresh)
    for rebuilt, alone, old in zip(cache.slots.layers, fresh.slots.layers, before, strict=True):
        torch.testing.assert_close(rebuilt.held(), alone.held())
        assert old.shape == alone.held()[0].shape
    assert not torch.allclose(cache.slots.layers[1].held()[0], before[1], atol=1e-2)  # it still knew what was evicted
    assert (cache.get_seq_length(), cache.slots.pinned) == (200, 4)
    assert generated(model, torch.cat((TEXT, PROMPT), dim=1), past_key_values=cache).shape == (1, 228)


def test_a_conversation_goes_on_from_a_saved_cache(model: PreTrainedModel, tmp_path: Path) -> None:
    cache, again = model.new_cache(), model.new_cache()
    model(TEXT, past_key_values=cache)
    cache.save(tmp_path / "cache")
    again.load(tmp_path / "cache")
    more = torch.cat((TEXT, PROMPT), dim=1)
    ours = generated(model, more, past_key_values=again)
    assert torch.equal(ours, generated(model, more, past_key_values=cache))
    with pytest.raises(ValueError, match="expected the 6 tensors of a cache of 2 layers, and an empty cache"):
        again.load(tmp_path / "cache")
    assert again.get_seq_length() == cache.get_seq_length()  # as it was
    save_file({"logits": torch.zeros(3)}, tmp_path / "other")
    with pytest.raises(ValueError, match="how much was read is not among them"):
        again.load(tmp_path / "other")


def test_a_cache_that_was_used_before_has_its_sinks_pinned_after_it_was_saved(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    cache, again = model.new_cache(), model.new_cache()
    model(PROMPT, past_key_values=cache)
    cache.reset()
    model(TEXT[:, :2], past_key_values=cache)  # fewer than the sinks
    cache.save(tmp_path / "cache")
    again.load(tmp_path / "cache")
    logits = [model(TEXT[:, 2:], past_key_values=each).logits for each in (cache, again)]
    assert torch.equal(*logits)
    assert again.slots.pinned == 4


def test_a_full_window_without_sinks_goes_on_from_where_it_was_saved(stock: PreTrainedModel, tmp_path: Path) -> None:
    model = endless(deepcopy(stock), sinks=0, window=16)
    cache, again = model.new_cache(), model.new_cache()
    model(TEXT[:, :16], past_key_values=cache)
    cache.save(tmp_path / "cache")
    again.load(tmp_path / "cache")
    assert torch.equal(*(model(TEXT[:, 16:], past_key_values=each).logits for each in (cache, again)))


def test_a_cache_can_be_cropped_reset_and_used_again(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    with torch.no_grad():
        model(PROMPT, past_key_values=cache)
        first = model(PROMPT + 3, past_key_values=cache).logits
        cache.crop(-8)
        assert torch.equal(model(PROMPT + 3, past_key_values=cache).logits, first)
        cache.reset()
        assert cache.get_seq_length() == 0
        model(PROMPT, past_key_values=cache)
        torch.testing.assert_close(model(PROMPT + 3, past_key_values=cache).logits, first)
    with pytest.raises(ValueError, match="17 tokens to forget of 16"):
        cache.crop(-17)
    with pytest.raises(ValueError, match="expected a negative number"):
        cache.crop(2)
    model(TEXT, past_key_values=cache)
    with pytest.raises(ValueError, match="with 4 pinned"):
        cache.crop(-cache.slots.length)


def test_a_cache_that_has_lost_nothing_may_be_cropped_into_its_sinks(stock: PreTrainedModel, tmp_path: Path) -> None:
    model = endless(deepcopy(stock).to(torch.bfloat16), sinks=4, window=52)
    cache, fresh, again = model.new_cache(), model.new_cache(), model.new_cache()
    model(PROMPT, past_key_values=cache)
    cache.crop(torch.tensor(-6))  # as assisted generation of transformers 5.15 counts
    cache.save(tmp_path / "cache")
    again.load(tmp_path / "cache")
    model(PROMPT[:, :2], past_key_values=fresh)
    logits = [model(TEXT, past_key_values=each).logits for each in (cache, again, fresh)]
    assert torch.equal(logits[0], logits[1])
    torch.testing.assert_close(logits[0], logits[2])
    assert cache.slots.pinned == fresh.slots.pinned == 4


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_a_prompt_shorter_than_the_sinks_may_have_an_assistant(
    tokens: int, model: PreTrainedModel, stock: PreTrainedModel, make_model
) -> None:
    small = make_model("qwen2", num_hidden_layers=1, eos_token_id=None)
    small.generation_config.eos_token_id = None
    prompt = PROMPT[:, :tokens]
    assert torch.equal(generated(model, prompt, assistant_model=small), generated(stock, prompt))


def test_an_empty_cache_takes_any_number_of_rows(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    for empty in (cache.reset, partial(cache.crop, -8)):
        model(PROMPT.repeat(3, 1), past_key_values=cache)
        empty()
        assert torch.equal(generated(model, past_key_values=cache), generated(model))
        cache.reset()


def test_bfloat16_models_are_anchored_and_go_on_as_long(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock).to(torch.bfloat16), sinks=4, window=52)
    cache = model.new_cache()
    assert generated(model, max_new_tokens=120, past_key_values=cache).shape == (1, 128)
    assert cache.slots.anchored
    assert cache.slots.position > cache.slots.length


def test_a_16_bit_model_may_have_a_window_as_wide_as_its_makers_meant(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock).to(torch.bfloat16), sinks=4, window=131_068)
    assert model.new_cache().slots.free == 131_072
    assert generated(model).shape == (1, 28)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"sinks": -1}, "-1 sinks and a window of 1020 tokens"),
        ({"window": 0}, "4 sinks and a window of 0 tokens"),
        ({"window": -5}, "a window of -5"),
    ],
)
def test_sizes_that_can_not_be_are_refused(sizes: dict[str, int], message: str, stock: PreTrainedModel) -> None:
    with pytest.raises(ValueError, match=message):
        endless(stock, **sizes)


def test_a_model_with_learned_positions_is_refused_by_name(make_model) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(UnsupportedModel, match=r"GPT2LMHeadModel \(gpt2\).* such as learned positions"):
        endless(model)


def test_a_forward_that_would_read_past_the_endless_model_is_refused(
    model: PreTrainedModel, stock: PreTrainedModel
) -> None:
    for forward in (model.forward, stock, partial(generated, stock)):
        cache = model.new_cache()
        with pytest.raises(ValueError, match="past its model: expected a call of the endless model itself"):
            forward(PROMPT, past_key_values=cache)
        assert cache.slots.length == 0


def test_what_it_can_not_do_is_said(model: PreTrainedModel, stock: PreTrainedModel) -> None:
    with pytest.raises(ValueError, match=r"attention_mask of shape \(1, 8\) that hides something"):
        model(PROMPT, attention_mask=torch.tensor([[0] + [1] * 7]))
    with pytest.raises(ValueError, match="hides something"):
        generated(model, torch.cat((PROMPT, PROMPT)), attention_mask=torch.tensor([[1] * 8, [0] + [1] * 7]))
    for run in (model, partial(generated, model)):
        for cache in (DynamicCache(), StaticCache(config=stock.config, max_cache_len=40)):
            with pytest.raises(ValueError, match=f"is a {type(cache).__name__}, expected what new_cache"):
                run(PROMPT, past_key_values=cache)
    with pytest.raises(ValueError, match="and so does a StockDecoder"):
        StockDecoder(model)
    with pytest.raises(ValueError, match="pixel_values given"):
        model(PROMPT, pixel_values=torch.zeros(1))
    with pytest.raises(ValueError, match="logits_to_keep is a tensor"):
        model(PROMPT, logits_to_keep=torch.tensor([1]))
    with pytest.raises(ValueError, match="output_attentions is set"):
        model(PROMPT, output_attentions=True)
    with pytest.raises(ValueError, match="cache_implementation is 'static', expected none: leave it out"):
        generated(model, cache_implementation="static")
    cache = model.new_cache()
    model(PROMPT, past_key_values=cache)
    with pytest.raises(ValueError, match="neither ids nor embeddings for a cache that was read into"):
        model.generate(past_key_values=cache)
    for nothing in ({}, {"input_ids": PROMPT[:, :0]}, {"input_ids": PROMPT, "inputs_embeds": torch.zeros(1, 8, 64)}):
        with pytest.raises(ValueError, match=r"of input_ids and inputs_embeds given, of .* with a token at least"):
            model(past_key_values=cache, **nothing)
    with pytest.raises(ValueError, match=r"2 rows of .* are coming, expected 1 of"):
        model(torch.cat((PROMPT, PROMPT)), past_key_values=cache)


def test_ids_that_do_not_go_on_from_the_cache_are_refused(model: PreTrainedModel) -> None:
    cache = model.new_cache()
    model(TEXT, past_key_values=cache)
    for ids in (PROMPT, TEXT, torch.cat((TEXT + 1, PROMPT), dim=1)):
        with pytest.raises(ValueError, match="ids for a cache that has read 200: expected all of these"):
            generated(model, ids, past_key_values=cache)


@pytest.mark.parametrize("ones", [5, 17, 40])
def test_a_mask_that_is_as_long_as_nothing_is_refused(ones: int, model: PreTrainedModel) -> None:
    cache = model.new_cache()
    model(PROMPT, past_key_values=cache)
    with pytest.raises(ValueError, match=f"an attention_mask of {ones} for 16 tokens and a cache that has read 8"):
        generated(model, torch.cat((PROMPT, PROMPT), dim=1), past_key_values=cache, attention_mask=torch.ones(1, ones))


def test_a_batch_with_padding_is_refused_however_long_it_gets(model: PreTrainedModel) -> None:
    rows, mask = torch.cat((PROMPT, PROMPT)), torch.tensor([[1] * 8, [0] * 3 + [1] * 5])
    for new in (5, 200):
        with pytest.raises(ValueError, match="expected sequences of one length without padding"):
            generated(model, rows, attention_mask=mask, max_new_tokens=new)


def test_a_model_without_a_head_is_refused_by_name(stock: PreTrainedModel) -> None:
    with pytest.raises(
        UnsupportedModel, match=r"Qwen2Model \(qwen2\) writes no text, expected .* AutoModelForCausalLM"
    ):
        endless(stock.model)


def test_an_encoder_decoder_is_refused_by_name() -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    with pytest.raises(
        UnsupportedModel, match=r"T5ForConditionalGeneration \(t5\) is an encoder-decoder, expected a dec"
    ):
        endless(T5ForConditionalGeneration(config))


def test_a_model_whose_layers_all_slide_is_endless_within_its_sight(make_model) -> None:
    sliding = {"use_sliding_window": True, "sliding_window": 40, "max_window_layers": 0, "eos_token_id": None}
    model = make_model("qwen2", **sliding)
    model.generation_config.eos_token_id = None
    with pytest.raises(ValueError, match="a window of 56 tokens in all, expected at most 40"):
        endless(model, sinks=4, window=52)
    assert generated(endless(model, sinks=4, window=36), max_new_tokens=100).shape == (1, 108)
    with pytest.raises(ValueError, match="a window of 56 tokens in all, expected at most 40"):
        endless(model, sinks=4, window=52)
    assert generated(model, max_new_tokens=100).shape == (1, 108)
    assert model.new_cache().slots.capacity == 40  # it is endless as before
