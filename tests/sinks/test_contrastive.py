from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from chat_folders import chat_folder
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    StoppingCriteriaList,
)

from surtitle.sinks import ContrastiveSearch, endless
from surtitle.sinks.contrastive import _Step

PROMPT = torch.tensor([[31, 41, 59, 26, 53, 58, 97, 93]])


@pytest.fixture(scope="module")
def stock(make_model) -> PreTrainedModel:
    model: PreTrainedModel = make_model("llama", eos_token_id=None)
    return model


def by_hand(model: PreTrainedModel, ids: Tensor, *, alpha: float, k: int, new: int) -> Tensor:
    """The paper's equation on whole sequences, without any cache."""
    for _ in range(new):
        logits = model(ids, use_cache=False).logits[0, -1]
        shares, candidates = logits.softmax(-1).topk(k)
        scores = []
        for share, token in zip(shares, candidates, strict=True):
            tried = torch.cat((ids, token[None, None]), dim=1)
            states = model(tried, use_cache=False, output_hidden_states=True).hidden_states[-1][0]
            likeness = torch.cosine_similarity(states[-1], states[:-1], dim=-1).max()
            scores.append((1 - alpha) * share - alpha * likeness)
        ids = torch.cat((ids, candidates[torch.stack(scores).argmax()][None, None]), dim=1)
    return ids


