"""Noise management: the factor alpha that fits one row into the input range of the DAC."""

from __future__ import annotations

import torch
from torch import Tensor

from resbench.crossbar.periphery.parameters import IOParameters, NoiseManagement

#: Rows of the running mean in one piece, so that powers of the decay stay in range.
BLOCK = 1024


def alpha_of(kind: NoiseManagement, x: Tensor, io: IOParameters, running: Tensor) -> Tensor:
    """Alpha of every row, ``[n]``; 0 or below means that the row is switched off. It is NaN for a row with a NaN.

    Args:
        kind: the rule. It differs from ``io.noise_management`` for the worst case of bound management.
        x: rows ``[n, in]``, before any conversion.
        io: parameters of the direction.
        running: float64 ``[1]``, running mean of the array, which ``average_abs_max`` changes in place. It is 0 before
            the first row that is not zero, and always finite.
    """
    if kind == "none":
        return torch.ones_like(x[:, 0])
    if kind == "constant":
        return torch.full_like(x[:, 0], io.nm_thres if io.nm_thres > 0 else 1.0)
    peak = x.amax(dim=1) if kind == "max" else torch.linalg.vector_norm(x, torch.inf, dim=1)
    if kind == "average_abs_max":
        return _running_mean(peak, io.nm_decay, running)
    if io.nm_thres > 0:
        peak = peak.clamp(max=io.nm_thres)
    if kind == "abs_max_np_sum":
        one_sided = torch.maximum(x.clamp(min=0).sum(dim=1), -x.clamp(max=0).sum(dim=1))
        needed = io.nm_assumed_wmax * one_sided / (io.out_bound if io.out_bound > 0 else 1.0)
        if io.inp_step > 0:
            needed = torch.minimum(needed, peak * (io.max_bm_res / io.inp_step))
        return torch.maximum(peak, needed)
    return peak


def _running_mean(peak: Tensor, decay: float, running: Tensor) -> Tensor:
    """``m <- (1 - decay) m + decay a`` row by row, beginning with the first a above 0. Alpha is m after the update.

    A row with an a that is not finite has this a as its alpha, and leaves m as it is: one such row would stay in the
    mean for ever.
    """
    finite = peak.isfinite()
    a = torch.where(finite, peak, 0.0).to(torch.float64)
    started = (torch.cumsum(a, dim=0) > 0) | (running > 0)
    m = torch.where(running > 0, running, a[started.to(torch.int8).argmax()])
    a = torch.where(started, a, m)
    keep = 1.0 - decay
    means = []
    for block, counts in zip(torch.split(a, BLOCK), torch.split(finite, BLOCK), strict=True):
        power = keep ** torch.cumsum(counts, dim=0).to(torch.float64)
        means.append(power * (m + decay * torch.cumsum(torch.where(counts, block, 0.0) / power, dim=0)))
        m = means[-1][-1:]
    running.copy_(m)
    alpha = torch.where(started, torch.cat(means), 0.0).to(peak.dtype)
    return torch.where(finite, alpha, peak)
