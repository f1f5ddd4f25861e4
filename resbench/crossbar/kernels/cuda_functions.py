# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""The elementary functions of :mod:`resbench.crossbar.functions` in Triton: the same operations in the same order."""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar import functions

LOG_TERMS, LOG_COUNT = tl.constexpr(functions.LOG_TERMS), tl.constexpr(len(functions.LOG_TERMS))
EXP_TERMS, EXP_COUNT = tl.constexpr(functions.EXP_TERMS), tl.constexpr(len(functions.EXP_TERMS))
SINE_TERMS, SINE_COUNT = tl.constexpr(functions.SINE_TERMS), tl.constexpr(len(functions.SINE_TERMS))
LOG64_TERMS, LOG64_COUNT = tl.constexpr(functions.LOG64_TERMS), tl.constexpr(len(functions.LOG64_TERMS))
EXP64_TERMS, EXP64_COUNT = tl.constexpr(functions.EXP64_TERMS), tl.constexpr(len(functions.EXP64_TERMS))
LN2_HIGH, LN2_LOW = tl.constexpr(functions.LN2_HIGH), tl.constexpr(functions.LN2_LOW)
LN2, INVERSE_LN2 = tl.constexpr(functions.LN2), tl.constexpr(functions.INVERSE_LN2)
LOG2_E, ROOT_2, TWO_PI = tl.constexpr(functions.LOG2_E), tl.constexpr(functions.ROOT_2), tl.constexpr(functions.TWO_PI)
LOWEST, HIGHEST = tl.constexpr(functions.EXP_RANGE[0]), tl.constexpr(functions.EXP_RANGE[1])


def pieces(count: int, size: int) -> int:
    """How many pieces of a size hold so many, for grids; ``triton.cdiv`` takes microseconds outside of kernels."""
    return -(-count // size)


@triton.jit
def polynomial(x, terms: tl.constexpr, count: tl.constexpr):
    """The polynomial of so many ``terms``, the coefficient of the highest power first."""
    p = x * terms[0] + terms[1]
    for k in tl.static_range(2, count):
        p = p * x + terms[k]
    return p


@triton.jit
def power_of_two(z):
    """``2^z`` as float32 for whole z of a normal number."""
    return ((z.to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def log(x):
    """Natural logarithm of a normal positive float32."""
    bits = x.to(tl.int32, bitcast=True)
    exponent = ((bits >> 23) - 127).to(tl.float32)
    m = ((bits & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
    above = m > ROOT_2
    m = tl.where(above, m * 0.5, m)
    exponent = tl.where(above, exponent + 1.0, exponent)
    f = m - 1.0
    p = polynomial(f, LOG_TERMS, LOG_COUNT)
    p = p * f * f * f + exponent * LN2_LOW - 0.5 * f * f
    return p + f + exponent * LN2_HIGH


@triton.jit
def exp(x):
    """``e^x`` of a float32; where that is no normal number, the nearest one that is."""
    x = tl.minimum(tl.maximum(x, LOWEST), HIGHEST)
    z = tl.floor(x * LOG2_E + 0.5)
    r = x - z * LN2_HIGH - z * LN2_LOW
    p = polynomial(r, EXP_TERMS, EXP_COUNT)
    return (p * r * r + r + 1.0) * power_of_two(z)


@triton.jit
def power(base, exponent):
    """``base^exponent`` of a normal positive float32 base, computed in double precision."""
    bits = base.to(tl.int32, bitcast=True)
    scale = ((bits >> 23) - 127).to(tl.float64)
    m = ((bits & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True).to(tl.float64)
    s = (m - 1.0) / (m + 1.0)
    logarithm = polynomial(s * s, LOG64_TERMS, LOG64_COUNT) * s + scale * LN2
    y = tl.minimum(tl.maximum(logarithm * exponent.to(tl.float64), LOWEST), HIGHEST)
    z = tl.floor(y * INVERSE_LN2 + 0.5)
    return polynomial(y - z * LN2, EXP64_TERMS, EXP64_COUNT).to(tl.float32) * power_of_two(z)


@triton.jit
def cos_of_turns(u):
    """``cos(2 pi u)`` of a float32 in [0, 1]: a sine between -pi/2 and pi/2, by its series."""
    z = TWO_PI * (tl.abs(u - 0.5) - 0.25)
    return z * polynomial(z * z, SINE_TERMS, SINE_COUNT)


@triton.jit
def sin_of_turns(u):
    """``sin(2 pi u)`` of a float32 in [0, 1]: a sine between -pi/2 and pi/2, by its series."""
    a = tl.abs(0.5 - u)
    a = tl.where(a > 0.25, 0.5 - a, a)
    z = TWO_PI * tl.where(u > 0.5, -a, a)
    return z * polynomial(z * z, SINE_TERMS, SINE_COUNT)
