"""Devices whose step is a curved function of the weight: exponential, power law, or tabulated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from resbench.crossbar.devices.arithmetic import TINY, absolute, exp, interpolate, maximum, power
from resbench.crossbar.devices.base import Constants
from resbench.crossbar.devices.pulsed import PulsedDevice, Response, Scalar
from resbench.crossbar.devices.steps import draw_reference
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue

BISECTIONS = 40


def exp_step(
    w: Tensor,
    sign: Tensor,
    step: Tensor,
    tilt: Tensor,
    amplitude: float,
    gamma: float,
    b: float,
    sigma: float,
    xi: Tensor,
) -> Tensor:
    """``+- y S (1 + sigma xi)`` with ``y = max(1 - A e^(+- gamma z), 0)`` and ``z = 2 a w / (w_max - w_min) + b``."""
    return sign * step * maximum(1 - amplitude * exp(gamma * (tilt * w + b)), 0.0) * (1 + sigma * xi)


def exp_step_complex(
    w: Tensor,
    sign: Tensor,
    step: Tensor,
    tilt: Tensor,
    amplitude: float,
    gamma: float,
    b: float,
    sigma: float,
    add: float,
    slope: float,
    xi: Tensor,
) -> Tensor:
    """``+- (y S + sigma (|y S| + add + slope |w|) xi)``, with y as in :func:`exp_step`."""
    change = step * maximum(1 - amplitude * exp(gamma * (tilt * w + b)), 0.0)
    return sign * (change + sigma * (absolute(change) + add + slope * absolute(w)) * xi)


def pow_step(
    w: Tensor, sign: Tensor, step: Tensor, w_max: Tensor, w_min: Tensor, gamma: Tensor, sigma: float, xi: Tensor
) -> Tensor:
    """``+- S h^gamma (1 + sigma xi)``, where h is the distance to the bound ahead as a share of the range."""
    ahead = 0.5 * ((1 + sign) * (w_max - w) + (1 - sign) * (w - w_min))
    share = maximum(ahead, 0.0) / maximum(w_max - w_min, TINY)
    return sign * step * power(maximum(share, TINY), gamma) * (1 + sigma * xi)


def piecewise_step(
    w: Tensor,
    sign: Tensor,
    step: Tensor,
    w_max: Tensor,
    w_min: Tensor,
    nodes: tuple[float, ...],
    sigma: float,
    xi: Tensor,
) -> Tensor:
    """``+- S f(w)(1 + sigma xi)`` with f linear between nodes that are equally spaced from w_min to w_max."""
    return sign * step * interpolate(nodes, (w - w_min) / maximum(w_max - w_min, TINY)) * (1 + sigma * xi)


@dataclass(frozen=True)
class ExpStep(PulsedDevice):
    """Step that falls exponentially toward the bounds, as fitted to ReRAM and PCM.

    Up: ``w + y S_up (1 + dw_min_std xi)`` with ``y = max(1 - A_up e^(gamma_up z), 0)`` and ``z = 2 a w / (w_max_ij -
    w_min_ij) + b``; down: ``w - y S_down (1 + dw_min_std xi)`` with ``y = max(1 - A_down e^(-gamma_down z), 0)``. If
    ``dw_min_std_add`` or ``dw_min_std_slope`` is given, the noise of a pulse is ``dw_min_std (|y S| + dw_min_std_add +
    dw_min_std_slope |w|) xi``.

    Args:
        A_up: amplitude of the up curve.
        A_down: amplitude of the down curve.
        gamma_up: steepness of the up curve.
        gamma_down: steepness of the down curve.
        a: scale of the weight in the exponent.
        b: offset in the exponent.
        dw_min_std_add: constant part of the noise, weight units.
        dw_min_std_slope: part of the noise in proportion to the weight before the pulse.
    """

    A_up: float = 0.00081
    A_down: float = 0.36833
    gamma_up: float = 12.44625
    gamma_down: float = 12.78785
    a: float = 0.244
    b: float = 0.2425
    dw_min_std_add: float = 0.0
    dw_min_std_slope: float = 0.0

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "tilt")

    @property
    def granularity_factor(self) -> float:
        """The mean down step at w = 0 in units of ``dw_min``, or 1 where that is 0."""
        curve = max(1 - self.A_down * math.exp(-self.gamma_down * self.b), 0.0)
        factor = (1 - max(self.up_down, 0.0)) * curve
        return factor if factor > 0 else 1.0

    @property
    def _has_complex_noise(self) -> bool:
        return self.dw_min_std > 0 and (self.dw_min_std_add != 0 or self.dw_min_std_slope != 0)

    @property
    def response(self) -> Response:
        return exp_step_complex if self._has_complex_noise else exp_step

    def pulse_scalars(self, up: bool) -> tuple[Scalar, ...]:
        curve = (self.A_up, self.gamma_up) if up else (self.A_down, -self.gamma_down)
        noise = (self.dw_min_std_add, self.dw_min_std_slope) if self._has_complex_noise else ()
        return (*curve, self.b, self.dw_min_std, *noise)

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        span = constants["w_max"] - constants["w_min"]
        constants["tilt"] = torch.where(span > 0, 2 * self.a / span, 0.0)
        return constants


@dataclass(frozen=True)
class PowStep(PulsedDevice):
    """Step that is a power of the distance to the bound ahead.

    Up: ``w + S_up ((w_max_ij - w) / (w_max_ij - w_min_ij))^gamma_up (1 + dw_min_std xi)``; down: ``w - S_down ((w -
    w_min_ij) / (w_max_ij - w_min_ij))^gamma_down (1 + dw_min_std xi)``. The step at the middle is ``dw_min 0.5^gamma``.

    Args:
        pow_gamma: mean exponent.
        pow_gamma_dtod: its device-to-device spread, relative, shared by both directions.
        pow_up_down: asymmetry of the exponents, relative; one-sided like ``up_down``.
        pow_up_down_dtod: its device-to-device spread.
    """

    pow_gamma: float = 1.0
    pow_gamma_dtod: float = 0.1
    pow_up_down: float = 0.0
    pow_up_down_dtod: float = 0.0

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "w_max", "w_min", "gamma")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_negative("pow_gamma", "pow_gamma_dtod", "pow_up_down_dtod")

    @property
    def granularity_factor(self) -> float:
        """The step at the middle of the range in units of ``dw_min``."""
        return float(0.5**self.pow_gamma)

    @property
    def response(self) -> Response:
        return pow_step

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        shape = (constants["w_max"].shape[0], constants["w_max"].shape[1])
        gain = 1 + self.pow_gamma_dtod * stream.child("gamma").normal(shape)
        asymmetry = self.pow_up_down_dtod * stream.child("gamma up_down").normal(shape)
        up = self.pow_gamma * (gain + asymmetry + min(self.pow_up_down, 0.0))
        down = self.pow_gamma * (gain - asymmetry - max(self.pow_up_down, 0.0))
        constants["gamma_up"] = up.abs() if self.enforce_consistency else up
        constants["gamma_down"] = down.abs() if self.enforce_consistency else down
        return constants


@dataclass(frozen=True)
class PowStepReference(PowStep):
    """Power-law step, where each device has a reference device.

    ``v = w + reference`` moves as in :class:`PowStep`, and w is visible.

    Args:
        reference_mean: mean reference, weight units.
        reference_std: its device-to-device spread, weight units.
        subtract_symmetry_point: add the symmetric point of each device, where its up and down steps agree, to its
            reference and to its reset value (aihwkit approaches that point by simulated pulses).
    """

    reference_mean: float = 0.0
    reference_std: float = 0.0
    subtract_symmetry_point: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_negative("reference_std")

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        constants = super().complete(constants, stream)
        symmetric = self._symmetric_points(constants) if self.subtract_symmetry_point else 0.0
        return draw_reference(
            self.reference_mean, self.reference_std, constants, symmetric, self.subtract_symmetry_point, stream
        )

    def _symmetric_points(self, constants: Constants) -> Tensor:
        """Symmetric points by bisection, because the up step falls and the down step grows with the weight."""
        w_max, w_min = constants["w_max"], constants["w_min"]
        low, high = w_min, w_max
        quiet, up, down = torch.zeros(()), torch.tensor(1.0), torch.tensor(-1.0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            rise = pow_step(middle, up, constants["step_up"], w_max, w_min, constants["gamma_up"], 0.0, quiet)
            fall = pow_step(middle, down, constants["step_down"], w_max, w_min, constants["gamma_down"], 0.0, quiet)
            below = rise + fall > 0
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return (low + high) / 2


@dataclass(frozen=True)
class PiecewiseStep(PulsedDevice):
    """Step from a table over the range of the weight.

    Up: ``w + S_up f_up(w)(1 + dw_min_std xi)``; down: ``w - S_down f_down(w)(1 + dw_min_std xi)``; then w is clipped. f
    is linear between nodes that are equally spaced from the lower to the upper bound.

    Args:
        piecewise_up: values of f at the nodes, in units of the step; one value for a constant.
        piecewise_down: the same number of values for the down step.
    """

    piecewise_up: tuple[float, ...] = (1.0,)
    piecewise_down: tuple[float, ...] = (1.0,)

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "w_max", "w_min")

    def __post_init__(self) -> None:
        if not self.piecewise_up or len(self.piecewise_up) != len(self.piecewise_down):
            raise BadValue(
                "piecewise_up, piecewise_down",
                f"{len(self.piecewise_up)} and {len(self.piecewise_down)} nodes",
                "; write the same number of them, at least 1",
            )
        if not self.granularity_factor > 0:
            raise BadValue(
                "piecewise_up", f"the middle node {self.granularity_factor}", "is the granularity; write one above 0"
            )
        super().__post_init__()

    @property
    def granularity_factor(self) -> float:
        """The middle node of the up table."""
        return float(self.piecewise_up[len(self.piecewise_up) // 2])

    @property
    def response(self) -> Response:
        return piecewise_step

    def pulse_scalars(self, up: bool) -> tuple[Scalar, ...]:
        return (tuple(self.piecewise_up if up else self.piecewise_down), self.dw_min_std)
