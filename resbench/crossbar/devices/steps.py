"""Devices whose step is constant or linear in the weight."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from resbench.crossbar.devices.base import Constants
from resbench.crossbar.devices.pulsed import PulsedDevice, Response
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue


def constant_step(w: Tensor, sign: Tensor, step: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- S (1 + sigma xi)``."""
    return sign * step * (1 + sigma * xi)


def linear_step(w: Tensor, sign: Tensor, step: Tensor, slope: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- (S + a w)(1 + sigma xi)``: the noise is proportional to the step at w."""
    return sign * (step + slope * w) * (1 + sigma * xi)


def linear_step_additive(w: Tensor, sign: Tensor, step: Tensor, slope: Tensor, sigma: float, xi: Tensor) -> Tensor:
    """``+- (a w + S (1 + sigma xi))``: the noise is proportional to the step at 0."""
    return sign * (slope * w + step * (1 + sigma * xi))


def per_reference(numerator: Tensor, reference: Tensor | float) -> Tensor:
    """``-numerator / reference``, or 0 where the reference is 0."""
    reference = torch.as_tensor(reference, dtype=numerator.dtype).expand_as(numerator)
    return torch.where(reference == 0, 0.0, -numerator / reference)


@dataclass(frozen=True)
class ConstantStep(PulsedDevice):
    """Constant step, with hard bounds.

    ``w <- clip(w +- S (1 + dw_min_std xi))`` with S the step of the device and direction.
    """

    @property
    def response(self) -> Response:
        return constant_step


@dataclass(frozen=True)
class _Linear(PulsedDevice):
    """Common parameters of devices with a linear response.

    Args:
        mult_noise: noise is proportional to the step at w (True) or to the step at 0.
        reverse_up: the up step grows toward the upper bound. It is 0 at ``reverse_offset`` below the lower bound.
        reverse_down: the down step grows toward the lower bound. It is 0 at ``reverse_offset`` above the upper bound.
        reverse_offset: distance of that zero from the bound, weight units.
    """

    mult_noise: bool = True
    reverse_up: bool = False
    reverse_down: bool = False
    reverse_offset: float = 0.01

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "slope")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.reverse_up or self.reverse_down) and not self.mult_noise:
            raise BadValue("mult_noise", "false", "does not go with reverse_up or reverse_down; write mult_noise: true")

    @property
    def response(self) -> Response:
        return linear_step if self.mult_noise else linear_step_additive

    def _references(self, w_max: Tensor | float, w_min: Tensor | float) -> tuple[Tensor | float, Tensor | float]:
        """Weights at which the up and the down step vanish (for a unit slope)."""
        return (
            w_min - self.reverse_offset if self.reverse_up else w_max,
            w_max + self.reverse_offset if self.reverse_down else w_min,
        )


@dataclass(frozen=True)
class LinearStep(_Linear):
    """Step that is linear in the weight, with hard bounds.

    Up: ``w + S_up (1 - G_up w / w_max)(1 + dw_min_std xi)``; down: ``w - S_down (1 - G_down w / w_min)(1 + dw_min_std
    xi)``; then clip. With G below 1 the bound is reached with a finite step.

    Args:
        gamma_up: mean slope G of the up step.
        gamma_down: mean slope G of the down step.
        gamma_up_dtod: its device-to-device spread, absolute.
        gamma_down_dtod: the same for the down step.
        allow_increasing: keep negative slopes, with which the step grows. False takes absolute values.
        mean_bound_reference: slopes are relative to the mean bounds (True) or to those of each device.
    """

    gamma_up: float = 0.0
    gamma_down: float = 0.0
    gamma_up_dtod: float = 0.05
    gamma_down_dtod: float = 0.05
    allow_increasing: bool = False
    mean_bound_reference: bool = True

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        shape = (constants["w_max"].shape[0], constants["w_max"].shape[1])
        bounds = (self.w_max, self.w_min) if self.mean_bound_reference else (constants["w_max"], constants["w_min"])
        spreads = (self.gamma_up, self.gamma_up_dtod), (self.gamma_down, self.gamma_down_dtod)
        for side, reference, (mean, spread) in zip(("up", "down"), self._references(*bounds), spreads, strict=True):
            gamma = mean + spread * stream.child("gamma", side).normal(shape)
            gamma = gamma if self.allow_increasing else gamma.abs()
            constants[f"slope_{side}"] = per_reference(gamma * constants[f"step_{side}"], reference)
        return constants


@dataclass(frozen=True)
class SoftBounds(_Linear):
    """Step that falls linearly to zero at the bound ahead. This is the device of the multi-tile paper.

    Up: ``w + S_up (1 - w/w_max_ij)(1 + dw_min_std xi)``; down: ``w - S_down (1 - w/w_min_ij)(1 + dw_min_std xi)``; then
    w is clipped to the bounds of the device. The symmetric point is w = 0 if both steps are equal there.
    """

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        references = self._references(constants["w_max"], constants["w_min"])
        for side, reference in zip(("up", "down"), references, strict=True):
            constants[f"slope_{side}"] = per_reference(constants[f"step_{side}"], reference)
        return constants


@dataclass(frozen=True)
class SoftBoundsPmax(SoftBounds):
    """Soft bounds in terms of a measurement: a range, the number of pulses that cross it, and the curvature.

    ``F = (range_max - range_min) / (1 - e^(-p_max alpha))``, then :class:`SoftBounds` with ``w_min = range_min``,
    ``w_max = range_min + F``, ``dw_min = F alpha`` and ``up_down = 1 + 2 range_min / F``. Since ``up_down`` acts on one
    side only, ``p_max`` up pulses from ``range_min`` end above ``range_max``, as in aihwkit.

    Args:
        states: number of states. It changes the step only; bounds and shape of the curve stay.
        p_max: number of pulses across the range.
        alpha: curvature, the inverse number of states.
        range_min: lower end of the range, weight units.
        range_max: upper end of the range, weight units.
    """

    p_max: float = 1000
    alpha: float = 0.0005
    range_min: float = -1.0
    range_max: float = 1.0

    dw_min: float | None = field(init=False, default=None)
    w_max: float = field(init=False)
    w_min: float = field(init=False)
    up_down: float = field(init=False)

    def __post_init__(self) -> None:
        if not (self.p_max > 0 and self.alpha > 0):
            raise BadValue("p_max, alpha", f"{self.p_max}, {self.alpha}", "must be above 0, such as 1000 and 0.0005")
        if not self.range_min < self.range_max:
            raise BadValue("range_min, range_max", f"{self.range_min}, {self.range_max}", "is no range; write -1 and 1")
        scale = (self.range_max - self.range_min) / (1 - math.exp(-self.p_max * self.alpha))
        derived = {"w_min": self.range_min, "w_max": self.range_min + scale, "up_down": 1 + 2 * self.range_min / scale}
        if self.states is None:
            derived["dw_min"] = scale * self.alpha
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        super().__post_init__()

    def with_states(self, states: float) -> Self:
        return dataclasses.replace(self, states=states)


def draw_reference(
    mean: float, std: float, constants: Constants, shift: Tensor | float, subtract: bool, stream: Stream
) -> Constants:
    """Add the reference weight of each device, to which pulses and bounds are relative.

    Args:
        mean: mean reference, weight units.
        std: device-to-device spread, weight units.
        constants: changed in place and returned.
        shift: symmetric point of each device, added to the reference and to the reset value if ``subtract``.
        subtract: whether the symmetric point becomes the zero of the weight.
        stream: the array's stream of fabrication draws.
    """
    if mean == 0 and std == 0 and not subtract:
        return constants
    shape = (constants["w_max"].shape[0], constants["w_max"].shape[1])
    constants["reference"] = mean + std * stream.child("reference").normal(shape)
    if subtract:
        constants["reference"] = constants["reference"] + shift
        constants["reset_bias"] = constants["reset_bias"] + shift
    return constants


@dataclass(frozen=True)
class SoftBoundsReference(PulsedDevice):
    """Soft bounds, where each device has a reference device.

    ``v = w + reference`` moves, and w is visible. Up: ``v + S_up (1 - v/w_max_ij + dw_min_std xi)``; down: ``v - S_down
    (1 - v/w_min_ij + dw_min_std xi)``; then v is clipped to the bounds, and ``w = v - reference``.

    Args:
        mult_noise: noise is proportional to the step at v (True) or to the step at 0.
        slope_up_dtod: device-to-device spread of the up slope, relative. It changes the upper bound.
        slope_down_dtod: the same for the down slope and the lower bound.
        reference_mean: mean reference, weight units.
        reference_std: its device-to-device spread, weight units.
        subtract_symmetry_point: add the symmetric point of each device to its reference (and to its reset value), so
            that up and down steps agree at w = 0.
    """

    mult_noise: bool = False
    slope_up_dtod: float = 0.0
    slope_down_dtod: float = 0.0
    reference_mean: float = 0.0
    reference_std: float = 0.0
    subtract_symmetry_point: bool = False

    pulse_constants: ClassVar[tuple[str, ...]] = ("step", "slope")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse_negative("slope_up_dtod", "slope_down_dtod", "reference_std")

    @property
    def response(self) -> Response:
        return linear_step if self.mult_noise else linear_step_additive

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        shape = (constants["w_max"].shape[0], constants["w_max"].shape[1])
        spans_zero = (constants["w_max"] > 0) & (constants["w_min"] < 0)
        for bound, side, spread in (("w_max", "up", self.slope_up_dtod), ("w_min", "down", self.slope_down_dtod)):
            if spread > 0:
                slope = (1 + spread * stream.child("slope", side).normal(shape)).abs()
                constants[bound] = torch.where(spans_zero, constants[bound] / slope, constants[bound])
            pointless = constants[bound] <= 0 if side == "up" else constants[bound] >= 0
            reference = constants[bound].masked_fill(pointless, 0.0)
            constants[f"slope_{side}"] = per_reference(constants[f"step_{side}"], reference)
        rate = constants["slope_down"] - constants["slope_up"]
        usable = spans_zero & (rate != 0)
        symmetric = torch.where(usable, (constants["step_up"] - constants["step_down"]) / rate, 0.0)
        return draw_reference(
            self.reference_mean, self.reference_std, constants, symmetric, self.subtract_symmetry_point, stream
        )
