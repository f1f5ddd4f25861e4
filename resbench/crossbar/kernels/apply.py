# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Applying pulses to devices, compiled by Numba; specialised by the form of their response."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels import noise
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.responses import of, respond
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


#: Entries of columns after which what was found is applied: few enough for the lists to stay in the cache.
COLUMNS_AT_ONCE = 2**16
#: Crosspoints of rows that are pulsed in turns: few enough for the cache, and many enough for the processor to work on
#: several pulses at once.
CROSSPOINTS_AT_ONCE = 2**12


@compiled
def count(visits: Indices) -> int:
    """How many pulses visits are."""
    pulses = 0
    for v in range(visits.shape[0]):
        pulses += visits[v, 4] - visits[v, 3]
    return pulses


@compiled
def by_group(visits, first, stop, size):
    """Visits of the rows ``first`` to ``stop - 1``, group by group of so many rows, in order of time within a group."""
    groups = (stop - first + size - 1) // size
    place = np.zeros(groups + 1, np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            place[(i - first) // size + 1] += 1
    for group in range(groups):
        place[group + 1] += place[group]
    order = np.empty(place[-1], np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            group = (i - first) // size
            order[place[group]] = v
            place[group] += 1
    return order


@compiled
def apply(visits: Indices, columns: Columns, n: int, band: tuple[int, int], update: int, devices: Devices) -> None:
    """Apply pulses of visits, each at the current weight with its own noise and clip.

    Args:
        visits: int64 ``[v, 6]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, their columns.
        n: columns of the array.
        band: the first of the rows whose pulses are applied, and the one after the last.
        update: update counter of the array.
        devices: their buffers are changed in place.
    """
    order = by_group(visits, band[0], band[1], max(1, CROSSPOINTS_AT_ONCE // n))
    room, time = noise.room_for_counters(n), np.uint64(update)
    block, slot, sample = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint32)
    uniforms, xi, eta = np.empty((4, room), np.float32), np.zeros(4 * room, np.float32), np.empty(0, np.float32)
    if devices.write_noise > 0:
        eta = np.empty(4 * room, np.float32)
    position = 0
    while position < order.size:
        begin = position
        position, listed = noise.list_counters(visits, order, begin, (n + 3) // 4, block, slot, sample)
        counters = block[:listed], slot[:listed], sample[:listed]
        if devices.noisy:
            noise.draw(devices.noise_key, *counters, time, uniforms, xi)
        if devices.write_noise > 0:
            noise.draw(devices.write_key, *counters, time, uniforms, eta)
        one_by_one(visits, order[begin:position], columns, n, devices, xi, eta)


@compiled
def each(values):
    """What an index is masked by: 0 where one number stands for all devices."""
    return np.uint64(0xFFFFFFFFFFFFFFFF) if values.size > 1 else np.uint64(0)


@compiled
def one_by_one(visits, order, columns, n, devices, xi, eta):
    """Apply the pulses of visits one after the other; ``xi`` and ``eta`` are their noise, counter by counter.

    Indices are unsigned: compiled code looks whether a signed one counts from the end, every time. Directions are as
    good as random, so values are chosen by them without a branch.
    """
    form, write_noise, scalars = devices.form, devices.write_noise, devices.scalars
    w_min, w_max, reference = devices.w_min, devices.w_max, devices.reference
    stored, visible = devices.stored, devices.visible
    count_up, count_down = devices.pulses_up, devices.pulses_down
    u0, u1, u2, u3 = devices.up
    d0, d1, d2, d3 = devices.down
    m0, m1, m2, m3 = each(u0), each(u1), each(u2), each(u3)
    k0, k1, k2, k3 = each(d0), each(d1), each(d2), each(d3)
    lowest, highest, origins = each(w_min), each(w_max), each(reference)
    s_up = (scalars[0, 0], scalars[0, 1], scalars[0, 2], scalars[0, 3], scalars[0, 4], scalars[0, 5])
    s_down = (scalars[1, 0], scalars[1, 1], scalars[1, 2], scalars[1, 3], scalars[1, 4], scalars[1, 5])
    up_sign, down_sign, one = np.float32(1.0), np.float32(-1.0), np.uint64(1)
    referenced, counter = reference.size > 0, 0
    for v in order:
        line, first, stop = np.uint64(visits[v, 0]), np.uint64(visits[v, 3]), np.uint64(visits[v, 4])
        start, number = (line >> one) * np.uint64(n), visits[v, 5] & 3
        drawn = np.uint64(4 * counter + number)
        for c in range(first, stop):
            entry = np.uint64(columns[c])
            at, rise = start + (entry >> one), (entry ^ line) & one
            origin = of(reference, at & origins) if referenced else np.float32(0.0)
            w = stored[at] + origin
            a = of(u0, at & m0) if rise else of(d0, at & k0)
            b = of(u1, at & m1) if rise else of(d1, at & k1)
            p = of(u2, at & m2) if rise else of(d2, at & k2)
            q = of(u3, at & m3) if rise else of(d3, at & k3)
            sign, s = (up_sign, s_up) if rise else (down_sign, s_down)
            table = devices.up_table if rise else devices.down_table
            change = respond(form, w, sign, a, b, p, q, s, table, xi[drawn])
            count_up[at] += np.int32(rise)
            count_down[at] += np.int32(rise ^ one)
            stored[at] = min(max(w + change, of(w_min, at & lowest)), of(w_max, at & highest)) - origin
            if write_noise > 0:
                visible[at] = stored[at] + write_noise * eta[drawn]
            drawn += one
        counter += (number + visits[v, 4] - visits[v, 3] + 3) >> 2


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
    write_key: np.uint64,
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
        form, noise_key, write_key, up, down, scalars, up_table, down_table, w_min, w_max, reference, noisy,
        write_noise, stored, visible, pulses_up, pulses_down,
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
    """The pulses in order of time: int64 ``[events, 5]``, crosspoint, direction (1 up), slot, sample, number."""
    found = np.empty((count(visits), 5), np.int64)
    e = 0
    for v in range(visits.shape[0]):
        line = visits[v, 0]
        for c in range(visits[v, 3], visits[v, 4]):
            found[e, 0] = (line >> 1) * n + (columns[c] >> 1)
            found[e, 1] = (line ^ columns[c]) & 1
            found[e, 2], found[e, 3], found[e, 4] = visits[v, 1], visits[v, 2], visits[v, 5] + c - visits[v, 3]
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
