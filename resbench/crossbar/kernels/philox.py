# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""Philox and the Gaussian of :mod:`resbench.crossbar.randomness`, compiled by Numba: same counters, same words."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from resbench.crossbar.randomness import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
WEYL0, WEYL1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SCALE32 = np.float32(2.0**-32)
TWO_PI = np.float32(2.0 * math.pi)
LOG_TERMS = tuple(
    np.float32(c)
    for c in (
        *(-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )
)
SINE_TERMS = tuple(np.float32((-1) ** k / math.factorial(2 * k + 1)) for k in (4, 3, 2, 1, 0))


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


@intrinsic
def _bits(context, value):
    """The bits of a float32 as int32."""

    def cast(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), cast


@intrinsic
def _float(context, bits):
    """The float32 of bits."""

    def cast(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), cast


@njit
def widened(half):
    """The float32 of a finite float16, from its bits as int16; shifted to their places they lack a factor of 2^112."""
    magnitude = _float((np.int32(half) & np.int32(0x7FFF)) << np.int32(13)) * np.float32(2.0**112)
    return -magnitude if half < 0 else magnitude


@njit(inline="always")
def log(x):
    """Natural logarithm of a normal positive float32 to 1e-7, by arithmetic that vectorises (Cephes' ``logf``)."""
    bits = _bits(x)
    exponent = np.float32((bits >> np.int32(23)) - np.int32(127))
    m = _float((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000))
    above = m > np.float32(1.41421356)
    m = m * np.float32(0.5) if above else m
    exponent = exponent + np.float32(1.0) if above else exponent
    f = m - np.float32(1.0)
    p = np.float32(7.0376836292e-2)
    for c in LOG_TERMS:
        p = p * f + c
    p = p * f * f * f + exponent * np.float32(-2.12194440e-4) - np.float32(0.5) * f * f
    return f + p + exponent * np.float32(0.693359375)


@njit(inline="always")
def cos_of_turns(u):
    """``cos(2 pi u)`` for u in [0, 1) to 1e-7: a sine between -pi/2 and pi/2, by its series."""
    z = TWO_PI * (abs(u - np.float32(0.5)) - np.float32(0.25))
    z2 = z * z
    p = np.float32(-1 / 39916800)
    for c in SINE_TERMS:
        p = p * z2 + c
    return z * p


@njit(inline="always")
def uniforms(w0, w1):
    """Two words as float32 in (0, 1] and [0, 1]."""
    return np.float32(w0 + np.uint64(1)) * SCALE32, np.float32(w1) * SCALE32


@njit(inline="always")
def gaussian(u0, u1):
    """Standard normal float32 of two :func:`uniforms` (Box-Muller)."""
    return np.sqrt(np.float32(-2.0) * log(u0)) * cos_of_turns(u1)
