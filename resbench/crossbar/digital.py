"""Digital arithmetic beside tiles: buffers that pass on whole pulses, and vectors that are rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from resbench.crossbar.kernels import has_numba_kernels
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue


class BufferRule(NamedTuple):
    """What a buffer passes on and what it keeps; see :func:`sift`."""

    threshold: float  # value of one pulse
    momentum: float  # share that stays after a pulse
    forget: bool  # after a pulse, forget the rest; False subtracts only what was passed on
    longest: int | None  # most pulses at once; None for a target without granularity, which takes any value


def sift(buffer: Tensor, lines: Tensor, values: Tensor, rate: float, rule: BufferRule) -> Tensor | None:
    """Add the values that were read to some lines of a buffer, and take out what crosses the threshold.

    ``h = buffer + rate values``, ``s = trunc(h / threshold)``; where s is not 0 the buffer keeps ``momentum h``, or ``h
    - (1 - momentum) threshold s`` if it does not forget, and h elsewhere.

    Args:
        buffer: float32 ``[lines of the tile, across]``, changed in place.
        lines: int64 ``[n]``.
        values: float32 ``[n, across]``.
        rate: factor on the values.
        rule: threshold, and what stays.

    Returns:
        s ``[n, across]``, or None if all of it is 0.
    """
    if rule.longest is not None and has_numba_kernels(buffer):
        from resbench.crossbar.kernels import buffers  # compiled; here because importing it takes time

        whole, busy = buffers.pass_on(buffer.numpy(), lines.numpy(), values.numpy(), rate, *rule)
        return torch.from_numpy(whole) if busy else None
    threshold, momentum, forget, longest = rule
    h = buffer[lines] + rate * values
    s = h / threshold
    if longest is not None:
        s = torch.trunc(s).clamp(-longest, longest)
    kept = momentum * h if forget else h - (1 - momentum) * threshold * s
    buffer[lines] = torch.where(s == 0, h, kept)
    return s if s.any() else None


def take_steps(chi: Tensor, first: int, count: int, step: float, continuous: bool) -> tuple[Tensor, Tensor] | None:
    """Take whole steps ``s = trunc(chi / step)`` out of some rows of a matrix: ``chi <- chi - step s``.

    Args:
        chi: float32 ``[rows, n]``, changed in place.
        first: first row; after the last row comes row 0.
        count: number of rows.
        step: value of one step.
        continuous: take all of ``chi / step``, for a target without granularity.

    Returns:
        The rows in which s is not 0 everywhere, int64 ``[busy]``, and their s ``[busy, n]``; None if there are none.
    """
    if not continuous and has_numba_kernels(chi):
        from resbench.crossbar.kernels import buffers  # compiled; here because importing it takes time

        busy, steps = buffers.take_steps(chi.numpy(), first, count, step)
        return (torch.from_numpy(busy), torch.from_numpy(steps)) if busy.size > 0 else None
    rows = torch.arange(first, first + count, device=chi.device) % len(chi)
    s = chi[rows] / step
    if not continuous:
        s = torch.trunc(s)
    chi[rows] -= step * s
    some = s.any(dim=1)
    return (rows[some], s[some]) if some.any() else None


@dataclass(frozen=True)
class PairRounding:
    """Rounds every vector of x and of d to levels that are relative to its largest entry.

    ``q(v) = w clip(rint(v / w), -h, h)`` with ``h = floor(bins / 2)`` and ``w = max|v| / h``. Stochastic rounding adds
    a uniform number in [-1/2, 1/2) before ``rint``. Source: behaviour of aihwkit 1.1.0 (``MixedPrecisionCompound``).

    Args:
        n_x_bins: number of levels of x; 0 for no rounding.
        n_d_bins: number of levels of d; 0 for no rounding.
        stoc_round_x: round x stochastically.
        stoc_round_d: round d stochastically.

    Raises:
        BadValue: for a negative number of levels, and for a single one.
    """

    n_x_bins: int
    n_d_bins: int
    stoc_round_x: bool
    stoc_round_d: bool

    def __post_init__(self) -> None:
        for key in ("n_x_bins", "n_d_bins"):
            if (bins := getattr(self, key)) < 0 or bins == 1:
                raise BadValue(key, bins, "cannot tell signs apart; write 2 or more, or 0 for no rounding")

    def __call__(self, x: Rows, d: Rows, stream: Stream, counter: int) -> tuple[Rows, Rows]:
        """Round rows x ``[n, in]`` and d ``[n, out]``; ``stream`` and ``counter`` give the random numbers."""
        if self.n_x_bins == self.n_d_bins == 0:
            return x, d
        x_draws = stream.child("rounding", 0) if self.stoc_round_x else None
        d_draws = stream.child("rounding", 1) if self.stoc_round_d else None
        return (
            Rows(_rounded(x.dense(), self.n_x_bins // 2, x_draws, counter)),
            Rows(_rounded(d.dense(), self.n_d_bins // 2, d_draws, counter)),
        )


def _rounded(vectors: Tensor, half: int, draws: Stream | None, counter: int) -> Tensor:
    if half == 0:
        return vectors
    width = vectors.abs().amax(dim=1, keepdim=True) / half
    levels = vectors / torch.where(width == 0, 1.0, width)
    if draws is not None:
        levels = levels + draws.uniform(tuple(vectors.shape), counter, device=vectors.device) - 0.5
    return width * torch.round(levels).clamp(-half, half)
