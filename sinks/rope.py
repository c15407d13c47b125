"""Rotate cached keys to new positions.

In: a model's live inverse frequencies, and keys as the cache stores them (already rotated once, by the model). Out: the
same keys as if they had been computed `delta` positions further on. Rotary embeddings compose, R(a) R(b) = R(a + b) (Su
et al. 2021, RoFormer), so moving a key needs no copy of the unrotated one. Knows no cache, no model class, no text.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Rotation:
    """The rotary embedding of one layer: half-split (Llama, Qwen, GPT-NeoX...) or interleaved (GPT-J, Cohere, GLM).

    Only the frequencies are used, never the model's `attention_scaling`: that factor is already inside the stored
    keys, and applying it again would rescale them (yarn, longrope).
    """

    def __init__(self, inverse_frequencies: Tensor, *, interleaved: bool = False) -> None:
        """Radians a position, (D/2,); none for a layer whose keys do not turn (NoPE, ALiBi).

        Dimension i turns with i + D/2, or, `interleaved`, 2i with 2i + 1.
        """
        # fp64: the angle of an integer delta is exact to far below fp32 rounding, however large the delta
        self._inverse_frequencies = inverse_frequencies.detach().cpu().double()  # (D/2,); Apple's GPUs know no fp64
        self._interleaved = interleaved

    @classmethod
    def none(cls) -> Rotation:
        """Of a layer that knows no positions, or gets them as a bias of the scores."""
        return cls(torch.empty(0))

    @property
    def dimensions(self) -> int:
        """How many leading dimensions of each head turn; the rest pass through (partial rotary)."""
        return 2 * len(self._inverse_frequencies)

    def angles(self, positions: int) -> Tensor:
        """Angles in radians of positions 0 to `positions` - 1: (positions, D/2), fp64."""
        return torch.arange(positions, dtype=torch.float64)[:, None] * self._inverse_frequencies

    def rotate_(self, keys: Tensor, delta: int) -> None:
        """Move `keys` (B, H, T, D) by `delta` positions, in place. Computed in fp32, rounded once."""
        if not self.dimensions:
            return
        angle = self._inverse_frequencies * delta  # (D/2,)
        cos = angle.cos().float().to(keys.device)
        sin = angle.sin().float().to(keys.device)
        if self._interleaved:
            places = slice(0, self.dimensions, 2), slice(1, self.dimensions, 2)
        else:
            places = slice(0, len(cos)), slice(len(cos), self.dimensions)
        first, second = (keys[..., place].float() for place in places)  # (B, H, T, D/2) each
        # both before either is written: in fp32, `first` and `second` are views of the keys
        turned = first * cos - second * sin, second * cos + first * sin
        for place, half in zip(places, turned, strict=True):
            keys[..., place] = half.to(keys.dtype)
