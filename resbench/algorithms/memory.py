"""Digital memory between tiles: what is taken out of it as whole pulses; in torch, and compiled where that pays."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar import kernels
from resbench.crossbar.checks import Axis
from resbench.crossbar.tile import Tile


class Sieve(NamedTuple):
    """What a buffer passes on, and what it keeps then.

    Args:
        threshold: what one pulse stands for.
        momentum: share that stays.
        forget: whether the rest is forgotten, or only what was passed on.
        longest: most pulses at once; None for a target without granularity, which takes all of it.
    """

    threshold: float
    momentum: float
    forget: bool
    longest: int | None


def pass_on(
    buffer: Tensor,
    lines: Tensor,
    values: Tensor,
    rate: float,
    sieve: Sieve,
) -> Tensor | None:
    """Add to some lines of a buffer what was read, and take out what crosses the threshold.

    ``h = buffer + rate values``, ``s = trunc(h / threshold)``; where s is not 0 the buffer keeps ``momentum h``, or ``h
    - (1 - momentum) threshold s`` if it does not forget, and h elsewhere.

    Args:
        buffer: float32 ``[lines of the tile, across]``, changed in place.
        lines: int64 ``[n]``.
        values: float32 ``[n, across]``.
        rate: factor on the values.
        sieve: threshold and what stays.

    Returns:
        s ``[n, across]``, None where all of it is 0.
    """
    if sieve.longest is not None and kernels.has_numba_kernels(buffer):
        whole, busy = _numba().pass_on(buffer.numpy(), lines.numpy(), values.numpy(), rate, *sieve)
        return torch.from_numpy(whole) if busy else None
    threshold, momentum, forget, longest = sieve
    h = buffer[lines] + rate * values
    s = h / threshold
    if longest is not None:
        s = torch.trunc(s).clamp(-longest, longest)
    kept = momentum * h if forget else h - (1 - momentum) * threshold * s
    buffer[lines] = torch.where(s == 0, h, kept)
    return s if s.any() else None


def collect(
    buffer: Tensor,
    tile: Tile,
    first: int,
    last: int,
    axis: Axis,
    rate: float,
    sieve: Sieve,
) -> Tensor | None:
    """:func:`pass_on` for the columns (rows) ``first`` to ``last - 1`` of a tile, which are read exactly."""
    if sieve.longest is not None and kernels.is_numba(tile):
        tile.transfers_out += last - first
        lines, values = np.arange(first, last), kernels.lines(tile, first, last, axis)
        whole, busy = _numba().pass_on(buffer.numpy(), lines, values, rate, *sieve)
        return torch.from_numpy(whole) if busy else None
    chosen = torch.arange(first, last, device=buffer.device)
    return pass_on(buffer, chosen, tile.read(chosen, axis), rate, sieve)


def take_steps(chi: Tensor, first: int, count: int, step: float, continuous: bool) -> tuple[Tensor, Tensor] | None:
    """Take whole steps ``s = trunc(chi / step)`` out of some rows of a matrix: ``chi <- chi - step s``.

    Args:
        chi: float32 ``[rows, n]``, changed in place.
        first: first row; they go on at the top after the last.
        count: how many rows.
        step: what one pulse stands for.
        continuous: take all of ``chi / step``, for a target without granularity.

    Returns:
        The rows, int64 ``[busy]``, of which s is not 0 everywhere, and their s ``[busy, n]``; None if there are none.
    """
    if not continuous and kernels.has_numba_kernels(chi):
        busy, steps = _numba().take_steps(chi.numpy(), first, count, step)
        return (torch.from_numpy(busy), torch.from_numpy(steps)) if busy.size > 0 else None
    rows = torch.arange(first, first + count, device=chi.device) % len(chi)
    s = chi[rows] / step
    if not continuous:
        s = torch.trunc(s)
    chi[rows] -= step * s
    some = s.any(dim=1)
    return (rows[some], s[some]) if some.any() else None


def running_rates(
    largest_x: Tensor, largest_d: Tensor, means: tuple[float, float], tau: float, numerator: float
) -> tuple[Tensor, tuple[float, float]]:
    """Rates ``numerator / (m_x m_d)`` of the samples of a mini-batch, with running means of their largest values.

    ``m <- (1 - tau) m + tau max|v|`` sample by sample; it starts at the first value above 0, and values of 0 leave it.

    Args:
        largest_x: ``[n]``, max|x| of each sample.
        largest_d: the same of d.
        means: m_x and m_d so far.
        tau: weight of one sample.
        numerator: what is divided.

    Returns:
        Rates float64 ``[n]``, 0 where a mean is 0 yet, and the means.
    """
    if kernels.has_numba_kernels(largest_x):
        rates, *last = _numba().running_rates(largest_x.numpy(), largest_d.numpy(), *means, tau, numerator)
        return torch.from_numpy(rates), (last[0], last[1])
    mean_x, mean_d = means
    listed = []
    for x, d in zip(largest_x.tolist(), largest_d.tolist(), strict=True):
        mean_x, mean_d = _follow(mean_x, x, tau), _follow(mean_d, d, tau)
        listed.append(numerator / (mean_x * mean_d) if mean_x * mean_d else 0.0)
    return torch.tensor(listed, dtype=torch.float64, device=largest_x.device), (mean_x, mean_d)


@functools.cache
def _numba() -> ModuleType:
    """The compiled arithmetic, imported where it is used, because that takes time."""
    return importlib.import_module("resbench.crossbar.kernels.buffers")


def _follow(mean: float, value: float, tau: float) -> float:
    """Running mean of positive values that starts at the first."""
    if mean <= 0:
        return value
    return (1 - tau) * mean + tau * value if value > 0 else mean
