"""Updates of one large array; needs torch alone, so aihwkit's process runs it too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.loop import Timing

STATES = 100
STEP = 2 / STATES
#: Updates that are timed in one turn.
UPDATES = 3


@dataclass(frozen=True)
class Large:
    """An array and a mini-batch.

    Args:
        rows: outputs.
        columns: inputs.
        samples: vectors of the mini-batch.
        pulses: wanted for each crosspoint.
    """

    rows: int
    columns: int
    samples: int
    pulses: float

    def sides(self) -> tuple[Tensor, Tensor]:
        """Inputs behind a rectifier and errors behind another, half of each 0: x ``[n, in]`` and d ``[n, out]``."""
        draw = torch.Generator().manual_seed(0)
        x, d = (torch.randn(self.samples, size, generator=draw) for size in (self.columns, self.rows))
        return x.clamp_(min=0), d * (torch.rand(d.shape, generator=draw) < 0.5)

    def rate(self) -> float:
        """Learning rate at which the pulses are expected."""
        x, d = self.sides()
        return self.pulses * STEP / (self.samples * float(x.abs().mean() * d.abs().mean()))


def timed(update: Callable[[], object]) -> Timing:
    """What an update takes, the mean of a few; one more comes first, which brings the array into the cache."""
    update()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(UPDATES):
        update()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Timing(cpu / UPDATES, wall / UPDATES, cpu / UPDATES)
