# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Training vector by vector, compiled by Numba: pulse a tile, read lines of it, buffer them, write to the next tile.

One call does what the loop of :class:`resbench.algorithms.chain.TileChain` does with calls of its own for every
vector, with the same counters of random draws, so every bit is the same. It is for periods that count vectors, where a
mini-batch contains many transfers.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.apply import COLUMNS_AT_ONCE, Flips, apply, offers_marks, turn
from resbench.crossbar.kernels.buffers import pass_on, running_rates
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.maxima import row_maximum
from resbench.crossbar.kernels.philox import LOW, philox
from resbench.crossbar.kernels.scan import NO_STOP, Sides, Train, scan
from resbench.crossbar.kernels.vectors_records import Done
from resbench.crossbar.views import Devices

UNIT = 2.0**-24


@compiled
def run(fast: Devices, slow: Devices, fast_train: Train, slow_train: Train, x, d, out, flow, rule, chopping) -> Done:
    """Pulse a tile with vectors one period after the other, and make the transfers that are due in between.

    Args:
        fast: devices of the tile that is pulsed and read.
        slow: devices of the tile that is written.
        fast_train: trains of the vectors, at the rate of the fast tile.
        slow_train: trains of the writes, at the negative factor on what is written.
        x: ``[n, in]``.
        d: ``[n, out]``.
        out: rows of the tiles.
        flow: when which lines are read.
        rule: the buffer.
        chopping: signs and references.
    """
    n = x.shape[1]
    lines, across = (n, out) if flow.by_column else (out, n)
    column_flips, row_flips = signs_as_flips(chopping, flow.by_column)
    unturned = Flips(column_flips[:0], row_flips[:0])
    rate, rising = fast_train.rate, fast_train.rising
    pointer, sweeps, largest_x, largest_d = flow.pointer, chopping.sweeps, chopping.largest_x, chopping.largest_d
    updates, writes, fast_slots, slow_slots, lines_read, lines_written = 0, 0, 0, 0, 0, 0
    factors, last = np.empty(0, np.float32), 0
    while last < x.shape[0]:
        first, last = last, min(last + flow.period - (flow.start + last) % flow.period, x.shape[0])
        driven, errors = x[first:last], transposed(d[first:last])
        if chopping.scales:
            tau, numerator = chopping.tau, chopping.numerator
            rates, largest_x, largest_d = running_rates(
                maxima(driven), maxima(d[first:last]), largest_x, largest_d, tau, numerator
            )
            rate = rates[-1]
            rising, rate = rate < 0, abs(rate)
            factors = relative(rates)
        if rate != 0:
            train = timed(fast_train, fast_train.update + updates, rising, rate)
            sides = Sides(images(driven), errors, factors)
            fast_slots += pulse(sides, Flips(column_flips, row_flips), train, fast, out, n)
        updates += 1
        now = flow.start + last
        if now % flow.period != 0:
            continue
        begin = pointer
        if flow.selects:
            begin = np.int64(uniform(flow.selection_key, now, 0) * lines)
        pointer = (begin + flow.reads) % lines
        if not flow.is_open:
            continue
        for start in range(begin, begin + flow.reads, flow.at_once):
            stop = min(start + flow.at_once, begin + flow.reads)
            values = np.empty((stop - start, across), np.float32)
            for k in range(stop - start):
                take(fast.visible, (start + k) % lines, n, flow.by_column, values[k])
            lines_read += stop - start
            busy = True
            if chopping.line_signs.size > 0:
                theta = rule.threshold
                if chopping.corrects:
                    theta *= rate_of(rising, rate) * chopping.slow_step / chopping.fast_step
                line = start % lines
                signal(chopping, line, flow.by_column, n, values[0])
                if chopping.no_buffer:
                    put(rule.buffer, line, n, flow.by_column, np.zeros(across, np.float32))
                values, busy = sift(rule, rule.rate / theta, 1.0, line, n, lines, flow.by_column, values)
                busy = after(chopping, rule, line, n, flow.by_column, values[0], sweeps, busy)
                sweeps = chop(chopping, line, lines, now, sweeps)
                column_flips, row_flips = signs_as_flips(chopping, flow.by_column)
            elif rule.buffer.size > 0:
                values, busy = sift(rule, rule.rate, rule.threshold, start, n, lines, flow.by_column, values)
            if busy:
                chosen = np.zeros((stop - start, lines), np.float32)
                for k in range(stop - start):
                    chosen[k, (start + k) % lines] = 1.0
                if flow.by_column:
                    sides = Sides(images(chosen), transposed(values), factors[:0])
                else:
                    sides = Sides(images(values), transposed(chosen), factors[:0])
                train = timed(slow_train, slow_train.update + writes, slow_train.rising, slow_train.rate)
                slow_slots += pulse(sides, unturned, train, slow, out, n)
                writes += 1
                lines_written += stop - start
    return Done(
        updates, writes, fast_slots, slow_slots, lines_read, lines_written, pointer, sweeps, largest_x, largest_d,
        rate_of(rising, rate),
    )  # fmt: skip


