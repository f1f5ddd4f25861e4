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
def apply(
    events,
    key,
    update,
    kind,
    up,
    down,
    scalars_up,
    scalars_down,
    nodes_up,
    nodes_down,
    bounds,
    noisy,
    write_noise,
    state,
):
    """Apply pulses in order, each at the current weight with its own noise and clip.

    Args:
        events: int64 ``[events, 4]``: cell, direction (1 up, 0 down), slot, sample.
        key: key of the cycle-to-cycle noise.
        update: update counter of the tile.
        kind: which response.
        up: four arrays of constants of the up direction, flat float32; unused ones repeat.
        down: the same of the down direction.
        scalars_up: float32 ``[6]`` scalars of the up direction.
        scalars_down: the same of the down direction.
        nodes_up: float32 nodes of a tabulated response.
        nodes_down: the same of the down direction.
        bounds: w_min, w_max and reference, flat float32 (the reference is empty for devices without one).
        noisy: whether the response reads its noise.
        write_noise: standard deviation of the write noise, 0 for none.
        state: stored and visible weight (flat float32), pulses up and down (flat int32).
    """
    w_min, w_max, reference = bounds
    stored, visible, count_up, count_down = state
    referenced = reference.size > 0
    xi = np.float32(0.0)
    for e in range(events.shape[0]):
        cell, rising = events[e, 0], events[e, 1] == 1
        if noisy or write_noise > 0:
            w0, w1, w2, w3 = philox(key, np.uint64(cell), np.uint64(events[e, 2]), np.uint64(events[e, 3]), update)
            xi = gaussian(w0, w1)
        origin = reference[cell] if referenced else np.float32(0.0)
        before = stored[cell] + origin
        if rising:
            change = respond(
                kind, before, 1.0, up[0][cell], up[1][cell], up[2][cell], up[3][cell], scalars_up, nodes_up, xi
            )
            count_up[cell] += 1
        else:
            change = respond(
                kind,
                before,
                -1.0,
                down[0][cell],
                down[1][cell],
                down[2][cell],
                down[3][cell],
                scalars_down,
                nodes_down,
                xi,
            )
            count_down[cell] += 1
        after = min(max(np.float32(before + change), w_min[cell]), w_max[cell])
        stored[cell] = after - origin
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
