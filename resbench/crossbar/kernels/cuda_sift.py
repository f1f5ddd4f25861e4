# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Digital buffers on the GPU, in Triton: whole pulses are taken out of them, and the host does not ask how many."""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar.kernels.cuda_table import (
    AT_ACROSS,
    AT_BOUND,
    AT_BUFFER,
    AT_BUFFER_ACROSS,
    AT_BUFFER_LINE,
    AT_CROSS_CHANCE,
    AT_CROSS_KEY,
    AT_CROSS_SIGNS,
    AT_CUT,
    AT_DECAY,
    AT_EMPTIES,
    AT_FAST_STEP,
    AT_LINE_SIGNS,
    AT_MEAN,
    AT_MOMENTUM,
    AT_MOST,
    AT_READ_RATE,
    AT_REFERENCE,
    AT_REST,
    AT_SIFTED,
    AT_SIFTED_LINES,
    AT_SLOW_STEP,
    AT_SOURCE,
    AT_SOURCE_ACROSS,
    AT_SOURCE_LATE_RATE,
    AT_SOURCE_LINE,
    AT_SOURCE_RATE,
    AT_SWEEP,
    AT_THRESHOLD,
    AT_TURNED_LINES,
    AT_TURNS,
    AT_VALUE,
    AT_WHOLE,
    SIFT,
    double,
    real,
    which,
)

