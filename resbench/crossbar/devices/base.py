"""The contract of a device model, and the parameters that every pulsed device shares.

A device model is a frozen dataclass of *mean* parameters. :meth:`Device.fabricate` draws one set of constants for each crosspoint of
an array; :attr:`Device.response` says what one pulse changes. Source of the shared rules: behaviour of IBM's aihwkit 1.1.0.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from resbench.crossbar.randomness import Stream

Constants = dict[str, Tensor]
Response = Callable[..., Tensor]


@dataclass(frozen=True)
class Device(ABC):
    """A resistive device: mean parameters, device-to-device spreads and cycle-to-cycle noise.

    One pulse moves the weight w of a device inside its own bounds, ``w <- clip(w + response(w), w_min_ij, w_max_ij)``. Give the
    precision as ``states`` or as ``dw_min``, not as both.

    Args:
        states: number of conductance states, ``(w_max - w_min) / granularity``: a whole number of at least 2, or ``inf`` for a
            device without granularity (exact updates that keep the device's asymmetry).
        dw_min: mean step of one pulse at w = 0, weight units; 0.001 where neither is given.
        w_max: mean upper bound, weight units.
        w_min: mean lower bound, weight units.
        dw_min_dtod: device-to-device spread of the step, relative to the step (log-std if ``dw_min_dtod_log_normal``).
        dw_min_dtod_log_normal: draw the spread of the step from a log-normal distribution of median 1.
        dw_min_std: cycle-to-cycle noise of one pulse, relative to its step.
        w_max_dtod: spread of the upper bound, relative.
        w_min_dtod: spread of the lower bound, relative.
        up_down: asymmetry, in units of the step; one-sided as in the peer: a positive value shrinks the down step, a negative one
            the up step (the peer's documentation says symmetric, its behaviour is this).
        up_down_dtod: spread of the asymmetry, in units of the step.
        enforce_consistency: fold negative steps and bounds so that every device works in the right direction.
        perfect_bias: give the last column ideal devices with 100 times the bounds.
        corrupt_devices_prob: probability that a device is stuck.
        corrupt_devices_range: stuck devices hold a value in plus or minus this, weight units.
        diffusion: standard deviation added at each optimiser step, weight units.
        diffusion_dtod: its spread, relative.
        lifetime: decay time in optimiser steps; 0 for none.
        lifetime_dtod: its spread, relative.
        reset: mean value after a reset, weight units; may be negative (the peer silently replaces a negative mean by 0).
        reset_dtod: its spread, weight units.
        reset_std: noise of one reset, weight units.

    Raises:
        ValueError: for a parameter outside its range, naming it.
    """

    states: float | None = None
    dw_min: float | None = None
    w_max: float = 0.6
    w_min: float = -0.6
    dw_min_dtod: float = 0.3
    dw_min_dtod_log_normal: bool = False
    dw_min_std: float = 0.3
    w_max_dtod: float = 0.3
    w_min_dtod: float = 0.3
    up_down: float = 0.0
    up_down_dtod: float = 0.01
    enforce_consistency: bool = True
    perfect_bias: bool = False
    corrupt_devices_prob: float = 0.0
    corrupt_devices_range: float = 0.1
    diffusion: float = 0.0
    diffusion_dtod: float = 0.0
    lifetime: float = 0.0
    lifetime_dtod: float = 0.0
    reset: float = 0.0
    reset_dtod: float = 0.0
    reset_std: float = 0.01

    DEFAULT_STEP: ClassVar[float] = 0.001
    #: Names of the per-device constants that the response reads; ``fabricate`` gives each with suffix ``_up`` and ``_down``,
    #: or once without a suffix where both directions share it.
    pulse_constants: ClassVar[tuple[str, ...]] = ("step",)

    def __post_init__(self) -> None:
        if not self.w_min <= 0 <= self.w_max or self.w_min == self.w_max:
            raise ValueError(
                f"w_min, w_max: {self.w_min}, {self.w_max} do not enclose 0; write w_min <= 0 <= w_max, for example -1 and 1"
            )
        for field in ("dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod", "diffusion", "lifetime"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: {getattr(self, field)} is negative; write 0 for none")
        if not 0 <= self.corrupt_devices_prob <= 1:
            raise ValueError(f"corrupt_devices_prob: {self.corrupt_devices_prob} is not a probability; write 0 to 1")
        object.__setattr__(self, "dw_min", self._resolve_step())

    def _resolve_step(self) -> float:
        """``dw_min`` from ``states`` or as given; 0 stands for a device without granularity."""
        if self.states is None:
            step = self.DEFAULT_STEP if self.dw_min is None else float(self.dw_min)
            if not (step >= 0 and math.isfinite(step)):
                raise ValueError(f"dw_min: {self.dw_min} is not a step; write a number above 0, or `states`")
            return step
        states = float(self.states)
        if not (states >= 2 and (states == math.inf or states.is_integer())):
            raise ValueError(f"states: {self.states} is impossible; write a whole number of 2 or more (4 is 2 bits), or inf")
        step = (self.w_max - self.w_min) / (states * self.granularity_factor)
        if self.dw_min is not None and not math.isclose(self.dw_min, step, rel_tol=1e-9):
            raise ValueError(
                f"states, dw_min: both are given ({self.states}, {self.dw_min}); write one, states {self.states} means "
                f"dw_min {step:g}"
            )
        return step

    @property
    def granularity_factor(self) -> float:
        """Granularity in units of ``dw_min``; 1 for models whose step at w = 0 is ``dw_min``."""
        return 1.0

    @property
    def step(self) -> float:
        """Mean step ``dw_min`` in weight units, resolved; 0 for a device without granularity."""
        assert self.dw_min is not None
        return self.dw_min

    @property
    def granularity(self) -> float:
        """Mean step that sets the pulse probabilities, weight units; 0 for a device without granularity."""
        return self.step * self.granularity_factor

    @property
    def state_count(self) -> float:
        """``(w_max - w_min) / granularity``; ``inf`` for a device without granularity."""
        return math.inf if self.is_continuous else (self.w_max - self.w_min) / self.granularity

    @property
    def bits(self) -> float:
        """``log2`` of :attr:`state_count`."""
        return math.log2(self.state_count)

    @property
    def is_continuous(self) -> bool:
        """Whether the device has no granularity, so that an update is exact but for the asymmetry of the device."""
        return self.step == 0

    @property
    def write_noise(self) -> float:
        """Standard deviation of the write noise on the visible weight, weight units."""
        return 0.0

    def with_states(self, states: float) -> Self:
        """The same device with another number of states; everything else, relative spreads included, stays."""
        return dataclasses.replace(self, states=states, dw_min=None)

    # -- one pulse -----------------------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def response(self) -> Response:
        """``response(w, sign, *constants, *scalars, xi)``: change of one pulse in direction ``sign`` (+1 up, -1 down).

        A static function of plain arithmetic and of the names in :mod:`resbench.crossbar.devices.arithmetic`, so that every backend
        can compile it. ``constants`` are those of :attr:`pulse_constants`, ``scalars`` those of :meth:`pulse_scalars`, ``xi`` is N(0,1).
        """

    def pulse_scalars(self, up: bool) -> tuple[float, ...]:
        """Numbers that the response reads after the constants, for one direction."""
        return (self.dw_min_std,)

    def directed(self, constants: Constants, up: bool) -> tuple[Tensor, ...]:
        """The arrays of :attr:`pulse_constants` for one direction."""
        suffix = "_up" if up else "_down"
        return tuple(constants[name + suffix if name + suffix in constants else name] for name in self.pulse_constants)

    # -- fabrication ---------------------------------------------------------------------------------------------------------------

    def fabricate(self, shape: tuple[int, int], stream: Stream) -> Constants:
        """Draw the constants of every device of an array.

        Steps: ``step_up = dw_min (gain + r + min(up_down, 0))``, ``step_down = dw_min (gain - r - max(up_down, 0))`` with
        ``gain = 1 + dw_min_dtod xi`` (or log-normal) and ``r = up_down_dtod xi``; bounds ``w_max (1 + w_max_dtod xi)`` and the
        like. Steps of a device without granularity are relative to its mean step.

        Args:
            shape: ``(out, in)``.
            stream: the array's stream of fabrication draws.

        Returns:
            float32 ``[out, in]`` each: ``w_max``, ``w_min``, ``step_up``, ``step_down``, ``reset_bias``; ``diffusion`` and ``decay``
            only where the device has them; and what the model adds.
        """

        def xi(name: str) -> Tensor:
            return stream.child(name).normal(shape)

        w_max = self.w_max * (1 + self.w_max_dtod * xi("w_max"))
        w_min = self.w_min * (1 + self.w_min_dtod * xi("w_min"))
        gain = self.dw_min_dtod * xi("step")
        gain = torch.exp(gain) if self.dw_min_dtod_log_normal else 1 + gain
        asymmetry = self.up_down_dtod * xi("up_down")
        unit = 1.0 if self.is_continuous else self.step
        step_up = unit * (gain + asymmetry + min(self.up_down, 0.0))
        step_down = unit * (gain - asymmetry - max(self.up_down, 0.0))
        if self.enforce_consistency:
            step_up, step_down = step_up.abs(), step_down.abs()
            w_max, w_min = torch.maximum(w_max, w_min).abs(), -torch.minimum(w_max, w_min).abs()
        else:
            dead = w_min > w_max
            middle = (w_min + w_max) / 2
            w_max, w_min = torch.where(dead, middle, w_max), torch.where(dead, middle, w_min)
        if self.corrupt_devices_prob > 0:
            chance = stream.child("corrupt").uniform(shape)
            span = abs(self.corrupt_devices_range)
            low, high = torch.minimum(w_max, w_min).clamp(min=-span), torch.maximum(w_max, w_min).clamp(max=span)
            stuck_at = low + (high - low) * stream.child("stuck at").uniform(shape)
            stuck = chance < self.corrupt_devices_prob
            w_max, w_min = torch.where(stuck, stuck_at, w_max), torch.where(stuck, stuck_at, w_min)
            step_up, step_down = step_up.masked_fill(stuck, 0.0), step_down.masked_fill(stuck, 0.0)
        if self.perfect_bias:
            step_up[:, -1] = step_down[:, -1] = unit
            w_max[:, -1], w_min[:, -1] = 100 * self.w_max, 100 * self.w_min
        constants = {
            "w_max": w_max,
            "w_min": w_min,
            "step_up": step_up,
            "step_down": step_down,
            "reset_bias": self.reset + self.reset_dtod * xi("reset"),
        }
        if self.diffusion > 0:
            constants["diffusion"] = (self.diffusion * (1 + self.diffusion_dtod * xi("diffusion"))).abs()
        if self.lifetime > 0:
            lifetime = self.lifetime * (1 + self.lifetime_dtod * xi("lifetime"))
            constants["decay"] = torch.where(lifetime > 1, 1 - 1 / lifetime, 0.0)
        return self.complete(constants, stream)

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        """Add the constants of the model; the shared ones are drawn already."""
        return constants
