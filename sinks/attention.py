"""Grouped-query attention on a cache that is read in place.

In: queries, and the keys and values that a cache holds. Out: the attended values. Stock functions copy each
key once per query head of its group (`repeat_kv`); on a CPU that copy costs more than the product. Knows no
cache class.
"""

from __future__ import annotations

import torch
from torch import Tensor


def attend_rows(query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Causal scaled dot-product attention (Vaswani et al. 2017) with shared keys (GQA, Ainslie et al. 2023).

    `query` (Hq, Q, D) are the last Q of the T positions that `key` and `value` (H, T, D) hold; returns (Hq, Q, D).
    """
    hq, q, d = query.shape
    h, t, _ = key.shape
    grouped = (query * scaling).reshape(h, hq // h * q, d)  # (H, G*Q, D)
    scores = grouped @ key.transpose(-1, -2)  # (H, G*Q, T)
    if q > 1:
        later = torch.ones(q, t, dtype=torch.bool, device=query.device).triu(t - q + 1)  # (Q, T)
        scores.view(h, hq // h, q, t).masked_fill_(later, float("-inf"))
    return (torch.softmax(scores, dim=-1) @ value).view(hq, q, d)
