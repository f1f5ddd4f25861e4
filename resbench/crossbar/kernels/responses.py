# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The responses of devices for single numbers, compiled by Numba from the functions that torch runs."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from resbench.crossbar import views
from resbench.crossbar.devices import curves, steps
from resbench.crossbar.devices.arithmetic import TINY
from resbench.crossbar.kernels.functions import exp, power
from resbench.crossbar.kernels.philox import widened


def of(values, at):
    """A constant of a device as float32; a name for compiled code."""


@overload(of)
def _of(values, at):
    """How ``of`` is compiled, by the numbers in the array."""
    if values.dtype == types.int16:
        return lambda values, at: widened(values[at])
    return lambda values, at: values[at]


@njit
def each(values):
    """A mask for indices: 0 where one number stands for all devices, else all bits."""
    return np.uint64(0xFFFFFFFFFFFFFFFF) if values.size > 1 else np.uint64(0)


@njit
def interpolate(nodes, position):
    """Piecewise linear function through ``nodes`` equally spaced over [0, 1]."""
    at = min(max(position, np.float32(0.0)), np.float32(1.0)) * np.float32(nodes.size - 1)
    left = min(int(at), nodes.size - 2) if nodes.size > 1 else 0
    right = min(left + 1, nodes.size - 1)
    return nodes[left] + (nodes[right] - nodes[left]) * (at - np.float32(left))


ARITHMETIC = {
    "exp": exp,
    "absolute": abs,
    "maximum": max,
    "power": power,
    "interpolate": interpolate,
    "TINY": np.float32(TINY),
}


def scalar(response: Callable[..., Any]) -> Callable[..., Any]:
    """A response compiled for single numbers of float32.

    A response is written once, for tensors of torch. Two things in it mean something else to Numba: the names of
    :mod:`resbench.crossbar.devices.arithmetic`, and whole or decimal numbers, which would make double precision of
    single. So the function is built again from its own code, with other names and with numbers of single precision.
    """
    assert isinstance(response, FunctionType)
    constants = tuple(np.float32(c) if isinstance(c, (int, float)) else c for c in response.__code__.co_consts)
    return njit(FunctionType(response.__code__.replace(co_consts=constants), ARITHMETIC, response.__name__))


constant_step = scalar(steps.constant_step)
linear_step = scalar(steps.linear_step)
linear_step_additive = scalar(steps.linear_step_additive)
exp_step = scalar(curves.exp_step)
exp_step_complex = scalar(curves.exp_step_complex)
pow_step = scalar(curves.pow_step)
piecewise_step = scalar(curves.piecewise_step)


def respond(form, w, sign, a, b, c, d, s, table, xi):
    """Change of one pulse of devices of a form, from their constants a to d, numbers s and table of the direction."""


@overload(respond)
def _respond(form, w, sign, a, b, c, d, s, table, xi):
    """How ``respond`` is compiled, by the type of the form."""
    return CHANGES[form.instance_class]


CHANGES: dict[type[views.Form], Callable[..., Any]] = {
    views.ConstantForm: lambda form, w, sign, a, b, c, d, s, table, xi: constant_step(w, sign, a, s[0], xi),
    views.LinearForm: lambda form, w, sign, a, b, c, d, s, table, xi: linear_step(w, sign, a, b, s[0], xi),
    views.AdditiveForm: lambda form, w, sign, a, b, c, d, s, table, xi: linear_step_additive(w, sign, a, b, s[0], xi),
    views.ExpForm: lambda form, w, sign, a, b, c, d, s, table, xi: exp_step(w, sign, a, b, s[0], s[1], s[2], s[3], xi),
    views.ExpComplexForm: lambda form, w, sign, a, b, c, d, s, table, xi: exp_step_complex(
        w, sign, a, b, s[0], s[1], s[2], s[3], s[4], s[5], xi
    ),
    views.PowForm: lambda form, w, sign, a, b, c, d, s, table, xi: pow_step(w, sign, a, b, c, d, s[0], xi),
    views.PiecewiseForm: lambda form, w, sign, a, b, c, d, s, table, xi: piecewise_step(
        w, sign, a, b, c, table, s[0], xi
    ),
}
