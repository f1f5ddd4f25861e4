# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Finding the pulses of a mini-batch, compiled by Numba.

These are the pulses of the reference kernel, found in the cheapest order. The bit length of each sample follows from
its maxima. Then the bits of the rows in the first slot are drawn, for all positions of an image at once. Columns, and
rows in later slots, are drawn only where they are needed. Convolutions are read from the image; nothing is unfolded.

Layouts. d is ``[images, out, positions]``; a linear layer is one image whose positions are its rows. x is ``[rows, in,
1, 1]`` for a linear layer and the padded image ``[images, channels, height, width]`` for a convolution. Sample =
image * positions + position. Values of the lines of one sample are kept lane by lane, ``[4, blocks]``, because a
counter of the generator serves a block of four lines. Blocks of zeros, in which nothing fires, fill up the last vector.

Result. A *visit* is a row that fired in one slot of one sample: ``(2 row + bit, slot, sample, first, stop, number)``.
``first`` and ``stop`` say which entries ``2 column + bit`` of the list of columns, ascending, fired with it. ``number``
is the number of the first of these pulses, by which its noise is drawn: 0 for a whole visit. The device at a row and a
column is pulsed up where their two bits differ. Visits are in order of time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.firing import any_of, decode, decode_first, fire, first_slot
from resbench.crossbar.kernels.maxima import line_maxima, patch_maxima, row_maximum
from resbench.crossbar.views import Floats

Geometry = tuple[int, int, int, int, int, int, int]

#: Rows of a linear layer that are scanned at once.
ROWS_AT_ONCE = 128
#: Beyond the last piece of any mini-batch: the scan goes on to its end.
NO_STOP = 2**62
VISIT = 6


class Sides(NamedTuple):
    """The two sides of a mini-batch.

    Args:
        x: ``[images, channels, height, width]``, padded; a linear layer is ``[rows, in, 1, 1]`` with kernel 1 x 1.
        d: ``[images, out, positions]``; a linear layer is ``[1, out, rows]``.
        factors: factor on x for each sample; empty for 1.
    """

    x: Floats
    d: Floats
    factors: Floats


class Train(NamedTuple):
    """The pulse trains of a mini-batch.

    Args:
        geometry: kernel, stride and dilation (two each) and the width of the output.
        row_key: key of the row bits.
        column_key: key of the column bits.
        update: update counter of the array.
        rising: whether the learning rate is negative, which turns every pulse.
        rate: magnitude of the learning rate.
        step: granularity that sets the probabilities.
        longest: ``desired_bl`` of the pulse trains.
        d_factor: their ``um_grad_scale``.
        adaptive: whether a large rate lengthens the trains beyond ``longest``.
        managed: whether the probabilities of rows and columns are balanced.
        shortened: whether the management shortens the trains.
    """

    geometry: Geometry
    row_key: np.uint64
    column_key: np.uint64
    update: int
    rising: bool
    rate: float
    step: float
    longest: float
    d_factor: float
    adaptive: bool
    managed: bool
    shortened: bool


