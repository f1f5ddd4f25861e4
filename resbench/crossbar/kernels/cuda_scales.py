# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Pulse trains on the GPU, in Triton: bit lengths and scales, as :mod:`cuda_scan` needs them."""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar.kernels.cuda_scan import d_place, only_line, values, x_place
from resbench.crossbar.kernels.cuda_table import (
    AT_BUSY,
    AT_COLUMNS,
    AT_D,
    AT_D_LINE,
    AT_D_ROW,
    AT_D_SCALES,
    AT_DESIRED,
    AT_FACTOR,
    AT_FIRED,
    AT_FIRST,
    AT_FREE_LENGTH,
    AT_LATE,
    AT_LATE_RATE,
    AT_LENGTHS,
    AT_NUMBERS,
    AT_ONLY_BUSY,
    AT_RATE,
    AT_ROWS,
    AT_SIZE,
    AT_STEP,
    AT_TOTAL,
    AT_WORDS,
    AT_X,
    AT_X_FACTORS,
    AT_X_LINE,
    AT_X_PATCH,
    AT_X_SCALES,
    LINES,
    optional,
    real,
    which,
)

#: Samples and lines of one step of a program that looks for maxima.
MAXIMA_SAMPLES, MAXIMA_LINES = 8, 128


@triton.jit
def larger(most, found):
    """The larger of absolute values as their bits, int32: whole numbers in the order of the floats, NaN above all."""
    return tl.maximum(most, tl.abs(found).to(tl.int32, bitcast=True))


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def scales(
    table, rows, starts, count,
    FREE: tl.constexpr, MANAGED: tl.constexpr, SHORTENED: tl.constexpr,
    MAXIMA_SAMPLES: tl.constexpr, MAXIMA_LINES: tl.constexpr,
):  # fmt: skip
    """``PulseTrain.scales`` of every sample, float32 operation by float32 operation, because ``ceil`` decides.

    Programs: blocks of samples. Fills ``lengths``, ``x_scales`` and ``d_scales``, sets ``fired`` to 0, and adds to
    the slots in ``late``.

    Args:
        table: the table.
        rows: place of its rows, ``Lines``.
        starts: place of the numbers of their first programs.
        count: number of rows.
        FREE: whether BL adapts to the rate.
        MANAGED: whether the probabilities are balanced.
        SHORTENED: whether the management shortens BL.
        MAXIMA_SAMPLES: samples of one program.
        MAXIMA_LINES: lines that are read at once.
    """
    nth, block = which(table, starts, count)
    lines = table + rows + nth * LINES
    size = tl.load(lines + AT_SIZE).to(tl.int32)
    m = block * MAXIMA_SAMPLES + tl.arange(0, MAXIMA_SAMPLES)
    there = m < size
    length = tl.full((MAXIMA_SAMPLES,), 0.0, tl.float32) + real(tl.load(lines + AT_FREE_LENGTH))
    late_rate = tl.load(lines + AT_LATE_RATE)
    rate, step = real(tl.load(lines + AT_RATE)), real(tl.load(lines + AT_STEP))
    found = tl.load(late_rate.to(tl.pointer_type(tl.float64)), mask=late_rate != 0, other=0.0).to(tl.float32)
    rate = tl.where(late_rate != 0, found, rate)
    longest = real(tl.load(lines + AT_DESIRED))
    x_scale, d_scale = tl.full((MAXIMA_SAMPLES,), 1.0, tl.float32), tl.full((MAXIMA_SAMPLES,), 1.0, tl.float32)
    pulses = there & ((late_rate == 0) | (rate != 0))
    number = tl.load(lines + AT_FIRST).to(tl.int32) + m
    if tl.load(lines + AT_BUSY) != 0:
        number, pulses = numbered(lines, m, there, MAXIMA_LINES)
    tl.store(tl.load(lines + AT_NUMBERS).to(tl.pointer_type(tl.int32)) + m, number, there)
    if MANAGED:
        x_max = largest_x(lines, m, there, MAXIMA_SAMPLES, MAXIMA_LINES)
        d_max = largest_d(lines, m, there, MAXIMA_SAMPLES, MAXIMA_LINES) * real(tl.load(lines + AT_FACTOR))
        # A factor on x is 0 or above, so that it may wait until the largest is found.
        x_max *= optional(tl.load(lines + AT_X_FACTORS), tl.load(lines + AT_FIRST) + m, there, 1.0)
        idle = (x_max == 0) | (d_max == 0)
        pulses = pulses & (idle == 0)
        x_max, d_max = tl.where(idle, 1.0, x_max), tl.where(idle, 1.0, d_max)
        k = tl.div_rn(rate * x_max * d_max, step)
        if SHORTENED:
            # A GPU rounds numbers below the normal ones up to 0, not to 1. Comparisons take them as they are.
            whole = tl.ceil(k)
            length = tl.minimum(tl.where((k > 0) & (whole == 0), 1.0, whole), longest)
        d_max = tl.where(k > longest, tl.div_rn(d_max * longest, k), d_max)
        x_scale = tl.sqrt_rn(tl.div_rn(d_max, x_max))
        d_scale = tl.sqrt_rn(tl.div_rn(x_max, d_max))
    if not FREE:
        base = tl.sqrt_rn(tl.div_rn(rate, step * length))
        x_scale = x_scale * base
        d_scale = d_scale * base
    slots = tl.where(pulses, length, 0.0).to(tl.int32)
    tl.store(tl.load(lines + AT_LENGTHS).to(tl.pointer_type(tl.int32)) + m, slots, there)
    tl.store(tl.load(lines + AT_X_SCALES).to(tl.pointer_type(tl.float32)) + m, x_scale, there)
    tl.store(tl.load(lines + AT_D_SCALES).to(tl.pointer_type(tl.float32)) + m, d_scale, there)
    fired, word = tl.load(lines + AT_FIRED).to(tl.pointer_type(tl.int32)), 0
    while word < tl.load(lines + AT_WORDS).to(tl.int32):
        tl.store(fired + word * size + m, tl.zeros((MAXIMA_SAMPLES,), tl.int32), there)
        word += 1
    tl.atomic_add(tl.load(lines + AT_LATE).to(tl.pointer_type(tl.int64)), tl.sum(slots.to(tl.int64)), sem="relaxed")


