"""Devices that pulses move: their common parameters, fabrication, and the contract of their response.

Source of the shared rules: behaviour of IBM's aihwkit 1.1.0.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from resbench.crossbar.devices.base import Constants, Element
from resbench.crossbar.functions import exp
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue

Response = Callable[..., Tensor]
Scalar = float | tuple[float, ...]


def as_number(value: object) -> float:
    """A value as a number; NaN, which no check of a range takes, for what is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


@dataclass(frozen=True)
class PulsedDevice(Element):
    """A resistive element that pulses move: mean parameters, device-to-device spreads and cycle-to-cycle noise.

    One pulse moves the weight w of a device inside its own bounds, ``w <- clip(w + response(w), w_min_ij, w_max_ij)``.
    Give the precision as ``states`` or as ``dw_min``, not as both.

    Args:
        states: number of conductance states, ``(w_max - w_min) / granularity``: a whole number of at least 2, or
            ``inf`` for a device without granularity (exact updates that keep the device's asymmetry).
        dw_min: mean step of one pulse, weight units. ``DEFAULT_STEP`` of the model if neither this nor states is given.
        w_max: mean upper bound, weight units.
        w_min: mean lower bound, weight units.
        dw_min_dtod: device-to-device spread of the step, relative to it (log-std if ``dw_min_dtod_log_normal``).
        dw_min_dtod_log_normal: draw the spread of the step from a log-normal distribution of median 1.
        dw_min_std: cycle-to-cycle noise of one pulse, relative to its step.
        w_max_dtod: spread of the upper bound, relative.
        w_min_dtod: spread of the lower bound, relative.
        up_down: asymmetry, in units of the step. It is one-sided, as in aihwkit's code (its documentation says
            symmetric): a positive value shrinks the down step, a negative one the up step.
        up_down_dtod: spread of the asymmetry, in units of the step.
        enforce_consistency: fold negative steps and bounds so that every device works in the right direction.
        perfect_bias: devices of the last column have no spread, and 100 times the bounds.
        corrupt_devices_prob: probability that a device is stuck.
        corrupt_devices_range: stuck devices have a value between minus and plus this, weight units.
        write_noise_std: noise of the visible weight after every pulse, in units of ``dw_min``; it does not accumulate.
        apply_write_noise_on_set: whether programming a weight adds write noise too.
        zero_shift: number of pulses, up and down in turn, that calibrate every new device; the weight that it then has
            is its zero (``Tile.zero_shift``). 0 for no calibration.
        reset: mean value after a reset, weight units. It may be negative (aihwkit replaces a negative mean by 0
            without a message).

    Raises:
        BadValue: for a parameter outside its range.
    """

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
    write_noise_std: float = 0.0
    apply_write_noise_on_set: bool = True
    zero_shift: int = 0

    #: Step if neither ``states`` nor ``dw_min`` is given, weight units.
    DEFAULT_STEP: ClassVar[float] = 0.001
    #: Names of the per-device constants that the response reads; ``fabricate`` gives each with suffix ``_up`` and
    #: ``_down``, or once without a suffix where both directions share it.
    pulse_constants: ClassVar[tuple[str, ...]] = ("step",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.w_min <= 0 <= self.w_max or self.w_min == self.w_max:
            raise BadValue(
                "w_min, w_max",
                f"{self.w_min}, {self.w_max}",
                "do not enclose 0; write w_min <= 0 <= w_max, say -1 and 1",
            )
        self._refuse_negative(
            "dw_min_dtod", "dw_min_std", "w_max_dtod", "w_min_dtod", "up_down_dtod", "write_noise_std"
        )
        if not 0 <= self.corrupt_devices_prob <= 1:
            raise BadValue(
                "corrupt_devices_prob", self.corrupt_devices_prob, "is not a probability; write a number from 0 to 1"
            )
        _ = self.step  # refuses an impossible precision now, not at the first update
        if self.zero_shift < 0:
            raise BadValue("zero_shift", self.zero_shift, "is no number of pulses; write 0 for no calibration")
        if self.zero_shift and self.is_continuous:
            raise BadValue("zero_shift", self.zero_shift, "needs pulses, which states inf has not; write 0")
        if self.zero_shift and getattr(self, "subtract_symmetry_point", False):
            raise BadValue(
                "zero_shift, subtract_symmetry_point",
                f"{self.zero_shift}, true",
                "both move the zero; write subtract_symmetry_point: false, or zero_shift: 0",
            )

    @cached_property
    def step(self) -> float:
        """Mean step ``dw_min`` in weight units, from ``states`` or as given; 0 for a device without granularity."""
        if self.states is None:
            step = self.DEFAULT_STEP if self.dw_min is None else as_number(self.dw_min)
            if not (step > 0 and math.isfinite(step)):
                raise BadValue("dw_min", self.dw_min, "is not a step; write a number above 0, or give `states`")
            return step
        states = as_number(self.states)
        if not (states >= 2 and (states == math.inf or states.is_integer())):
            raise BadValue(
                "states", self.states, "is impossible; write a whole number of 2 or more (4 is 2 bits), or inf"
            )
        if not math.isfinite(self.w_max - self.w_min):
            raise BadValue(
                "w_min, w_max",
                f"{self.w_min}, {self.w_max}",
                "have no states between them; write finite bounds, or dw_min in place of states",
            )
        step = (self.w_max - self.w_min) / (states * self.granularity_factor)
        if self.dw_min is not None:
            raise BadValue(
                "states, dw_min",
                f"both are given ({self.states}, {self.dw_min})",
                f"; write one of them, {states:g} states are a dw_min of {step:g}",
            )
        return step

    @property
    def granularity_factor(self) -> float:
        """Granularity in units of ``dw_min``. It is 1 for models whose step at w = 0 is ``dw_min``."""
        return 1.0

    @cached_property
    def granularity(self) -> float:
        return self.step * self.granularity_factor

    @property
    def unit(self) -> float:
        """Scale of the fabricated steps: ``step``. Without granularity, the scale that makes the granularity 1."""
        return 1.0 / self.granularity_factor if self.is_continuous else self.step

    @property
    def write_noise(self) -> float:
        return self.write_noise_std * self.step

    @property
    def noisy_program(self) -> bool:
        return self.apply_write_noise_on_set

    def with_states(self, states: float) -> Self:
        return dataclasses.replace(self, states=states, dw_min=None)

    def without_spread(self) -> Self:
        """The mean device: without device-to-device spread and stuck devices, but with cycle-to-cycle noise."""
        spreads = [field.name for field in dataclasses.fields(self) if field.name.endswith("_dtod")]
        spreads += [name for name in ("reference_std", "corrupt_devices_prob") if hasattr(self, name)]
        changes: dict[str, Any] = dict.fromkeys(spreads, 0.0)
        return dataclasses.replace(self, **changes)

    # -- one pulse -----------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def response(self) -> Response:
        """``response(w, sign, *constants, *scalars, xi)``: change by one pulse in direction ``sign`` (+1 up, -1 down).

        A function of plain arithmetic and of the names in :mod:`resbench.crossbar.devices.arithmetic`, so that every
        backend can compile it. ``constants`` are those of :attr:`pulse_constants`, ``scalars`` those of
        :meth:`pulse_scalars`, ``xi`` is N(0, 1).
        """

    def pulse_scalars(self, up: bool) -> tuple[Scalar, ...]:
        """Numbers (or tuples of them) that the response reads after the constants, for one direction."""
        return (self.dw_min_std,)

    def directed(self, constants: Constants, up: bool) -> tuple[Tensor, ...]:
        """The arrays of :attr:`pulse_constants` for one direction."""
        suffix = "_up" if up else "_down"
        return tuple(constants[name + suffix if name + suffix in constants else name] for name in self.pulse_constants)

    # -- fabrication ---------------------------------------------------------------------------------------------------

    def fabricate(self, shape: tuple[int, int], stream: Stream) -> Constants:
        """Draw the constants of every device of an array.

        Steps: ``step_up = dw_min (gain + r + min(up_down, 0))``, ``step_down = dw_min (gain - r - max(up_down, 0))``
        with ``gain = 1 + dw_min_dtod xi`` (or ``exp(dw_min_dtod xi)``) and ``r = up_down_dtod xi``; bounds ``w_max (1
        + w_max_dtod xi)`` and the like. Steps of a device without granularity are relative to its granularity.

        Args:
            shape: ``(out, in)``.
            stream: the array's stream of fabrication draws.

        Returns:
            float32 ``[out, in]`` each: ``w_max``, ``w_min``, ``step_up``, ``step_down``, those of :meth:`retention`,
            and what :meth:`complete` adds.
        """

        def xi(name: str) -> Tensor:
            return stream.child(name).normal(shape)

        w_max = self.w_max * (1 + self.w_max_dtod * xi("w_max"))
        w_min = self.w_min * (1 + self.w_min_dtod * xi("w_min"))
        gain = self.dw_min_dtod * xi("step")
        gain = exp(gain) if self.dw_min_dtod_log_normal else 1 + gain
        asymmetry = self.up_down_dtod * xi("up_down")
        step_up = self.unit * (gain + asymmetry + min(self.up_down, 0.0))
        step_down = self.unit * (gain - asymmetry - max(self.up_down, 0.0))
        if self.enforce_consistency:
            step_up, step_down = step_up.abs(), step_down.abs()
            w_max, w_min = torch.maximum(w_max, w_min).abs(), -torch.minimum(w_max, w_min).abs()
        else:
            middle = (w_min + w_max) / 2
            dead = w_min > w_max
            w_max, w_min = torch.where(dead, middle, w_max), torch.where(dead, middle, w_min)
        if self.corrupt_devices_prob > 0:
            span = abs(self.corrupt_devices_range)
            low, high = w_min.clamp(min=-span), w_max.clamp(max=span)
            stuck_at = low + (high - low) * stream.child("stuck at").uniform(shape)
            stuck = stream.child("corrupt").uniform(shape) < self.corrupt_devices_prob
            w_max, w_min = torch.where(stuck, stuck_at, w_max), torch.where(stuck, stuck_at, w_min)
            step_up, step_down = step_up.masked_fill(stuck, 0.0), step_down.masked_fill(stuck, 0.0)
        if self.perfect_bias:
            step_up[:, -1] = step_down[:, -1] = self.unit
            w_max[:, -1], w_min[:, -1] = 100 * self.w_max, 100 * self.w_min
        constants = {"w_max": w_max, "w_min": w_min, "step_up": step_up, "step_down": step_down}
        return self.complete(constants | self.retention(shape, stream), stream)

    def complete(self, constants: Constants, stream: Stream) -> Constants:
        """Add the constants of the model to the common ones, which are drawn already."""
        return constants
