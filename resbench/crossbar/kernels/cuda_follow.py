# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Rates on the GPU that follow the largest x and d of the samples, in Triton; the host does not read them."""

from __future__ import annotations

import triton
import triton.language as tl

from resbench.crossbar.kernels.cuda_scales import largest_d, largest_x
from resbench.crossbar.kernels.cuda_table import (
    AT_D_MOST,
    AT_FACTORS,
    AT_FOLLOW_REST,
    AT_FOLLOWED,
    AT_MEANS,
    AT_NUMERATOR,
    AT_PRODUCTS,
    AT_SAMPLES,
    AT_TAU,
    AT_X_MOST,
    FOLLOW,
    LINES,
    double,
    which,
)

#: Samples whose rates a program computes at once.
RATE_SAMPLES = 128


@triton.jit(do_not_specialize=["rows", "all_lines", "starts", "count"])
def maxima(table, rows, all_lines, starts, count, MAXIMA_SAMPLES: tl.constexpr, MAXIMA_LINES: tl.constexpr):
    """The largest x and d of every sample; programs: blocks of samples.

    Args:
        table: the table.
        rows: place of its rows, ``Follow``.
        all_lines: place of the rows ``Lines`` that they count.
        starts: place of the numbers of their first programs.
        count: number of rows.
        MAXIMA_SAMPLES: samples of one program.
        MAXIMA_LINES: lines that are read at once.
    """
    nth, block = which(table, starts, count)
    row = table + rows + nth * FOLLOW
    lines = table + all_lines + tl.load(row + AT_FOLLOWED).to(tl.int32) * LINES
    m = block * MAXIMA_SAMPLES + tl.arange(0, MAXIMA_SAMPLES)
    there = m < tl.load(row + AT_SAMPLES).to(tl.int32)
    x_most = largest_x(lines, m, there, MAXIMA_SAMPLES, MAXIMA_LINES)
    d_most = largest_d(lines, m, there, MAXIMA_SAMPLES, MAXIMA_LINES)
    tl.store(tl.load(row + AT_X_MOST).to(tl.pointer_type(tl.float32)) + m, x_most, mask=there)
    tl.store(tl.load(row + AT_D_MOST).to(tl.pointer_type(tl.float32)) + m, d_most, mask=there)


@triton.jit(do_not_specialize=["rows"])
def follow(table, rows, RATE_SAMPLES: tl.constexpr):
    """:func:`resbench.crossbar.kernels.buffers.running_rates`, and their ratios to the last one; programs: rows.

    Args:
        table: the table.
        rows: place of its rows, ``Follow``.
        RATE_SAMPLES: samples whose rates are computed at once.
    """
    row = table + rows + tl.program_id(0) * FOLLOW
    samples = tl.load(row + AT_SAMPLES).to(tl.int32)
    x_most, d_most = (
        tl.load(row + AT_X_MOST).to(tl.pointer_type(tl.float32)),
        tl.load(row + AT_D_MOST).to(tl.pointer_type(tl.float32)),
    )
    products, factors = (
        tl.load(row + AT_PRODUCTS).to(tl.pointer_type(tl.float64)),
        tl.load(row + AT_FACTORS).to(tl.pointer_type(tl.float32)),
    )
    tau, rest = double(tl.load(row + AT_TAU)), double(tl.load(row + AT_FOLLOW_REST))
    means = tl.load(row + AT_MEANS).to(tl.pointer_type(tl.float64))
    mean_x, mean_d = tl.load(means), tl.load(means + 1)
    at = 0
    next_x, next_d = tl.load(x_most), tl.load(d_most)
    while at < samples:
        x, d = next_x.to(tl.float64), next_d.to(tl.float64)
        more = at + 1 < samples
        next_x = tl.load(x_most + at + 1, mask=more, other=0.0)  # meanwhile, because a mean needs the one before
        next_d = tl.load(d_most + at + 1, mask=more, other=0.0)
        mean_x, mean_d = followed(mean_x, x, tau, rest), followed(mean_d, d, tau, rest)
        tl.store(products + at, mean_x * mean_d)
        at += 1
    tl.debug_barrier()  # what one thread has written, others read
    numerator = double(tl.load(row + AT_NUMERATOR))
    last = rate_of(mean_x * mean_d, numerator)
    first = 0
    while first < samples:
        m = first + tl.arange(0, RATE_SAMPLES)
        rates = rate_of(tl.load(products + m, mask=m < samples, other=1.0), numerator).to(tl.float32)
        factor = tl.where(last > 0, tl.div_rn(rates, tl.where(last > 0, last, 1.0).to(tl.float32)), 1.0)
        tl.store(factors + m, factor, mask=m < samples)
        first += RATE_SAMPLES
    tl.store(means, mean_x)
    tl.store(means + 1, mean_d)
    tl.store(means + 2, last)


@triton.jit
def followed(mean, value, tau, rest):
    """A running mean of positive values, which starts at the first of them."""
    return tl.where(mean <= 0, value, tl.where(value > 0, rest * mean + tau * value, mean))


@triton.jit
def rate_of(product, numerator):
    """The rate at a product of the means, and ``numerator`` itself at 0."""
    return tl.where(product != 0, numerator / tl.where(product != 0, product, 1.0), numerator)
