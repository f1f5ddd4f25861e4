# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Largest magnitudes, compiled by Numba.

Positive floats are in the order of their bits, and maxima of integers become vector instructions, those of floats do
not. So maxima are computed on the bits.
"""

from __future__ import annotations

import numpy as np

from resbench.crossbar.kernels.compiled import compiled

MAGNITUDE = np.int32(0x7FFFFFFF)


@compiled
def line_maxima(d, first, out):
    """``out[p] = max_i |d[i, first + p]|``."""
    peak = out.view(np.int32)
    peak[:] = 0
    for i in range(d.shape[0]):
        line = d[i].view(np.int32)[first : first + peak.size]
        for p in range(peak.size):
            peak[p] = max(peak[p], line[p] & MAGNITUDE)


@compiled
def row_maximum(row):
    """``max |row|``, as the bits of a float32."""
    bits = row.view(np.int32)
    peak = np.int32(0)
    for j in range(bits.size):
        peak = max(peak, bits[j] & MAGNITUDE)
    return peak


@compiled
def patch_maxima(image, geometry, peak, spare, out):
    """``out[p] = max |x|`` over the patch of position p: the channel maximum, then a window across, then one down.

    The windows slide over the flat image. A window that runs over the end of a row gives a wrong value, which is not
    read.
    """
    kh, kw, stride_h, stride_w, dilation_h, dilation_w, width = geometry
    columns = image.shape[2]
    peak[:] = 0
    for c in range(image.shape[0]):
        channel = image[c].reshape(-1).view(np.int32)
        for i in range(peak.size):
            peak[i] = max(peak[i], channel[i] & MAGNITUDE)
    peak, spare = window_maxima(peak, spare, kw, dilation_w)
    peak, spare = window_maxima(peak, spare, kh, dilation_h * columns)
    bits = out.view(np.int32)
    for r in range(bits.size // width):
        line, place = peak[r * stride_h * columns :], bits[r * width : r * width + width]
        for c in range(width):
            place[c] = line[c * stride_w]


@compiled
def window_maxima(values, spare, size, step):
    """``max_k values[i + k step]``, k below ``size``; returns the array that holds it and the other one."""
    reach = 1
    while reach < size:
        shift = min(reach, size - reach)
        ahead = values[shift * step :]
        for i in range(ahead.size):
            spare[i] = max(values[i], ahead[i])
        values, spare = spare, values
        reach += shift
    return values, spare


@compiled
def image_maxima(x, geometry, out):
    """:func:`patch_maxima` of every image, ``[images, positions]``."""
    peak, spare = np.zeros(x.shape[2] * x.shape[3], np.int32), np.zeros(x.shape[2] * x.shape[3], np.int32)
    for image in range(x.shape[0]):
        patch_maxima(x[image], geometry, peak, spare, out[image])
