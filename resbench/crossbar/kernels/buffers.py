# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Digital buffers beside the tiles, compiled by Numba: what the algorithms compute on some lines, in one call."""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled
from resbench.crossbar.kernels.maxima import row_maximum


@compiled
def pass_on(buffer, lines, values, rate, threshold, momentum, forget, longest):
    """Add what was read to a buffer, and take out what crosses the threshold.

    ``h = buffer + rate values``, ``s = trunc(h / threshold)`` up to ``longest``; where s is not 0 the buffer keeps
    ``momentum h``, or ``h - (1 - momentum) threshold s`` if it does not forget, else h.

    Args:
        buffer: float32 ``[lines of the tile, across]``, a view of any strides, changed in place.
        lines: int64 ``[n]``.
        values: float32 ``[n, across]``.
        rate: factor on the values.
        threshold: what one pulse stands for.
        momentum: share that stays.
        forget: whether the buffer forgets the rest where it passes something on.
        longest: largest s.

    Returns:
        s float32 ``[n, across]``, and whether any of it is not 0.
    """
    s = np.empty(values.shape, np.float32)
    return s, pass_into(s, buffer, lines, values, rate, threshold, momentum, forget, longest)


@compiled
def pass_into(s, buffer, lines, values, rate, threshold, momentum, forget, longest):
    """:func:`pass_on` with room for s, which may be ``values``; returns whether any of it is not 0."""
    rate, threshold, momentum = np.float32(rate), np.float32(threshold), np.float32(momentum)
    passed, longest, busy = np.float32(1.0) - momentum, np.float32(longest), False
    for k in range(lines.size):
        line = lines[k]
        for i in range(values.shape[1]):
            h = buffer[line, i] + rate * values[k, i]
            whole = min(max(np.trunc(h / threshold), -longest), longest)
            s[k, i] = whole
            if whole != 0:
                busy = True
                h = momentum * h if forget else h - passed * threshold * whole
            buffer[line, i] = h
    return busy


@compiled
def take_steps(chi, first, count, epsilon):
    """Take whole steps ``trunc(chi / epsilon)`` out of rows of a matrix.

    Args:
        chi: float32 ``[rows, n]``, changed in place.
        first: first row; they go on at the top after the last.
        count: how many rows.
        epsilon: one step.

    Returns:
        int64 ``[busy]`` rows with steps, and the steps float32 ``[busy, n]``.
    """
    epsilon = np.float32(epsilon)
    rows, n = chi.shape
    busy, found = np.empty(count, np.int64), 0
    peaks = np.empty(count, np.float32)
    bits = peaks.view(np.int32)
    for k in range(count):
        row = (first + k) % rows
        bits[k] = row_maximum(chi[row])
        if np.trunc(peaks[k] / epsilon) != 0:
            busy[found] = row
            found += 1
    steps = np.empty((found, n), np.float32)
    for k in range(found):
        values = chi[busy[k]]
        for j in range(n):
            steps[k, j] = np.trunc(values[j] / epsilon)
            values[j] -= epsilon * steps[k, j]
    return busy[:found], steps


@compiled
def running_rates(largest_x, largest_d, mean_x, mean_d, tau, numerator):
    """Rates ``numerator / (m_x m_d)`` with m_x and m_d running means, sample by sample; the rates and both means.

    As in aihwkit, the rate is ``numerator`` itself while all x or all d have been 0. Such samples cause no pulses, but
    ``correct_gradient_magnitudes`` divides by the rate.
    """
    rates = np.empty(largest_x.size)
    for m in range(rates.size):
        mean_x, mean_d = follow(mean_x, largest_x[m], tau), follow(mean_d, largest_d[m], tau)
        product = mean_x * mean_d
        rates[m] = numerator / product if product != 0 else numerator
    return rates, mean_x, mean_d


@compiled
def follow(mean, value, tau):
    """Running mean of positive values, which starts at the first of them."""
    if mean <= 0:
        return np.float64(value)
    return (1 - tau) * mean + tau * value if value > 0 else mean
