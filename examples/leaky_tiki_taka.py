"""A variant of TT-v2 as a plug-in: its buffer leaks, so that old gradients count less than new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from resbench.algorithms import TikiTakaV2
from resbench.algorithms.channels import Buffer


@dataclass(kw_only=True, eq=False)
class LeakyBuffer(Buffer):
    """``H[:, j] <- (1 - leak) H[:, j]`` before a read of column j is added."""

    leak: float

    def pass_on(self, source: int, lines: Tensor, values: Tensor, rate: float, now: int) -> tuple[Tensor, float] | None:
        self.buffer(f"buffer_{source}")[lines] *= 1 - self.leak
        return super().pass_on(source, lines, values, rate, now)


class LeakyTikiTaka(TikiTakaV2):
    """Leaky TT-v2: as TT-v2, but the buffer behind the fast tile loses a share at every read.

    Args:
        leak: share of a column of the buffer that is lost when the column is read, in [0, 1).
    """

    title = "Leaky TT-v2"
    citation = "An example of resbench, docs/add-an-algorithm.md"

    def __init__(self, leak: float = 0.05, **inherited: Any) -> None:
        super().__init__(**inherited)
        self.channel = LeakyBuffer(**vars(self.channel), leak=leak)
