"""Devices without spread, on which everything is exact, and ways to drive an algorithm by hand."""

from typing import TypeVar

import torch
from torch import Tensor

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import ConstantStep, Device
from resbench.crossbar.randomness import Stream

T = TypeVar("T", bound=Algorithm)
ONES = torch.ones(1, 3)
DESCENT = torch.tensor([[-1.0, 1.0]])


def exact(dw_min: float = 0.125, bound: float = 4.0) -> ConstantStep:
    """A device that moves by exactly ``dw_min`` at each pulse."""
    return ConstantStep(
        dw_min=dw_min, w_max=bound, w_min=-bound, reset_std=0.0,
        dw_min_dtod=0.0, dw_min_std=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
    )  # fmt: skip


def build(
    algorithm: T, *devices: Device, shape: tuple[int, int] = (2, 3), weight: Tensor | None = None, seed: int = 1
) -> T:
    """The algorithm on tiles, programmed to ``weight`` or zero."""
    built = algorithm.build(shape, list(devices) or exact(), Stream.from_seed(seed))
    built.program(torch.zeros(shape) if weight is None else weight)
    return built


def drive(algorithm: Algorithm, steps: int, batch: int = 1, lr: float = 0.125) -> None:
    """Steps that each pulse the first row up and the second down, every column, once for each vector of the batch."""
    for _ in range(steps):
        algorithm.step([(ONES.repeat(batch, 1), DESCENT.repeat(batch, 1))], lr)
