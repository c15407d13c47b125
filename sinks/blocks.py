"""Weights in 8 bits, in blocks of 32.

In: fp32 rows. Out: unsigned bytes around 128 and a scale per block, as ONNX Runtime's `MatMulNBits` multiplies them.
That product also gives every block of 32 activations a scale of its own, which is what keeps the translation: a sink
token's massive activation (Sun et al. 2024) spoils its own block, not its row and not its neighbours'.
scripts/LOG.md has the measurements. Knows no model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Weights that share a scale: the same as in GGUF's Q8_0, Q5_0 and Q4_K."""
ZERO = 128
"""The byte that stands for 0."""
WEIGHTS = "weights.safetensors"
"""The file of a converted model's folder that holds them, and what stays wider."""


def quantise_blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Round `weight` (N, K) to bytes (N, K / BLOCK, BLOCK) and scales (N, K / BLOCK).

    In numpy, which keeps to the calling thread: conversion runs in several. Raises ValueError where BLOCK does not
    divide K.
    """
    n, k = weight.shape
    if k % BLOCK:
        raise ValueError(f"rows of {k} weights, expected a multiple of {BLOCK}")
    blocks = weight.reshape(n, k // BLOCK, BLOCK)
    scale = np.maximum(np.abs(blocks).max(axis=2), np.float32(1e-12)) / np.float32(127)  # (N, K / BLOCK)
    steps = blocks / scale[:, :, None]  # (N, K / BLOCK, BLOCK)
    np.rint(steps, out=steps)
    steps += ZERO
    return steps.astype(np.uint8), scale


def widen_blocks(quantised: NDArray[np.uint8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows (N, K) that `quantise_blocks` results stand for."""
    values = (quantised.astype(np.float32) - ZERO) * scale[:, :, None]  # (N, K / BLOCK, BLOCK)
    return values.reshape(len(values), -1)
