from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPTJConfig, GPTJForCausalLM, PreTrainedModel

from surtitle.sinks.positions import positions_of
from surtitle.sinks.stock import StockDecoder, as_transformers, load_stock

from .conftest import lean_of

TEXT = [(7 * n * n + 3) % 260 for n in range(30)]


@pytest.fixture(scope="module")
def model(make_model) -> PreTrainedModel:
    model: PreTrainedModel = make_model("qwen2", eos_token_id=None)
    return model


def test_the_rotation_is_read_from_the_live_model(make_model) -> None:
    model = make_model("llama", rope_parameters={"rope_theta": 500.0, "rope_type": "default"})
    angles = positions_of(model).rotations[0].angles(2)[1]
    torch.testing.assert_close(angles, 500.0 ** -(torch.arange(0, 16, 2).double() / 16))


def test_a_model_in_training_is_asked_without_dropout_and_left_in_training(make_model) -> None:
    model = make_model("llama", attention_dropout=0.5).train()
    assert len(positions_of(model).rotations) == 2
    assert model.training


def test_transformers_sees_the_length_and_the_limit_of_the_cache(model: PreTrainedModel) -> None:
    decoder = StockDecoder(model)
    cache = decoder.cache(30)
    decoder.decode([1, 2, 3], cache, keep=1)
    seen = as_transformers(cache)
    assert seen.get_seq_length() == 3
    assert seen.get_mask_sizes(4, 0) == (7, 0)
    assert seen.layers[0].get_max_length() == 30
    assert decoder.decode([4, 5], cache, keep=2).shape == (2, 260)
    assert seen.get_seq_length() == 5


def test_generate_of_transformers_runs_on_it(model: PreTrainedModel) -> None:
    cache = StockDecoder(model).cache(30)
    prompt = torch.tensor([[7, 8, 9]])
    how = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 9, "do_sample": False}
    ours = model.generate(prompt, past_key_values=as_transformers(cache), **how)
    assert torch.equal(ours, model.generate(prompt, **how))


def test_a_forward_that_is_interrupted_leaves_nothing_behind(make_model) -> None:
    model = make_model("qwen2")
    decoder = StockDecoder(model)
    cache = decoder.cache(30)
    decoder.decode(TEXT[:8], cache, keep=1)

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    handle = model.model.layers[1].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        decoder.decode(TEXT[8:12], cache, keep=1)
    handle.remove()
    assert [layer.length for layer in cache.layers] == [8, 8]
    expected = decoder.decode(TEXT[:12], decoder.cache(30), keep=4)
    torch.testing.assert_close(decoder.decode(TEXT[8:12], cache, keep=4), expected, atol=1e-4, rtol=0)


def test_rows_of_a_batch_are_what_each_is_alone(model: PreTrainedModel) -> None:
    decoder = StockDecoder(model)
    rows = torch.tensor([TEXT[:8], TEXT[8:16], TEXT[16:24]])
    cache = decoder.cache(20)
    decoder.decode_batch(rows[:, :5], cache, keep=1)
    together = decoder.decode_batch(rows[:, 5:], cache, keep=3)
    for row, logits in zip(rows.tolist(), together, strict=True):
        torch.testing.assert_close(decoder.decode(row, decoder.cache(20), keep=3), logits, atol=1e-4, rtol=0)


def test_an_engine_folder_is_a_stock_model_with_the_engines_weights(make_model, tmp_path: Path) -> None:
    lean = lean_of(tmp_path, make_model("qwen3"), exact=True)
    stock = StockDecoder(load_stock(tmp_path))
    expected = lean.decode(TEXT, lean.cache(30), keep=30)
    torch.testing.assert_close(stock.decode(TEXT, stock.cache(30), keep=30), expected, atol=1e-3, rtol=0)
    half = load_stock(tmp_path, torch_dtype=torch.bfloat16)
    assert half.dtype == torch.bfloat16
    assert StockDecoder(half).cache(20).anchored
    assert load_stock(tmp_path, device_map="cpu", dtype="bfloat16").dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_table_of_positions_gives_its_frequencies_though_it_was_cast(dtype: torch.dtype) -> None:
    config = GPTJConfig(vocab_size=50, n_positions=2048, n_embd=64, n_layer=1, n_head=2, rotary_dim=16)
    (rotation,) = StockDecoder(GPTJForCausalLM(config).to(dtype).eval()).rotations
    expected = 1e4 ** -(torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    turned = (rotation.angles(2048)[-1] - 2047 * expected).abs().max()
    assert turned < 0.02  # radians, at the farthest that anything is moved
