# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Applying pulses to devices, compiled by Numba from the same response functions that torch runs."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from resbench.crossbar.devices import curves, steps
from resbench.crossbar.devices.arithmetic import TINY
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.functions import exp, power
from resbench.crossbar.kernels.philox import LOW, gaussian, philox, uniforms, widened
from resbench.crossbar.kernels.scan import NO_STOP, scan


def of(values, cell):
    """A constant of a device as float32, from an array with one for each or one for all; a name for compiled code."""


@overload(of)
def _of(values, cell):
    """How ``of`` is compiled, by the numbers in the array."""
    if values.dtype == types.int16:
        return lambda values, cell: widened(values[cell if values.size > 1 else 0])
    return lambda values, cell: values[cell if values.size > 1 else 0]


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
    """A response compiled for single numbers: its own code with their arithmetic, in float32, in place of torch's."""
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


#: The responses in one form: constants a to d, numbers s and table t of the direction.
FORMS: dict[Callable[..., Any], Callable[..., Any]] = {
    steps.constant_step: lambda w, sign, a, b, c, d, s, t, xi: constant_step(w, sign, a, s[0], xi),
    steps.linear_step: lambda w, sign, a, b, c, d, s, t, xi: linear_step(w, sign, a, b, s[0], xi),
    steps.linear_step_additive: lambda w, sign, a, b, c, d, s, t, xi: linear_step_additive(w, sign, a, b, s[0], xi),
    curves.exp_step: lambda w, sign, a, b, c, d, s, t, xi: exp_step(w, sign, a, b, s[0], s[1], s[2], s[3], xi),
    curves.exp_step_complex: lambda w, sign, a, b, c, d, s, t, xi: exp_step_complex(
        w, sign, a, b, s[0], s[1], s[2], s[3], s[4], s[5], xi
    ),
    curves.pow_step: lambda w, sign, a, b, c, d, s, t, xi: pow_step(w, sign, a, b, c, d, s[0], xi),
    curves.piecewise_step: lambda w, sign, a, b, c, d, s, t, xi: piecewise_step(w, sign, a, b, c, t, s[0], xi),
}
#: The one that :func:`apply` takes; :func:`compiled_for` puts each of them in its place.
respond = FORMS[steps.linear_step]


#: Entries of columns after which what was found is applied: few enough for the lists to stay in the cache.
COLUMNS_AT_ONCE = 2**16
#: Pulses whose noise is drawn at once, few enough for the cache.
AT_ONCE = 1024


@compiled
def count(visits):
    """How many pulses visits are."""
    pulses = 0
    for v in range(visits.shape[0]):
        pulses += visits[v, 4] - visits[v, 3]
    return pulses


