"""Weights in 8 bits, in blocks of 128.

In: fp32 rows. Out: unsigned bytes around 128 and a scale per block, as ONNX Runtime's `MatMulNBits` multiplies them.
Knows no model.

That product gives every block of activations a scale of its own too. This is what keeps the translation: a sink token's
massive activation (Sun et al. 2024) spoils its own block, not its row and not its neighbours'. Blocks of 32 would be a
little closer to fp32, and a tenth to a sixth slower: scripts/LOG.md has the measurements.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCKS = (128, 64, 32)
"""Weights that share a scale: the first of these that fills a row without a rest."""
ZERO = 128
"""The byte that stands for 0."""
WEIGHTS = "weights.safetensors"
"""The file of a converted model's folder that holds them, and what stays wider."""
JOINED = {
    "self_attn.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "mlp.gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
}
"""Layers that multiply the same input, which a converted model has as one: a product has threads to wake."""


def block_of(k: int) -> int:
    """Of rows of `k` weights, how many share a scale. Raises ValueError where none of BLOCKS divides `k`."""
    block = next((size for size in BLOCKS if k % size == 0), None)
    if block is None:
        raise ValueError(f"rows of {k} weights, expected a multiple of {BLOCKS[-1]}")
    return block


def quantise_blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Round `weight` (N, K) to bytes (N, K / b, b) and scales (N, K / b), b being `block_of(K)`.

    In numpy, which keeps to the calling thread: conversion runs in several.
    """
    n, k = weight.shape
    blocks = weight.reshape(n, -1, block_of(k))
    scale = np.maximum(np.abs(blocks).max(axis=2), np.float32(1e-12)) / np.float32(127)  # (N, K / b)
    steps = blocks / scale[:, :, None]  # (N, K / b, b)
    np.rint(steps, out=steps)
    steps += ZERO
    return steps.astype(np.uint8), scale


def widen_blocks(quantised: NDArray[np.uint8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows (N, K) that `quantise_blocks` results stand for."""
    values = (quantised.astype(np.float32) - ZERO) * scale[:, :, None]  # (N, K / b, b)
    return values.reshape(len(values), -1)
