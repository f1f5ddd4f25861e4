# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Which lines fire in which slots, on the GPU, in Triton: the same bits as the reference kernel.

Three kernels, one after the other. ``scales`` gives every sample its bit length and scales, ``draw_rows`` draws the
rows, and ``draw_columns`` draws the columns in those slots in which a row fired. Both sides are read where they are,
through their strides; nothing is unfolded.

Layouts. x is ``[images, channels, height, width]``, d is ``[images, out, height, width]`` of the output positions;
sample = image * positions + position. A linear layer has one image for each row, of one position. The slots of a
sample are bits of words of 32, the first slot the lowest bit. Rows and columns are drawn for some of the samples at a
time, which begin with ``first`` and are counted from there.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Samples and lines of one step of a program that looks for maxima.
MAXIMA_SAMPLES, MAXIMA_LINES = 8, 128
#: Samples of one program that draws rows; it has the four rows of a counter.
ROW_SAMPLES = 128
#: Columns of one program.
COLUMNS = 128


@triton.jit
def place_of(sample, positions, width, s0, s2, s3, UP: tl.constexpr, ACROSS: tl.constexpr):
    """Where a sample is in an image with these strides; ``UP`` and ``ACROSS`` are those of a convolution."""
    image, top, left = (sample // positions).to(tl.int64), sample % positions // width, sample % positions % width
    return image * s0 + top * UP * s2 + left * ACROSS * s3


@triton.jit
def place_in_patch(
    column, x1, x2, x3, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, DOWN: tl.constexpr, ACROSS: tl.constexpr
):
    """Where a column is in the patch of a sample; ``HEIGHT`` and ``WIDTH`` of the kernel, and its dilation."""
    channel = (column // (HEIGHT * WIDTH)).to(tl.int64)
    return channel * x1 + column // WIDTH % HEIGHT * DOWN * x2 + column % WIDTH * ACROSS * x3


@triton.jit
def larger(most, values):
    """The larger of absolute values as their bits, int32: whole numbers in the order of the floats, NaN above all."""
    return tl.maximum(most, tl.abs(values).to(tl.int32, bitcast=True))


@triton.jit(
    do_not_specialize=[
        *("x0", "x1", "x2", "x3", "d0", "d1", "d2", "d3", "samples", "rows", "columns", "positions", "width"),
    ]
)
def scales(  # noqa: D417
    lengths, x_scales, d_scales, fired, slots, x, x0, x1, x2, x3, d, d0, d1, d2, d3,
    samples, rows, columns, positions, width, numbers, words,
    KERNEL_HEIGHT: tl.constexpr, KERNEL_WIDTH: tl.constexpr, STRIDE_HEIGHT: tl.constexpr, STRIDE_WIDTH: tl.constexpr,
    DILATION_HEIGHT: tl.constexpr, DILATION_WIDTH: tl.constexpr,
    FREE: tl.constexpr, MANAGED: tl.constexpr, SHORTENED: tl.constexpr,
    SAMPLES: tl.constexpr, LINES: tl.constexpr,
):  # fmt: skip
    """``PulseTrain.scales`` of every sample, float32 operation by float32 operation, because ``ceil`` decides.

    Grid: blocks of samples.

    Args:
        lengths: int32 ``[samples]``, bit lengths; filled.
        x_scales: float32 ``[samples]``, factors on x; filled.
        d_scales: float32 ``[samples]``, factors on d; filled.
        fired: int32 ``[words, samples]``, slots in which a row fired; filled with zeros.
        slots: int64 ``[1]``, the sum of all bit lengths is added.
        x: float32, padded image; x0 to x3 are its strides.
        d: float32, errors; d0 to d3 are their strides.
        samples: how many.
        rows: rows of the array.
        columns: columns of the array.
        positions: output positions of an image.
        width: output positions side by side.
        numbers: rate, step, desired_bl, um_grad_scale, and BL of samples that nothing shortens.
        words: words for the slots of a sample.
        KERNEL_HEIGHT: height of the kernel, and so on for its width, the strides and the dilations.
        FREE: whether BL adapts to the rate.
        MANAGED: whether the probabilities are balanced.
        SHORTENED: whether the management shortens BL.
        SAMPLES: samples of one program.
        LINES: lines that are read at once.
    """
    sample = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    there = sample < samples
    rate, step, longest, d_factor, free_length = numbers
    step = tl.full((), step, tl.float32)  # in the interpreter too
    length = tl.full((SAMPLES,), 0.0, tl.float32) + free_length
    x_scale, d_scale = tl.full((SAMPLES,), 1.0, tl.float32), tl.full((SAMPLES,), 1.0, tl.float32)
    idle = sample < 0
    if MANAGED:
        line = tl.arange(0, LINES)
        most_x, most_d = tl.zeros((LINES, SAMPLES), tl.int32), tl.zeros((LINES, SAMPLES), tl.int32)
        d_place = place_of(sample, positions, width, d0, d2, d3, 1, 1)[None, :]
        first = 0
        while first < rows:
            row = (first + line)[:, None]
            most_d = larger(most_d, tl.load(d + d_place + row.to(tl.int64) * d1, (row < rows) & there[None, :], 0.0))
            first += LINES
        x_place = place_of(sample, positions, width, x0, x2, x3, STRIDE_HEIGHT, STRIDE_WIDTH)[None, :]
        first = 0
        while first < columns:
            column = (first + line)[:, None]
            place = x_place + place_in_patch(
                column, x1, x2, x3, KERNEL_HEIGHT, KERNEL_WIDTH, DILATION_HEIGHT, DILATION_WIDTH
            )
            most_x = larger(most_x, tl.load(x + place, (column < columns) & there[None, :], 0.0))
            first += LINES
        x_max = tl.max(most_x, axis=0).to(tl.float32, bitcast=True)
        d_max = tl.max(most_d, axis=0).to(tl.float32, bitcast=True) * d_factor
        idle = (x_max == 0) | (d_max == 0)
        x_max, d_max = tl.where(idle, 1.0, x_max), tl.where(idle, 1.0, d_max)
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
    whole = tl.where(there & (idle == 0), length, 0.0).to(tl.int32)
    tl.store(lengths + sample, whole, there)
    tl.store(x_scales + sample, x_scale, there)
    tl.store(d_scales + sample, d_scale, there)
    word = 0
    while word < words:
        tl.store(fired + word * samples + sample, tl.zeros((SAMPLES,), tl.int32), there)
        word += 1
    tl.atomic_add(slots, tl.sum(whole.to(tl.int64)), sem="relaxed")


@triton.jit
def threshold(values, scale):
    """What the word of a line has to be below for it to fire, int64 in [0, 2^32]."""
    p = tl.minimum(tl.abs(values) * scale, 1.0, propagate_nan=tl.PropagateNan.ALL)
    return tl.ceil(p * 4294967296.0).to(tl.int64)  # exact: a power of two times a float32


@triton.jit
def below(word, limit):
    """Whether a word is below a threshold, as int32."""
    return (word.to(tl.int64) < limit).to(tl.int32)


@triton.jit
def lowest_bit(word):
    """Index of the lowest bit of a word that is not 0, a word as int64 in [0, 2^32)."""
    return (((word & (0 - word)).to(tl.float32).to(tl.int32, bitcast=True)) >> 23) - 127


@triton.jit
def load_word(address):
    """A word as int64 in [0, 2^32)."""
    return tl.load(address).to(tl.int64) & 0xFFFFFFFF


@triton.jit
def pack(bits, SIZE: tl.constexpr):
    """Bits, int32 ``[SIZE]``, as words ``[SIZE // 32]``."""
    return tl.sum(tl.reshape(bits, (SIZE // 32, 32)) << tl.arange(0, 32)[None, :], axis=1)


@triton.jit
def store_row(row_words, row, bits, word, words, m, size, rows, there):
    """Store the slots in which a row fired."""
    place = (row.to(tl.int64) * words + word) * size
    tl.store(row_words + place + m, bits, mask=there & (row < rows))


@triton.jit
def store_active(active, nth, bits, size, rows, SAMPLES: tl.constexpr):
    """Store for which samples the nth row of a program fired."""
    word = tl.program_id(0) * (SAMPLES // 32) + tl.arange(0, SAMPLES // 32)
    row = 4 * tl.program_id(1) + nth + tl.zeros_like(word)
    per_row = (size + 31) // 32
    packed = pack((bits != 0).to(tl.int32), SAMPLES)
    tl.store(active + row.to(tl.int64) * per_row + word, packed, mask=(word < per_row) & (row < rows))


@triton.jit(
    do_not_specialize=[
        *("d0", "d1", "d2", "d3", "first", "size", "samples", "rows", "positions", "width", "key", "update", "words"),
    ]
)
def draw_rows(  # noqa: D417
    row_words, active, fired, lengths, d_scales, d, d0, d1, d2, d3,
    first, size, samples, rows, positions, width, key, update, words, SAMPLES: tl.constexpr,
):  # fmt: skip
    """The slots in which rows fire; grid: blocks of samples, counters of four rows.

    Args:
        row_words: int32 ``[rows, words, size]``, slots in which a row fires; filled where a sample has such slots.
        active: int32 ``[rows, size / 32]``, a bit for each sample for which a row fires; filled.
        fired: int32 ``[words, samples]``, slots in which any row fires; these bits are set.
        lengths: int32 ``[samples]``.
        d_scales: float32 ``[samples]``.
        d: float32, errors; d0 to d3 are their strides.
        first: first sample.
        size: how many are drawn.
        samples: how many there are.
        rows: rows of the array.
        positions: output positions of an image.
        width: output positions side by side.
        key: key of the row bits.
        update: update counter of the tile.
        words: words for the slots of a sample.
        SAMPLES: samples of one program.
    """
    m = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    there = m < size
    sample = first + m
    length = tl.load(lengths + sample, mask=there, other=0)
    scale = tl.load(d_scales + sample, mask=there, other=0.0)
    none = tl.zeros((SAMPLES,), tl.int32)
    block = tl.program_id(1) + none
    row = 4 * block
    error = d + place_of(sample, positions, width, d0, d2, d3, 1, 1) + row.to(tl.int64) * d1
    limit0 = threshold(tl.load(error, mask=there, other=0.0), scale)
    limit1 = threshold(tl.load(error + d1, mask=there & (row + 1 < rows), other=0.0), scale)
    limit2 = threshold(tl.load(error + 2 * d1, mask=there & (row + 2 < rows), other=0.0), scale)
    limit3 = threshold(tl.load(error + 3 * d1, mask=there & (row + 3 < rows), other=0.0), scale)
    any0, any1, any2, any3 = none, none, none, none
    longest = tl.max(length)
    slot, word = 0, 0
    while slot < longest:
        bits0, bits1, bits2, bits3 = none, none, none, none
        stop = tl.minimum(slot + 32, longest)
        while slot < stop:
            w0, w1, w2, w3 = tl.philox(key, block, slot, sample, update)
            on, bit = (slot < length).to(tl.int32), slot % 32
            bits0 |= (below(w0, limit0) & on) << bit
            bits1 |= (below(w1, limit1) & on) << bit
            bits2 |= (below(w2, limit2) & on) << bit
            bits3 |= (below(w3, limit3) & on) << bit
            slot += 1
        store_row(row_words, row, bits0, word, words, m, size, rows, there)
        store_row(row_words, row + 1, bits1, word, words, m, size, rows, there)
        store_row(row_words, row + 2, bits2, word, words, m, size, rows, there)
        store_row(row_words, row + 3, bits3, word, words, m, size, rows, there)
        together = bits0 | bits1 | bits2 | bits3
        tl.atomic_or(fired + word * samples + sample, together, mask=there & (together != 0), sem="relaxed")
        any0, any1, any2, any3 = any0 | bits0, any1 | bits1, any2 | bits2, any3 | bits3
        word += 1
    store_active(active, 0, any0, size, rows, SAMPLES)
    store_active(active, 1, any1, size, rows, SAMPLES)
    store_active(active, 2, any2, size, rows, SAMPLES)
    store_active(active, 3, any3, size, rows, SAMPLES)


@triton.jit(
    do_not_specialize=[
        *("x0", "x1", "x2", "x3", "first", "samples", "columns", "positions", "width", "key", "update", "longest"),
    ]
)
def draw_columns(  # noqa: D417
    marks, counts, fired, lengths, x_scales, x, x0, x1, x2, x3,
    first, samples, columns, positions, width, key, update, longest,
    KERNEL_HEIGHT: tl.constexpr, KERNEL_WIDTH: tl.constexpr, STRIDE_HEIGHT: tl.constexpr, STRIDE_WIDTH: tl.constexpr,
    DILATION_HEIGHT: tl.constexpr, DILATION_WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
):  # fmt: skip
    """Which columns fire, in the slots in which a row fires; grid: samples, blocks of columns.

    Slot t of sample m is at place ``m * longest + t``; other slots are left as they are.

    Args:
        marks: uint8 ``[size * longest, columns / 4]``, four columns in a byte: which fire (the low bits), and which
            of them have x above 0 (the high bits); filled.
        counts: int32 ``[size * longest, column blocks]``, how many columns of a block fire; filled.
        fired: int32 ``[words, samples]``, slots in which a row fires.
        lengths: int32 ``[samples]``.
        x_scales: float32 ``[samples]``.
        x: float32, padded image; x0 to x3 are its strides.
        first: first sample.
        samples: how many there are.
        columns: columns of the array.
        positions: output positions of an image.
        width: output positions side by side.
        key: key of the column bits.
        update: update counter of the tile.
        longest: slots that a sample has at most.
        KERNEL_HEIGHT: height of the kernel, and so on for its width, the strides and the dilations.
        COLUMNS: columns of one program.
    """
    m, part = tl.program_id(0), tl.program_id(1)
    sample = first + m
    length = tl.load(lengths + sample)
    word = 0
    while 32 * word < length:
        slots = load_word(fired + word * samples + sample)
        if slots != 0:
            scale = tl.load(x_scales + sample)
            block = part * (COLUMNS // 4) + tl.arange(0, COLUMNS // 4)
            blocks = (columns + 3) // 4
            column = 4 * block[:, None] + tl.arange(0, 4)[None, :]
            place = place_of(sample, positions, width, x0, x2, x3, STRIDE_HEIGHT, STRIDE_WIDTH) + place_in_patch(
                column, x1, x2, x3, KERNEL_HEIGHT, KERNEL_WIDTH, DILATION_HEIGHT, DILATION_WIDTH
            )
            value = tl.load(x + place, mask=column < columns, other=0.0)
            even, odd = tl.split(tl.reshape(value, (COLUMNS // 4, 2, 2)))
            v0, v2 = tl.split(even)
            v1, v3 = tl.split(odd)
            limit0, limit1 = threshold(v0, scale), threshold(v1, scale)
            limit2, limit3 = threshold(v2, scale), threshold(v3, scale)
            signs = (v0 > 0).to(tl.int32) | ((v1 > 0).to(tl.int32) << 1)
            signs = (signs | ((v2 > 0).to(tl.int32) << 2) | ((v3 > 0).to(tl.int32) << 3)) << 4
            while slots != 0:
                slot = 32 * word + lowest_bit(slots)
                slots &= slots - 1
                w0, w1, w2, w3 = tl.philox(key, block, slot, sample, update)
                hit0, hit1, hit2, hit3 = below(w0, limit0), below(w1, limit1), below(w2, limit2), below(w3, limit3)
                code = signs | hit0 | (hit1 << 1) | (hit2 << 2) | (hit3 << 3)
                time = m.to(tl.int64) * longest + slot
                tl.store(marks + time * blocks + block, code.to(tl.uint8), mask=block < blocks)
                tl.store(counts + time * tl.num_programs(1) + part, tl.sum(hit0 + hit1 + hit2 + hit3))
        word += 1
