# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Finding the pulses of a mini-batch, compiled by Numba.

The same pulses as the reference kernel, found in the order that costs least: bit lengths from the maxima of each
sample; rows, for all samples of an image at once; columns only for the (sample, slot) pairs in which a row fired.
Convolutions are read from the image; nothing is unfolded.

Layouts. d is ``[images, out, positions]``; a linear layer is one image whose positions are its rows. x is ``[rows,
in]`` for a linear layer and the padded image ``[images, channels, height, width]`` for a convolution. Sample = image
* positions + position.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.philox import philox

ONE = 4294967296.0  # 2^32


@compiled
def bit_lengths(x_max, d_max, rate, step, longest, adaptive, managed, shortened, d_factor, bl, x_scale, d_scale):
    """``PulseTrain.scales`` for one image: float32 operation by float32 operation, because ``ceil`` decides."""
    one = np.float32(1.0)
    free = adaptive and step * longest < rate
    for p in range(bl.size):
        length = max(np.ceil(rate / step), one) if free else longest
        x_s, d_s = one, one
        if managed:
            xm, dm = x_max[p], d_max[p] * d_factor
            if xm == 0 or dm == 0:
                bl[p], x_scale[p], d_scale[p] = 0, 0.0, 0.0
                continue
            k = rate * xm * dm / step
            if shortened:
                length = min(np.ceil(k), longest)
            if k > longest:
                dm = dm * longest / k
            x_s, d_s = np.sqrt(dm / xm), np.sqrt(xm / dm)
        if not free:
            base = np.sqrt(rate / (step * length))
            x_s, d_s = x_s * base, d_s * base
        bl[p], x_scale[p], d_scale[p] = np.int64(length), x_s, d_s


@compiled
def line_maxima(d, out):
    """``out[p] = max_i |d[i, p]|``."""
    out[:] = 0
    for i in range(d.shape[0]):
        line = d[i]
        for p in range(out.size):
            out[p] = max(out[p], abs(line[p]))


