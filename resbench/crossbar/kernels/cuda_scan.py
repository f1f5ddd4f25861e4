# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Finding the pulses of a mini-batch on the GPU, in Triton.

The same pulses as the reference kernel. One program takes one sample and up to ``ROWS`` rows; it draws columns only in
the slots in which one of its rows fired. Both sides are read where they are, through their strides; nothing is
unfolded.

Layouts. x is ``[images, channels, height, width]``, d is ``[images, out, height, width]`` of the output positions;
sample = image * positions + position. A linear layer has one image for each row, of one position.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Rows of one program: a counter of four lines for each lane of a warp.
ROWS = 128
#: Columns drawn at once.
COLUMNS = 256


@triton.jit
def scales(x_max, d_max, numbers, FREE: tl.constexpr, MANAGED: tl.constexpr, SHORTENED: tl.constexpr):
    """``PulseTrain.scales`` of one sample: float32 operation by float32 operation, because ``ceil`` decides."""
    rate, step, longest, d_factor, length = numbers
    step, length = tl.full((), step, tl.float32), tl.full((), length, tl.float32)  # in the interpreter too
    x_scale, d_scale = 1.0, 1.0
    if MANAGED:
        d_max = d_max * d_factor
        idle = (x_max == 0) | (d_max == 0)
        x_max = tl.where(idle, 1.0, x_max)
        d_max = tl.where(idle, 1.0, d_max)
        k = tl.div_rn(rate * x_max * d_max, step)
        if SHORTENED:
            length = tl.minimum(tl.ceil(k), longest)
        d_max = tl.where(k > longest, tl.div_rn(d_max * longest, k), d_max)
        x_scale = tl.sqrt_rn(tl.div_rn(d_max, x_max))
        d_scale = tl.sqrt_rn(tl.div_rn(x_max, d_max))
    if not FREE:
        base = tl.sqrt_rn(tl.div_rn(rate, step * length))
        x_scale = x_scale * base
        d_scale = d_scale * base
    if MANAGED:
        length = tl.where(idle, 0.0, length)
    return length.to(tl.int32), x_scale, d_scale


@triton.jit
def fires(values, scale, key, first, slot, sample, update, LINES: tl.constexpr):
    """int32 ``[LINES]``, 1 for the lines from ``first`` on that fire: word ``line % 4`` of counter ``line // 4``."""
    block = first // 4 + tl.arange(0, LINES // 4)
    w0, w1, w2, w3 = tl.philox(key, block, slot, sample, update)
    word = tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))
    p = tl.minimum(tl.abs(values) * scale, 1.0, propagate_nan=tl.PropagateNan.ALL)
    threshold = tl.ceil(p * 4294967296.0)  # exact: a power of two times a float32
    return (word.to(tl.int64) < threshold.to(tl.int64)).to(tl.int32)


