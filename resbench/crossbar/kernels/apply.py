# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""Applying pulses to devices, compiled by Numba, for each response of devices separately.

:func:`pulse` is what Python calls for one update of one array: it finds the pulses and applies them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels import dense, noise
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.records import devices_of, train_of
from resbench.crossbar.kernels.references import referred
from resbench.crossbar.kernels.responses import each, of, respond
from resbench.crossbar.kernels.scan import NO_STOP, room_for_scan, scan_in
from resbench.crossbar.kernels.scan_records import Bits, Flips, Geometry, Scanned, Sides
from resbench.crossbar.views import Devices, Floats, Form, Held, Record

Indices = NDArray[np.int64]
Columns = NDArray[np.int32]
Marks = NDArray[np.int8]

#: What an update did: flat indices of the crosspoints that changed, some maybe twice; whether those are all, which they
#: are not if nobody asked, nor if the array has fewer; slots of all samples; and entries of columns that were listed.
Pulsed = tuple[Indices, bool, int, int]
#: After so many entries of columns, the pulses that were found are applied, so that the lists stay in the cache.
COLUMNS_AT_ONCE = 2**16
#: Rows are pulsed in groups of about so many crosspoints. A group fits into the cache, and is large enough that the
#: processor can work on several independent pulses at once.
CROSSPOINTS_AT_ONCE = 2**12


@compiled
def count(visits: Indices) -> int:
    """The number of pulses of some visits."""
    pulses = 0
    for v in range(visits.shape[0]):
        pulses += visits[v, 4] - visits[v, 3]
    return pulses