class Scanned(NamedTuple):
    """What a scan found.

    Args:
        visits: int64 ``[v, 6]``, as the module says.
        columns: int32, as the module says.
        going: the piece to go on with, -1 at the end.
        slots: slots of the samples that were scanned.
    """

    visits: NDArray[np.int64]
    columns: NDArray[np.int32]
    going: int
    slots: int


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
def gather(source, offsets, corner, n, factor, v0, v1, v2, v3, entries):
    """Values of the n lines of a patch times a factor, lane by lane, and entries ``2 line + bit`` for the list.

    The last block may have room for more than n lines; the values there stay 0.
    """
    line, one, lines, first = np.uint64(0), np.uint64(1), np.uint64(n), np.uint64(corner)
    for k in range(np.uint64((n + 3) // 4)):
        a = source[first + offsets[line]] * factor
        v0[k], entries[line] = a, np.int32(line + line) + np.int32(a > 0)
        line += one
        if line < lines:
            a = source[first + offsets[line]] * factor
            v1[k], entries[line] = a, np.int32(line + line) + np.int32(a > 0)
        line += one
        if line < lines:
            a = source[first + offsets[line]] * factor
            v2[k], entries[line] = a, np.int32(line + line) + np.int32(a > 0)
        line += one
        if line < lines:
            a = source[first + offsets[line]] * factor
            v3[k], entries[line] = a, np.int32(line + line) + np.int32(a > 0)
        line += one


@compiled
def larger(array, room):
    """The array with more room: twice its size, or ``room`` if that is more."""
    grown = np.empty(max(2 * array.size, room), array.dtype)
    grown[: array.size] = array
    return grown


@compiled
def padded(count, multiple):
    """``count`` rounded up to a multiple."""
    return (count + multiple - 1) // multiple * multiple


@compiled
def vector_blocks(lines):
    """Blocks of four for so many lines, in whole vectors of eight."""
    return padded((lines + 3) // 4, 8)


@compiled
def pieces_of(x: Floats, d: Floats, geometry: Geometry) -> tuple[bool, int]:
    """Whether this is a linear layer, and of how many pieces a mini-batch is: images, or some rows at a time."""
    images, _, positions = d.shape
    if images == 1 and x.shape[0] == positions and geometry[0] * geometry[1] == 1:
        return True, padded(positions, ROWS_AT_ONCE) // ROWS_AT_ONCE
    return False, images


@compiled
def scan(sides: Sides, train: Train, start: int, stop: int, limit: int) -> Scanned:
    """The pulses of some images of a mini-batch, of as many as give about ``limit`` entries of columns.

    Args:
        sides: the mini-batch.
        train: its pulse trains.
        start: first image, or first piece of the rows of a linear layer.
        stop: the one after the last.
        limit: entries of columns after which the scan stops.
    """
    x, d, factors = sides.x, sides.d, sides.factors
    geometry, row_key, column_key = train.geometry, train.row_key, train.column_key
    _, lines, positions = d.shape
    linear, pieces = pieces_of(x, d, geometry)
    rate, step = np.float32(train.rate), np.float32(train.step)
    longest, d_factor = np.float32(train.longest), np.float32(train.d_factor)
    managed, shortened = train.managed, train.shortened
    free = train.adaptive and step * longest < rate
    update, turned = np.uint64(train.update), np.int64(train.rising)

    n = x.shape[1] * geometry[0] * geometry[1]
    offsets, source = patch_offsets(x.shape[1:], geometry), x.reshape(-1)
    size = x.size // x.shape[0]
    stop = min(stop, pieces)
    most = min(positions, ROWS_AT_ONCE) if linear else positions
    x_max, d_max = np.empty(most, np.float32), np.empty(most, np.float32)
    lengths, scales = np.empty(most, np.float32), np.empty(most, np.float32)
    peak, spare = np.zeros(x.shape[2] * x.shape[3], np.int32), np.zeros(x.shape[2] * x.shape[3], np.int32)
    blocks = (lines + 3) // 4
    codes = np.zeros((blocks, padded(most, 8)), np.uint8)
    wanted = np.zeros(padded(most, 8), np.uint8)
    row_codes, column_codes = np.zeros(vector_blocks(lines), np.uint8), np.zeros(vector_blocks(n), np.uint8)
    row_eights, column_eights = row_codes.view(np.uint64), column_codes.view(np.uint64)
    row_values, column_values = np.zeros((4, row_codes.size), np.float32), np.zeros((4, column_codes.size), np.float32)
    r0, r1, r2, r3 = row_values[0], row_values[1], row_values[2], row_values[3]
    c0, c1, c2, c3 = column_values[0], column_values[1], column_values[2], column_values[3]
    row_entries = np.arange(4 * row_codes.size).astype(np.int32)
    column_entries = np.zeros(4 * column_codes.size, np.int32)
    rows_found = np.empty(lines + 4, np.int32)
    visits, visited = np.empty(64 * VISIT, np.int64), 0
    columns, listed, slots = np.empty(1024 + n, np.int32), 0, 0

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
        for p in range(count):
            wanted[p] = np.uint8(length[p] > 1) << np.uint8(7)
        errors = d[image]
        for block in range(blocks):
            four, last = 4 * block, lines - 1
            first_slot(
                row_key,
                block,
                first,
                update,
                errors[four][begin : begin + count],
                errors[min(four + 1, last)][begin : begin + count],
                errors[min(four + 2, last)][begin : begin + count],
                errors[min(four + 3, last)][begin : begin + count],
                np.uint8((1 << min(lines - four, 4)) - 1),
                scaled,
                codes[block][:count],
            )
            any_of(codes[block][:count], wanted[:count])
        eights = wanted.view(np.uint64)
        for eight in range((count + 7) // 8):
            if eights[eight] == 0:
                continue
            for p in range(8 * eight, min(8 * eight + 8, count)):
                if wanted[p] == 0:
                    continue
                sample, x_scale = first + p, np.float32(-1.0)
                for slot in range(np.int64(length[p])):
                    found = 0
                    if slot == 0:
                        found = decode_first(codes, p, row_entries, rows_found)
                    else:
                        if slot == 1:
                            for i in range(lines):
                                row_values[i & 3, i >> 2] = errors[i, begin + p]
                        fire(row_key, slot, sample, update, r0, r1, r2, r3, scaled[p], row_codes)
                        found = decode(row_codes, row_eights, row_entries, rows_found, found)
                    if found == 0:
                        continue
                    if x_scale < 0:
                        if linear:
                            corner = sample * n
                        else:
                            top, left = p // geometry[6] * geometry[2], p % geometry[6] * geometry[3]
                            corner = image * size + top * x.shape[3] + left
                        factor = factors[sample] if factors.size > 0 else np.float32(1.0)
                        gather(source, offsets, corner, n, factor, c0, c1, c2, c3, column_entries)
                        x_scale = scale(dm[p], xm[p], length[p], rate, step, free, managed)
                    fire(column_key, slot, sample, update, c0, c1, c2, c3, x_scale, column_codes)
                    if listed + n + 4 > columns.size:
                        columns = larger(columns, listed + n + 4)
                    stopped = decode(column_codes, column_eights, column_entries, columns, listed)
                    if stopped == listed:
                        continue
                    if VISIT * (visited + lines) > visits.size:
                        visits = larger(visits, VISIT * (visited + lines))
                    for r in range(found):
                        i, at = rows_found[r], VISIT * visited
                        visits[at] = 2 * i + (np.int64(errors[i, begin + p] > 0) ^ turned)
                        visits[at + 1], visits[at + 2] = slot, sample
                        visits[at + 3], visits[at + 4], visits[at + 5] = listed, stopped, 0
                        visited += 1
                    listed = stopped
    complete = visits[: VISIT * visited].reshape(visited, VISIT)
    return Scanned(complete, columns[:listed], piece if piece < stop else -1, slots)
