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
from resbench.crossbar.kernels.philox import LOW, gaussian, philox
from resbench.crossbar.kernels.scan import larger


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
def by_row(visits, lines):
    """Visits row by row, in order of time within a row.

    Devices do not interact, and one row of them after the other fits the cache.
    """
    place = np.zeros(lines + 1, np.int64)
    for v in range(visits.shape[0]):
        place[(visits[v, 0] >> 1) + 1] += 1
    for i in range(lines):
        place[i + 1] += place[i]
    order = np.empty(visits.shape[0], np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        order[place[i]] = v
        place[i] += 1
    return order


@compiled
def cycle_noise(key, first_cell, columns, slot, sample, update, xi):
    """Cycle-to-cycle noise of the devices that one visit pulses."""
    for c in range(xi.size):
        cell = np.uint64(first_cell + (columns[c] >> 1)) & LOW
        w0, w1, _, _ = philox(key, cell, np.uint64(slot), np.uint64(sample), np.uint64(update))
        xi[c] = gaussian(w0, w1)


@compiled
def write_noise_of(key, cell, slot, sample, update):
    """Write noise after one pulse."""
    _, _, w2, w3 = philox(key, np.uint64(cell), np.uint64(slot), np.uint64(sample), np.uint64(update))
    return gaussian(w2, w3)


@compiled
def apply(
    visits, columns, shape, update, key, kind, constants, scalars, nodes, bounds, noisy, write_noise, weights, counts
):
    """Apply the pulses of visits, each at the current weight with its own noise and clip.

    Args:
        visits: int64 ``[v, 5]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, their columns.
        shape: rows and columns of the array.
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
    lines, n = shape
    noise = np.zeros(n, np.float32)
    for v in by_row(visits, lines):
        line, slot, sample, first, stop = visits[v, 0], visits[v, 1], visits[v, 2], visits[v, 3], visits[v, 4]
        first_cell, bit = (line >> 1) * n, line & 1
        hit = columns[first:stop]
        if noisy:
            cycle_noise(key, first_cell, hit, slot, sample, update, noise[: hit.size])
        for c in range(hit.size):
            cell = first_cell + (hit[c] >> 1)
            origin = reference[cell] if referenced else np.float32(0.0)
            w, xi = stored[cell] + origin, noise[c]
            if hit[c] & 1 != bit:
                change = respond(kind, w, 1.0, u0[cell], u1[cell], u2[cell], u3[cell], scalars[0], nodes[0], xi)
                counts[0][cell] += 1
            else:
                change = respond(kind, w, -1.0, d0[cell], d1[cell], d2[cell], d3[cell], scalars[1], nodes[1], xi)
                counts[1][cell] += 1
            stored[cell] = min(max(np.float32(w + change), w_min[cell]), w_max[cell]) - origin
            if write_noise > 0:
                visible[cell] = stored[cell] + write_noise * write_noise_of(key, cell, slot, sample, update)


@compiled
def events(visits, columns, n):
    """The pulses one by one in order of time: int64 ``[events, 4]``, cell, direction (1 up, 0 down), slot, sample."""
    total = 0
    for v in range(visits.shape[0]):
        total += visits[v, 4] - visits[v, 3]
    found = np.empty((total, 4), np.int64)
    e = 0
    for v in range(visits.shape[0]):
        line = visits[v, 0]
        for c in range(visits[v, 3], visits[v, 4]):
            found[e, 0] = (line >> 1) * n + (columns[c] >> 1)
            found[e, 1] = (line ^ columns[c]) & 1
            found[e, 2], found[e, 3] = visits[v, 1], visits[v, 2]
            e += 1
    return found


@compiled
def cells(visits, columns, n):
    """Flat indices of the devices that were pulsed; one that was pulsed twice may come twice."""
    found = np.empty(columns.size, np.int64)
    e = 0
    for v in range(visits.shape[0]):
        first_cell, first, stop = (visits[v, 0] >> 1) * n, visits[v, 3], visits[v, 4]
        if e + stop - first > found.size:
            found = larger(found, e + stop - first)
        for c in range(first, stop):
            found[e] = first_cell + (columns[c] >> 1)
            e += 1
    return found[:e]


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
