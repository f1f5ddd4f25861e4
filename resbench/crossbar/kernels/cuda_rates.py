"""Rates that follow the samples, as rows of a table (:mod:`~resbench.crossbar.kernels.cuda_table`) for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.kernels import cuda_scales
from resbench.crossbar.kernels.cuda_functions import pieces
from resbench.crossbar.kernels.cuda_jobs import bytes_of, double_bits, memory_of, sides_of
from resbench.crossbar.kernels.cuda_table import Lines
from resbench.crossbar.rows import Rows

NOWHERE = dict.fromkeys(Lines._fields, 0)


@dataclass(frozen=True, eq=False)
class Following:
    """Rates that follow the largest x and d of the samples.

    Args:
        lines: the row ``Lines`` of the table; it only says where x and d are.
        numbers: the row ``Follow`` without its first number.
        means: float64 ``[3]``, running means of the largest x and d, and the last rate; changed.
        working: float32, working memory, and the factors, which are filled.
        tensors: x and d, and what is needed to find them.
    """

    lines: Lines
    numbers: tuple[int, ...]
    means: Tensor
    working: Tensor
    tensors: list[Tensor]
    kind: ClassVar[str] = "following"
    bytes: ClassVar[int] = 0
    arrays: ClassVar[list[DeviceArray]] = []

    @property
    def device(self) -> torch.device:
        """The GPU."""
        return self.means.device

    @property
    def memory_read(self) -> set[int]:
        """Memory on which they depend."""
        return {memory_of(each) for each in self.tensors}

    @property
    def memory_changed(self) -> set[int]:
        """Memory that they change."""
        return {memory_of(self.means), memory_of(self.working)}

    @property
    def memory_held(self) -> dict[int, int]:
        """Memory that is kept until they are started, with its bytes."""
        return bytes_of([*self.tensors, self.working])

    @property
    def programs(self) -> int:
        """Programs that find the largest x and d."""
        return pieces(self.lines.size, cuda_scales.MAXIMA_SAMPLES)


def following(x: Rows, d: Rows, means: Tensor, tau: float, numerator: float) -> tuple[Following, Tensor]:
    """:func:`resbench.crossbar.kernels.buffers.running_rates` as a job, and factors on x, float32 ``[n]``.

    Args:
        x: ``[n, in]``.
        d: ``[n, out]``.
        means: float64 ``[3]``, changed: means of the largest x and d, and the last rate.
        tau: share of a sample in the means.
        numerator: rate at means of 1.
    """
    n = x.shape[0]
    sides, tensors = sides_of(x, d, means.device)
    lines = Lines(**{**NOWHERE, **sides, "size": n, "total": n, "rows": d.shape[1], "columns": x.shape[1]})
    working = torch.empty(5 * n, device=means.device)
    products, x_most, d_most, factors = working.split([2 * n, n, n, n])
    addresses = (each.data_ptr() for each in (x_most, d_most, products, factors, means))
    numbers = n, *addresses, *map(double_bits, (tau, 1 - tau, numerator))
    return Following(lines, numbers, means, working, tensors), factors
