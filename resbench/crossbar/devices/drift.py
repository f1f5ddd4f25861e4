"""Conductance drift: the slow power-law decay of a programmed state, as in phase-change memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from resbench.crossbar.functions import log, power
from resbench.errors import BadValue

#: Smallest conductance whose logarithm is taken, the smallest normal float32.
SMALLEST = 2.0**-126


@dataclass(frozen=True)
class Drift:
    """Power-law drift ``w(t) = w_0 (t - t_programmed)^-nu`` of each device since it was last changed.

    Time passes only by ``Tile.pass_time``, ``resbench test --after`` and the callback ``PassTime``. There is no drift
    in the first ``t_0`` after programming. Source: behaviour of aihwkit 1.1.0 (``DriftParameter``).

    Args:
        nu: mean drift exponent.
        t_0: unit of time, in seconds: a call with ``dt`` advances the clock by ``dt / t_0``.
        nu_dtod: device-to-device spread of nu, relative.
        nu_std: noise of nu at each call, relative.
        nu_k: dependence of nu on the logarithm of the conductance.
        log_g0: logarithm of the conductance at which nu is the mean.
        wg_ratio: weight units for one unit of conductance.
        w_offset: weight at conductance ``g_offset``.
        g_offset: conductance at weight ``w_offset``.
        w_noise_std: noise added to the weight at each call, weight units.
        reset_tol: a weight that moved by more than this since the last call counts as programmed again.

    Raises:
        BadValue: for a parameter outside its range.
    """

    nu: float = 0.0
    t_0: float = 1.0
    nu_dtod: float = 0.0
    nu_std: float = 0.0
    nu_k: float = 0.0
    log_g0: float = 0.0
    wg_ratio: float = 1.0
    w_offset: float = 0.0
    g_offset: float = 0.0
    w_noise_std: float = 0.0
    reset_tol: float = 1e-7

    def __post_init__(self) -> None:
        for name in ("nu", "nu_dtod", "nu_std", "w_noise_std"):
            if not 0 <= getattr(self, name) < math.inf:
                hint = "is negative or not finite; write a number above 0, or 0 for none"
                raise BadValue(f"drift.{name}", getattr(self, name), hint)
        for name in ("t_0", "wg_ratio"):
            if not getattr(self, name) > 0:
                raise BadValue(f"drift.{name}", getattr(self, name), "must be above 0; 1 is the default")

    @property
    def is_noisy(self) -> bool:
        """Whether a call draws random numbers."""
        return self.nu_std > 0 or self.w_noise_std > 0

    def drifted(self, weight: Tensor, start: Tensor, age: Tensor, nu: Tensor, xi: Tensor, eta: Tensor) -> Tensor:
        """Weights after drifting for ``age``.

        ``start age^-nu' + (g_offset wg_ratio + w_offset)(age^-nu' - 1)`` with
        ``nu' = nu (1 + nu_std xi) - nu_k (ln((w - w_offset) / wg_ratio + g_offset) - log_g0)``.

        Args:
            weight: float32 ``[out, in]``, weights now.
            start: float32 ``[out, in]``, weights when they were programmed.
            age: float32 ``[out, in]``, clock units since then, at least 1.
            nu: float32 ``[out, in]``, exponents of the devices.
            xi: N(0, 1) for the exponent.
            eta: N(0, 1) for the weight.
        """
        exponent = nu * (1 + self.nu_std * xi)
        if self.nu_k != 0:
            conductance = (weight - self.w_offset) / self.wg_ratio + self.g_offset
            exponent = exponent - self.nu_k * (log(conductance.clamp(min=SMALLEST)) - self.log_g0)
        decay = power(age, -exponent)
        offset = self.g_offset * self.wg_ratio + self.w_offset
        return start * decay + offset * (decay - 1) + self.w_noise_std * eta
