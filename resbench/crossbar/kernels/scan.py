# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Finding the pulses of a mini-batch, compiled by Numba.

These are the pulses of the reference kernel, found in the cheapest order. The bit length of each sample follows from
its maxima. Then the bits of the rows are drawn, for many slots of many positions at once. Columns are drawn only for
the slots in which a row fires. Convolutions are read from the image; nothing is unfolded.

Layouts. d is ``[images, out, positions]``; a linear layer is one image whose positions are its rows. x is ``[rows, in,
1, 1]`` for a linear layer and the padded image ``[images, channels, height, width]`` for a convolution. Sample =
image * positions + position. Values of the lines of one sample are kept lane by lane, ``[4, blocks]``, because a
counter of the generator serves a block of four lines. Blocks of zeros, in which nothing fires, fill up the last vector.

Result. A *visit* is a row that fired in one slot of one sample: ``(2 row + bit, slot, sample, first, stop, number)``.
``first`` and ``stop`` say which entries ``2 column + bit`` of the list of columns, ascending, fired with it. ``number``
is the number of the first of these pulses, by which its noise is drawn: 0 for a whole visit. The device at a row and a
column is pulsed up where their two bits differ. Visits are in order of time.

Where many columns fire, there are *marks* instead of a list of columns: :func:`marks_width` numbers of a slot of a
sample, for each column 0 if it does not fire, else 1 for a set bit and -1 for another. ``first`` says then where they
begin, and ``stop - first`` is how many are not 0.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.firing import bounds, decode, decode_pair, fire_columns, mark_columns
from resbench.crossbar.kernels.maxima import line_maxima, patch_maxima, row_maximum
from resbench.crossbar.kernels.pairs import (
    PAIRS_AT_ONCE,
    fire_in_pairs,
    list_live,
    list_pairs,
    room_for_pairs,
    some_positions,
)
from resbench.crossbar.kernels.scan_records import Geometry, Scanned, ScanRoom, Sides, Train

#: Rows of a linear layer that are scanned at once.
ROWS_AT_ONCE = 128
#: Columns, of some samples, for which bits are drawn at once.
COLUMNS_HELD = 2**13
#: Slots for which there is room at least, so that a single sample is rarely taken in parts.
SLOTS_AT_ONCE = 32
#: Marks instead of lists are made if more than so many pairs are likely, and one of so many columns fires in each. With
#: fewer, copying all devices into blocks, and stepping those that have no pulse, costs more than it saves.
FEW, SPARSEST = 128, 14
#: Beyond the last piece of any mini-batch: the scan goes on to its end.
NO_STOP = 2**62
VISIT = 6


# -- bit lengths and scales: float32 operation by float32 operation as PulseTrain.scales, because `ceil` decides -----


@compiled
def bit_lengths(x_max, d_max, rate, step, longest, free, managed, shortened, d_factor, lengths):
    """Slots of each sample, as float32; ``d_max`` becomes the maximum that the scales are taken from."""
    fixed = max(np.ceil(rate / step), np.float32(1.0)) if free else longest
    if not managed:
        lengths[:] = fixed
        return
    for p in range(lengths.size):
        xm, dm = x_max[p], d_max[p] * d_factor
        k = rate * xm * dm / step
        length = min(np.ceil(k), longest) if shortened else fixed
        lengths[p] = length if (xm != 0) & (dm != 0) else np.float32(0.0)
        d_max[p] = dm * longest / k if k > longest else dm


@compiled
def scale(over, under, length, rate, step, free, managed):
    """Scale of one side of one sample, from its own maximum ``under`` and the other side's ``over``."""
    balance = np.sqrt(over / under) if managed else np.float32(1.0)
    return balance if free else balance * np.sqrt(rate / (step * length))


