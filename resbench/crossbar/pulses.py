"""Pulse trains: the (x, d) of one sample as bits on the columns and rows of a crossbar.

Each sample is one rank-1 update with its own bit length (BL) and scales. Column j fires in a time slot with probability
``|x_j| * x_scale``, row i with ``|d_i| * d_scale``; a device where both fire gets one pulse, so that the expected
change is ``-lr * d_i * x_j`` while nothing saturates (Gokmen & Vlasov 2016; managed scales: Gokmen, Onen & Haensch
2017).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resbench.crossbar.functions import sqrt
from resbench.crossbar.randomness import Stream, unit
from resbench.errors import BadValue, check_choice

PulseType = Literal["stochastic", "mean_count", "deterministic_implicit", "exact"]
ONE = 1 << 32
#: Largest count of pulses in one direction; it stands for this number or more.
MOST_COUNTED = 2**31 - 1


def stop_counts(*counts: Tensor) -> None:
    """Set counts that wrapped around in the last update to the largest count; they wrap at most once."""
    for count in counts:
        count.masked_fill_(count < 0, MOST_COUNTED)


@dataclass(frozen=True)
class PulseTrain:
    """Parameters of the pulsed update (aihwkit's ``UpdateParameters``).

    Args:
        pulse_type: ``stochastic``: independent random bits on each line (aihwkit's ``StochasticCompressed`` and
            ``Stochastic``, which are the same in distribution). ``mean_count`` and ``deterministic_implicit``: rounded
            coincidence counts without random bits, biased for small gradients. ``exact``: the rank-1 product itself,
            one sample after the other, clipped to each device's bounds (aihwkit's ``NoneWithDevice``).
        desired_bl: longest pulse train, in slots.
        fixed_bl: keep BL at ``desired_bl`` if nothing manages it; False lengthens it for large learning rates.
        update_bl_management: shorten BL to ``ceil(lr max|x| max|d| / granularity)``; implies ``update_management``.
        update_management: balance the row and column probabilities by ``sqrt(max|x| / max|d|)``.
        um_grad_scale: factor on ``max|d|`` in the management; below 1 it shortens trains and lets the largest d
            saturate.
        res: bin width, up to 1, to which line probabilities are rounded; 0 for none.
        sto_round: round stochastically, with one draw for each line and sample.
        x_res_implicit: bin width of the x side of ``deterministic_implicit``; 0 for none.
        d_res_implicit: the same for the d side.

    Raises:
        BadValue: for a value outside its range, with the range.
    """

    pulse_type: PulseType = "stochastic"
    desired_bl: int = 31
    fixed_bl: bool = True
    update_bl_management: bool = True
    update_management: bool = True
    um_grad_scale: float = 1.0
    res: float = 0.0
    sto_round: bool = False
    x_res_implicit: float = 0.0
    d_res_implicit: float = 0.0

    def __post_init__(self) -> None:
        check_choice("pulse_type", self.pulse_type, get_args(PulseType))
        if self.desired_bl < 1:
            raise BadValue("desired_bl", self.desired_bl, "is too short; write a whole number of slots, 1 or more")
        if not self.um_grad_scale > 0:
            raise BadValue("um_grad_scale", self.um_grad_scale, "must be above 0; 1 leaves the management as it is")
        for name in ("res", "x_res_implicit", "d_res_implicit"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise BadValue(name, value, "is not a bin width; write a number from 0 to 1, 1/levels for levels")

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether pulses are stochastic with unrounded probabilities, which is what the compiled kernels support."""
        return self.pulse_type == "stochastic" and self.res == 0

    @functools.cached_property
    def managed(self) -> bool:
        """Whether the probabilities are balanced; BL management needs it."""
        return self.update_management or self.update_bl_management

    @functools.cached_property
    def switches(self) -> tuple[bool, bool, bool]:
        """(BL adapts to the rate, probabilities are balanced, BL management is on)."""
        return not (self.fixed_bl or self.update_bl_management), self.managed, self.update_bl_management

    @functools.cached_property
    def numbers(self) -> NDArray[np.float64]:
        """``desired_bl``, ``um_grad_scale`` and the three switches: what the compiled kernels read."""
        return np.array([self.desired_bl, self.um_grad_scale, *self.switches], np.float64)

    def scales(self, x: Tensor, d: Tensor, lr: float, granularity: float) -> tuple[Tensor, Tensor, Tensor]:
        """Bit length and scales of every sample.

        With ``k = |lr| max|x| max|d| / granularity``: ``BL = min(ceil(k), desired_bl)`` under BL management, and
        ``x_scale * d_scale * BL * granularity = |lr|``. If k exceeds ``desired_bl``, the d side saturates. All of it is
        computed in float32 and in this order, because the result of ``ceil`` depends on it.

        Args:
            x: float32 ``[n, in]``.
            d: float32 ``[n, out]``.
            lr: learning rate; its sign is ignored.
            granularity: mean step of the device, weight units.

        Returns:
            bl int64 ``[n]`` (0: no pulses), x_scale float32 ``[n]``, d_scale float32 ``[n]``.
        """
        rate = x.new_tensor(abs(lr))
        step = x.new_tensor(granularity)
        longest = float(self.desired_bl)
        bl = torch.full((x.shape[0],), longest, dtype=torch.float32, device=x.device)
        unmanaged = not (self.fixed_bl or self.update_bl_management) and bool(step * longest < rate)
        if unmanaged:
            bl = torch.ceil(rate / step).clamp(min=1).expand_as(bl).clone()
        x_scale = torch.ones_like(bl)
        d_scale = torch.ones_like(bl)
        if self.managed:
            x_max = x.abs().amax(dim=1)
            d_max = d.abs().amax(dim=1) * self.um_grad_scale
            k = rate * x_max * d_max / step
            if self.update_bl_management:
                bl = torch.ceil(k).clamp(max=longest)
            idle = (x_max == 0) | (d_max == 0) | (rate == 0)
            d_max = torch.where(k > longest, d_max * longest / k, d_max)
            x_scale = sqrt(d_max / x_max)
            d_scale = sqrt(x_max / d_max)
            bl = torch.where(idle, 0.0, bl)
        if not unmanaged:
            base = sqrt(rate / (step * bl))
            x_scale, d_scale = x_scale * base, d_scale * base
        live = bl > 0
        return (
            torch.where(live & (lr != 0), bl, 0.0).to(torch.int64),
            torch.where(live, x_scale, 0.0),
            torch.where(live, d_scale, 0.0),
        )

    def thresholds(self, values: Tensor, scale: Tensor, rounding: Stream, update: int) -> Tensor:
        """Firing thresholds of the lines of one side. A line fires when its random word is below its threshold.

        Args:
            values: float32 ``[n, lines]``, x or d.
            scale: float32 ``[n]`` of :meth:`scales`.
            rounding: stream for stochastic rounding of the probabilities.
            update: update counter of the tile.

        Returns:
            int64 ``[n, lines]`` in [0, 2^32], ``ceil(p 2^32)``. A whole word is below this exactly if it is below
            ``p 2^32``.
        """
        p = self._probabilities(values, scale, self.res, rounding, update)
        return torch.ceil(p.clamp(0.0, 1.0).to(torch.float64) * ONE).to(torch.int64)

    def counts(
        self, x: Tensor, d: Tensor, lr: float, granularity: float, rounding: Stream, update: int
    ) -> Iterator[Tensor]:
        """Signed coincidence counts of every sample for the two deterministic pulse types.

        ``mean_count``: lines are rounded to whole pulses first, ``n_ij = rint(c_i / BL * c_j)``.
        ``deterministic_implicit``: only the product is rounded, ``n_ij = rint(q_i BL p_j)``.

        Args:
            x: float32 ``[n, in]``.
            d: float32 ``[n, out]``.
            lr: learning rate.
            granularity: mean step of the device, weight units.
            rounding: stream for stochastic rounding of the probabilities.
            update: update counter of the tile.

        Yields:
            float32 ``[out, in]`` with the sign of ``d_i x_j``, sample by sample.
        """
        bl, x_scale, d_scale = self.scales(x, d, lr, granularity)
        implicit = self.pulse_type == "deterministic_implicit"
        x_width, d_width = (self.x_res_implicit, self.d_res_implicit) if implicit else (self.res, self.res)
        p = self._probabilities(x, x_scale, x_width, rounding.child("columns"), update)
        q = self._probabilities(d, d_scale, d_width, rounding.child("rows"), update)
        length = bl.to(torch.float32)[:, None]
        if implicit:
            columns, rows = p.clamp(max=1.0), q.clamp(max=1.0) * length
        else:
            columns, rows = (torch.minimum(torch.round(length * side), length) for side in (p, q))
            rows = rows / length.clamp(min=1.0)
        columns, rows = columns * torch.sign(x), rows * torch.sign(d)
        for m in range(x.shape[0]):
            yield torch.round(torch.outer(rows[m], columns[m]))

    def _probabilities(self, values: Tensor, scale: Tensor, width: float, rounding: Stream, update: int) -> Tensor:
        """``|values| scale`` rounded to multiples of a bin width, float32 ``[n, lines]``; it may be above 1."""
        p = values.abs() * scale[:, None]
        if width == 0:
            return p
        p = p / width
        if self.sto_round:
            sample = torch.arange(p.shape[0], device=p.device)
            p = p + unit(rounding.line_words(p.shape[1], torch.zeros_like(sample), sample, update)) - 0.5
        return width * torch.round(p)


#: One slot without management. With a large enough rate, each sample is one pulse on every device.
ONE_PULSE = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)
