# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""The elementary functions of :mod:`resbench.crossbar.functions`, compiled by Numba: the same operations in order."""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from resbench.crossbar import functions

ROOT_2, LOG2_E, TWO_PI = (np.float32(c) for c in (functions.ROOT_2, functions.LOG2_E, functions.TWO_PI))
LN2_HIGH, LN2_LOW = np.float32(functions.LN2_HIGH), np.float32(functions.LN2_LOW)
LOWEST, HIGHEST = functions.EXP_RANGE
LN2, INVERSE_LN2 = functions.LN2, functions.INVERSE_LN2


def _single(terms: tuple[float, ...]) -> tuple[np.float32, tuple[np.float32, ...]]:
    """The first coefficient of a polynomial and the others, as float32."""
    first, *others = (np.float32(term) for term in terms)
    return first, tuple(others)


LOG_FIRST, LOG_TERMS = _single(functions.LOG_TERMS)
EXP_FIRST, EXP_TERMS = _single(functions.EXP_TERMS)
SINE_FIRST, SINE_TERMS = _single(functions.SINE_TERMS)
LOG64_FIRST, LOG64_TERMS = functions.LOG64_TERMS[0], functions.LOG64_TERMS[1:]
EXP64_FIRST, EXP64_TERMS = functions.EXP64_TERMS[0], functions.EXP64_TERMS[1:]


@intrinsic
def bits_of(context, value):
    """The bits of a float32 as int32."""

    def cast(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int32))

    return types.int32(types.float32), cast


@intrinsic
def float_of(context, bits):
    """The float32 of bits."""

    def cast(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), cast


@intrinsic
def choose(context, condition, a, b):
    """``a if condition else b`` without a branch, of two float32 that are both at hand."""

    def select(context, builder, signature, arguments):
        condition, a, b = arguments
        return builder.select(context.cast(builder, condition, types.boolean, types.boolean), a, b)

    return types.float32(types.boolean, types.float32, types.float32), select


@njit(inline="always")
def log(x):
    """Natural logarithm of a normal positive float32, by arithmetic that vectorises."""
    bits = bits_of(x)
    exponent = np.float32((bits >> np.int32(23)) - np.int32(127))
    m = float_of((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000))
    above = m > ROOT_2
    m = m * np.float32(0.5) if above else m
    exponent = exponent + np.float32(1.0) if above else exponent
    f = m - np.float32(1.0)
    p = LOG_FIRST
    for c in LOG_TERMS:
        p = p * f + c
    p = p * f * f * f + exponent * LN2_LOW - np.float32(0.5) * f * f
    return p + f + exponent * LN2_HIGH


@njit(inline="always")
def exp(x):
    """``e^x`` of a float32; where that is no normal number, the nearest one that is."""
    x = min(max(np.float32(x), np.float32(LOWEST)), np.float32(HIGHEST))
    z = np.floor(x * LOG2_E + np.float32(0.5))
    r = x - z * LN2_HIGH - z * LN2_LOW
    p = EXP_FIRST
    for c in EXP_TERMS:
        p = p * r + c
    p = p * r * r + r + np.float32(1.0)
    return p * float_of((np.int32(z) + np.int32(127)) << np.int32(23))


@njit(inline="always")
def power(base, exponent):
    """``base^exponent`` of a normal positive float32 base, computed in double precision."""
    bits = bits_of(np.float32(base))
    scale = np.float64((bits >> np.int32(23)) - np.int32(127))
    m = np.float64(float_of((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)))
    s = (m - 1.0) / (m + 1.0)
    p = LOG64_FIRST
    for c in LOG64_TERMS:
        p = p * (s * s) + c
    y = min(max((p * s + scale * LN2) * np.float64(exponent), LOWEST), HIGHEST)
    z = np.floor(y * INVERSE_LN2 + 0.5)
    r = y - z * LN2
    p = EXP64_FIRST
    for c in EXP64_TERMS:
        p = p * r + c
    return np.float32(p) * float_of((np.int32(z) + np.int32(127)) << np.int32(23))


@njit(inline="always")
def cos_of_turns(u):
    """``cos(2 pi u)`` of a float32 in [0, 1]: a sine between -pi/2 and pi/2, by its series."""
    z = TWO_PI * (abs(u - np.float32(0.5)) - np.float32(0.25))
    z2 = z * z
    p = SINE_FIRST
    for c in SINE_TERMS:
        p = p * z2 + c
    return z * p


@njit(inline="always")
def sin_of_turns(u):
    """``sin(2 pi u)`` of a float32 in [0, 1], by the same series."""
    t = np.float32(0.5) - u
    a = abs(t)
    a = np.float32(0.5) - a if a > np.float32(0.25) else a
    z = TWO_PI * (-a if t < 0 else a)
    z2 = z * z
    p = SINE_FIRST
    for c in SINE_TERMS:
        p = p * z2 + c
    return z * p