@compiled
def row_scales(x_max, d_max, lengths, rate, step, free, managed, out):
    """Scale of the rows of each sample, 0 for one without slots."""
    for p in range(out.size):
        value = scale(x_max[p], d_max[p], lengths[p], rate, step, free, managed)
        out[p] = value if lengths[p] > 0 else np.float32(0.0)


@compiled
def total(lengths):
    """Slots of all samples."""
    slots = np.int64(0)
    for length in lengths:
        if length > 0:
            slots += np.int64(length)
    return slots


# -- the mini-batch ----------------------------------------------------------------------------------------------------


@compiled
def patch_offsets(shape, geometry):
    """Where the values of a patch lie from its corner in the flat image, channel by channel."""
    kh, kw, _, _, dilation_h, dilation_w, _ = geometry
    channels, height, width = shape
    offsets = np.zeros(channels * kh * kw, np.uint64)
    j = 0
    for c in range(channels):
        for h in range(kh):
            for w in range(kw):
                offsets[j] = (c * height + h * dilation_h) * width + w * dilation_w
                j += 1
    return offsets


@compiled
def gather(source, offsets, corner, factor, values):
    """Values of the lines of a patch times a factor, lane by lane; those behind the last line stay as they are."""
    first, blocks, three = np.uint64(corner), np.uint64(values.size // 4), np.uint64(3)
    whole, lines = np.uint64(offsets.size // 4), np.uint64(offsets.size)
    for k in range(whole):
        line = np.uint64(4) * k
        for lane in range(np.uint64(4)):
            values[lane * blocks + k] = source[first + offsets[line + lane]] * factor
    for last in range(np.uint64(4) * whole, lines):
        values[(last & three) * blocks + whole] = source[first + offsets[last]] * factor


@compiled
def list_entries(values, entries):
    """Entries ``2 line + bit`` of all lines, of values lane by lane."""
    blocks = np.uint64(values.size // 4)
    for k in range(blocks):
        for lane in range(np.uint64(4)):
            line = np.uint64(4) * k + lane
            entries[line] = np.int32(2 * line) + np.int32(values[lane * blocks + k] > 0)


@compiled
def list_signs(values, signs):
    """1 for a positive value, else -1."""
    for line in range(signs.size):
        signs[line] = np.int8(2) * np.int8(values[line] > 0) - np.int8(1)


@compiled
def magnitude(values):
    """Sum of magnitudes."""
    found = np.float32(0.0)
    for value in values:
        found += abs(value)
    return found


@compiled
def larger(array, room):
    """The array with more room: eight times its size, or ``room`` if that is more, because copying takes time."""
    grown = np.empty(max(8 * array.size, room), array.dtype)
    grown[: array.size] = array
    return grown


@compiled
def padded(count, multiple):
    """``count`` rounded up to a multiple."""
    return (count + multiple - 1) // multiple * multiple


@compiled
def marks_width(columns):
    """Marks of one pair: one for each column, in whole vectors of eight blocks of four."""
    return padded(columns, 32)


@compiled
def samples_at_once(x_shape, d_shape, geometry: Geometry) -> tuple[int, bool]:
    """Samples of one piece of a mini-batch: those of an image, or some rows; and whether this is a linear layer."""
    images, _, positions = d_shape
    is_linear = images == 1 and x_shape[0] == positions and geometry[0] * geometry[1] == 1
    return min(positions, ROWS_AT_ONCE) if is_linear else positions, is_linear


@compiled
def pieces_of(x, d, geometry):
    """Of how many pieces a mini-batch is: images, or some rows at a time."""
    _, is_linear = samples_at_once(x.shape, d.shape, geometry)
    return padded(d.shape[2], ROWS_AT_ONCE) // ROWS_AT_ONCE if is_linear else d.shape[0]


@compiled
def room_for_scan(x_shape, d_shape, geometry: Geometry) -> ScanRoom:
    """Room for mini-batches with x and d of these shapes, or with fewer samples."""
    n, lines = x_shape[1] * geometry[0] * geometry[1], d_shape[1]
    most, _ = samples_at_once(x_shape, d_shape, geometry)
    width = marks_width(n)
    held = max(1, min(COLUMNS_HELD // width, most))
    found = max(2 * held, SLOTS_AT_ONCE)
    return ScanRoom(
        patch_offsets(x_shape[1:], geometry),
        (np.empty(most, np.float32), np.empty(most, np.float32)),
        (np.empty(most, np.float32), np.empty(most, np.float32)),
        (np.zeros(x_shape[2] * x_shape[3], np.int32), np.zeros(x_shape[2] * x_shape[3], np.int32)),
        room_for_pairs((lines + 3) // 4, min(max(most, SLOTS_AT_ONCE), PAIRS_AT_ONCE)),
        np.empty(lines + 4, np.int64),
        np.zeros(width, np.float32),
        np.empty((held, width), np.uint64),
        np.empty((held, width), np.int32),
        np.empty((held, width), np.int8),
        (np.empty(found, np.int64), np.empty(found, np.int64)),
        (np.empty(found, np.uint32), np.empty(found, np.uint32)),
        np.empty((found, width // 4), np.uint8),
        np.empty(64 * VISIT, np.int64),
        np.empty(1024 + n, np.int32),
        np.empty(0, np.int8),
    )


@compiled
def scan(sides: Sides, train: Train, start: int, stop: int, limit: int, offers: bool) -> Scanned:
    """:func:`scan_in` room of its own."""
    room = room_for_scan(sides.x.shape, sides.d.shape, train.geometry)
    return scan_in(room, sides, train, start, stop, limit, offers)


@compiled
def scan_in(room: ScanRoom, sides: Sides, train: Train, start: int, stop: int, limit: int, offers: bool) -> Scanned:
    """The pulses of some images of a mini-batch, of as many as give about ``limit`` entries of columns.

    Args:
        room: for mini-batches of this size or larger ones; it holds the result until the next scan.
        sides: the mini-batch.
        train: its pulse trains.
        start: first image, or first piece of the rows of a linear layer.
        stop: the one after the last.
        limit: entries of columns after which the scan stops.
        offers: whether marks may be returned instead of columns.
    """
    x, d, factors = sides.x, sides.d, sides.factors
    geometry, row_key, column_key = train.geometry, train.row_key, train.column_key
    positions = d.shape[2]
    most, linear = samples_at_once(x.shape, d.shape, geometry)
    rate, step = np.float32(train.rate), np.float32(train.step)
    longest, d_factor = np.float32(train.longest), np.float32(train.d_factor)
    managed, shortened = train.managed, train.shortened
    free = train.adaptive and step * longest < rate
    update, turned = np.uint64(train.update), np.int64(train.rising)

    n = x.shape[1] * geometry[0] * geometry[1]
    offsets, source = room.offsets, x.reshape(-1)
    size = x.size // x.shape[0]
    pieces = pieces_of(x, d, geometry)
    stop = min(stop, pieces)
    (x_max, d_max), (lengths, scales), (peak, spare) = room.maxima, room.trains, room.peaks
    pairs, rows_found = room.pairs, room.rows_found
    values, limits, entries, signs = room.values, room.limits, room.entries, room.signs
    (places, counts), (slots_now, samples_now), codes = room.numbers, room.now, room.codes
    width, held = values.size, limits.shape[0]
    marks, marked, is_decided, is_dense, expected = room.marks, 0, not offers, False, np.float32(0.0)
    visits, visited = room.visits, 0
    columns, listed, slots = room.columns, 0, 0

    piece = start
    while piece < stop and listed < limit:
        image, begin = (0, piece * ROWS_AT_ONCE) if linear else (piece, 0)
        count = min(most, positions - begin)
        piece += 1
        xm, dm, length, scaled = x_max[:count], d_max[:count], lengths[:count], scales[:count]
        line_maxima(d[image], begin, dm)
        if linear:
            bits = xm.view(np.int32)
            for p in range(count):
                bits[p] = row_maximum(source[(begin + p) * n : (begin + p + 1) * n])
        else:
            patch_maxima(x[image], geometry, peak, spare, xm)
        first = image * positions + begin
        for p in range(min(count, factors.size)):
            xm[p] *= factors[first + p]
        bit_lengths(xm, dm, rate, step, longest, free, managed, shortened, d_factor, length)
        row_scales(xm, dm, length, rate, step, free, managed, scaled)
        slots += total(length)
        here = 0
        while here < count:
            begun, (here, paired) = here, some_positions(length, here)
            if paired > pairs.live.size:
                pairs = room_for_pairs(pairs.codes.shape[0], paired)
            some, base = length[begun:here], first + begun
            list_pairs(pairs, base, some, scaled[begun:here], paired)
            fire_in_pairs(row_key, update, d[image], begin + begun, base, scaled[begun:here], paired, pairs)
            live, done = pairs.live[: list_live(pairs, some, paired)], 0
            while done < live.size:
                opened, samples = done, 0
                while done < live.size and done - opened < places.size:
                    k, sample = done - opened, np.int64(pairs.samples[live[done]])
                    if k == 0 or samples_now[k - 1] != sample:
                        if samples == held:
                            break
                        p = sample - first
                        if linear:
                            corner = sample * n
                        else:
                            top, left = p // geometry[6] * geometry[2], p % geometry[6] * geometry[3]
                            corner = image * size + top * x.shape[3] + left
                        factor = factors[sample] if factors.size > 0 else np.float32(1.0)
                        gather(source, offsets, corner, factor, values)
                        x_scale = scale(dm[p], xm[p], length[p], rate, step, free, managed)
                        bounds(values, x_scale, limits[samples])
                        if not is_dense:
                            list_entries(values, entries[samples])
                        if offers:
                            list_signs(values, signs[samples])
                        if not is_decided:
                            expected += x_scale * magnitude(values)
                        samples += 1
                    places[k], slots_now[k], samples_now[k] = samples - 1, 0, sample
                    if live[done] >= some.size:
                        slots_now[k] = pairs.slots[live[done]]
                    done += 1
                found = done - opened
                if not is_decided:
                    is_decided, is_many = True, live.size * (pieces - piece + 1) > FEW
                    is_dense = offers and is_many and expected * SPARSEST > n * samples
                drawn = slots_now[:found], samples_now[:found], update, places[:found], limits
                if is_dense:
                    if marked + found * width > marks.size:
                        marks = larger(marks, marked + found * width)
                    mark_columns(column_key, *drawn, signs, marks[marked:], counts)
                else:
                    fire_columns(column_key, *drawn, codes)
                for k in range(found):
                    if is_dense:
                        opens, closes = marked, marked + counts[k]
                        marked += width
                    else:
                        if listed + width + 4 > columns.size:
                            columns = larger(columns, listed + width + 4)
                        opens, closes = listed, decode(codes[k], entries[places[k]], columns, listed)
                    if opens == closes:
                        continue
                    listed += closes - opens
                    rows = decode_pair(pairs.codes, live[opened + k], rows_found)
                    if VISIT * (visited + rows) > visits.size:
                        visits = larger(visits, VISIT * (visited + rows))
                    p = begin + np.int64(samples_now[k]) - first
                    for r in range(rows):
                        i, at = rows_found[r], VISIT * visited
                        visits[at] = 2 * i + (np.int64(d[image, i, p] > 0) ^ turned)
                        visits[at + 1], visits[at + 2] = slots_now[k], samples_now[k]
                        visits[at + 3], visits[at + 4], visits[at + 5] = opens, closes, 0
                        visited += 1
    complete = visits[: VISIT * visited].reshape(visited, VISIT)
    going = piece if piece < stop else -1
    return Scanned(complete, columns[: 0 if is_dense else listed], marks[:marked], going, slots, listed)
