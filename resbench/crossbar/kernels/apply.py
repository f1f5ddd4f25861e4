# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Applying pulses to devices, compiled by Numba; specialised by the form of their response."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import LOW, gaussian, philox, uniforms, widened
from resbench.crossbar.kernels.responses import respond
from resbench.crossbar.kernels.scan import NO_STOP, Geometry, Sides, Train, scan
from resbench.crossbar.views import Counts, Devices, Floats, Form, FourHeld, Held

Indices = NDArray[np.int64]
Columns = NDArray[np.int32]
Bits = NDArray[np.uint8]


class Flips(NamedTuple):
    """Lines whose sign is turned, 1 for those that are: uint8 ``[in]`` and ``[out]``; empty for none."""

    columns: Bits
    rows: Bits


class Pulsed(NamedTuple):
    """What an update did.

    Args:
        crosspoints: flat indices of those that changed; some may come twice.
        complete: whether those are all: not if nobody asked, nor if the array has fewer.
        slots: slots of all samples.
        columns: entries of columns that were listed.
    """

    crosspoints: Indices
    complete: bool
    slots: int
    columns: int


def of(values, crosspoint):
    """A constant of a device as float32, from an array with one for each or one for all; a name for compiled code."""


@overload(of)
def _of(values, crosspoint):
    """How ``of`` is compiled, by the numbers in the array."""
    if values.dtype == types.int16:
        return lambda values, crosspoint: widened(values[crosspoint if values.size > 1 else 0])
    return lambda values, crosspoint: values[crosspoint if values.size > 1 else 0]


#: Entries of columns after which what was found is applied: few enough for the lists to stay in the cache.
COLUMNS_AT_ONCE = 2**16
#: Pulses whose noise is drawn at once, few enough for the cache.
AT_ONCE = 1024


@compiled
def count(visits: Indices) -> int:
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
def fill(order, visits, columns, n, position, offset, crosspoint, up, slot, sample):
    """List the next pulses one by one, as many as there is room; returns where to go on, and how many there are."""
    count = 0
    while position < order.size and count < crosspoint.size:
        v = order[position]
        line, first, stop = visits[v, 0], visits[v, 3] + offset, visits[v, 4]
        take = min(stop - first, crosspoint.size - count)
        hit, first_crosspoint = columns[first : first + take], (line >> 1) * n
        places, rising = crosspoint[count : count + take], up[count : count + take]
        for c in range(take):
            places[c] = first_crosspoint + (hit[c] >> 1)
            rising[c] = (hit[c] ^ line) & 1
        slot[count : count + take], sample[count : count + take] = visits[v, 1], visits[v, 2]
        count += take
        offset += take
        if first + take == stop:
            position, offset = position + 1, 0
    return position, offset, count


@compiled
def cycle_noise(key, crosspoint, slot, sample, update, turns, xi):
    """Cycle-to-cycle noise of pulses; ``turns`` is room for it.

    First the words, then the normals: apart, the second loop has twice as many numbers in a vector.
    """
    for e in range(xi.size):
        w0, w1, _, _ = philox(key, np.uint64(crosspoint[e]) & LOW, np.uint64(slot[e]), np.uint64(sample[e]), update)
        xi[e], turns[e] = uniforms(w0, w1)
    for e in range(xi.size):
        xi[e] = gaussian(xi[e], turns[e])


@compiled
def write_noise_of(key, crosspoint, slot, sample, update):
    """Write noise after one pulse."""
    _, _, w2, w3 = philox(key, np.uint64(crosspoint) & LOW, np.uint64(slot), np.uint64(sample), update)
    u2, u3 = uniforms(w2, w3)
    return gaussian(u2, u3)


@compiled
def apply(visits: Indices, columns: Columns, n: int, band: tuple[int, int], update: int, devices: Devices) -> None:
    """Apply pulses of visits, each at the current weight with its own noise and clip.

    Args:
        visits: int64 ``[v, 5]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, their columns.
        n: columns of the array.
        band: the first of the rows whose pulses are applied, and the one after the last.
        update: update counter of the array.
        devices: their buffers are changed in place.
    """
    form, key, write_noise = devices.form, devices.noise_key, devices.write_noise
    w_min, w_max, reference = devices.w_min, devices.w_max, devices.reference
    stored, visible = devices.stored, devices.visible
    u0, u1, u2, u3 = devices.up
    d0, d1, d2, d3 = devices.down
    s_up, s_down, nodes_up, nodes_down = devices.scalars[0], devices.scalars[1], devices.up_table, devices.down_table
    count_up, count_down = devices.pulses_up, devices.pulses_down
    up_sign, down_sign = np.float32(1.0), np.float32(-1.0)
    referenced = reference.size > 0
    time = np.uint64(update)
    places, up, xi = np.empty(AT_ONCE, np.int64), np.empty(AT_ONCE, np.uint8), np.zeros(AT_ONCE, np.float32)
    slots, samples = np.empty(AT_ONCE, np.uint32), np.empty(AT_ONCE, np.uint32)
    turns = np.empty(AT_ONCE, np.float32)
    order, position, offset = by_row(visits, band[0], band[1]), 0, 0
    while position < order.size:
        position, offset, count = fill(order, visits, columns, n, position, offset, places, up, slots, samples)
        if devices.noisy:
            cycle_noise(key, places, slots, samples, time, turns, xi[:count])
        for e in range(count):
            # Directions are as good as random: choosing values by them is cheaper than branching.
            at, rise = places[e], up[e]
            origin = of(reference, at) if referenced else np.float32(0.0)
            w = stored[at] + origin
            a, b = (
                of(u0, at) if rise else of(d0, at),
                of(u1, at) if rise else of(d1, at),
            )
            c, d = (
                of(u2, at) if rise else of(d2, at),
                of(u3, at) if rise else of(d3, at),
            )
            sign, s, table = (up_sign, s_up, nodes_up) if rise else (down_sign, s_down, nodes_down)
            change = respond(form, w, sign, a, b, c, d, s, table, xi[e])
            count_up[at] += rise
            count_down[at] += np.uint8(1) - rise
            stored[at] = min(max(w + change, of(w_min, at)), of(w_max, at)) - origin
            if write_noise > 0:
                visible[at] = stored[at] + write_noise * write_noise_of(key, at, slots[e], samples[e], time)


