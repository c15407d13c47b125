"""Linear layers in 8 bits that keep the translation.

In: fp32 activations (M, K). Out: fp32 products (M, N). Weights are int8 with a scale per output
channel; products run on fbgemm, the fast path of CPUs without wide matrix units.

Two things ruin a careless int8 model, both about activations. (1) One scale for a whole forward: a sink
token's massive activation leaves its neighbours almost no resolution. Here every row is divided by its own
largest value first, so each token has a scale of its own, and a row's product does not depend on its
neighbours. (2) Seven bits (fbgemm's limit without VNNI, where two products are added in 16 bits): `fine`
layers push the rounding error through as a second row, for 13 bits in all. A few rows more cost little: the
time goes into reading the weights. Knows no model.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# torch announces that quantised tensors will go from a later release; the version is pinned, and this is their one use
warnings.filterwarnings("ignore", message="torch.quantize_per_tensor, torch.quantize_per_channel", category=UserWarning)

LEVELS = 63
"""Activations become integers in [-63, 63]: 127 * 127 * 2 still fits the 16-bit sums of AVX2."""


def quantise_rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round `weight` (N, K) to int8 with a scale per row: `weight` is about `quantised * scale[:, None]`.

    In numpy, which keeps to the calling thread: conversion runs in several, and torch would start a team for each.
    """
    scale = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-12)) / np.float32(127)  # (N,)
    steps = weight / scale[:, None]  # (N, K)
    quantised = np.rint(steps, out=steps).clip(-127, 127).astype(np.int8)  # (N, K)
    return quantised, scale


class Int8Product:
    """The packed weights of one or several linear layers with the same input, multiplied in one go."""

    def __init__(self, weight: Tensor, scale: Tensor, *, fine: bool) -> None:
        """`weight` int8 (N, K), `scale` fp32 (N,)."""
        zeros = torch.zeros(len(scale), dtype=torch.long)
        per_channel = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        self._packed = torch.ops.quantized.linear_prepack(per_channel, None)
        self._fine = fine

    def __call__(self, x: Tensor) -> Tensor:
        """(M, K) to (M, N), both fp32."""
        step = torch.linalg.vector_norm(x, float("inf"), dim=-1, keepdim=True).clamp_min_(1e-12).div_(LEVELS)  # (M, 1)
        steps = x / step  # (M, K) in [-LEVELS, LEVELS]
        if not self._fine:
            return self._multiply(steps).mul_(step)
        missing = (steps - steps.round()).mul_(2 * LEVELS)  # (M, K) in [-LEVELS, LEVELS]
        coarse, rest = self._multiply(torch.cat((steps, missing))).chunk(2)  # (M, N) twice
        return coarse.add_(rest, alpha=1 / (2 * LEVELS)).mul_(step)

    def _multiply(self, steps: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            steps, 1.0, LEVELS + 1, self._packed
        )
        return product
