"""Rotate cached keys to new positions.

In: a model's live inverse frequencies and keys as the cache stores them (already rotated once, by the
model). Out: the same keys as if they had been computed `delta` positions further on. Rotary embeddings
compose, R(a) R(b) = R(a + b) (Su et al. 2021, RoFormer), so moving a key needs no copy of the unrotated
one. Knows no cache, no model class, no text.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Rotation:
    """The half-split rotary embedding of one model (Llama, Mistral, Qwen, SmolLM, Gemma...).

    Only the frequencies are used, never the model's `attention_scaling`: that factor is already inside the stored
    keys, and applying it again would rescale them (yarn, longrope).
    """

    def __init__(self, inverse_frequencies: Tensor) -> None:
        # fp64: the angle of an integer delta is exact to far below fp32 rounding, however large the delta
        self._inverse_frequencies = inverse_frequencies.detach().to("cpu", torch.float64)  # (D/2,)

    @property
    def dimensions(self) -> int:
        """How many leading dimensions of each head turn; the rest pass through (partial rotary)."""
        return 2 * len(self._inverse_frequencies)

    def angles(self, positions: int) -> Tensor:
        """Angles in radians of positions 0 to `positions` - 1: (positions, D/2), fp64."""
        return torch.arange(positions, dtype=torch.float64)[:, None] * self._inverse_frequencies

    def rotate_(self, keys: Tensor, delta: int) -> None:
        """Move `keys` (B, H, T, D) by `delta` positions, in place. Computed in fp32, rounded once."""
        angle = self._inverse_frequencies * delta  # (D/2,)
        cos = angle.cos().to(keys.device, torch.float32)
        sin = angle.sin().to(keys.device, torch.float32)
        half = len(cos)
        first = keys[..., :half].float()  # (B, H, T, D/2)
        second = keys[..., half : 2 * half].float()  # (B, H, T, D/2)
        # both before either is written: in fp32, `first` and `second` are views of the keys
        turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        keys[..., : 2 * half] = turned.to(keys.dtype)
