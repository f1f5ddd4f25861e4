"""The functions that a response may use in addition to ``+ - * /``, elementwise on tensors.

These are the torch versions. A compiled backend takes the code of a response and binds these five names to its own
versions. So a response is written once. It must not use other functions, and must not branch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.crossbar import functions

#: Smallest span that is a divisor, and smallest base of a power; smaller numbers are replaced by this one.
TINY = 1e-30


def exp(a: Tensor) -> Tensor:
    """``e^a``."""
    return functions.exp(a)


def absolute(a: Tensor) -> Tensor:
    """``|a|``."""
    return torch.abs(a)


def maximum(a: Tensor, floor: float) -> Tensor:
    """``max(a, floor)`` for a number ``floor``."""
    return torch.clamp(a, min=floor)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """``base^exponent`` for a base above 0."""
    return functions.power(base, exponent)


def interpolate(nodes: tuple[float, ...], position: Tensor) -> Tensor:
    """Piecewise linear function through ``nodes`` that are equally spaced over [0, 1]; constant outside."""
    table = position.new_tensor([*nodes, nodes[-1]])
    at = position.clamp(0.0, 1.0) * (len(nodes) - 1)
    left = at.floor()
    index = left.to(torch.int64)
    return table[index] + (table[index + 1] - table[index]) * (at - left)
