# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg"
"""Applying many pulses, compiled by Numba: all devices of a row step, and those without a pulse keep their weight.

:mod:`resbench.crossbar.kernels.apply` takes one device after the other. Where a row that fires meets many columns that
fire, this form is faster, because the processor computes sixteen devices at once. Each device goes through the same
operations in the same order, so the result is the same bit for bit.

The devices are copied into blocks of sixteen neighbours of a row, ``[rows, blocks, fields, lanes]``, and back at the
end. LLVM makes vector instructions of the loop over the lanes: it has no branch, and all fields of a block have a fixed
distance from each other. (With a second array, LLVM would not know that the two do not overlap.)
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels import noise
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.functions import choose
from resbench.crossbar.kernels.product_lanes import LANES, expand
from resbench.crossbar.kernels.responses import each, of, respond
from resbench.crossbar.kernels.scan import marks_width

FIELDS = 15
#: Where the fields of a block begin: stored weight, reference, bounds, four constants for each direction, counts of
#: pulses, and noise. The counts are exact in float32, because one call has fewer than 2^24 slots.
(
    W, ORIGIN, LOW, HIGH, UP0, UP1, UP2, UP3, DOWN0, DOWN1, DOWN2, DOWN3, COUNT_UP, COUNT_DOWN, NOISE
) = (np.uint64(LANES * field) for field in range(FIELDS))  # fmt: skip
LANE_COUNT, BLOCK = np.uint64(LANES), np.uint64(LANES * FIELDS)
#: Rows whose pulses are applied together have about so many devices: enough for the processor to work on several blocks
#: at once, and few enough for the cache.
DEVICES_AT_ONCE = 512


@compiled
def flip(marks, n, flips):
    """Turn the signs of those columns that are to be turned; empty ``flips`` turn none."""
    if flips.size == 0:
        return
    turns = np.ones(marks_width(n), np.int8)
    for j in range(n):
        turns[j] -= np.int8(2 * flips[j])
    for start in range(0, marks.size, turns.size):
        row = marks[start : start + turns.size]
        for j in range(turns.size):
            row[j] *= turns[j]


@compiled
def apply_group(visits, order, marks, n, rows, time, devices, room):
    """Apply the pulses of visits of some rows, the first and the one after the last.

    Args:
        visits: see :mod:`resbench.crossbar.kernels.scan`, like ``marks``.
        order: which of the visits, in order of time.
        marks: which columns fire.
        n: columns of the array.
        rows: those of the visits.
        time: update counter of the array.
        devices: their buffers are changed in place.
        room: of :func:`resbench.crossbar.kernels.noise.room_for_noise`.
    """
    block, slot, sample, uniforms, xi = room
    blocks = gathered(devices, rows[0], rows[1], n)
    position = 0
    while position < order.size:
        begin = position
        position, listed = noise.list_counters(visits, order, begin, (n + 3) // 4, block, slot, sample)
        if devices.noisy:
            noise.draw(devices.noise_key, block[:listed], slot[:listed], sample[:listed], time, uniforms, xi)
        step(visits, order[begin:position], blocks, rows[0], devices, marks, xi)
    scatter(blocks, devices, rows[0], n)


@compiled
def step(visits, order, blocks, first, devices, marks, xi):
    """The pulses of visits: a device whose mark is not 0 steps, upward where the signs of row and column differ."""
    form, scalars, table, held = devices.form, devices.scalars, devices.up_table, blocks.reshape(-1)
    s_up = (scalars[0, 0], scalars[0, 1], scalars[0, 2], scalars[0, 3], scalars[0, 4], scalars[0, 5])
    s_down = (scalars[1, 0], scalars[1, 1], scalars[1, 2], scalars[1, 3], scalars[1, 4], scalars[1, 5])
    zero, one, counter, size = np.float32(0.0), np.float32(1.0), 0, np.uint64(blocks.shape[1])
    width = np.uint64(LANES * (blocks.shape[1] // (LANES * FIELDS)))
    for v in order:
        sense, mark = np.float32(1 - 2 * (visits[v, 0] & 1)), np.uint64(visits[v, 3])
        at, drawn = np.uint64((visits[v, 0] >> 1) - first) * size, np.uint64(4 * counter)
        counter += (visits[v, 4] - visits[v, 3] + 3) >> 2
        for begin in range(mark, mark + width, LANE_COUNT):
            drawn += expand(xi, drawn, marks, begin, held, at + NOISE)
            for k in range(LANE_COUNT):
                sign = np.float32(marks[begin + k]) * sense
                rise, fall = sign > zero, sign < zero
                before, origin = held[at + W + k], held[at + ORIGIN + k]
                w = before + origin
                a = choose(rise, held[at + UP0 + k], held[at + DOWN0 + k])
                b = choose(rise, held[at + UP1 + k], held[at + DOWN1 + k])
                p = choose(rise, held[at + UP2 + k], held[at + DOWN2 + k])
                q = choose(rise, held[at + UP3 + k], held[at + DOWN3 + k])
                change = respond(form, w, sign, a, b, p, q, s_up if rise else s_down, table, held[at + NOISE + k])
                after = min(max(w + change, held[at + LOW + k]), held[at + HIGH + k]) - origin
                held[at + W + k] = choose(rise | fall, after, before)
                held[at + COUNT_UP + k] += one if rise else zero
                held[at + COUNT_DOWN + k] += one if fall else zero
            at += BLOCK


# -- devices in blocks -------------------------------------------------------------------------------------------------


@compiled
def gathered(devices, first, stop, n):
    """The devices of rows ``first`` to ``stop - 1`` in blocks, ``[rows, blocks * fields * lanes]``."""
    blocks = np.zeros((stop - first, (n + LANES - 1) // LANES * FIELDS * LANES), np.float32)
    u0, u1, u2, u3 = devices.up
    d0, d1, d2, d3 = devices.down
    for i in range(stop - first):
        row, start = blocks[i], (first + i) * n
        fill(row, W, devices.stored, start, n)
        if devices.reference.size > 0:
            fill(row, ORIGIN, devices.reference, start, n)
        fill(row, LOW, devices.w_min, start, n)
        fill(row, HIGH, devices.w_max, start, n)
        fill(row, UP0, u0, start, n)
        fill(row, UP1, u1, start, n)
        fill(row, UP2, u2, start, n)
        fill(row, UP3, u3, start, n)
        fill(row, DOWN0, d0, start, n)
        fill(row, DOWN1, d1, start, n)
        fill(row, DOWN2, d2, start, n)
        fill(row, DOWN3, d3, start, n)
    return blocks


@compiled
def fill(row, field, values, first, count):
    """Set a field of the blocks of a row from ``count`` values from ``first`` on, or from the only one."""
    mask, at, place, rest = each(values), np.uint64(first), field, np.uint64(count)
    while rest >= LANE_COUNT:
        for k in range(LANE_COUNT):
            row[place + k] = of(values, (at + k) & mask)
        at, place, rest = at + LANE_COUNT, place + BLOCK, rest - LANE_COUNT
    for k in range(rest):
        row[place + k] = of(values, (at + k) & mask)


@compiled
def scatter(blocks, devices, first, n):
    """Write weights and counts of blocks back."""
    for i in range(blocks.shape[0]):
        row, at = blocks[i], np.uint64((first + i) * n)
        for begin in range(0, n, LANES):
            place, lanes = np.uint64(begin * FIELDS), np.uint64(min(LANES, n - begin))
            for k in range(lanes):
                devices.stored[at + k] = row[place + W + k]
            for k in range(lanes):
                devices.pulses_up[at + k] += np.int32(row[place + COUNT_UP + k])
            for k in range(lanes):
                devices.pulses_down[at + k] += np.int32(row[place + COUNT_DOWN + k])
            at += LANE_COUNT