@compiled
def by_row(visits, first, stop):
    """Visits of some rows row by row, in order of time within a row.

    Devices do not interact, and one row of them after the other fits the cache.
    """
    place = np.zeros(stop - first + 1, np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            place[i - first + 1] += 1
    for i in range(stop - first):
        place[i + 1] += place[i]
    order = np.empty(place[-1], np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            order[place[i - first]] = v
            place[i - first] += 1
    return order


@compiled
def fill(order, visits, columns, n, position, offset, cell, up, slot, sample):
    """List the next pulses one by one, as many as there is room; returns where to go on, and how many there are."""
    count = 0
    while position < order.size and count < cell.size:
        v = order[position]
        line, first, stop = visits[v, 0], visits[v, 3] + offset, visits[v, 4]
        take = min(stop - first, cell.size - count)
        hit, first_cell = columns[first : first + take], (line >> 1) * n
        cells, rising = cell[count : count + take], up[count : count + take]
        for c in range(take):
            cells[c] = first_cell + (hit[c] >> 1)
            rising[c] = (hit[c] ^ line) & 1
        slot[count : count + take], sample[count : count + take] = visits[v, 1], visits[v, 2]
        count += take
        offset += take
        if first + take == stop:
            position, offset = position + 1, 0
    return position, offset, count


@compiled
def cycle_noise(key, cell, slot, sample, update, turns, xi):
    """Cycle-to-cycle noise of pulses; ``turns`` is room for it.

    First the words, then the normals: apart, the second loop has twice as many numbers in a vector.
    """
    for e in range(xi.size):
        w0, w1, _, _ = philox(key, np.uint64(cell[e]) & LOW, np.uint64(slot[e]), np.uint64(sample[e]), update)
        xi[e], turns[e] = uniforms(w0, w1)
    for e in range(xi.size):
        xi[e] = gaussian(xi[e], turns[e])


@compiled
def write_noise_of(key, cell, slot, sample, update):
    """Write noise after one pulse."""
    _, _, w2, w3 = philox(key, np.uint64(cell) & LOW, np.uint64(slot), np.uint64(sample), update)
    u2, u3 = uniforms(w2, w3)
    return gaussian(u2, u3)


def apply(
    visits, columns, n, band, update, key, constants, scalars, nodes, bounds, noisy, write_noise, weights, counts
):
    """Apply pulses of visits, each at the current weight with its own noise and clip; ``respond`` is its change.

    Args:
        visits: int64 ``[v, 5]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, their columns.
        n: columns of the array.
        band: the first of the rows whose pulses are applied, and the one after the last.
        update: update counter of the tile.
        key: key of the cycle-to-cycle noise.
        constants: flat arrays that the response reads, four of the up and four of the down direction, with one number
            if all devices share it; unused ones repeat. float32, or all of them and the bounds int16: bits of float16.
        scalars: float32 ``[2, 6]`` numbers that it reads, up and down.
        nodes: float32 tables that it reads, up and down.
        bounds: w_min, w_max and reference, likewise (the reference is empty for devices without one).
        noisy: whether the response reads its noise.
        write_noise: standard deviation of the write noise, 0 for none.
        weights: stored and visible weight, flat float32, changed in place.
        counts: pulses up and down, flat int32, changed in place.
    """
    w_min, w_max, reference = bounds
    stored, visible = weights
    u0, u1, u2, u3, d0, d1, d2, d3 = constants
    s_up, s_down, nodes_up, nodes_down = scalars[0], scalars[1], nodes[0], nodes[1]
    count_up, count_down = counts
    up_sign, down_sign = np.float32(1.0), np.float32(-1.0)
    referenced = reference.size > 0
    update = np.uint64(update)
    cells, up, xi = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.uint8), np.zeros(AT_ONCE, np.float32)
    slots, samples = np.empty(AT_ONCE, np.uint32), np.empty(AT_ONCE, np.uint32)
    turns = np.empty(AT_ONCE, np.float32)
    order, position, offset = by_row(visits, band[0], band[1]), 0, 0
    while position < order.size:
        position, offset, count = fill(order, visits, columns, n, position, offset, cells, up, slots, samples)
        if noisy:
            cycle_noise(key, cells, slots, samples, update, turns, xi[:count])
        for e in range(count):
            # Directions are as good as random: choosing values by them is cheaper than branching.
            cell, rise = cells[e], up[e]
            origin = of(reference, cell) if referenced else np.float32(0.0)
            w = stored[cell] + origin
            a, b = of(u0, cell) if rise else of(d0, cell), of(u1, cell) if rise else of(d1, cell)
            c, d = of(u2, cell) if rise else of(d2, cell), of(u3, cell) if rise else of(d3, cell)
            sign, s, table = (up_sign, s_up, nodes_up) if rise else (down_sign, s_down, nodes_down)
            change = respond(w, sign, a, b, c, d, s, table, xi[e])
            count_up[cell] += rise
            count_down[cell] += np.uint8(1) - rise
            stored[cell] = min(max(w + change, of(w_min, cell)), of(w_max, cell)) - origin
            if write_noise > 0:
                visible[cell] = stored[cell] + write_noise * write_noise_of(key, cell, slots[e], samples[e], update)


@compiled
def flip(entries, flips):
    """Flip the bit of entries ``2 line + bit`` of the lines that are chosen; none if there is no choice."""
    if flips.size > 0:
        for e in range(entries.size):
            entries[e] ^= flips[entries[e] >> 1]


@compiled
def joined(first, second):
    """Two arrays one after the other; the second itself if the first is empty."""
    if first.size == 0:
        return second
    both = np.empty(first.size + second.size, np.int64)
    both[: first.size], both[first.size :] = first, second
    return both


def pulse(sides, flips, scanned, followed, shape, update, device):
    """Find the pulses of a mini-batch and apply them, in one call; ``apply`` is the one of these devices.

    Args:
        sides: x, d and factors, see :func:`resbench.crossbar.kernels.scan.scan`.
        flips: uint8 ``[in]`` and ``[out]``, 1 for lines whose sign is turned; empty for none.
        scanned: what ``scan`` takes between the factors and ``start``.
        followed: whether the caller wants to know which cells changed.
        shape: rows and columns of the array.
        update: update counter of the tile.
        device: what ``apply`` takes after it.

    Returns:
        Flat indices of the cells that changed, int64, some may come twice; whether those are all, which they are not if
        nobody asked or the array has fewer; the slots of all samples; and the entries of columns that were listed.
    """
    touched, going, slots, listed = np.empty(0, np.int64), 0, 0, 0
    rows, n = shape
    while going >= 0:
        visits, columns, going, driven = scan(*sides, *scanned, going, NO_STOP, COLUMNS_AT_ONCE)
        slots += driven
        listed += columns.size
        if visits.shape[0] > 0:
            flip(columns, flips[0])
            flip(visits[:, 0], flips[1])
            apply(visits, columns, n, (0, rows), update, *device)
            followed = followed and touched.size + count(visits) <= rows * n
            if followed:
                touched = joined(touched, cells(visits, columns, n))
    return touched, followed, slots, listed


def specialised(template: Callable[..., Any], response: Callable[..., Any], **names: Any) -> Callable[..., Any]:
    """A function of this module with some of its globals replaced, compiled when a device first needs it."""
    name = f"{template.__name__}_{response.__name__}"
    assert isinstance(template, FunctionType)
    function = FunctionType(template.__code__, globals() | names, name)
    function.__qualname__ = name  # by which Numba keeps what it compiled
    return compiled(function)


@compiled
def events(visits, columns, n):
    """The pulses one by one in order of time: int64 ``[events, 4]``, cell, direction (1 up, 0 down), slot, sample."""
    found = np.empty((count(visits), 4), np.int64)
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
    found = np.empty(count(visits), np.int64)
    e = 0
    for v in range(visits.shape[0]):
        first_cell = (visits[v, 0] >> 1) * n
        for c in range(visits[v, 3], visits[v, 4]):
            found[e] = first_cell + (columns[c] >> 1)
            e += 1
    return found


#: What applies pulses, and what finds and applies them, by the response of the device.
APPLY = {response: specialised(apply, response, respond=njit(form)) for response, form in FORMS.items()}
PULSE = {response: specialised(pulse, response, apply=APPLY[response]) for response in FORMS}


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
