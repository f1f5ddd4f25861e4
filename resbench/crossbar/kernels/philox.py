# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""Philox and the Gaussian of :mod:`resbench.crossbar.randomness`, compiled by Numba: same counters, same words."""

from __future__ import annotations

import numpy as np
from numba import njit

from resbench.crossbar.kernels.functions import cos_of_turns, float_of, log
from resbench.crossbar.randomness import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
WEYL0, WEYL1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SCALE32 = np.float32(2.0**-32)


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


@njit
def widened(half):
    """The float32 of a finite float16, from its bits as int16: shifted into place, and times 2^112 for the exponent."""
    magnitude = float_of((np.int32(half) & np.int32(0x7FFF)) << np.int32(13)) * np.float32(2.0**112)
    return -magnitude if half < 0 else magnitude


@njit(inline="always")
def uniforms(w0, w1):
    """Two words as float32 in (0, 1] and [0, 1]."""
    return np.float32(w0 + np.uint64(1)) * SCALE32, np.float32(w1) * SCALE32


@njit(inline="always")
def gaussian(u0, u1):
    """Standard normal float32 of two :func:`uniforms` (Box-Muller)."""
    return np.sqrt(np.float32(-2.0) * log(u0)) * cos_of_turns(u1)
