# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Which lines fire on the GPU, in Triton: rows, and columns in the slots in which a row fired.

Each kernel has programs for all mini-batches of a table, whose rows :class:`~.cuda_table.Lines` describes with all
tensors. x and d are images; nothing is laid out. The slots of a sample are bits of words of 32, the first slot the
lowest bit. Working memory counts samples from the first of the row of the table.
"""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar.kernels.cuda_table import (
    AT_ACTIVE,
    AT_COLUMN_KEY,
    AT_COLUMNS,
    AT_COUNTS,
    AT_D,
    AT_D_ACROSS,
    AT_D_DOWN,
    AT_D_IMAGE,
    AT_D_LINE,
    AT_D_ROW,
    AT_D_SCALES,
    AT_D_SIGNS,
    AT_FALLING,
    AT_FIRED,
    AT_FIRST,
    AT_LENGTHS,
    AT_LONGEST,
    AT_MARKS,
    AT_NUMBERS,
    AT_POSITIONS,
    AT_ROW_KEY,
    AT_ROW_WORDS,
    AT_ROWS,
    AT_SIZE,
    AT_TURNED,
    AT_UPDATE,
    AT_WIDTH,
    AT_WORDS,
    AT_X,
    AT_X_ACROSS,
    AT_X_DOWN,
    AT_X_FACTORS,
    AT_X_IMAGE,
    AT_X_LINE,
    AT_X_PATCH,
    AT_X_SCALES,
    AT_X_SIGNS,
    LINES,
    late_updates,
    optional,
    which,
)

#: Samples of one program that draws rows; it has the four rows of a counter.
ROW_SAMPLES = 128
#: Columns of one program.
COLUMNS = 128
#: A number that no line has: lines are counted from 0 by 31 bits.
NO_LINE = tl.constexpr(2147483647)


@triton.jit
def x_place(lines, sample):
    """Where x of a sample begins."""
    positions, width = tl.load(lines + AT_POSITIONS).to(tl.int32), tl.load(lines + AT_WIDTH).to(tl.int32)
    image, top, left = (sample // positions).to(tl.int64), sample % positions // width, sample % positions % width
    return image * tl.load(lines + AT_X_IMAGE) + top * tl.load(lines + AT_X_DOWN) + left * tl.load(lines + AT_X_ACROSS)


@triton.jit
def d_place(lines, sample):
    """Where d of a sample begins."""
    positions, width = tl.load(lines + AT_POSITIONS).to(tl.int32), tl.load(lines + AT_WIDTH).to(tl.int32)
    image, top, left = (sample // positions).to(tl.int64), sample % positions // width, sample % positions % width
    return image * tl.load(lines + AT_D_IMAGE) + top * tl.load(lines + AT_D_DOWN) + left * tl.load(lines + AT_D_ACROSS)


@triton.jit
def only_line(known, sample, mask):
    """The only line of a side that has a value, which is 1, for each sample; -1 where lines have any values.

    ``known`` is the address of the numbers of these lines, or 0. The host has not looked at them. Those that no array
    can have become ``NO_LINE``, on which nothing is written: -1 among them would send :func:`values` to the address of
    values that there are not, and others would be cut to 32 bits, which may be the number of a line.
    """
    mask = tl.where(mask, known, 0) != 0
    line = tl.load(known.to(tl.pointer_type(tl.int64)) + sample, mask=mask, other=-1)
    return tl.where(mask & ((line < 0) | (line > NO_LINE)), NO_LINE, line).to(tl.int32)


@triton.jit
def values(address, line, only, mask):
    """The values of some lines of x or of d, 0 outside of the mask."""
    only = tl.where(mask, only, line + 1)
    return tl.where(line == only, 1.0, tl.load(address, mask=only < 0, other=0.0))


@triton.jit
def threshold(found, scale):
    """What the word of a line has to be below for it to fire, int64 in [0, 2^32]."""
    p = tl.minimum(tl.abs(found) * scale, 1.0, propagate_nan=tl.PropagateNan.ALL)
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
def store_bits(stored, row, part, bits, size, rows, SAMPLES: tl.constexpr):
    """Store a bit of a row for each sample of a program."""
    word = part * (SAMPLES // 32) + tl.arange(0, SAMPLES // 32)
    per_row = (size + 31) // 32
    tl.store(stored + row.to(tl.int64) * per_row + word, pack(bits, SAMPLES), mask=(word < per_row) & (row < rows))


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def draw_rows(table, rows, starts, count, ROW_SAMPLES: tl.constexpr):
    """The slots in which rows fire; programs: blocks of samples, counters of four rows.

    Fills ``row_words`` where a sample has slots, ``active`` and ``falling``, and sets bits of ``fired``.

    Args:
        table: the table.
        rows: place of its rows, ``Lines``.
        starts: place of the numbers of their first programs.
        count: number of rows.
        ROW_SAMPLES: samples of one program.
    """
    nth, program = which(table, starts, count)
    lines = table + rows + nth * LINES
    size, height, words = (
        tl.load(lines + AT_SIZE).to(tl.int32),
        tl.load(lines + AT_ROWS).to(tl.int32),
        tl.load(lines + AT_WORDS).to(tl.int32),
    )
    parts = (size + ROW_SAMPLES - 1) // ROW_SAMPLES
    part = program % parts
    m = part * ROW_SAMPLES + tl.arange(0, ROW_SAMPLES)
    there = m < size
    sample = tl.load(lines + AT_FIRST).to(tl.int32) + m
    number = tl.load(tl.load(lines + AT_NUMBERS).to(tl.pointer_type(tl.int32)) + m, mask=there, other=0)
    length = tl.load(tl.load(lines + AT_LENGTHS).to(tl.pointer_type(tl.int32)) + m, mask=there, other=0)
    scale = tl.load(tl.load(lines + AT_D_SCALES).to(tl.pointer_type(tl.float32)) + m, mask=there, other=0.0)
    none = tl.zeros((ROW_SAMPLES,), tl.int32)
    block = program // parts + none
    row = 4 * block
    stride, only = tl.load(lines + AT_D_ROW), only_line(tl.load(lines + AT_D_LINE), sample, there)
    error = tl.load(lines + AT_D).to(tl.pointer_type(tl.float32)) + d_place(lines, sample) + row * stride
    signs = tl.load(lines + AT_D_SIGNS)
    d0 = values(error, row, only, there) * optional(signs, row, there, 1.0)
    here = there & (row + 1 < height)
    d1 = values(error + stride, row + 1, only, here) * optional(signs, row + 1, here, 1.0)
    here = there & (row + 2 < height)
    d2 = values(error + 2 * stride, row + 2, only, here) * optional(signs, row + 2, here, 1.0)
    here = there & (row + 3 < height)
    d3 = values(error + 3 * stride, row + 3, only, here) * optional(signs, row + 3, here, 1.0)
    limit0, limit1, limit2, limit3 = (
        threshold(d0, scale),
        threshold(d1, scale),
        threshold(d2, scale),
        threshold(d3, scale),
    )
    key, update = tl.load(lines + AT_ROW_KEY), tl.load(lines + AT_UPDATE).to(tl.int32) + late_updates(lines)
    row_words, fired = (
        tl.load(lines + AT_ROW_WORDS).to(tl.pointer_type(tl.int32)),
        tl.load(lines + AT_FIRED).to(tl.pointer_type(tl.int32)),
    )
    any0, any1, any2, any3 = none, none, none, none
    longest = tl.max(length)
    slot, word = 0, 0
    while slot < longest:
        bits0, bits1, bits2, bits3 = none, none, none, none
        stop = tl.minimum(slot + 32, longest)
        while slot < stop:
            w0, w1, w2, w3 = tl.philox(key, block, slot, number, update)
            on, bit = (slot < length).to(tl.int32), slot % 32
            bits0 |= (below(w0, limit0) & on) << bit
            bits1 |= (below(w1, limit1) & on) << bit
            bits2 |= (below(w2, limit2) & on) << bit
            bits3 |= (below(w3, limit3) & on) << bit
            slot += 1
        store_row(row_words, row, bits0, word, words, m, size, height, there)
        store_row(row_words, row + 1, bits1, word, words, m, size, height, there)
        store_row(row_words, row + 2, bits2, word, words, m, size, height, there)
        store_row(row_words, row + 3, bits3, word, words, m, size, height, there)
        together = bits0 | bits1 | bits2 | bits3
        tl.atomic_or(fired + word * size + m, together, mask=there & (together != 0), sem="relaxed")
        any0, any1, any2, any3 = any0 | bits0, any1 | bits1, any2 | bits2, any3 | bits3
        word += 1
    active, falling = (
        tl.load(lines + AT_ACTIVE).to(tl.pointer_type(tl.int32)),
        tl.load(lines + AT_FALLING).to(tl.pointer_type(tl.int32)),
    )
    turned, first = (
        tl.load(lines + AT_TURNED).to(tl.int32),
        4 * (program // parts) + tl.zeros((ROW_SAMPLES // 32,), tl.int32),
    )
    store_bits(active, first, part, (any0 != 0).to(tl.int32), size, height, ROW_SAMPLES)
    store_bits(active, first + 1, part, (any1 != 0).to(tl.int32), size, height, ROW_SAMPLES)
    store_bits(active, first + 2, part, (any2 != 0).to(tl.int32), size, height, ROW_SAMPLES)
    store_bits(active, first + 3, part, (any3 != 0).to(tl.int32), size, height, ROW_SAMPLES)
    store_bits(falling, first, part, (d0 > 0).to(tl.int32) ^ turned, size, height, ROW_SAMPLES)
    store_bits(falling, first + 1, part, (d1 > 0).to(tl.int32) ^ turned, size, height, ROW_SAMPLES)
    store_bits(falling, first + 2, part, (d2 > 0).to(tl.int32) ^ turned, size, height, ROW_SAMPLES)
    store_bits(falling, first + 3, part, (d3 > 0).to(tl.int32) ^ turned, size, height, ROW_SAMPLES)


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def draw_columns(table, rows, starts, count, COLUMNS: tl.constexpr):
    """Which columns fire, in the slots in which a row fires; programs: samples, blocks of columns.

    Fills ``marks``: which of four columns fire (the low bits), and which of them have x above 0 (the high bits). It
    also fills ``counts``. Slot t of sample m is at place ``m * longest + t``; slots in which no row fires are left as
    they are.

    Args:
        table: the table.
        rows: place of its rows, ``Lines``.
        starts: place of the numbers of their first programs.
        count: number of rows.
        COLUMNS: columns of one program.
    """
    nth, program = which(table, starts, count)
    lines = table + rows + nth * LINES
    size, columns = tl.load(lines + AT_SIZE).to(tl.int32), tl.load(lines + AT_COLUMNS).to(tl.int32)
    m, part = program % size, program // size
    length = tl.load(tl.load(lines + AT_LENGTHS).to(tl.pointer_type(tl.int32)) + m)
    fired, word = tl.load(lines + AT_FIRED).to(tl.pointer_type(tl.int32)), 0
    while 32 * word < length:
        slots = load_word(fired + word * size + m)
        if slots != 0:
            sample = tl.load(lines + AT_FIRST).to(tl.int32) + m
            number = tl.load(tl.load(lines + AT_NUMBERS).to(tl.pointer_type(tl.int32)) + m)
            block = part * (COLUMNS // 4) + tl.arange(0, COLUMNS // 4)
            blocks, parts = (columns + 3) // 4, (columns + COLUMNS - 1) // COLUMNS
            column = 4 * block[:, None] + tl.arange(0, 4)[None, :]
            here = column < columns
            place = x_place(lines, sample) + tl.load(
                tl.load(lines + AT_X_PATCH).to(tl.pointer_type(tl.int32)) + column, mask=here, other=0
            )
            value = values(
                tl.load(lines + AT_X).to(tl.pointer_type(tl.float32)) + place,
                column,
                only_line(tl.load(lines + AT_X_LINE), sample, sample >= 0),
                here,
            )
            value = value * optional(tl.load(lines + AT_X_FACTORS), sample, sample >= 0, 1.0)
            value = value * optional(tl.load(lines + AT_X_SIGNS), column, here, 1.0)
            even, odd = tl.split(tl.reshape(value, (COLUMNS // 4, 2, 2)))
            v0, v2 = tl.split(even)
            v1, v3 = tl.split(odd)
            scale = tl.load(tl.load(lines + AT_X_SCALES).to(tl.pointer_type(tl.float32)) + m)
            limit0, limit1 = threshold(v0, scale), threshold(v1, scale)
            limit2, limit3 = threshold(v2, scale), threshold(v3, scale)
            signs = (v0 > 0).to(tl.int32) | ((v1 > 0).to(tl.int32) << 1)
            signs = (signs | ((v2 > 0).to(tl.int32) << 2) | ((v3 > 0).to(tl.int32) << 3)) << 4
            key = tl.load(lines + AT_COLUMN_KEY)
            update = tl.load(lines + AT_UPDATE).to(tl.int32) + late_updates(lines)
            first = m.to(tl.int64) * tl.load(lines + AT_LONGEST).to(tl.int32)
            marks = tl.load(lines + AT_MARKS).to(tl.pointer_type(tl.uint8)) + first * blocks + block
            counts = tl.load(lines + AT_COUNTS).to(tl.pointer_type(tl.int32)) + first * parts + part
            while slots != 0:
                slot = 32 * word + lowest_bit(slots)
                slots &= slots - 1
                w0, w1, w2, w3 = tl.philox(key, block, slot, number, update)
                hit0, hit1, hit2, hit3 = below(w0, limit0), below(w1, limit1), below(w2, limit2), below(w3, limit3)
                code = signs | hit0 | (hit1 << 1) | (hit2 << 2) | (hit3 << 3)
                tl.store(marks + slot.to(tl.int64) * blocks, code.to(tl.uint8), mask=block < blocks)
                tl.store(counts + slot.to(tl.int64) * parts, tl.sum(hit0 + hit1 + hit2 + hit3))
        word += 1
