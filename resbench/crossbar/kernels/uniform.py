# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Uniform random numbers of rows, compiled by Numba: the same bits as :func:`resbench.crossbar.randomness.philox`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import HALF, LOW, SCALE32, philox


@compiled
def _fill(key, c1, rows, out):
    one = np.uint64(1)
    for r in range(rows.size):
        row = np.uint64(rows[r])
        low, high = row & LOW, row >> HALF
        for block in range(out.shape[2]):
            w0, w1, w2, w3 = philox(key, np.uint64(block), c1, low, high)
            out[r, 0, block] = np.float32(w0 + one) * SCALE32
            out[r, 1, block] = np.float32(w1 + one) * SCALE32
            out[r, 2, block] = np.float32(w2 + one) * SCALE32
            out[r, 3, block] = np.float32(w3 + one) * SCALE32


def row_uniforms(key: int, blocks: int, c1: int, rows: Tensor) -> Tensor:
    """Uniforms float32 in (0, 1], ``[n, 4, blocks]``: ``(word + 1) / 2^32`` of counters (block, c1, row low, row high).

    Args:
        key: key of the stream.
        blocks: counters for each row.
        c1: second counter word.
        rows: int64 ``[n]`` on the CPU.
    """
    uniforms = torch.empty(len(rows), 4, blocks, device="cpu")
    _fill(np.uint64(key), np.uint64(c1), rows.numpy(), uniforms.numpy())
    return uniforms