@triton.jit(
    do_not_specialize=[
        *("room", "x0", "x1", "x2", "x3", "d0", "d1", "d2", "d3", "rows", "columns", "positions", "width"),
        *("row_key", "column_key", "update", "turned", "sample_bits", "slot_bits"),
    ]
)
def find(  # noqa: D417
    keys, counters, room, x, x0, x1, x2, x3, d, d0, d1, d2, d3, x_max, d_max,
    rows, columns, positions, width, row_key, column_key, update, turned, numbers, sample_bits, slot_bits, number_bits,
    KERNEL_HEIGHT: tl.constexpr, KERNEL_WIDTH: tl.constexpr, STRIDE_HEIGHT: tl.constexpr, STRIDE_WIDTH: tl.constexpr,
    DILATION_HEIGHT: tl.constexpr, DILATION_WIDTH: tl.constexpr,
    FREE: tl.constexpr, MANAGED: tl.constexpr, SHORTENED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """All pulses as keys ``(crosspoint, sample, slot, number, direction)``, in no order; grid: samples, row blocks.

    Args:
        keys: int64 ``[room]``, filled with the keys.
        counters: int64 ``[2]``, the number of pulses, beyond ``room`` only counted, and the slots of all samples.
        room: how many keys there is room for.
        x: float32, padded image; x0 to x3 are its strides.
        d: float32, errors; d0 to d3 are their strides.
        x_max: float32, ``max|x|`` of every sample.
        d_max: float32, ``max|d|`` of every sample.
        rows: rows of the array.
        columns: columns of the array.
        positions: output positions of an image.
        width: output positions side by side.
        row_key: key of the row bits.
        column_key: key of the column bits.
        update: update counter of the tile.
        turned: 1 for a negative learning rate, which turns every pulse.
        numbers: rate, step, desired_bl, um_grad_scale, and BL of samples that nothing shortens.
        sample_bits: bits of the sample in a key.
        slot_bits: bits of the slot in a key.
        number_bits: bits of the number of a pulse in its row.
        KERNEL_HEIGHT: height of the kernel, and so on for its width, the strides and the dilations.
        FREE: whether BL adapts to the rate.
        MANAGED: whether the probabilities are balanced.
        SHORTENED: whether the management shortens BL.
        ROWS: rows of one program.
        COLUMNS: columns drawn at once.
    """
    sample = tl.program_id(0)
    length, x_scale, d_scale = scales(
        tl.load(x_max + sample), tl.load(d_max + sample), numbers, FREE, MANAGED, SHORTENED
    )
    image, top, left = (sample // positions).to(tl.int64), sample % positions // width, sample % positions % width
    d += image * d0 + top * d2 + left * d3
    x += image * x0 + top * STRIDE_HEIGHT * x2 + left * STRIDE_WIDTH * x3

    first_row = tl.program_id(1) * ROWS
    tl.atomic_add(counters + 1, length.to(tl.int64), mask=(length > 0) & (first_row == 0), sem="relaxed")
    row = first_row + tl.arange(0, ROWS)
    error = tl.load(d + row.to(tl.int64) * d1, mask=row < rows, other=0.0)
    slot = 0
    while slot < length:
        fired = fires(error, d_scale, row_key, first_row, slot, sample, update, ROWS)
        count = tl.sum(fired)
        if count > 0:
            order = tl.cumsum(fired) * fired
            first, before = 0, 0  # columns, and those of them that fired
            while first < columns:
                column = first + tl.arange(0, COLUMNS)
                channel = column // (KERNEL_HEIGHT * KERNEL_WIDTH)
                down = column // KERNEL_WIDTH % KERNEL_HEIGHT * DILATION_HEIGHT
                across = column % KERNEL_WIDTH * DILATION_WIDTH
                place = channel.to(tl.int64) * x1 + down * x2 + across * x3
                value = tl.load(x + place, mask=column < columns, other=0.0)
                hit = fires(value, x_scale, column_key, first, slot, sample, update, COLUMNS)
                hits = tl.sum(hit)
                if hits > 0:
                    start = tl.atomic_add(counters, (count * hits).to(tl.int64), sem="relaxed")
                    nth = tl.cumsum(hit) - 1
                    at = start + nth
                    time = (sample.to(tl.int64) << slot_bits) | slot
                    pulse = (time << number_bits) | (before + nth)
                    k = 1
                    while k <= count:  # the k-th row that fired meets every column that fired
                        chosen = tl.sum(tl.where(order == k, row, 0))
                        falling = tl.sum(tl.where((order == k) & (error > 0), 1, 0))
                        up = falling ^ (value > 0).to(tl.int32) ^ turned
                        crosspoint = chosen.to(tl.int64) * columns + column
                        key = (crosspoint << (sample_bits + slot_bits + number_bits + 1)) | (pulse << 1) | up
                        tl.store(keys + at, key, mask=(hit > 0) & (at < room))
                        at += hits
                        k += 1
                    before += hits
                first += COLUMNS
        slot += 1
