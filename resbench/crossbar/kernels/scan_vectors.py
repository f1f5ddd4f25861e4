# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated"
"""Finding the pulses of a few vectors, compiled by Numba: the same pulses as :mod:`~resbench.crossbar.kernels.scan`.

That search prepares lists for many samples, which for a single vector takes ten times as long as drawing its bits. Here
vectors are taken one after the other, and rows are drawn as columns are, eight blocks of four lines at once. Then
columns are drawn for the slots in which a row fired. Most vectors have none and are done.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.firing import bounds, decode, fire_columns
from resbench.crossbar.kernels.maxima import row_maximum
from resbench.crossbar.kernels.scan import (
    SLOTS_AT_ONCE,
    VISIT,
    bit_lengths,
    larger,
    list_entries,
    marks_width,
    row_scales,
    scale,
)
from resbench.crossbar.kernels.scan_records import Lines, Scanned, VectorRoom


@compiled
def room_for_lines(count):
    """Room for the lines of one side."""
    width = marks_width(count)
    return Lines(
        np.zeros(width, np.float32),
        np.empty((1, width), np.uint64),
        np.empty(width, np.int32),
        np.empty((SLOTS_AT_ONCE, width // 4), np.uint8),
    )


@compiled
def room_for_vector(rows, columns):
    """Room for vectors of an array of so many rows and columns."""
    return VectorRoom(
        room_for_lines(rows),
        room_for_lines(columns),
        np.empty((4, 1), np.float32),
        (np.empty(SLOTS_AT_ONCE, np.uint32), np.empty(SLOTS_AT_ONCE, np.uint32)),
        (np.zeros(SLOTS_AT_ONCE, np.int64), np.empty(SLOTS_AT_ONCE, np.int64)),
        np.empty(rows + 4, np.int32),
        np.empty(64 * VISIT, np.int64),
        np.empty(1024 + columns, np.int32),
        np.empty(0, np.int8),
    )


@compiled
def prepare(lines, values, factor, scale):
    """Bounds and entries of the lines of one side."""
    blocks = np.uint64(lines.values.size // 4)
    for line in range(np.uint64(values.size)):
        lines.values[(line & np.uint64(3)) * blocks + (line >> np.uint64(2))] = values[line] * factor
    bounds(lines.values, scale, lines.limits[0])
    list_entries(lines.values, lines.entries)


@compiled
def list_live(codes, count, first, slots, live):
    """List the slots, of ``count`` ones from ``first`` on, in which a line fires; returns how many there are."""
    found = 0
    for k in range(count):
        eights = codes[k].view(np.uint64)
        fired = np.uint64(0)
        for eight in eights:
            fired |= eight
        slots[found], live[found] = first + k, k
        found += fired != 0
    return found


@compiled
def scan_vectors(room, x, d, factors, train):
    """The pulses of all vectors.

    Args:
        room: of :func:`room_for_vector`; it holds the result until the next scan.
        x: ``[vectors, in]``.
        d: ``[vectors, out]``.
        factors: factor on x for each vector; empty for 1.
        train: pulse trains of the vectors.
    """
    rate, step = np.float32(train.rate), np.float32(train.step)
    longest, d_factor = np.float32(train.longest), np.float32(train.d_factor)
    managed, shortened = train.managed, train.shortened
    free = train.adaptive and step * longest < rate
    update, turned = np.uint64(train.update), np.int64(train.rising)
    x_max, d_max, lengths, scales = room.numbers[0], room.numbers[1], room.numbers[2], room.numbers[3]
    x_bits, d_bits = x_max.view(np.int32), d_max.view(np.int32)
    (slots, samples), (places, live), rows_found = room.now, room.places, room.rows_found
    visits, visited, columns, listed, total = room.visits, 0, room.columns, 0, 0
    for m in range(x.shape[0]):
        factor = factors[m] if factors.size > 0 else np.float32(1.0)
        x_bits[0], d_bits[0] = row_maximum(x[m]), row_maximum(d[m])
        x_max[0] *= factor
        bit_lengths(x_max, d_max, rate, step, longest, free, managed, shortened, d_factor, lengths)
        if not lengths[0] > 0:
            continue
        length, is_prepared = int(lengths[0]), False
        total += length
        row_scales(x_max, d_max, lengths, rate, step, free, managed, scales)
        prepare(room.rows, d[m], np.float32(1.0), scales[0])
        for first in range(0, length, SLOTS_AT_ONCE):
            count = min(SLOTS_AT_ONCE, length - first)
            for k in range(count):
                slots[k], samples[k] = first + k, m
            drawn = slots[:count], samples[:count], update, places[:count]
            fire_columns(train.row_key, *drawn, room.rows.limits, room.rows.codes)
            found = list_live(room.rows.codes, count, first, slots, live)
            if found == 0:
                continue
            if not is_prepared:
                x_scale = scale(d_max[0], x_max[0], lengths[0], rate, step, free, managed)
                prepare(room.across, x[m], factor, x_scale)
                is_prepared = True
            drawn = slots[:found], samples[:found], update, places[:found]
            fire_columns(train.column_key, *drawn, room.across.limits, room.across.codes)
            for q in range(found):
                if listed + x.shape[1] + 4 > columns.size:
                    columns = larger(columns, listed + x.shape[1] + 4)
                opens = listed
                listed = decode(room.across.codes[q], room.across.entries, columns, opens)
                if opens == listed:
                    continue
                fired = decode(room.rows.codes[live[q]], room.rows.entries, rows_found, 0)
                if VISIT * (visited + fired) > visits.size:
                    visits = larger(visits, VISIT * (visited + fired))
                for r in range(fired):
                    at = VISIT * visited
                    visits[at] = np.int64(rows_found[r]) ^ turned
                    visits[at + 1], visits[at + 2] = slots[q], m
                    visits[at + 3], visits[at + 4], visits[at + 5] = opens, listed, 0
                    visited += 1
    complete = visits[: VISIT * visited].reshape(visited, VISIT)
    return Scanned(complete, columns[:listed], room.marks, -1, total, listed)
