# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Digital buffers on the GPU, in Triton: whole pulses are taken out of them, and the host does not ask how many."""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar.kernels.cuda_table import (
    AT_ACROSS,
    AT_BUFFER,
    AT_BUFFER_ACROSS,
    AT_BUFFER_LINE,
    AT_CUT,
    AT_MOMENTUM,
    AT_MOST,
    AT_SIFTED,
    AT_SIFTED_LINES,
    AT_SOURCE,
    AT_SOURCE_ACROSS,
    AT_SOURCE_LINE,
    AT_SOURCE_RATE,
    AT_THRESHOLD,
    AT_WHOLE,
    SIFT,
    real,
    which,
)

#: Entries of a line that a program takes at once.
SIFT_BLOCK = 256


@triton.jit(do_not_specialize=["rows", "starts", "count"])
def sift(table, rows, starts, count, FORGET: tl.constexpr, SIFT_BLOCK: tl.constexpr):
    """:func:`resbench.crossbar.digital.sift` of some lines; programs: lines.

    Args:
        table: the table.
        rows: place of its rows, ``Sift``.
        starts: place of the numbers of their first programs.
        count: number of rows.
        FORGET: whether the buffer forgets the rest where it passes something on.
        SIFT_BLOCK: entries that are taken at once.
    """
    place, nth = which(table, starts, count)
    row = table + rows + place * SIFT
    line = tl.load(tl.load(row + AT_SIFTED_LINES).to(tl.pointer_type(tl.int64)) + nth)
    across = tl.load(row + AT_ACROSS).to(tl.int32)
    buffer = tl.load(row + AT_BUFFER).to(tl.pointer_type(tl.float32)) + line * tl.load(row + AT_BUFFER_LINE)
    source = tl.load(row + AT_SOURCE).to(tl.pointer_type(tl.float32)) + line * tl.load(row + AT_SOURCE_LINE)
    whole = tl.load(row + AT_WHOLE).to(tl.pointer_type(tl.float32)) + nth.to(tl.int64) * across
    reads = tl.load(row + AT_SOURCE) != 0
    rate, threshold = real(tl.load(row + AT_SOURCE_RATE)), real(tl.load(row + AT_THRESHOLD))
    longest, momentum = real(tl.load(row + AT_MOST)), real(tl.load(row + AT_MOMENTUM))
    cut = real(tl.load(row + AT_CUT))
    busy = tl.zeros((SIFT_BLOCK,), tl.int32)
    first = 0
    while first < across:
        i = first + tl.arange(0, SIFT_BLOCK)
        there = i < across
        at = buffer + i * tl.load(row + AT_BUFFER_ACROSS)
        value = tl.load(source + i * tl.load(row + AT_SOURCE_ACROSS), mask=tl.where(there, reads, 0) != 0, other=0.0)
        h = tl.load(at, mask=there, other=0.0) + rate * value
        s = tl.div_rn(h, threshold)
        s = tl.minimum(tl.maximum(tl.where(s < 0, tl.ceil(s), tl.floor(s)), -longest), longest)
        kept = momentum * h if FORGET else h - cut * s
        tl.store(at, tl.where(s == 0, h, kept), mask=there)
        tl.store(whole + i, s, mask=there)
        busy |= (s != 0).to(tl.int32)
        first += SIFT_BLOCK
    tl.store(tl.load(row + AT_SIFTED).to(tl.pointer_type(tl.int32)) + nth, tl.max(busy))