@compiled
def flip(entries: Indices | Columns, flips: Bits) -> None:
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


@compiled
def pulse(
    form: Form,
    noise_key: np.uint64,
    up: FourHeld,
    down: FourHeld,
    scalars: Floats,
    up_table: Floats,
    down_table: Floats,
    w_min: Held,
    w_max: Held,
    reference: Held,
    noisy: bool,
    write_noise: np.float32,
    stored: Floats,
    visible: Floats,
    pulses_up: Counts,
    pulses_down: Counts,
    geometry: Geometry,
    row_key: np.uint64,
    column_key: np.uint64,
    update: int,
    rising: bool,
    rate: float,
    step: float,
    longest: float,
    d_factor: float,
    adaptive: bool,
    managed: bool,
    shortened: bool,
    x: Floats,
    d: Floats,
    factors: Floats,
    column_flips: Bits,
    row_flips: Bits,
    rows: int,
    n: int,
    followed: bool,
) -> Pulsed:
    """Find the pulses of a mini-batch and apply them, in one call.

    Python unpacks the records :class:`Devices`, :class:`Train`, :class:`Sides` and :class:`Flips` here, in this order,
    and this function packs them again, because compiled code takes separate arguments in a third of the time. After
    them come rows and columns of the array, and whether the caller wants to know which crosspoints changed. (The order
    is by length: mypy loses count where a longer record follows a shorter one.)
    """
    sides, flips = Sides(x, d, factors), Flips(column_flips, row_flips)
    train = Train(
        geometry, row_key, column_key, update, rising, rate, step, longest, d_factor, adaptive, managed, shortened
    )
    devices = Devices(
        form, noise_key, up, down, scalars, up_table, down_table, w_min, w_max, reference, noisy, write_noise, stored,
        visible, pulses_up, pulses_down,
    )  # fmt: skip
    touched, going, slots, listed = np.empty(0, np.int64), 0, 0, 0
    while going >= 0:
        visits, columns, going, driven = scan(sides, train, going, NO_STOP, COLUMNS_AT_ONCE)
        slots += driven
        listed += columns.size
        if visits.shape[0] > 0:
            flip(columns, flips.columns)
            flip(visits[:, 0], flips.rows)
            apply(visits, columns, n, (0, rows), update, devices)
            followed = followed and touched.size + count(visits) <= rows * n
            if followed:
                touched = joined(touched, crosspoints(visits, columns, n))
    return Pulsed(touched, followed, slots, listed)


@compiled
def events(visits: Indices, columns: Columns, n: int) -> Indices:
    """The pulses in order of time: int64 ``[events, 4]``, crosspoint, direction (1 up, 0 down), slot, sample."""
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
def crosspoints(visits: Indices, columns: Columns, n: int) -> Indices:
    """Flat indices of the devices that were pulsed; one that was pulsed twice may come twice."""
    found = np.empty(count(visits), np.int64)
    e = 0
    for v in range(visits.shape[0]):
        first_crosspoint = (visits[v, 0] >> 1) * n
        for c in range(visits[v, 3], visits[v, 4]):
            found[e] = first_crosspoint + (columns[c] >> 1)
            e += 1
    return found


@compiled
def compose(composite: Floats, weights: tuple[Floats, ...], gammas: Floats, crosspoints: Indices) -> None:
    """``composite[c] = sum_k gamma_k W_k[c]``, fast tile first, at some crosspoints (all of them if none is given)."""
    if crosspoints.size == 0:
        for c in range(composite.size):
            total = np.float32(0.0)
            for k in range(gammas.size):
                total += gammas[k] * weights[k][c]
            composite[c] = total
        return
    for i in range(crosspoints.size):
        c = crosspoints[i]
        total = np.float32(0.0)
        for k in range(gammas.size):
            total += gammas[k] * weights[k][c]
        composite[c] = total