#: Entries of a line that a program takes at once.
SIFT_BLOCK = 256


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def sift(
    table,
    rows,
    starts,
    count,
    FORGET: tl.constexpr,
    CHOPPED: tl.constexpr,
    AVERAGED: tl.constexpr,
    DIFFERS: tl.constexpr,
    SIFT_BLOCK: tl.constexpr,
):
    """:func:`resbench.crossbar.digital.sift` of some lines; programs: lines.

    Args:
        table: the table.
        rows: place of its rows, ``Sift``.
        starts: place of the numbers of their first programs.
        count: number of rows.
        FORGET: whether the buffer forgets the rest where it passes something on.
        CHOPPED: whether it is that of chopped gradients, as in :mod:`resbench.algorithms.chopping`.
        AVERAGED: whether it is a running average of what is read.
        DIFFERS: whether the differences from this average are passed on as they are.
        SIFT_BLOCK: entries that are taken at once.
    """
    place, nth = which(table, starts, count)
    row = table + rows + place * SIFT
    line = tl.load(tl.load(row + AT_SIFTED_LINES).to(tl.pointer_type(tl.int64)) + nth)
    across = tl.load(row + AT_ACROSS).to(tl.int32)
    to_line, to_across = line * tl.load(row + AT_BUFFER_LINE), tl.load(row + AT_BUFFER_ACROSS)
    buffer = tl.load(row + AT_BUFFER).to(tl.pointer_type(tl.float32)) + to_line
    source = tl.load(row + AT_SOURCE).to(tl.pointer_type(tl.float32)) + line * tl.load(row + AT_SOURCE_LINE)
    whole = tl.load(row + AT_WHOLE).to(tl.pointer_type(tl.float32)) + nth.to(tl.int64) * across
    reads = tl.load(row + AT_SOURCE) != 0
    rate, threshold = real(tl.load(row + AT_SOURCE_RATE)), real(tl.load(row + AT_THRESHOLD))
    longest, momentum = real(tl.load(row + AT_MOST)), real(tl.load(row + AT_MOMENTUM))
    cut = real(tl.load(row + AT_CUT))
    if CHOPPED:
        rate = corrected(row, rate)
        line_sign = tl.load(row + AT_LINE_SIGNS).to(tl.pointer_type(tl.float32)) + line
        sign, cross_signs = tl.load(line_sign), tl.load(row + AT_CROSS_SIGNS).to(tl.pointer_type(tl.float32))
        holds = 1.0 - tl.load(row + AT_EMPTIES).to(tl.float32)
        chance = real(tl.load(row + AT_CROSS_CHANCE))
        key, sweep = tl.load(row + AT_CROSS_KEY), tl.load(row + AT_SWEEP).to(tl.int32)
        follows = tl.load(row + AT_MEAN) != 0
        mean = tl.load(row + AT_MEAN).to(tl.pointer_type(tl.float32)) + to_line
        reference = tl.load(row + AT_REFERENCE).to(tl.pointer_type(tl.float32)) + to_line
        decay, rest = real(tl.load(row + AT_DECAY)), real(tl.load(row + AT_REST))
        bound = real(tl.load(row + AT_BOUND))
        flipped = tl.load(row + AT_TURNED_LINES).to(tl.pointer_type(tl.uint8)) + line
        turned = tl.load(flipped, mask=follows, other=0) != 0
    if AVERAGED:
        decay, rest = real(tl.load(row + AT_DECAY)), real(tl.load(row + AT_REST))
    busy = tl.zeros((SIFT_BLOCK,), tl.int32)
    first = 0
    while first < across:
        i = first + tl.arange(0, SIFT_BLOCK)
        there = i < across
        at = buffer + i * to_across
        value = tl.load(source + i * tl.load(row + AT_SOURCE_ACROSS), mask=tl.where(there, reads, 0) != 0, other=0.0)
        h = tl.load(at, mask=there, other=0.0)
        if CHOPPED:
            some = tl.where(there, follows, 0) != 0
            before, origin = mean + i * to_across, reference + i * to_across
            m = tl.load(before, mask=some, other=0.0)
            taken = tl.where(turned, m, tl.load(origin, mask=some, other=0.0))
            tl.store(origin, taken, mask=some)
            tl.store(before, rest * m + decay * value, mask=some)
            cross_sign = tl.load(cross_signs + i, mask=there, other=1.0)
            value = sign * cross_sign * (value - taken)
            h = tl.where(holds > 0, h, 0.0)
            if chance > 0:
                word, _, _, _ = tl.philox(key, i, sweep, 0, 0)
                unit = ((word >> 8) & 0xFFFFFF).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08
                tl.store(cross_signs + i, tl.where(unit < chance, -cross_sign, cross_sign), mask=there)
        if AVERAGED:
            away = value - h
            h = tl.where(decay < 0.5, h + decay * away, value - rest * away)  # as torch's `lerp`
        else:
            h += rate * value
        if DIFFERS:
            s, kept = away, h
        else:
            s = tl.div_rn(h, threshold)
            s = tl.minimum(tl.maximum(tl.where(s < 0, tl.ceil(s), tl.floor(s)), -longest), longest)
            kept = momentum * h if FORGET else h - cut * s
        if CHOPPED:
            kept = tl.where(bound > 0, tl.minimum(tl.maximum(kept, -bound), bound), kept)
        tl.store(at, tl.where(s == 0, h, kept), mask=there)
        tl.store(whole + i, s, mask=there)
        busy |= (s != 0).to(tl.int32)
        first += SIFT_BLOCK
    if CHOPPED:
        tl.debug_barrier()  # all threads have read these before one of them writes
        turns = tl.load(row + AT_TURNS) != 0
        tl.store(line_sign, tl.where(turns, -sign, sign))
        tl.store(flipped, turns.to(tl.uint8), mask=follows)
    tl.store(tl.load(row + AT_SIFTED).to(tl.pointer_type(tl.int32)) + nth, tl.max(busy))


@triton.jit
def corrected(row, rate):
    """The rate of a read, corrected by the rate with which the array that is read was pulsed, if there is one."""
    last = tl.load(row + AT_SOURCE_LATE_RATE)
    found = tl.load(last.to(tl.pointer_type(tl.float64)), mask=last != 0, other=1.0)
    slow, fast = double(tl.load(row + AT_SLOW_STEP)), double(tl.load(row + AT_FAST_STEP))
    slow, fast = tl.where(last != 0, slow, 1.0), tl.where(last != 0, fast, 1.0)
    value = double(tl.load(row + AT_VALUE)) * (found * slow / fast)
    value = tl.where(last != 0, value, 1.0)
    return tl.where(last != 0, (double(tl.load(row + AT_READ_RATE)) / value).to(tl.float32), rate)