@compiled
def patch_maxima(image, kernel, stride, dilation, width, out):
    """``out[p] = max |x|`` over the patch of position p: the channel maximum, then a window across, then one down.

    The windows slide over the flat image. Where they run over the end of a row the value is wrong and not read.
    """
    columns = image.shape[2]
    peak = np.zeros(image.shape[1] * columns, np.float32)
    for c in range(image.shape[0]):
        channel = image[c].reshape(-1)
        for i in range(peak.size):
            peak[i] = max(peak[i], abs(channel[i]))
    window_maxima(peak, kernel[1], dilation[1])
    window_maxima(peak, kernel[0], dilation[0] * columns)
    for p in range(out.size):
        out[p] = peak[p // width * stride[0] * columns + p % width * stride[1]]


@compiled
def window_maxima(values, size, step):
    """``values[i] <- max_k values[i + k step]``, k below ``size``, as far as there are values."""
    original = values.copy()
    for k in range(1, size):
        ahead = original[k * step :]
        for i in range(ahead.size):
            values[i] = max(values[i], ahead[i])


@compiled
def grow(array):
    """Twice the room, contents kept."""
    larger = np.empty(2 * array.size, array.dtype)
    larger[: array.size] = array
    return larger


@compiled
def candidates(key, block, first, update, d, scale, codes):
    """``codes[p]``, bit by bit: which of four lines may fire in the first slot at position p.

    An upper bound that vector instructions find: ``word < p 2^32`` implies ``word >> 8 <= p 2^24``, which float32 holds
    exactly. A block at the end repeats its last line.
    """
    last = d.shape[0] - 1
    d0, d1, d2, d3 = d[0], d[min(1, last)], d[min(2, last)], d[min(3, last)]
    for p in range(scale.size):
        w0, w1, w2, w3 = philox(key, np.uint64(block), np.uint64(0), np.uint64(first) + np.uint64(p), update)
        reach = scale[p] * np.float32(16777216.0)
        code = np.uint8(np.float32(np.uint32(w0) >> np.uint32(8)) <= abs(d0[p]) * reach)
        code |= np.uint8(np.float32(np.uint32(w1) >> np.uint32(8)) <= abs(d1[p]) * reach) << np.uint8(1)
        code |= np.uint8(np.float32(np.uint32(w2) >> np.uint32(8)) <= abs(d2[p]) * reach) << np.uint8(2)
        code |= np.uint8(np.float32(np.uint32(w3) >> np.uint32(8)) <= abs(d3[p]) * reach) << np.uint8(3)
        codes[p] = code


@compiled
def fire(key, block, slot, first, p, update, d, scale, fired, count):
    """Append ``(position, slot, row)`` of the lines of one block that fire; returns the list and its length."""
    words = philox(key, np.uint64(block), np.uint64(slot), np.uint64(first) + np.uint64(p), update)
    if 3 * (count + 4) > fired.size:
        fired = grow(fired)
    for lane in range(min(4, d.shape[0] - 4 * block)):
        row = 4 * block + lane
        if np.float64(words[lane]) < np.float64(abs(d[row, p]) * scale[p]) * ONE:
            fired[3 * count], fired[3 * count + 1], fired[3 * count + 2] = p, slot, row
            count += 1
    return fired, count


@compiled
def fired_rows(d, scale, bl, key, update, first, fired):
    """``(position, slot, row)`` of every row that fires in one image; returns the flat list and its length.

    The first slot of all positions is scanned for candidates; the few positions with longer trains follow one by one.
    """
    lines, positions = d.shape
    blocks, count = (lines + 3) // 4, 0
    codes = np.zeros(8 * ((positions + 7) // 8), np.uint8)
    eights = codes.view(np.uint64)
    for block in range(blocks):
        candidates(key, block, first, update, d[4 * block : 4 * block + 4], scale, codes)
        for eight in range(eights.size):
            if eights[eight] != 0:
                for p in range(8 * eight, min(8 * eight + 8, positions)):
                    if codes[p] != 0:
                        fired, count = fire(key, block, 0, first, p, update, d, scale, fired, count)
    live = np.empty(blocks, np.int64)
    for p in range(positions):
        if bl[p] > 1:
            n = live_blocks(d, p, live)
            for slot in range(1, bl[p]):
                for i in range(n):
                    fired, count = fire(key, live[i], slot, first, p, update, d, scale, fired, count)
    return fired, count


@compiled
def live_blocks(d, p, live):
    """Blocks of four lines of which one is not zero at position p: no other can fire; returns how many."""
    n = 0
    for row in range(d.shape[0]):
        if d[row, p] != 0 and (n == 0 or live[n - 1] != row // 4):
            live[n] = row // 4
            n += 1
    return n


@compiled
def gather(x, image, position, geometry, row):
    """Copy the input of one sample to ``row``: channel, kernel row, kernel column, as torch unfolds it."""
    kh, kw, stride_h, stride_w, dilation_h, dilation_w, width = geometry
    channels = x.shape[1]
    top, left = position // width * stride_h, position % width * stride_w
    j = 0
    for c in range(channels):
        for h in range(kh):
            for w in range(kw):
                row[j] = x[image, c, top + h * dilation_h, left + w * dilation_w]
                j += 1


@compiled
def fired_columns(row, scale, slot, sample, key, update, words, columns):
    """Columns that fire in one (sample, slot) pair, ascending; returns how many."""
    n = row.size
    for block in range((n + 3) // 4):
        w0, w1, w2, w3 = philox(key, np.uint64(block), np.uint64(slot), np.uint64(sample), update)
        words[4 * block], words[4 * block + 1] = np.uint32(w0), np.uint32(w1)
        words[4 * block + 2], words[4 * block + 3] = np.uint32(w2), np.uint32(w3)
    count = 0
    for j in range(n):
        if np.float64(words[j]) < np.float64(abs(row[j]) * scale) * ONE:
            columns[count] = j
            count += 1
    return count


@compiled
def scan(x, d, geometry, row_key, column_key, counter, rising, numbers, switches):
    """All pulses of a mini-batch in order of time.

    Args:
        x: float32 ``[images, channels, height, width]``, padded; a linear layer is ``[rows, in, 1, 1]`` with kernel 1
            x 1.
        d: float32 ``[images, out, positions]``; a linear layer is ``[1, out, rows]``.
        geometry: kernel, stride and dilation (two each) and the width of the output.
        row_key: key of the row bits.
        column_key: key of the column bits.
        counter: update counter of the tile.
        rising: whether the learning rate is negative, which turns every pulse.
        numbers: rate, step, desired_bl, um_grad_scale.
        switches: whether BL adapts to the rate, is managed, is shortened by the management.

    Returns:
        int64 ``[events, 4]``: cell, direction (1 up, 0 down), slot, sample.
    """
    images, lines, positions = d.shape
    linear = images == 1 and x.shape[0] == positions and geometry[0] * geometry[1] == 1
    rate, step, longest, d_factor = (
        np.float32(numbers[0]),
        np.float32(numbers[1]),
        np.float32(numbers[2]),
        np.float32(numbers[3]),
    )
    update = np.uint64(counter)
    adaptive, managed, shortened = switches
    n = x.shape[1] * geometry[0] * geometry[1]
    row = np.empty(n, np.float32)
    words = np.empty(4 * ((n + 3) // 4), np.uint32)
    columns = np.empty(n, np.int64)
    x_max, d_max = np.empty(positions, np.float32), np.empty(positions, np.float32)
    bl = np.empty(positions, np.int64)
    x_scale, d_scale = np.empty(positions, np.float32), np.empty(positions, np.float32)
    fired = np.empty(3 * 256, np.int64)
    events, found = np.empty(4 * 1024, np.int64), 0
    for image in range(images):
        first = image * positions
        line_maxima(d[image], d_max)
        if linear:
            for p in range(positions):
                x_max[p] = np.max(np.abs(x[p, :, 0, 0]))
        else:
            patch_maxima(x[image], geometry[0:2], geometry[2:4], geometry[4:6], geometry[6], x_max)
        bit_lengths(x_max, d_max, rate, step, longest, adaptive, managed, shortened, d_factor, bl, x_scale, d_scale)
        fired, count = fired_rows(d[image], d_scale, bl, row_key, update, first, fired)
        if count == 0:
            continue
        slots = np.max(bl)
        order = np.empty(count, np.int64)
        for e in range(count):
            order[e] = (fired[3 * e] * slots + fired[3 * e + 1]) * lines + fired[3 * e + 2]
        order.sort()
        previous, active = np.int64(-1), 0
        for e in range(count):
            line, pair = order[e] % lines, order[e] // lines
            slot, p = pair % slots, pair // slots
            if pair != previous:
                gather(x, p if linear else image, 0 if linear else p, geometry, row)
                active = fired_columns(row, x_scale[p], slot, first + p, column_key, update, words, columns)
                previous = pair
            while 4 * (found + active) > events.size:
                events = grow(events)
            falling = d[image, line, p] > 0
            for c in range(active):
                j = columns[c]
                at = 4 * found
                events[at] = line * n + j
                events[at + 1] = np.int64((falling == (row[j] > 0)) == rising)
                events[at + 2], events[at + 3] = slot, first + p
                found += 1
    return events[: 4 * found].reshape(found, 4)
