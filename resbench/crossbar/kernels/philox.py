# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Philox and the Gaussian of :mod:`resbench.crossbar.randomness`, compiled by Numba: same counters, same words."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from resbench.crossbar.randomness import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
WEYL0, WEYL1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SCALE32 = np.float32(2.0**-32)
TWO_PI = np.float32(2.0 * math.pi)


@njit(inline="always")
def philox(key, c0, c1, c2, c3):
    """Four words, as uint64 below 2^32, of one counter; key and counters are uint64."""
    k0, k1 = key & LOW, key >> HALF
    w0, w1, w2, w3 = c0, c1, c2, c3
    for _ in range(ROUNDS):
        p0, p1 = w0 * M0, w2 * M1
        w0, w1, w2, w3 = (p1 >> HALF) ^ w1 ^ k0, p1 & LOW, (p0 >> HALF) ^ w3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL0) & LOW, (k1 + WEYL1) & LOW
    return w0, w1, w2, w3


@njit(inline="always")
def gaussian(w0, w1):
    """Standard normal float32 of two words."""
    u0 = np.float32(w0 + np.uint64(1)) * SCALE32
    u1 = np.float32(w1) * SCALE32
    return np.sqrt(np.float32(-2.0) * np.log(u0)) * np.cos(TWO_PI * u1)
