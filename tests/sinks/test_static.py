from __future__ import annotations

import gc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention
from transformers import BloomConfig, BloomForCausalLM

from surtitle.sinks.cache import SinkCache
from surtitle.sinks.decoder import NoRoom, Read
from surtitle.sinks.layer import CacheFull
from surtitle.sinks.static import LONGEST, StaticDecoder, grouped_attention
from surtitle.sinks.stock import StockDecoder
from surtitle.sinks.stream import TokenStream

from .families import FAMILIES, HORIZON, make_family

TEXT = [(5 * token + 11) % 260 for token in range(60)]
CAPACITY = 90
KINDS = [name if name in ("gemma3", "cohere2", "gemma2", "gpt_oss") else pytest.param(name, marks=pytest.mark.slow)
         for name in FAMILIES]  # fmt: skip
NOT_PLAIN = ("gemma2", "gpt_oss", "falcon alibi", "mpt", "bloom")
"""Kinds whose attention does more than a softmax, or takes no positions."""


@pytest.fixture(scope="module")
def static(make_model) -> StaticDecoder:
    return StaticDecoder(make_model("llama"), sequences=5, capacity=CAPACITY)


@pytest.fixture(scope="module")
def stock(make_model) -> StockDecoder:
    return StockDecoder(make_model("llama"))


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_it_is_the_stock_model_through_evictions_and_rollbacks(make_model, family: str) -> None:
    stock = StockDecoder(make_model(family))
    static = StaticDecoder(make_model(family), sequences=3, capacity=64)
    caches = {stock: stock.cache(64), static: static.cache(64)}
    for decoder, cache in caches.items():
        decoder.decode(TEXT[:4], cache, keep=1)
        cache.pin()
    for start in range(4, 200, 7):
        ids = [token % 260 for token in range(start, start + 1 + start % 9)]
        found = []
        for decoder, cache in caches.items():
            cache.make_room(len(ids) + 3, whole_turns=False)
            found.append(decoder.decode(ids, cache, keep=len(ids)))
            mark = cache.mark()
            decoder.decode(TEXT[:3], cache, keep=1)
            cache.rollback(mark)
            cache.end_turn()
        torch.testing.assert_close(*found, atol=1e-4, rtol=0)
    assert caches[static].evictions == caches[stock].evictions > 5


@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_are_the_stock_model_too_or_are_refused_before_anything_is_read(name: str) -> None:
    if name in NOT_PLAIN:
        with pytest.raises(ValueError, match="expected"):
            StaticDecoder(make_family(FAMILIES[name]), sequences=2, capacity=HORIZON)
        return
    stock = StockDecoder(make_family(FAMILIES[name]))
    window = min(64, stock.limit or 64)
    static = StaticDecoder(make_family(FAMILIES[name]), sequences=2, capacity=window)
    caches = {stock: stock.cache(window), static: static.cache(window)}
    for start in range(0, 150, 6):  # what lies far back is out of sight of some layers, and then evicted
        found = []
        for decoder, cache in caches.items():
            if start == 6:
                cache.pin()
            cache.make_room(6, whole_turns=False)
            found.append(decoder.decode(range(start, start + 6), cache, keep=6))
        torch.testing.assert_close(*found, atol=1e-3, rtol=0)
    assert caches[static].evictions > 3


@pytest.mark.slow
def test_in_16_bits_it_is_the_stock_model_in_16_bits(make_model) -> None:
    models = [make_model("qwen2").to(torch.bfloat16) for _ in range(3)]
    stock, static = StockDecoder(models[0]), StaticDecoder(models[1], sequences=1, capacity=64)
    truth = StockDecoder(make_model("qwen2"))
    caches = {decoder: decoder.cache(64) for decoder in (truth, stock, static)}
    assert caches[static].anchored
    apart = dict.fromkeys(caches, 0.0)
    for start in range(0, 400, 10):
        found = {}
        for decoder, cache in caches.items():
            if start == 10:
                cache.pin()
            cache.make_room(10, whole_turns=False)
            found[decoder] = decoder.decode([token % 260 for token in range(start, start + 10)], cache, keep=10).float()
        for decoder, logits in found.items():
            apart[decoder] = max(apart[decoder], (logits - found[truth]).abs().max().item())
    assert apart[static] < 1.5 * apart[stock]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_rows_read_side_by_side_are_what_the_stock_model_reads_alone(
    static: StaticDecoder, stock: StockDecoder, data: st.DataObject
) -> None:
    together = static.caches(3, CAPACITY)
    alone = [stock.cache(CAPACITY) for _ in together]
    for _ in range(data.draw(st.integers(1, 4))):
        chosen = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
        reads = []
        for row in chosen:
            ids = data.draw(st.lists(st.integers(0, 259), min_size=1, max_size=LONGEST))
            for caches in (together, alone):
                caches[row].make_room(len(ids), whole_turns=False)
            reads.append((row, ids, data.draw(st.integers(1, len(ids)))))
        got = static.decode_rows([Read(ids, together[row], keep) for row, ids, keep in reads])
        for (row, ids, keep), logits in zip(reads, got, strict=True):
            torch.testing.assert_close(logits, stock.decode(ids, alone[row], keep=keep), atol=1e-4, rtol=0)
            assert together[row].ids.tolist() == alone[row].ids.tolist()