@pytest.mark.parametrize(("alpha", "k"), [(0.6, 5), (0.3, 3), (0.0, 4)])
def test_it_chooses_what_the_equation_says(alpha: float, k: int, stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    ours = model.generate(PROMPT, penalty_alpha=alpha, top_k=k, max_new_tokens=15, min_new_tokens=15) if alpha else None
    if ours is None:  # transformers takes an alpha of 0 for greedy search, which it is
        ours = model.generate(
            PROMPT, max_new_tokens=15, min_new_tokens=15, custom_generate=ContrastiveSearch(alpha=0.0, candidates=k)
        )
    with torch.no_grad():
        assert torch.equal(ours, by_hand(stock, PROMPT, alpha=alpha, k=k, new=15))


@pytest.mark.parametrize("way", ["settings", "configuration"])
def test_a_model_whose_makers_have_it_sample_is_searched_by_the_equation_too(way: str, stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    makers = model.generation_config  # as of many chat models
    makers.do_sample, makers.temperature, makers.top_p, makers.top_k = True, 0.7, 0.8, 20
    asked = {"penalty_alpha": 0.6, "top_k": 5, "max_new_tokens": 15, "min_new_tokens": 15}
    config = GenerationConfig(**asked)
    ours = model.generate(PROMPT, **asked) if way == "settings" else model.generate(PROMPT, config)
    assert config.do_sample is None  # it is the caller's
    with torch.no_grad():
        assert torch.equal(ours, by_hand(stock, PROMPT, alpha=0.6, k=5, new=15))
    torch.manual_seed(0)
    sampled = model.generate(PROMPT, **asked, do_sample=True)
    torch.manual_seed(0)
    assert torch.equal(sampled, model.generate(PROMPT, **asked | {"penalty_alpha": None}))


def test_rows_are_searched_alone_and_their_cache_goes_on(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    rows = torch.cat((PROMPT, PROMPT + 9))
    cache = model.new_cache()
    how = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 12, "min_new_tokens": 12}
    output = model.generate(rows, past_key_values=cache, return_dict_in_generate=True, **how)
    alone = torch.cat([model.generate(row[None], **how) for row in rows])
    assert torch.equal(output.sequences, alone)
    assert output.past_key_values is cache
    assert cache.slots.rows == 2
    assert torch.equal(cache.slots.ids, output.sequences[:, :-1])  # the chosen tokens, not the others that were tried
    fresh = model.new_cache()
    model(output.sequences[:, :-1], past_key_values=fresh)
    for searched, read in zip(cache.slots.layers, fresh.slots.layers, strict=True):
        torch.testing.assert_close(searched.held(), read.held(), atol=1e-4, rtol=0)


def test_a_search_that_was_interrupted_can_be_gone_on_from(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    how = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 12, "min_new_tokens": 12}
    rows = torch.cat((PROMPT, PROMPT + 9))
    expected = model.generate(rows, **how)
    cache, forwards = model.new_cache(), iter(range(50))

    def interrupt(*args: object) -> None:
        if next(forwards) == 8:
            raise KeyboardInterrupt

    handle = model.model.layers[1].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.generate(rows, past_key_values=cache, **how)
    handle.remove()
    assert torch.equal(cache.slots.ids, expected[:, : 8 + 6])  # seven were chosen, and the last is to be read
    fresh, more = model.new_cache(), torch.cat((cache.slots.ids, rows), dim=1)
    model(cache.slots.ids, past_key_values=fresh)
    ours, theirs = (model.generate(more, past_key_values=each, max_new_tokens=12) for each in (cache, fresh))
    assert torch.equal(ours, theirs)


def test_it_compares_with_the_sinks_and_the_newest_tokens_once_others_are_evicted(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=24)
    cache = model.new_cache()
    step = _Step(model, cache, 0.6, 3)
    logits = step.begin(PROMPT)
    read = list(step._states[0])
    for _ in range(60):
        _, logits = step.choose(logits)
        read.append(step._states[0, -1])
    assert cache.slots.evictions > 3
    newest = cache.slots.length - 4
    assert torch.equal(step._states[0], torch.stack(read[:4] + read[-newest:]))


def test_new_ids_alone_are_searched_as_with_all_before_them(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    how = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 12}
    for new in (PROMPT[:, :3], torch.cat((PROMPT, PROMPT + 9), dim=1)):  # fewer than were read, and more
        ids = torch.cat((PROMPT, new), dim=1)
        whole, alone = model.new_cache(), model.new_cache()
        for cache in (whole, alone):
            model(PROMPT, past_key_values=cache)
        expected = model.generate(ids, past_key_values=whole, **how)
        ours = model.generate(new, past_key_values=alone, attention_mask=torch.ones_like(ids), **how)
        assert torch.equal(ours, expected[:, 8:])


@pytest.mark.parametrize("sinks", [0, 4])
def test_a_search_goes_on_behind_embeddings_once_all_that_is_known_in_ids_is_gone(
    sinks: int, stock: PreTrainedModel
) -> None:
    model = endless(deepcopy(stock), sinks=sinks, window=24)
    text = torch.arange(60)[None]
    searched = []
    for read in ({"input_ids": text[:, 8:]}, {"inputs_embeds": model.get_input_embeddings()(text[:, 8:])}):
        cache = model.new_cache()
        for each in ({"input_ids": text[:, :8]}, read):
            model(past_key_values=cache, **each)
        ids = torch.cat((text, PROMPT), dim=1)
        searched.append(model.generate(ids, past_key_values=cache, penalty_alpha=0.6, top_k=3, max_new_tokens=9))
    assert torch.equal(*searched)


def test_a_search_that_ends_with_the_last_sink_is_gone_on_with(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=10, window=50)
    cache, how = model.new_cache(), {"penalty_alpha": 0.6, "top_k": 4}
    ids = model.generate(PROMPT, past_key_values=cache, max_new_tokens=2, **how)
    assert cache.get_seq_length() == 9  # the last one is to be read, as ever
    assert model.generate(ids, past_key_values=cache, max_new_tokens=3, **how).shape == (1, 13)


def test_a_sink_that_was_searched_for_is_moved_as_the_one_that_was_chosen(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock).to(torch.bfloat16), sinks=10, window=40)
    cache = model.new_cache()
    model.generate(PROMPT, past_key_values=cache, penalty_alpha=1.0, top_k=4, max_new_tokens=3)
    slots = cache.slots
    keys = [layer.held()[0][:, :, :10].clone() for layer in slots.layers]
    assert slots.pinned == 10
    for chosen, pinned in zip(keys, slots._at_first, strict=True):
        torch.testing.assert_close(chosen, pinned)


@pytest.mark.parametrize(("alpha", "k"), [(1.5, 5), (-0.1, 5), (0.5, 1)])
def test_settings_that_can_not_be_are_refused(alpha: float, k: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1, and at least 2"):
        ContrastiveSearch(alpha=alpha, candidates=k)


def test_what_is_forbidden_is_not_chosen_though_fewer_tokens_are_allowed_than_compared(stock: PreTrainedModel) -> None:
    model, allowed = endless(deepcopy(stock), sinks=4, window=60), [5, 6]
    ids = model.generate(
        torch.cat((PROMPT, PROMPT + 9)),
        prefix_allowed_tokens_fn=lambda row, said: allowed,
        penalty_alpha=0.6,
        top_k=5,
        max_new_tokens=20,
    )
    assert set(ids[:, 8:].flatten().tolist()) == set(allowed)


def test_its_scores_and_logits_are_returned_and_shown_to_what_stops_it(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    seen: list[int] = []

    def stop(ids: Tensor, scores: tuple[Tensor, ...], **others: object) -> Tensor:
        seen.append(len(scores))
        return torch.tensor([len(scores) == 5])

    how = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 12, "suppress_tokens": [7]}
    asked = {"return_dict_in_generate": True, "output_scores": True, "output_logits": True}
    output = model.generate(PROMPT, stopping_criteria=StoppingCriteriaList([stop]), **how, **asked)
    assert seen == [1, 2, 3, 4, 5]
    assert output.sequences.shape == (1, 13)
    expected = stock(output.sequences[:, :-1]).logits[0, 7:]
    torch.testing.assert_close(torch.cat(output.logits), expected, atol=1e-4, rtol=0)
    expected[:, 7] = -torch.inf
    torch.testing.assert_close(torch.cat(output.scores), expected, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="contrastive search returns no states"):
        model.generate(PROMPT, **how, **asked, output_hidden_states=True)


def test_a_row_that_has_ended_is_filled_up_as_by_other_searches(stock: PreTrainedModel) -> None:
    model = endless(deepcopy(stock), sinks=4, window=60)
    rows = torch.cat((PROMPT, PROMPT + 9))
    how = {"penalty_alpha": 0.6, "top_k": 4, "max_new_tokens": 12}
    model.generation_config.pad_token_id = None  # as Llama's makers have it
    free = model.generate(rows, min_new_tokens=12, **how)
    end = next(token for token in free[0, 9:14].tolist() if token not in free[1])
    found = model.generate(rows, eos_token_id=end, **how)
    length = free[0].tolist().index(end) + 1
    assert torch.equal(found[0, :length], free[0, :length])
    assert found[0, length:].tolist() == [end] * (20 - length)
    assert torch.equal(found[1], free[1])


def test_it_stops_at_a_text_as_other_searches_do(tmp_path: Path) -> None:
    folder = chat_folder(tmp_path, "chatml", "x")
    model, tokenizer = endless(AutoModelForCausalLM.from_pretrained(folder)), AutoTokenizer.from_pretrained(folder)
    how = {"penalty_alpha": 0.1, "top_k": 4, "max_new_tokens": 12}
    ids, stop = tokenizer("One?", return_tensors="pt").input_ids, {"stop_strings": "xxx", "tokenizer": tokenizer}
    assert tokenizer.decode(model.generate(ids, **how)[0]) == "One?" + 12 * "x"
    for given in ({}, {"stopping_criteria": StoppingCriteriaList([lambda ids, scores: ids[:, -1] == 300])}):
        assert tokenizer.decode(model.generate(ids, **how, **stop, **given)[0]) == "One?xxx"
    with pytest.raises(ValueError, match="could not locate a tokenizer"):
        model.generate(ids, **how, stop_strings="xxx")
