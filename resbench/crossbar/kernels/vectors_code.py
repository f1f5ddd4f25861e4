# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg,var-annotated,no-any-return,attr-defined"
"""Training vector by vector, compiled by Numba: pulse a tile, read lines of it, buffer them, write to the next tile.

One call does what the loop of :class:`resbench.algorithms.chain.TileChain` does with calls of its own for every
vector, with the same counters of random draws, so every bit is the same. It is for periods that count vectors, where a
mini-batch contains many transfers.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from resbench.crossbar.kernels.apply import COLUMNS_AT_ONCE, apply_in, offers_marks, turn
from resbench.crossbar.kernels.buffers import pass_into, running_rates
from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.maxima import row_maximum
from resbench.crossbar.kernels.noise import room_for_noise
from resbench.crossbar.kernels.philox import LOW, philox
from resbench.crossbar.kernels.records import array_at, devices_of, pointer, train_of, visible_of
from resbench.crossbar.kernels.references import borrowed, referred
from resbench.crossbar.kernels.scan import NO_STOP, room_for_scan, scan_in
from resbench.crossbar.kernels.scan_records import POINT, Flips, Sides
from resbench.crossbar.kernels.scan_vectors import room_for_vector, scan_vectors
from resbench.crossbar.kernels.vectors_records import Done, Room

UNIT = 2.0**-24
FLOAT = np.float32
#: Up to so many vectors are searched for pulses one after the other. With eight, both searches take equally long.
FEW = 4


@compiled
def run(forms, constants, numbers, records, tiles, links, x, d, flow, chopping) -> Done:
    """Pulse the first array of a chain with vectors, and make the transfers that are due in between.

    Args:
        forms: response of the devices of the first array, and of all others.
        constants: any of their constants, for the type.
        numbers: :attr:`resbench.crossbar.pulses.PulseTrain.numbers` of the vectors, and of the writes.
        records: those of the arrays, :data:`resbench.crossbar.views.RECORD`.
        tiles: :data:`~resbench.crossbar.kernels.vectors_records.TILE` of each array; what was done is added.
        links: :data:`~resbench.crossbar.kernels.vectors_records.LINK` of each but the last; pointers are moved.
        x: ``[n, in]``.
        d: ``[n, out]``.
        flow: how lines are read.
        chopping: signs and references of the only link; without signs for other chains.
    """
    vectors = 1
    for k in range(links.size):
        vectors = max(vectors, min(links[k].period, x.shape[0]))
    room = room_for_vectors(vectors, min(flow.at_once, flow.reads), records[0].rows, records[0].columns)
    return run_in(room, forms, constants, numbers, records, tiles, links, x, d, flow, chopping)


@compiled
def room_for_vectors(vectors, written, out, n):
    """Room for so many vectors between two transfers, and for so many lines in one write."""
    most, size = max(vectors, written), written * max(out, n)
    return Room(
        room_for_scan((most, n, 1, 1), (1, out, most), POINT),
        room_for_vector(out, n),
        room_for_noise(n),
        Flips(np.zeros(n, np.uint8), np.zeros(out, np.uint8)),
        np.empty(most * out, np.float32),
        (np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)),
        np.zeros(size, np.float32),
        np.arange(written),
    )


@compiled
def run_in(owned, forms, constants, numbers, records, tiles, links, x, d, flow, chopped):
    """:func:`run` in a room. The caller keeps all arrays, so that references to them need not be counted.

    ``owned`` and ``chopped`` are the room and the chopping by value; the code below passes their addresses on.
    """
    room, few, chopping = referred(owned), referred(owned.few), referred(chopped)
    numbers, records, tiles, links = borrowed(numbers), borrowed(records), borrowed(tiles), borrowed(links)
    x, d = borrowed(x), borrowed(d)
    out, n = records[0].rows, records[0].columns
    lines, across = (n, out) if flow.by_column else (out, n)
    unturned = Flips(room.flips.columns[:0], room.flips.rows[:0])
    is_signed = chopping.line_signs.size > 0
    flips = room.flips if is_signed else unturned
    if is_signed:
        turn_lines(chopping, flow.by_column, flips)
    rate, sweeps = tiles[0].rate, chopping.sweeps
    largest_x, largest_d = chopping.largest_x, chopping.largest_d
    none = room.errors[:0]
    factors, last = none, 0
    while last < x.shape[0]:
        first, last = last, next_stop(links, flow.start, last, x.shape[0])
        driven = x[first:last]
        if chopping.scales:
            tau, numerator = chopping.tau, chopping.numerator
            rates, largest_x, largest_d = running_rates(
                maxima(driven), maxima(d[first:last]), largest_x, largest_d, tau, numerator
            )
            rate = rates[-1]
            factors = relative(rates)
        if rate != 0:
            train = train_of(records[:1], numbers[0], POINT, tiles[0].updates + tiles[0].calls, rate, tiles[0].step)
            errors = d[first:last]
            if last - first <= FEW:
                found = scan_vectors(few, driven, errors, factors, train)
                if found.visits.shape[0] > 0:
                    perform(room, found, flips, train, forms[0], constants[0], records[:1])
                slots = found.slots
            else:
                slots = pulse_many(room, driven, errors, factors, flips, train, forms[0], constants[0], records[:1])
            tiles[0].slots += slots
        tiles[0].calls += 1
        now = flow.start + last
        for k in range(links.size):
            link = links[k]
            if link.period == 0 or now % link.period != 0:
                continue
            begin = link.pointer
            if flow.selects:
                begin = np.int64(uniform(link.selection_key, now, 0) * lines)
            links[k].pointer = (begin + flow.reads) % lines
            if not link.is_open:
                continue
            visible = visible_of(records[k : k + 1])
            for start in range(begin, begin + flow.reads, flow.at_once):
                count = min(flow.at_once, begin + flow.reads - start)
                values = rows_in(room.values[0], count, across)
                for i in range(count):
                    take(visible, (start + i) % lines, n, flow.by_column, values[i])
                tiles[k].lines_read += count
                busy = True
                if is_signed:
                    theta = link.threshold
                    if chopping.corrects:
                        theta *= rate * chopping.slow_step / chopping.fast_step
                    line = start % lines
                    signal(room, chopping, line, flow.by_column, n, values[0])
                    busy = sift(room, link, link.rate / theta, 1.0, chopping.no_buffer, line, n, flow.by_column, values)
                    busy = after(room, chopping, link, line, n, flow.by_column, values[0], sweeps, busy)
                    sweeps = chop(chopping, line, lines, now, sweeps)
                    turn_lines(chopping, flow.by_column, flips)
                elif link.buffer[1] > 0:
                    busy = sift(room, link, link.rate, link.threshold, False, start, n, flow.by_column, values)
                if busy:
                    target = records[k + 1 : k + 2]
                    counter = tiles[k + 1].updates + tiles[k + 1].calls
                    train = train_of(target, numbers[1], POINT, counter, tiles[k + 1].rate, tiles[k + 1].step)
                    chosen = rows_in(room.chosen, count, lines)
                    for i in range(count):
                        chosen[i, (start + i) % lines] = 1.0
                    sides = (chosen, values) if flow.by_column else (values, chosen)
                    if count <= FEW:
                        found = scan_vectors(few, *sides, none, train)
                        if found.visits.shape[0] > 0:
                            perform(room, found, unturned, train, forms[1], constants[1], target)
                        slots = found.slots
                    else:
                        slots = pulse_many(room, *sides, none, unturned, train, forms[1], constants[1], target)
                    tiles[k + 1].slots += slots
                    for i in range(count):
                        chosen[i, (start + i) % lines] = 0.0
                    tiles[k + 1].calls += 1
                    tiles[k + 1].lines_written += count
    return Done(sweeps, largest_x, largest_d, rate)


@compiled
def next_stop(links, start, last, end):
    """Where the vectors from ``last`` on are cut: at the next transfer, or at their end."""
    stop = end
    for k in range(links.size):
        period = links[k].period
        if period > 0:
            stop = min(stop, last + period - (start + last) % period)
    return stop


# -- one call of a tile ------------------------------------------------------------------------------------------------


@compiled
def pulse_many(room, x, d, factors, flips, train, form, constants, record):
    """Find the pulses of more than a few vectors and apply them; returns their slots."""
    offers = offers_marks(referred(devices_of(form, constants, record)))
    sides, going, slots = Sides(images(x), transposed(d, room.errors), factors), 0, 0
    while going >= 0:
        found = scan_in(room.scan, sides, train, going, NO_STOP, COLUMNS_AT_ONCE, offers)
        perform(room, found, flips, train, form, constants, record)
        going = found.going
        slots += found.slots
    return slots


@compiled
def perform(room, found, flips, train, form, constants, record):
    """Apply the pulses that were found."""
    if found.visits.shape[0] > 0:
        devices, rows, n = referred(devices_of(form, constants, record)), record[0].rows, record[0].columns
        turn(found, flips, n)
        apply_in(room.noise, found.visits, found.columns, found.marks, n, (0, rows), train.update, devices)


@compiled
def rows_in(room, count, lines):
    """The beginning of a flat array as a matrix."""
    return carray(pointer(room.ctypes.data), (count, lines), room.dtype)


@compiled
def images(rows):
    """Rows ``[n, lines]`` as ``[n, lines, 1, 1]``."""
    return rows.reshape(rows.shape[0], rows.shape[1], 1, 1)


@compiled
def transposed(rows, room):
    """Rows ``[n, lines]`` as one image ``[1, lines, n]``, at the beginning of a flat array."""
    laid = room[: rows.size].reshape(1, rows.shape[1], rows.shape[0])
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
def sift(room, link, rate, threshold, clears, start, n, by_column, values):
    """The rule of the buffer on some lines, in place: what is written. Returns whether any of it is not 0.

    ``clears`` empties the lines of the buffer before.
    """
    buffer, (count, across) = array_at(link.buffer, FLOAT), values.shape
    lines, held = buffer.size // across, rows_in(room.values[1], count, across)
    for k in range(count):
        take(buffer, (start + k) % lines, n, by_column, held[k])
    if clears:
        held[:] = 0.0
    busy = pass_into(
        values, held, room.places[:count], values, rate, threshold, link.momentum, link.forget, link.longest
    )
    for k in range(count):
        put(buffer, (start + k) % lines, n, by_column, held[k])
    return busy


# -- signs and references ----------------------------------------------------------------------------------------------


@compiled
def turn_lines(chopping, by_column, flips):
    """Note which columns and rows of the fast tile are turned."""
    lines, cross = (flips.columns, flips.rows) if by_column else (flips.rows, flips.columns)
    for j in range(lines.size):
        lines[j] = chopping.line_signs[j] < 0
    for i in range(cross.size):
        cross[i] = chopping.cross_signs[i] < 0


@compiled
def signal(room, chopping, line, by_column, n, values):
    """The signal in one read, in place: the values minus their reference, if there is one, times the signs."""
    sign, across = chopping.line_signs[line], values.size
    if chopping.mean.size > 0:
        mean, reference = room.values[1][:across], room.values[2][:across]
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
def after(room, chopping, link, line, n, by_column, passed, sweeps, busy):
    """Update a dynamic reference after the rule of the buffer; returns whether anything is written."""
    if chopping.mean.size == 0:
        return busy
    if busy and chopping.bound > 0:
        held, bound = room.values[1][: passed.size], np.float32(chopping.bound)
        buffer = array_at(link.buffer, FLOAT)
        take(buffer, line, n, by_column, held)
        for i in range(passed.size):
            if passed[i] != 0:
                held[i] = min(max(held[i], -bound), bound)
        put(buffer, line, n, by_column, held)
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