@triton.jit
def numbered(lines, m, there, MAXIMA_LINES: tl.constexpr):
    """Numbers of samples, and which of them pulse, where only the GPU knows which of them have values.

    If none has, there is no update, except where it always counts. The first program of the first samples counts it.
    """
    busy, total = tl.load(lines + AT_BUSY).to(tl.pointer_type(tl.int32)), tl.load(lines + AT_TOTAL).to(tl.int32)
    rule = tl.load(lines + AT_ONLY_BUSY).to(tl.int32)
    only_busy = (rule & 1) != 0
    sample = tl.load(lines + AT_FIRST).to(tl.int32) + m
    begin = tl.min(sample)
    found, earlier = tl.zeros((), tl.int32), tl.zeros((), tl.int32)
    at = 0
    while at < total:
        other = at + tl.arange(0, MAXIMA_LINES)
        has = tl.load(busy + other, mask=other < total, other=0)
        found += tl.sum(has)
        earlier += tl.sum(tl.where(other < begin, has, 0))
        at += MAXIMA_LINES
    has = tl.load(busy + sample, mask=there, other=0)
    number = tl.where(only_busy, earlier + tl.cumsum(has) - has, sample)
    pulses = tl.where(there, tl.where(only_busy, has, found), 0) > 0
    counts = tl.load(lines + AT_LATE).to(tl.pointer_type(tl.int64))
    written = tl.where(only_busy, found, total)
    is_update = (found > 0) | (rule > 1)
    tl.atomic_add(counts + 1, tl.where((begin == 0) & is_update, 1, 0).to(tl.int64), sem="relaxed")
    tl.atomic_add(counts + 2, tl.where((begin == 0) & (found > 0), written, 0).to(tl.int64), sem="relaxed")
    return number, pulses


@triton.jit
def largest_x(lines, m, there, SAMPLES: tl.constexpr, MAXIMA_LINES: tl.constexpr):
    """``max_j |x_mj|`` of some samples, ``MAXIMA_LINES`` columns at a time."""
    x, patch, columns = (
        tl.load(lines + AT_X).to(tl.pointer_type(tl.float32)),
        tl.load(lines + AT_X_PATCH).to(tl.pointer_type(tl.int32)),
        tl.load(lines + AT_COLUMNS).to(tl.int32),
    )
    sample = tl.load(lines + AT_FIRST).to(tl.int32) + m
    place, only = x_place(lines, sample)[None, :], only_line(tl.load(lines + AT_X_LINE), sample, there)[None, :]
    most = tl.zeros((MAXIMA_LINES, SAMPLES), tl.int32)
    first = 0
    while first < columns:
        column = first + tl.arange(0, MAXIMA_LINES)
        offset = tl.load(patch + column, mask=column < columns, other=0)[:, None]
        column = column[:, None]
        most = larger(most, values(x + place + offset, column, only, (column < columns) & there[None, :]))
        first += MAXIMA_LINES
    return tl.max(most, axis=0).to(tl.float32, bitcast=True)


@triton.jit
def largest_d(lines, m, there, SAMPLES: tl.constexpr, MAXIMA_LINES: tl.constexpr):
    """``max_i |d_mi|`` of some samples, ``MAXIMA_LINES`` rows at a time."""
    d, stride, rows = (
        tl.load(lines + AT_D).to(tl.pointer_type(tl.float32)),
        tl.load(lines + AT_D_ROW),
        tl.load(lines + AT_ROWS).to(tl.int32),
    )
    sample = tl.load(lines + AT_FIRST).to(tl.int32) + m
    place, only = d_place(lines, sample)[None, :], only_line(tl.load(lines + AT_D_LINE), sample, there)[None, :]
    most = tl.zeros((MAXIMA_LINES, SAMPLES), tl.int32)
    first = 0
    while first < rows:
        row = (first + tl.arange(0, MAXIMA_LINES))[:, None]
        most = larger(most, values(d + place + row * stride, row, only, (row < rows) & there[None, :]))
        first += MAXIMA_LINES
    return tl.max(most, axis=0).to(tl.float32, bitcast=True)
