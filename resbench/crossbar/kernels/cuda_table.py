# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Tables on the GPU that tell a kernel about all the arrays that one launch pulses.

A table is one vector of int64 numbers. It has a row for each mini-batch of an array (:class:`Lines`), for each array of
devices (:class:`Devices`), for each buffer that is read (:class:`Sift`), for each rate that follows the samples
(:class:`Follow`), and for each composite weight (:class:`Sum`). Addresses are the numbers that ``Tensor.data_ptr``
gives, floats are the bits of a float32, and doubles those of a float64. A kernel has a row of
programs: first those of the first row of the table, then those of the second, and so on. ``starts`` is the place of the
numbers of their first programs.
"""

from __future__ import annotations

from typing import NamedTuple

import triton
import triton.language as tl


class Lines(NamedTuple):
    """The lines of an array and the samples that pulse them. Strides are in entries.

    Sample m is the output position ``m % positions`` of image ``m // positions``; a linear layer has one position.
    Tensors of the last fields are working memory. Their addresses are counted from its beginning on the host.
    """

    first: int  # first sample
    size: int  # number of samples
    rows: int  # of the array
    columns: int
    positions: int  # output positions of an image
    width: int  # output positions side by side
    words: int  # words of 32 bits for the slots of a sample
    longest: int  # slots that a sample has at most
    turned: int  # 1 for a negative learning rate, which turns every pulse
    rate: int  # float: absolute learning rate
    late_rate: int  # float64, the rate where only the GPU knows it; 0 where `rate` is it
    step: int  # float: granularity
    desired: int  # float: ``desired_bl``
    factor: int  # float: ``um_grad_scale``
    free_length: int  # float: BL of samples that nothing shortens
    row_key: int  # key of the row bits
    column_key: int
    update: int  # update counter of the array, as far as the host knows it
    late: int  # int64 [3], see `DeviceArray.late_counts`
    total: int  # number of samples of the whole mini-batch
    busy: int  # int32 [total], samples that have values; 0 where the host knows that all of them pulse
    only_busy: int  # 1 if the others have no number, and 2 more if it is an update even if none has values
    x: int  # float32, padded images
    x_image: int  # stride from an image to the next
    x_down: int  # stride from an output position to the one below
    x_across: int  # and to its neighbour
    x_patch: int  # int32 [columns], where a column is in the patch of an output position
    x_line: int  # int64 [samples]: x is 1 on these columns and 0 elsewhere; 0 if x has values
    x_factors: int  # float32 [samples], factors on x, 0 or above; 0 for none
    x_signs: int  # float32 [columns], 1 or -1; 0 for none
    d: int  # float32, errors
    d_image: int
    d_down: int
    d_across: int
    d_row: int  # stride from a row to the next
    d_line: int  # int64 [samples], rows, as `x_line`
    d_signs: int  # float32 [rows], as `x_signs`
    numbers: int  # int32 [size], numbers of the samples, for random draws
    lengths: int  # int32 [size], bit lengths
    x_scales: int  # float32 [size], factors on x
    d_scales: int  # float32 [size], factors on d
    fired: int  # int32 [words, size], slots in which any row fires
    row_words: int  # int32 [rows, words, size], slots in which a row fires
    active: int  # int32 [rows, size / 32], a bit for each sample for which a row fires
    falling: int  # int32 [rows, size / 32], a bit for each sample in which a pulse at positive x goes down
    counts: int  # int32 [size * longest, blocks of columns], how many columns of a block fire
    marks: int  # uint8 [size * longest, columns / 4], four columns in a byte, see `draw_columns`


class Devices(NamedTuple):
    """An array of devices. Pairs of an address and a stride for each constant follow, see :func:`constant`."""

    lines: int  # place of the lines that pulse it
    counter: int  # update counter of the array, as far as the host knows it
    lower_route: int  # uint8 [samples], what a pulse down does to these devices: 0 nothing, 1 down, 2 up
    raise_route: int  # and a pulse up; 0 where devices take what comes
    stored: int  # float32, weights on which pulses act
    visible: int  # float32, weights with write noise; those of devices without it are not read
    pulses_up: int  # int32, counts
    pulses_down: int
    noise_key: int  # key of the cycle-to-cycle noise
    write_key: int  # key of the write noise


class Sift(NamedTuple):
    """Lines of a digital buffer, out of which whole pulses are taken."""

    lines: int  # int64 [n], which lines
    across: int  # entries of a line
    buffer: int  # float32
    buffer_line: int  # stride from a line to the next
    buffer_across: int  # and from an entry of a line to the next
    source: int  # float32, weights that are added before; 0 for none
    source_line: int
    source_across: int
    source_rate: int  # float: factor on them
    threshold: int  # float: value of one pulse
    momentum: int  # float: share that stays after a pulse
    cut: int  # float: what one pulse takes out of the buffer
    most: int  # float: most pulses at once
    whole: int  # float32 [n, across], pulses; filled
    sifted: int  # int32 [n], whether a line has any; filled
    # Of chopped gradients, for one line; a mean has the strides of the buffer.
    line_signs: int = 0  # float32, signs of the lines
    cross_signs: int = 0  # float32 [across]
    turns: int = 0  # 1 if the sign of the line turns after the read
    cross_chance: int = 0  # float: probability that signs across turn then
    cross_key: int = 0  # key of these draws
    sweep: int = 0  # and their counter
    empties: int = 0  # 1 if the buffer is empty before
    mean: int = 0  # float32, running mean of the reads; 0 for none
    reference: int = 0  # float32
    turned: int = 0  # bool, whether the sign of a line turned since it was read
    decay: int = 0  # float: share of a read in the mean
    rest: int = 0  # float: that of the mean before
    bound: int = 0  # float: bound of the buffer after a pulse, 0 for none
    late_rate: int = 0  # float64, rate of the array that is read, by which `source_rate` is divided; 0 for none
    read_rate: int = 0  # double, and these three instead of `source_rate`
    value: int = 0  # double: threshold without correction
    slow_step: int = 0  # double
    fast_step: int = 0  # double


class Follow(NamedTuple):
    """A rate that follows the largest x and d of the samples."""

    lines: int  # place of the lines that have x and d
    samples: int
    x_most: int  # float32 [samples], the largest x; working memory
    d_most: int
    products: int  # float64 [samples], products of the means; working memory
    factors: int  # float32 [samples], rates over the last one; filled
    means: int  # float64 [3], both means and the last rate; changed
    tau: int  # double: share of a sample in the means
    rest: int  # double: that of the mean before
    numerator: int  # double: rate at means of 1


class Sum(NamedTuple):
    """A composite weight. An address of a weight and a share, float, for each array follow."""

    composite: int  # float32
    crosspoints: int
    columns: int
    row_signs: int  # float32 [rows], on all weights but the last; 0 for none, as for those of the columns
    column_signs: int  # float32 [columns]


#: The places of these numbers in their rows, in the same order.
(
    AT_FIRST,
    AT_SIZE,
    AT_ROWS,
    AT_COLUMNS,
    AT_POSITIONS,
    AT_WIDTH,
    AT_WORDS,
    AT_LONGEST,
    AT_TURNED,
    AT_RATE,
    AT_LATE_RATE,
    AT_STEP,
    AT_DESIRED,
    AT_FACTOR,
    AT_FREE_LENGTH,
    AT_ROW_KEY,
    AT_COLUMN_KEY,
    AT_UPDATE,
    AT_LATE,
    AT_TOTAL,
    AT_BUSY,
    AT_ONLY_BUSY,
    AT_X,
    AT_X_IMAGE,
    AT_X_DOWN,
    AT_X_ACROSS,
    AT_X_PATCH,
    AT_X_LINE,
    AT_X_FACTORS,
    AT_X_SIGNS,
    AT_D,
    AT_D_IMAGE,
    AT_D_DOWN,
    AT_D_ACROSS,
    AT_D_ROW,
    AT_D_LINE,
    AT_D_SIGNS,
    AT_NUMBERS,
    AT_LENGTHS,
    AT_X_SCALES,
    AT_D_SCALES,
    AT_FIRED,
    AT_ROW_WORDS,
    AT_ACTIVE,
    AT_FALLING,
    AT_COUNTS,
    AT_MARKS,
) = map(tl.constexpr, range(len(Lines._fields)))
(
    AT_LINES,
    AT_COUNTER,
    AT_LOWER_ROUTE,
    AT_RAISE_ROUTE,
    AT_STORED,
    AT_VISIBLE,
    AT_PULSES_UP,
    AT_PULSES_DOWN,
    AT_NOISE_KEY,
    AT_WRITE_KEY,
) = map(tl.constexpr, range(len(Devices._fields)))
(
    AT_SIFTED_LINES,
    AT_ACROSS,
    AT_BUFFER,
    AT_BUFFER_LINE,
    AT_BUFFER_ACROSS,
    AT_SOURCE,
    AT_SOURCE_LINE,
    AT_SOURCE_ACROSS,
    AT_SOURCE_RATE,
    AT_THRESHOLD,
    AT_MOMENTUM,
    AT_CUT,
    AT_MOST,
    AT_WHOLE,
    AT_SIFTED,
    AT_LINE_SIGNS,
    AT_CROSS_SIGNS,
    AT_TURNS,
    AT_CROSS_CHANCE,
    AT_CROSS_KEY,
    AT_SWEEP,
    AT_EMPTIES,
    AT_MEAN,
    AT_REFERENCE,
    AT_TURNED_LINES,
    AT_DECAY,
    AT_REST,
    AT_BOUND,
    AT_SOURCE_LATE_RATE,
    AT_READ_RATE,
    AT_VALUE,
    AT_SLOW_STEP,
    AT_FAST_STEP,
) = map(tl.constexpr, range(len(Sift._fields)))
(
    AT_FOLLOWED,
    AT_SAMPLES,
    AT_X_MOST,
    AT_D_MOST,
    AT_PRODUCTS,
    AT_FACTORS,
    AT_MEANS,
    AT_TAU,
    AT_FOLLOW_REST,
    AT_NUMERATOR,
) = map(tl.constexpr, range(len(Follow._fields)))
(AT_COMPOSITE, AT_CROSSPOINTS, AT_SUM_COLUMNS, AT_ROW_SIGNS, AT_COLUMN_SIGNS) = map(
    tl.constexpr, range(len(Sum._fields))
)
#: How many numbers a row has, or where the pairs begin that follow them.
LINES, DEVICES, SIFT, FOLLOW, SUM = (tl.constexpr(len(row._fields)) for row in (Lines, Devices, Sift, Follow, Sum))
#: The working memory in a row of lines.
WORKING = slice(Lines._fields.index("numbers"), len(Lines._fields))


@triton.jit
def which(table, starts, count):
    """The row of the table that this program belongs to, of ``count``, and its number among the programs of the row."""
    lane = tl.arange(0, 32)
    program = tl.program_id(0)
    row = tl.full((), -1, tl.int32)
    at = 0
    while at < count:
        first = tl.load(table + starts + at + lane, mask=at + lane < count, other=4294967296)
        row += tl.sum((first <= program).to(tl.int32))
        at += 32
    return row, program - tl.load(table + starts + row).to(tl.int32)


@triton.jit
def real(bits):
    """A float32 from its bits."""
    return bits.to(tl.int32).to(tl.float32, bitcast=True)


@triton.jit
def double(bits):
    """A float64 from its bits."""
    return bits.to(tl.float64, bitcast=True)


@triton.jit
def optional(address, place, mask, other):
    """The float32 numbers of a tensor; ``other`` where its address is 0, as it is if there is no such tensor."""
    return tl.load(address.to(tl.pointer_type(tl.float32)) + place, mask=tl.where(mask, address, 0) != 0, other=other)


@triton.jit
def late_updates(lines):
    """Updates of an array before this one that the host does not know; see ``DeviceArray.late_counts``."""
    late = tl.load(tl.load(lines + AT_LATE).to(tl.pointer_type(tl.int64)) + 1)
    return (late - tl.where(tl.load(lines + AT_BUSY) != 0, 1, 0)).to(tl.int32)


@triton.jit
def constant(row, nth, crosspoint, mask, kind: tl.constexpr):
    """The nth constant of devices as float32. Its stride is 0 if all devices of the array share one."""
    held = tl.load(row + DEVICES + 2 * nth).to(tl.pointer_type(kind))
    stride = tl.load(row + DEVICES + 2 * nth + 1)
    return tl.load(held + crosspoint * stride, mask=mask).to(tl.float32)