@compiled
def by_group(visits, first, stop, size):
    """Visits of the rows ``first`` to ``stop - 1`` by groups of ``size`` rows, in order of time within a group.

    Returns:
        Numbers of the visits, and where among them each group ends.
    """
    groups = (stop - first + size - 1) // size
    place = np.zeros(groups + 1, np.int64)
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            place[(i - first) // size + 1] += 1
    for group in range(groups):
        place[group + 1] += place[group]
    order = np.empty(place[-1], np.int64)
    if groups == 1 and order.size == visits.shape[0]:
        return np.arange(order.size), place[1:]
    for v in range(visits.shape[0]):
        i = visits[v, 0] >> 1
        if first <= i < stop:
            group = (i - first) // size
            order[place[group]] = v
            place[group] += 1
    return order, place[:-1]


@compiled
def apply(
    visits: Indices, columns: Columns, marks: Marks, n: int, band: tuple[int, int], update: int, devices: Devices
) -> None:
    """:func:`apply_in` room of its own."""
    apply_in(noise.room_for_noise(n), visits, columns, marks, n, band, update, referred(devices))


@compiled
def apply_in(room, visits, columns, marks, n, band, update, devices):
    """Apply pulses of visits, each at the current weight with its own noise and clip.

    Args:
        room: of :func:`resbench.crossbar.kernels.noise.room_for_noise`.
        visits: int64 ``[v, 6]``, see :mod:`resbench.crossbar.kernels.scan`.
        columns: int32, their columns.
        marks: int8, used instead of ``columns`` unless empty.
        n: columns of the array.
        band: the first of the rows whose pulses are applied, and the one after the last.
        update: update counter of the array.
        devices: a reference to them; their buffers are changed in place.
    """
    time = np.uint64(update)
    if marks.size > 0:
        size, begin = max(1, dense.DEVICES_AT_ONCE // n), 0
        order, stops = by_group(visits, band[0], band[1], size)
        for group in range(stops.size):
            first = band[0] + group * size
            rows = first, min(first + size, band[1])
            dense.apply_group(visits, order[begin : stops[group]], marks, n, rows, time, devices, room)
            begin = stops[group]
        return
    order, _ = by_group(visits, band[0], band[1], max(1, CROSSPOINTS_AT_ONCE // n))
    block, slot, sample, uniforms, xi = room
    eta = np.empty(xi.size if devices.write_noise > 0 else 0, np.float32)
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
def one_by_one(visits, order, columns, n, devices, xi, eta):
    """Apply the pulses of visits one after the other; ``xi`` and ``eta`` are their noise, counter by counter.

    Indices are unsigned, because for a signed one Numba checks every time whether it counts from the end. Values are
    selected by direction without a branch, because the processor could not predict it.
    """
    form, write_noise, scalars = devices.form, devices.write_noise, devices.scalars
    w_min, w_max, reference = devices.w_min, devices.w_max, devices.reference
    stored, visible = devices.stored, devices.visible
    count_up, count_down = devices.pulses_up, devices.pulses_down
    up_table, down_table = devices.up_table, devices.down_table
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
            table = up_table if rise else down_table
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
    """Flip the bit of those entries ``2 line + bit`` whose line is to be turned; empty ``flips`` turn none."""
    if flips.size > 0:
        for e in range(entries.size):
            entries[e] ^= flips[entries[e] >> 1]


@compiled
def turn(found: Scanned, flips: Flips, n: int) -> None:
    """Flip what a scan has found, in place."""
    flip(found.columns, flips.columns)
    dense.flip(found.marks, n, flips.columns)
    flip(found.visits[:, 0], flips.rows)


@compiled
def offers_marks(devices: Devices) -> bool:
    """Whether pulses of these devices may come as marks: not with write noise, nor with a table for each direction."""
    return devices.write_noise == 0 and devices.up_table.size == 0


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
    constants: Held,
    record: Record,
    numbers: NDArray[np.float64],
    geometry: Geometry,
    update: int,
    lr: float,
    step: float,
    x: Floats,
    d: Floats,
    factors: Floats,
    column_flips: Bits,
    row_flips: Bits,
    followed: bool,
) -> Pulsed:
    """Find the pulses of a mini-batch and apply them, in one call.

    Python calls this function for every update of every tile, so it takes few arguments, and makes the records that
    other compiled functions take.

    Args:
        form: response of the devices; its type chooses what is compiled.
        constants: any of their constants, for its type.
        record: the array, see :data:`resbench.crossbar.views.RECORD`.
        numbers: :attr:`resbench.crossbar.pulses.PulseTrain.numbers`.
        geometry: kernel, stride and dilation (two each) and the width of the output.
        update: update counter of the array.
        lr: learning rate.
        step: granularity that sets the pulse probabilities.
        x: as in :class:`~resbench.crossbar.kernels.scan_records.Sides`, like the next two.
        d: errors.
        factors: factor on x for each sample.
        column_flips: as in :class:`~resbench.crossbar.kernels.scan_records.Flips`.
        row_flips: likewise.
        followed: whether the caller wants to know which crosspoints changed.
    """
    sides, flips = Sides(x, d, factors), Flips(column_flips, row_flips)
    devices = referred(devices_of(form, constants, record))
    train = train_of(record, numbers, geometry, update, lr, step)
    rows, n = record[0].rows, record[0].columns
    touched, going, slots, listed = np.empty(0, np.int64), 0, 0, 0
    room, noise_room = room_for_scan(x.shape, d.shape, geometry), noise.room_for_noise(n)
    while going >= 0:
        found = scan_in(room, sides, train, going, NO_STOP, COLUMNS_AT_ONCE, offers_marks(devices))
        visits, columns, marks, going = found.visits, found.columns, found.marks, found.going
        slots += found.slots
        listed += found.fired
        if visits.shape[0] > 0:
            turn(found, flips, n)
            apply_in(noise_room, visits, columns, marks, n, (0, rows), train.update, devices)
            followed = followed and marks.size == 0 and touched.size + count(visits) <= rows * n
            if followed:
                touched = joined(touched, crosspoints(visits, columns, n))
    return touched, followed, slots, listed


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
    """Flat indices of the devices that were pulsed; one that was pulsed twice may be listed twice."""
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
