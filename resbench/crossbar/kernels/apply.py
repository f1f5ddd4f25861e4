# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Applying pulses to devices, compiled by Numba from the same response functions that torch runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit

from resbench.crossbar.devices import curves, steps
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import gaussian, philox


@njit
def interpolate(nodes, position):
    """Piecewise linear function through ``nodes`` equally spaced over [0, 1]."""
    at = min(max(position, 0.0), 1.0) * (nodes.size - 1)
    left = min(int(at), nodes.size - 2) if nodes.size > 1 else 0
    right = min(left + 1, nodes.size - 1)
    return nodes[left] + (nodes[right] - nodes[left]) * (at - left)


ARITHMETIC = {
    "exp": math.exp,
    "absolute": abs,
    "maximum": max,
    "power": math.pow,
    "interpolate": interpolate,
    "TINY": 1e-30,
}


def scalar(response: Callable[..., Any]) -> Callable[..., Any]:
    """A response compiled for numbers: its own code with the arithmetic of numbers in place of torch's."""
    assert isinstance(response, FunctionType)
    return njit(FunctionType(response.__code__, ARITHMETIC, response.__name__))


#: The responses that the compiled kernel knows, by the number that selects them there.
KINDS: dict[Callable[..., Any], int] = {
    steps.constant_step: 0,
    steps.linear_step: 1,
    steps.linear_step_additive: 2,
    curves.exp_step: 3,
    curves.exp_step_complex: 4,
    curves.pow_step: 5,
    curves.piecewise_step: 6,
}
constant_step = scalar(steps.constant_step)
linear_step = scalar(steps.linear_step)
linear_step_additive = scalar(steps.linear_step_additive)
exp_step = scalar(curves.exp_step)
exp_step_complex = scalar(curves.exp_step_complex)
pow_step = scalar(curves.pow_step)
piecewise_step = scalar(curves.piecewise_step)


@compiled
def respond(kind, w, sign, a, b, c, e, s, nodes, xi):
    """Change of one pulse: the response ``kind`` with constants a to e and scalars s of its direction."""
    if kind == 0:
        return constant_step(w, sign, a, s[0], xi)
    if kind == 1:
        return linear_step(w, sign, a, b, s[0], xi)
    if kind == 2:
        return linear_step_additive(w, sign, a, b, s[0], xi)
    if kind == 3:
        return exp_step(w, sign, a, b, s[0], s[1], s[2], s[3], xi)
    if kind == 4:
        return exp_step_complex(w, sign, a, b, s[0], s[1], s[2], s[3], s[4], s[5], xi)
    if kind == 5:
        return pow_step(w, sign, a, b, c, e, s[0], xi)
    return piecewise_step(w, sign, a, b, c, nodes, s[0], xi)


@compiled
def apply(events, update, key, kind, constants, scalars, nodes, bounds, noisy, write_noise, weights, counts):
    """Apply pulses in order, each at the current weight with its own noise and clip.

    Args:
        events: int64 ``[events, 4]``: cell, direction (1 up, 0 down), slot, sample.
        update: update counter of the tile.
        key: key of the cycle-to-cycle noise.
        kind: which response.
        constants: flat float32 arrays that the response reads, four of the up and four of the down direction; unused
            ones repeat.
        scalars: float32 ``[2, 6]`` numbers that it reads, up and down.
        nodes: float32 tables that it reads, up and down.
        bounds: w_min, w_max and reference, flat float32 (the reference is empty for devices without one).
        noisy: whether the response reads its noise.
        write_noise: standard deviation of the write noise, 0 for none.
        weights: stored and visible weight, flat float32, changed in place.
        counts: pulses up and down, flat int32, changed in place.
    """
    w_min, w_max, reference = bounds
    stored, visible = weights
    u0, u1, u2, u3, d0, d1, d2, d3 = constants
    referenced = reference.size > 0
    noise = np.float32(0.0)
    for e in range(events.shape[0]):
        cell, rising = events[e, 0], events[e, 1] == 1
        if noisy or write_noise > 0:
            counter = np.uint64(cell), np.uint64(events[e, 2]), np.uint64(events[e, 3])
            w0, w1, w2, w3 = philox(key, counter[0], counter[1], counter[2], np.uint64(update))
            noise = gaussian(w0, w1)
        origin = reference[cell] if referenced else np.float32(0.0)
        w = stored[cell] + origin
        if rising:
            change = respond(kind, w, 1.0, u0[cell], u1[cell], u2[cell], u3[cell], scalars[0], nodes[0], noise)
            counts[0][cell] += 1
        else:
            change = respond(kind, w, -1.0, d0[cell], d1[cell], d2[cell], d3[cell], scalars[1], nodes[1], noise)
            counts[1][cell] += 1
        stored[cell] = min(max(np.float32(w + change), w_min[cell]), w_max[cell]) - origin
        if write_noise > 0:
            visible[cell] = stored[cell] + write_noise * gaussian(w2, w3)


@compiled
def compose(composite, weights, gammas, cells):
    """``composite[c] = sum_k gamma_k W_k[c]``, fast tile first, at the given cells (all of them if none is given)."""
    if cells.size == 0:
        for c in range(composite.size):
            total = np.float32(0.0)
            for k in range(gammas.size):
                total += gammas[k] * weights[k][c]
            composite[c] = total
        return
    for i in range(cells.size):
        c = cells[i]
        total = np.float32(0.0)
        for k in range(gammas.size):
            total += gammas[k] * weights[k][c]
        composite[c] = total
