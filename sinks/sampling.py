"""Which token to write next.

In: logits. Out: a token id. `likeliest` is what translation wants; `Sampler` is for stories, which greedy decoding
lets run in circles. Knows no model and no stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Pick: TypeAlias = Callable[[Tensor], int]
"""Logits (V,) to a token id."""


def likeliest(logits: Tensor) -> int:
    """Greedy decoding."""
    return int(logits.argmax())


class Sampler:
    """Nucleus sampling (Holtzman et al. 2020): one of the likeliest tokens that together have the share `nucleus`."""

    def __init__(self, *, temperature: float, nucleus: float = 0.95, seed: int = 0) -> None:
        """The same `seed` gives the same choices. Raises ValueError for a temperature or a nucleus that is no such."""
        if not temperature > 0 or not 0 < nucleus <= 1:
            raise ValueError(
                f"temperature {temperature} and nucleus {nucleus}, expected more than 0, and a share of more than 0 "
                f"and at most 1"
            )
        self._temperature = temperature
        self._nucleus = nucleus
        self._random = torch.Generator().manual_seed(seed)

    def __call__(self, logits: Tensor) -> int:
        """Draw a token, on the processor wherever the logits are: one seed gives the same choices on every device."""
        logits = logits.double().cpu()
        # below the likeliest, and in fp64: a temperature near 0, which fp32 takes for 0, leaves that one alone
        cooled = (logits - logits.max()) / self._temperature  # (V,)
        shares, ids = torch.softmax(cooled.float(), dim=-1).sort(descending=True)  # (V,) each
        # the token that crosses the bound belongs to the nucleus: there is always one
        outside = shares.cumsum(-1) - shares >= self._nucleus  # (V,)
        chosen = torch.multinomial(shares.masked_fill(outside, 0.0), 1, generator=self._random)
        return int(ids[chosen])
