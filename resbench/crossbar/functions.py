"""Elementary functions that give the same bits on every processor.

Libraries of vector functions choose their code by the processor, and their results differ in the last bit. The
functions here are polynomials of plain float operations, each rounded once and always in the same order.
``kernels/functions.py`` and
``kernels/cuda_functions.py`` compile the same operations by Numba and Triton, and tests compare all three bit for bit.

Source of the single-precision coefficients: S. Moshier, Cephes mathematical library (``logf``, ``expf``).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

TWO_PI = 2.0 * math.pi
#: Polynomials, the coefficient of the highest power first.
LOG_TERMS = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
EXP_TERMS = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
SINE_TERMS = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(5, -1, -1))
#: ln 2 in two parts, the first short enough for exact products with an exponent.
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
LOG2_E = 1.44269504088896341
ROOT_2 = 1.41421356
#: Arguments of ``exp`` are moved into this range, where the result is a normal float32.
EXP_RANGE = (-87.0, 88.0)
#: The same in double precision, for ``power``: ``log m = 2 (s + s^3/3 + s^5/5 + ...)`` with ``s = (m - 1)/(m + 1)``.
LOG64_TERMS = tuple(2.0 / (2 * k + 1) for k in range(7, -1, -1))
EXP64_TERMS = tuple(1.0 / math.factorial(k) for k in range(11, -1, -1))
LN2, INVERSE_LN2 = math.log(2.0), 1.0 / math.log(2.0)


def sqrt(x: Tensor) -> Tensor:
    """``sqrt(x)``, correctly rounded as IEEE 754 requires. That of torch is not on every processor."""
    if x.device.type != "cpu":
        return torch.sqrt(x)
    root = torch.empty_like(x)
    np.sqrt(x.numpy(), out=root.numpy())
    return root


def log(x: Tensor) -> Tensor:
    """Natural logarithm of normal positive float32, to 1e-7."""
    bits = x.view(torch.int32)
    exponent = (bits >> 23).sub_(127).to(torch.float32)
    m = (bits & 0x7FFFFF).bitwise_or_(0x3F800000).view(torch.float32)
    above = m > ROOT_2
    m = torch.where(above, m * 0.5, m)
    exponent = torch.where(above, exponent + 1.0, exponent)
    f = m.sub_(1.0)
    p = _polynomial(LOG_TERMS, f)
    p = p.mul_(f).mul_(f).mul_(f).add_(exponent * LN2_LOW).sub_((0.5 * f).mul_(f))
    return p.add_(f).add_(exponent.mul_(LN2_HIGH))


def exp(x: Tensor) -> Tensor:
    """``e^x`` of float32, to a relative 1e-7. A result that is not a normal number becomes the nearest normal one."""
    x = x.clamp(*EXP_RANGE)
    z = torch.floor((x * LOG2_E).add_(0.5))
    r = x.sub_(z * LN2_HIGH).sub_(z * LN2_LOW)
    p = _polynomial(EXP_TERMS, r)
    p = p.mul_(r).mul_(r).add_(r).add_(1.0)
    return p.mul_((z.to(torch.int32).add_(127) << 23).view(torch.float32))


def power(base: Tensor, exponent: Tensor | float) -> Tensor:
    """``base^exponent`` as float32 of a normal positive float32 base; computed in double precision."""
    bits = base.view(torch.int32)
    scale = (bits >> 23).sub_(127).to(torch.float64)
    m = (bits & 0x7FFFFF).bitwise_or_(0x3F800000).view(torch.float32).to(torch.float64)
    s = (m - 1.0) / (m + 1.0)
    logarithm = _polynomial(LOG64_TERMS, s * s).mul_(s).add_(scale.mul_(LN2))
    y = (logarithm * exponent).clamp_(*EXP_RANGE)
    z = torch.floor((y * INVERSE_LN2).add_(0.5))
    p = _polynomial(EXP64_TERMS, y - z * LN2).to(torch.float32)
    return p.mul_((z.to(torch.int32).add_(127) << 23).view(torch.float32))


def cos_of_turns(u: Tensor) -> Tensor:
    """``cos(2 pi u)`` of float32 in [0, 1], to 1e-7."""
    return _sine((u - 0.5).abs_().sub_(0.25))


def sin_of_turns(u: Tensor) -> Tensor:
    """``sin(2 pi u)`` of float32 in [0, 1], to 1e-7."""
    t = 0.5 - u
    a = t.abs()
    a = torch.where(a > 0.25, 0.5 - a, a)
    return _sine(torch.copysign(a, t))


def _sine(turns: Tensor) -> Tensor:
    """``sin(2 pi turns)`` for at most a quarter of a turn, by its series."""
    z = turns * TWO_PI
    return _polynomial(SINE_TERMS, z * z).mul_(z)


def _polynomial(terms: tuple[float, ...], x: Tensor) -> Tensor:
    p = torch.full_like(x, terms[0])
    for term in terms[1:]:
        p.mul_(x).add_(term)
    return p