# -- one call of a tile ------------------------------------------------------------------------------------------------


@compiled
def pulse(sides, flips, train, devices, rows, n):
    """Find the pulses of some vectors and apply them; returns their slots."""
    going, slots = 0, 0
    while going >= 0:
        found = scan(sides, train, going, NO_STOP, COLUMNS_AT_ONCE, offers_marks(devices))
        going = found.going
        slots += found.slots
        if found.visits.shape[0] > 0:
            turn(found, flips, n)
            apply(found.visits, found.columns, found.marks, n, (0, rows), train.update, devices)
    return slots


@compiled
def timed(train, update, rising, rate):
    """Pulse trains of another call, at another rate."""
    return Train(
        train.geometry, train.row_key, train.column_key, update & 0xFFFFFFFF, rising, rate, train.step, train.longest,
        train.d_factor, train.adaptive, train.managed, train.shortened,
    )  # fmt: skip


@compiled
def images(rows):
    """Rows ``[n, lines]`` as ``[n, lines, 1, 1]``."""
    return rows.reshape(rows.shape[0], rows.shape[1], 1, 1)


@compiled
def transposed(rows):
    """Rows ``[n, lines]`` as one image ``[1, lines, n]``."""
    laid = np.empty((1, rows.shape[1], rows.shape[0]), np.float32)
    for m in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            laid[0, i, m] = rows[m, i]
    return laid


@compiled
def maxima(rows):
    """``max_j |rows_mj|`` of every row m."""
    found = np.empty(rows.shape[0], np.float32)
    bits = found.view(np.int32)
    for m in range(rows.shape[0]):
        bits[m] = row_maximum(rows[m])
    return found


@compiled
def relative(rates):
    """Each rate divided by the last one: the factor of each vector; empty if all are 1."""
    count = rates.size if rates.size > 1 and rates[-1] > 0 else 0
    factors = np.empty(count, np.float32)
    for m in range(count):
        factors[m] = np.float32(rates[m]) / np.float32(rates[-1])
    return factors


@compiled
def rate_of(falling, magnitude):
    """A rate from its sign and its magnitude."""
    return -magnitude if falling else magnitude


@compiled
def uniform(key, first, second):
    """Uniform in [0, 1) at a counter, as :meth:`resbench.crossbar.randomness.Stream.number`."""
    word, _, _, _ = philox(key, np.uint64(first) & LOW, np.uint64(second) & LOW, np.uint64(0), np.uint64(0))
    return np.float64(word >> np.uint64(8)) * UNIT


# -- lines of a flat matrix [out * in] ---------------------------------------------------------------------------------