@pytest.mark.parametrize(("steps", "forwards"), [(4, 1), (5, 2)])
def test_who_reads_long_fills_up_the_steps_of_few_others_and_leaves_many_to_a_forward_of_theirs(
    make_model, steps: int, forwards: int
) -> None:
    model, stock = make_model("llama"), StockDecoder(make_model("llama"))
    static = StaticDecoder(model, sequences=steps + 1, capacity=CAPACITY)
    together = static.caches(steps + 1, CAPACITY)
    alone = [stock.cache(CAPACITY) for _ in together]
    counted: list[int] = []
    model.register_forward_pre_hook(lambda *_: counted.append(1))
    for texts in ([TEXT[row:] for row in range(steps + 1)], [[7]] * steps + [TEXT[:20]]):
        counted.clear()
        got = static.decode_rows([Read(ids, cache, 1) for ids, cache in zip(texts, together, strict=True)])
        for ids, cache, logits in zip(texts, alone, got, strict=True):
            torch.testing.assert_close(logits, stock.decode(ids, cache, keep=1), atol=1e-4, rtol=0)
    assert len(counted) == forwards


def test_a_stream_writes_what_the_stock_model_writes_with_and_without_a_draft(
    static: StaticDecoder, stock: StockDecoder
) -> None:
    written = []
    for decoder, draft in ((stock, ()), (static, ()), (static, (1, 2, 3))):
        stream = TokenStream(decoder, capacity=CAPACITY)
        stream.append(TEXT[:40])
        written.append(list(stream.write(stop=(), limit=30, draft=draft or written[0] if written else ())))
    assert written[0] == written[1] == written[2]


def test_a_row_is_free_again_when_nobody_holds_its_cache(make_model) -> None:
    static = StaticDecoder(make_model("llama"), sequences=2, capacity=20)
    one, _ = kept = list(static.caches(2, 20))
    with pytest.raises(NoRoom, match="all 2 caches"):
        static.cache(20)
    kept.clear()
    del _
    gc.collect()
    other = static.cache(20)
    got = static.decode_rows([Read(TEXT[:5], one, 1), Read(TEXT[:5], other, 1)])
    torch.testing.assert_close(*got)


def test_what_was_restored_is_read_on(static: StaticDecoder) -> None:
    first, second = static.caches(2, CAPACITY)
    static.decode(TEXT, first, keep=1)
    second.restore(first.state())
    torch.testing.assert_close(static.decode([3, 4], second, keep=2), static.decode([3, 4], first, keep=2))


def test_what_does_not_fit_is_refused_before_anything_is_written(static: StaticDecoder) -> None:
    cache = static.cache(50)
    static.decode(TEXT[:45], cache, keep=1)
    with pytest.raises(CacheFull):
        static.decode(TEXT[:6], cache, keep=1)
    assert cache.length == 45
    with pytest.raises(ValueError, match="65 tokens for a cache that is this decoder's"):
        static.decode([1] * 65, static.cache(CAPACITY), keep=1)
    with pytest.raises(ValueError, match="for a cache that is not this decoder's"):
        static.decode([1], SinkCache(capacity=9, rotations=static.rotations), keep=1)
    with pytest.raises(ValueError, match="a cache of 91 tokens"):
        static.cache(CAPACITY + 1)


def test_models_that_it_can_not_run_are_refused(make_model) -> None:
    bloom = BloomForCausalLM(BloomConfig(hidden_size=32, n_layer=1, n_head=2, vocab_size=50))
    with pytest.raises(ValueError, match="takes no position ids"):
        StaticDecoder(bloom, sequences=1, capacity=20)
    scaled = make_model(
        "llama",
        rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4},
        max_position_embeddings=64,
    )
    with pytest.raises(ValueError, match="at most 64 for this model"):
        StaticDecoder(scaled, sequences=1, capacity=65)


def test_query_heads_that_share_a_key_head_see_what_they_see_with_repeated_keys() -> None:
    torch.manual_seed(0)
    query, keys, values = torch.randn(2, 6, 3, 8), torch.randn(2, 2, 7, 8), torch.randn(2, 2, 7, 8)
    seen = torch.rand(2, 1, 3, 7) < 0.6
    seen[..., 0] = True
    found, _ = grouped_attention(torch.nn.Identity(), query, keys, values, seen)
    expected = scaled_dot_product_attention(query, keys.repeat_interleave(3, 1), values.repeat_interleave(3, 1), seen)
    torch.testing.assert_close(found, expected.transpose(1, 2))
    with pytest.raises(ValueError, match="expected plain attention"):
        grouped_attention(torch.nn.Identity(), query, keys, values, seen, softcap=30.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="captures a CUDA graph: needs a GPU")
def test_on_a_gpu_the_captured_graph_is_the_stock_model(make_model) -> None:
    stock = StockDecoder(make_model("qwen2"))
    static = StaticDecoder(make_model("qwen2").cuda(), sequences=4, capacity=64)
    caches = static.caches(3, 64)
    alone = [stock.cache(64) for _ in caches]
    for count in (9, 1, 1, 30, 1, 16):
        for row in (*caches, *alone):
            row.make_room(count, whole_turns=False)
        got = static.decode_rows([Read(TEXT[row : row + count], cache, count) for row, cache in enumerate(caches)])
        for row, (cache, logits) in enumerate(zip(alone, got, strict=True)):
            expected = stock.decode(TEXT[row : row + count], cache, keep=count)
            torch.testing.assert_close(logits.cpu(), expected, atol=1e-3, rtol=0)
