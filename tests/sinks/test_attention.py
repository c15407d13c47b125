from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from surtitle.sinks.attention import attend_rows


@pytest.mark.parametrize(("q", "t"), [(1, 1), (1, 33), (5, 5), (5, 33), (33, 33)])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1)])
def test_grouped_attention_is_stock_attention(q: int, t: int, heads: int, kv_heads: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(heads, q, 16), torch.randn(kv_heads, t, 16), torch.randn(kv_heads, t, 16)
    wide_key, wide_value = (part.repeat_interleave(heads // kv_heads, dim=0) for part in (key, value))
    mask = torch.ones(q, t, dtype=torch.bool).tril(t - q)  # the queries are the last q of t positions
    stock = functional.scaled_dot_product_attention(query, wide_key, wide_value, attn_mask=mask, scale=0.25)
    torch.testing.assert_close(attend_rows(query, key, value, 0.25), stock, atol=1e-5, rtol=1e-5)


def test_the_cache_is_read_not_written() -> None:
    query, key, value = torch.randn(4, 3, 16), torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    before = query.clone(), key.clone(), value.clone()
    attend_rows(query, key, value, 0.25)
    assert all(torch.equal(now, then) for now, then in zip((query, key, value), before, strict=True))


def test_a_view_into_a_larger_store_does_as_well_as_a_copy() -> None:
    store = torch.randn(2, 50, 16)
    query, view = torch.randn(4, 3, 16), store[:, :20]
    torch.testing.assert_close(
        attend_rows(query, view, view, 0.25), attend_rows(query, view.clone(), view.clone(), 0.25)
    )