@compiled
def take(matrix, line, n, by_column, values):
    """Copy one line of a matrix with n columns."""
    first, step = (line, n) if by_column else (line * n, 1)
    for i in range(values.size):
        values[i] = matrix[first + i * step]


@compiled
def put(matrix, line, n, by_column, values):
    """Overwrite one line of a matrix with n columns."""
    first, step = (line, n) if by_column else (line * n, 1)
    for i in range(values.size):
        matrix[first + i * step] = values[i]


@compiled
def sift(rule, rate, threshold, start, n, lines, by_column, values):
    """The rule of the buffer on some lines: what is written, and whether any of it is not 0."""
    held = np.empty(values.shape, np.float32)
    for k in range(values.shape[0]):
        take(rule.buffer, (start + k) % lines, n, by_column, held[k])
    places = np.arange(values.shape[0])
    passed, busy = pass_on(held, places, values, rate, threshold, rule.momentum, rule.forget, rule.longest)
    for k in range(values.shape[0]):
        put(rule.buffer, (start + k) % lines, n, by_column, held[k])
    return passed, busy


# -- signs and references ----------------------------------------------------------------------------------------------


@compiled
def signs_as_flips(chopping, by_column):
    """Which columns and rows of the fast tile are turned; empty without signs."""
    line, cross = chopping.line_signs < 0, chopping.cross_signs < 0
    columns, rows = (line, cross) if by_column else (cross, line)
    return columns.astype(np.uint8), rows.astype(np.uint8)


@compiled
def signal(chopping, line, by_column, n, values):
    """The signal in one read, in place: the values minus their reference, if there is one, times the signs."""
    sign, across = chopping.line_signs[line], values.size
    if chopping.mean.size > 0:
        mean, reference = np.empty(across, np.float32), np.empty(across, np.float32)
        take(chopping.mean, line, n, by_column, mean)
        if chopping.flipped[line]:
            put(chopping.reference, line, n, by_column, mean)
            chopping.flipped[line] = False
        take(chopping.reference, line, n, by_column, reference)
        old, new = np.float32(1 - chopping.decay), np.float32(chopping.decay)
        for i in range(across):
            mean[i] = old * mean[i] + new * values[i]
            values[i] -= reference[i]
        put(chopping.mean, line, n, by_column, mean)
    for i in range(across):
        values[i] = sign * chopping.cross_signs[i] * values[i]


@compiled
def after(chopping, rule, line, n, by_column, passed, sweeps, busy):
    """Update a dynamic reference after the rule of the buffer; returns whether anything is written."""
    if chopping.mean.size == 0:
        return busy
    if busy and chopping.bound > 0:
        held, bound = np.empty(passed.size, np.float32), np.float32(chopping.bound)
        take(rule.buffer, line, n, by_column, held)
        for i in range(passed.size):
            if passed[i] != 0:
                held[i] = min(max(held[i], -bound), bound)
        put(rule.buffer, line, n, by_column, held)
    return busy and sweeps > chopping.phase


@compiled
def chop(chopping, line, lines, now, sweeps):
    """Flip the sign of a line that was read, and those across at the end of a sweep; returns the sweeps."""
    ends = chopping.phase > 0 and sweeps % chopping.phase == chopping.phase - 1
    dynamic = chopping.mean.size > 0
    flips = ends and (dynamic or not chopping.in_random)
    if not flips and chopping.in_random and chopping.phase > 0:
        flips = uniform(chopping.key, line, now) < chopping.in_prob
    if flips:
        chopping.line_signs[line] = -chopping.line_signs[line]
        if dynamic:
            chopping.flipped[line] = True
    if line == lines - 1:
        if chopping.out_prob > 0:
            for i in range(chopping.cross_signs.size):
                if np.float32(uniform(chopping.cross_key, i, sweeps)) < np.float32(chopping.out_prob):
                    chopping.cross_signs[i] = -chopping.cross_signs[i]
        sweeps += 1
    return sweeps
