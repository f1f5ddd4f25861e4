"""The ideal device: a floating-point weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch

from resbench.crossbar.devices.base import Constants, Element
from resbench.crossbar.randomness import Stream
from resbench.errors import BadValue


@dataclass(frozen=True)
class Ideal(Element):
    """Floating-point weight: exact updates, no bounds, no noise.

    ``W <- W - lr sum_m d_m x_m^T``, which is aihwkit's ``pulse_type`` ``None``. It has no states. For a device without
    granularity that keeps its asymmetry, give that device ``states: inf``.
    """

    @property
    def w_max(self) -> float:
        return math.inf

    @property
    def w_min(self) -> float:
        return -math.inf

    @property
    def granularity(self) -> float:
        return 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.with_states(math.inf if self.states is None else self.states)

    def with_states(self, states: float) -> Self:
        if states != math.inf:
            raise BadValue("states", states, "is impossible for Ideal; write inf, or take another device model")
        return self

    def fabricate(self, shape: tuple[int, int], stream: Stream) -> Constants:
        bounds = {"w_max": torch.full(shape, math.inf), "w_min": torch.full(shape, -math.inf)}
        return bounds | self.retention(shape, stream)
