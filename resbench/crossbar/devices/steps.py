"""Devices whose step is constant or linear in the weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from resbench.crossbar.devices.base import Constants, Device, Response
from resbench.crossbar.randomness import Stream


def constant_step(w: Tensor, sign: Tensor, step: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- S (1 + sigma xi)``."""
    return sign * step * (1 + sigma * xi)


def linear_step(w: Tensor, sign: Tensor, step: Tensor, slope: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- (S + a w)(1 + sigma xi)``: noise in proportion to the step at w."""
    return sign * (step + slope * w) * (1 + sigma * xi)


def linear_step_additive(w: Tensor, sign: Tensor, step: Tensor, slope: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- (a w + S (1 + sigma xi))``: noise in proportion to the step at 0."""
    return sign * (slope * w + step * (1 + sigma * xi))


@dataclass(frozen=True)
class ConstantStep(Device):
    """Every pulse moves the weight by the same step, up to hard bounds.

    ``w <- clip(w +- S (1 + dw_min_std xi))`` with S the step of the device and direction.
    """

    @property
    def response(self) -> Response:
        return constant_step


@dataclass(frozen=True)
class SoftBounds(Device):
    """The step shrinks linearly to zero at the bound that it moves toward: the device of the multi-tile paper.

    Up: ``w + S_up (1 - w/w_max_ij)(1 + dw_min_std xi)``; down: ``w - S_down (1 - w/w_min_ij)(1 + dw_min_std xi)``; then clip to the
    bounds of the device. Its symmetric point is w = 0 where both steps agree.

    Args:
        mult_noise: noise in proportion to the step at w (True) or to the step at 0.
    """

    mult_noise: bool = True

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "slope")

    @property
    def response(self) -> Response:
        return linear_step if self.mult_noise else linear_step_additive

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        for side, bound in (("up", "w_max"), ("down", "w_min")):
            slope = -constants[f"step_{side}"] / constants[bound]
            constants[f"slope_{side}"] = slope.masked_fill(constants[bound] == 0, 0.0)
        return constants
