"""What a digital buffer asks of a GPU, as a row of a table (:mod:`~resbench.crossbar.kernels.cuda_table`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.kernels.cuda_jobs import bits, memory_of
from resbench.crossbar.kernels.cuda_table import Sift


@dataclass(frozen=True, eq=False)
class Sifting:
    """Whole pulses that are taken out of lines of a digital buffer.

    Args:
        numbers: the row ``Sift`` of the table.
        forget: whether the buffer forgets the rest where it passes something on.
        buffer: the buffer.
        source: weights that are added before; None for none.
        found: float32 ``[n (across + 1)]``; filled with pulses, then with int32 ``[n]``, whether a line has any.
        lines: int64 ``[n]``, which lines.
    """

    numbers: Sift
    forget: bool
    buffer: Tensor
    source: Tensor | None
    found: Tensor
    lines: Tensor
    bytes: ClassVar[int] = 0
    arrays: ClassVar[list[DeviceArray]] = []

    @property
    def kind(self) -> tuple[object, ...]:
        """Those of one kind can be started together."""
        return (self.forget,)

    @property
    def device(self) -> torch.device:
        """The GPU."""
        return self.buffer.device

    @property
    def memory_read(self) -> set[int]:
        """Memory on which they depend."""
        return set() if self.source is None else {memory_of(self.source)}

    @property
    def memory_changed(self) -> set[int]:
        """Memory that they change."""
        return {memory_of(self.buffer), memory_of(self.found)}


def sifting(
    buffer: Tensor,
    lines: Tensor,
    rule: tuple[float, float, bool, float],
    source: Tensor | None,
    rate: float,
) -> tuple[Sifting, Tensor, Tensor]:
    """:func:`resbench.crossbar.digital.sift` as a job, its pulses float32 ``[n, across]``, and which lines have any.

    Args:
        buffer: float32 ``[lines, across]``, changed in place.
        lines: int64 ``[n]``, which lines.
        rule: threshold, momentum, whether the buffer forgets, and most pulses.
        source: float32 ``[lines, across]``, added before, times ``rate``; None for none.
        rate: the factor.
    """
    n, across, (threshold, momentum, forget, most) = lines.numel(), buffer.shape[1], rule
    found = torch.empty(n * (across + 1), device=buffer.device)
    whole, busy = found[: n * across].view(n, across), found[n * across :].view(torch.int32)
    lines = lines.contiguous()
    numbers = Sift(
        lines=lines.data_ptr(),
        across=across,
        buffer=buffer.data_ptr(),
        buffer_line=buffer.stride(0),
        buffer_across=buffer.stride(1),
        source=0 if source is None else source.data_ptr(),
        source_line=0 if source is None else source.stride(0),
        source_across=0 if source is None else source.stride(1),
        source_rate=bits(rate),
        threshold=bits(threshold),
        momentum=bits(momentum),
        cut=bits((np.float32(1) - np.float32(momentum)) * np.float32(threshold)),
        most=bits(most),
        whole=whole.data_ptr(),
        sifted=busy.data_ptr(),
    )
    return Sifting(numbers, forget, buffer, source, found, lines), whole, busy
