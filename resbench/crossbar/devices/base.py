"""The contract of a device model.

:class:`Device` is anything that a crosspoint can hold: one resistive element (:class:`Element`) or a unit cell of
several. Models are frozen dataclasses of *mean* parameters; :meth:`Element.fabricate` draws one set of constants for
each crosspoint of an array.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from resbench.crossbar.devices.drift import Drift
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue

Constants = dict[str, Tensor]
#: How the parameters of a published device were obtained: fitted to measurements, printed in the paper, or only the
#: number of states is known. Empty for plain models.
Origin = Literal["", "fitted", "printed", "states only"]


@dataclass(frozen=True)
class Device(ABC):
    """Anything that a crosspoint can hold. This is the type of every ``device`` argument in a config.

    Args:
        states: number of conductance states of each element, the precision axis: a whole number of at least 2, or
            ``inf`` for no granularity. If it is left out, the step of the model decides.
    """

    states: float | None = None

    #: Source of the parameters, for tables; empty for plain models.
    source: ClassVar[str] = ""
    #: How they were obtained.
    obtained: ClassVar[Origin] = ""

    @property
    @abstractmethod
    def w_max(self) -> float:
        """Mean upper bound of the weight, weight units."""

    @property
    @abstractmethod
    def w_min(self) -> float:
        """Mean lower bound of the weight, weight units."""

    @property
    @abstractmethod
    def granularity(self) -> float:
        """Mean step that sets the pulse probabilities, weight units; 0 for a device without granularity."""

    @property
    def state_count(self) -> float:
        """``(w_max - w_min) / granularity``; ``inf`` for a device without granularity."""
        return math.inf if self.granularity == 0 else (self.w_max - self.w_min) / self.granularity

    @property
    def bits(self) -> float:
        """``log2`` of :attr:`state_count`."""
        return math.log2(self.state_count)

    @property
    def is_continuous(self) -> bool:
        """Whether the device has no granularity, so that updates are exact except for the asymmetry of the device."""
        return self.granularity == 0

    @abstractmethod
    def with_states(self, states: float) -> Self:
        """The same device with another number of states. Everything else stays, including relative spreads."""


@dataclass(frozen=True)
class Element(Device):
    """One resistive element: how it behaves when it is reset, and between pulses.

    Args:
        diffusion: standard deviation added at each optimiser step, weight units.
        diffusion_dtod: its device-to-device spread, relative.
        lifetime: time constant of the decay to the reset value, in optimiser steps. 0 is no decay; with a number up to
            1 a weight decays completely in one step.
        lifetime_dtod: its spread, relative.
        reset: mean value after a reset, weight units.
        reset_dtod: its spread, weight units.
        reset_std: noise of one reset, weight units.
        drift: power-law drift of the weight while time passes; null for none.
        half_constants: store the steps, slopes and bounds of each device in half precision, which takes half the
            memory. They are rounded to 11 bits (three decimal digits); their spread is a hundred times as large.
    """

    diffusion: float = 0.0
    diffusion_dtod: float = 0.0
    lifetime: float = 0.0
    lifetime_dtod: float = 0.0
    reset: float = 0.0
    reset_dtod: float = 0.0
    reset_std: float = 0.01
    drift: Drift | None = None
    half_constants: bool = False

    #: Constants of :meth:`retention`. They stay in single precision, because the decay factor of a step is close to 1.
    retained: ClassVar[tuple[str, ...]] = ("reset_bias", "diffusion", "decay_factor", "drift_nu")

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if isinstance(number, float) and math.isnan(number):
                raise BadValue(name, number, "is no number; write one")
        self._refuse_negative("diffusion", "diffusion_dtod", "lifetime", "lifetime_dtod", "reset_dtod", "reset_std")

    def _refuse_negative(self, *fields: str) -> None:
        for field in fields:
            if not getattr(self, field) >= 0:
                raise BadValue(field, getattr(self, field), "is impossible; write a number of 0 (none) or more")

    @property
    def write_noise(self) -> float:
        """Standard deviation of the write noise on the visible weight, weight units."""
        return 0.0

    @property
    def noisy_program(self) -> bool:
        """Whether programming a weight draws write noise."""
        return True

    @abstractmethod
    def fabricate(self, shape: tuple[int, int], stream: Stream) -> Constants:
        """Draw the constants of every device of an array.

        Args:
            shape: ``(out, in)``.
            stream: the array's stream of fabrication draws.

        Returns:
            float32 ``[out, in]`` each: at least ``w_max`` and ``w_min``, and those of :meth:`retention`.
        """

    def retention(self, shape: tuple[int, int], stream: Stream) -> Constants:
        """The constants of reset, diffusion, decay and drift. Those of effects that are off are left out."""

        def xi(name: str) -> Tensor:
            return stream.child(name).normal(shape)

        constants = {"reset_bias": torch.full(shape, self.reset)}
        if self.reset_dtod > 0:
            constants["reset_bias"] = self.reset + self.reset_dtod * xi("reset")
        if self.diffusion > 0:
            constants["diffusion"] = (self.diffusion * (1 + self.diffusion_dtod * xi("diffusion"))).abs()
        if self.lifetime > 0:
            lifetime = self.lifetime * (1 + self.lifetime_dtod * xi("lifetime"))
            constants["decay_factor"] = torch.where(lifetime > 1, 1 - 1 / lifetime, 0.0)
        if self.drift is not None and self.drift.nu > 0:
            constants["drift_nu"] = self.drift.nu * (1 + self.drift.nu_dtod * xi("drift"))
        return constants
