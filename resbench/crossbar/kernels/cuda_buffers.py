"""What a digital buffer asks of a GPU, as a row of a table (:mod:`~resbench.crossbar.kernels.cuda_table`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.kernels.cuda_jobs import bits, bytes_of, double_bits, low_word, memory_of
from resbench.crossbar.kernels.cuda_table import Sift
from resbench.crossbar.kernels.sifted import Average, Chop, SiftedWrite
from resbench.crossbar.randomness import signed


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
        kept: what else is changed: signs, and a dynamic reference.
        late_rate: a rate that is read; None for none.
        average: what makes the buffer an average; None for none.
    """

    numbers: Sift
    forget: bool
    buffer: Tensor
    source: Tensor | None
    found: Tensor
    lines: Tensor
    kept: list[Tensor]
    late_rate: Tensor | None
    average: Average | None
    bytes: ClassVar[int] = 0
    arrays: ClassVar[list[DeviceArray]] = []

    @property
    def kind(self) -> tuple[object, ...]:
        """Those of one kind can be started together."""
        return self.forget, bool(self.kept), self.average and self.average.passes_difference

    @property
    def device(self) -> torch.device:
        """The GPU."""
        return self.buffer.device

    @property
    def memory_read(self) -> set[int]:
        """Memory on which they depend."""
        return {memory_of(each) for each in (self.source, self.late_rate) if each is not None}

    @property
    def memory_changed(self) -> set[int]:
        """Memory that they change."""
        return {memory_of(each) for each in (self.buffer, self.found, *self.kept)}

    @property
    def memory_held(self) -> dict[int, int]:
        """Memory that is kept until they are started, with its bytes."""
        return bytes_of([self.found])


def sifting(write: SiftedWrite) -> tuple[Sifting, Tensor, Tensor]:
    """A write out of a buffer as a job, its pulses float32 ``[n, across]``, and which lines have any, int32 ``[n]``."""
    buffer, lines, chop = write.buffer, write.lines.contiguous(), write.chop
    n, across, (threshold, momentum, forget, most) = lines.numel(), buffer.shape[1], write.rule
    found = torch.empty(n * (across + 1), device=buffer.device)
    whole, busy = found[: n * across].view(n, across), found[n * across :].view(torch.int32)
    source = None
    if write.source is not None:
        source = write.source.memory.t() if write.axis == "column" else write.source.memory
    numbers = Sift(
        lines=lines.data_ptr(),
        across=across,
        buffer=buffer.data_ptr(),
        buffer_line=buffer.stride(0),
        buffer_across=buffer.stride(1),
        source=0 if source is None else source.data_ptr(),
        source_line=0 if source is None else source.stride(0),
        source_across=0 if source is None else source.stride(1),
        source_rate=bits(write.rate),
        threshold=bits(threshold),
        momentum=bits(momentum),
        cut=bits((np.float32(1) - np.float32(momentum)) * np.float32(threshold)),
        most=bits(most),
        whole=whole.data_ptr(),
        sifted=busy.data_ptr(),
        **({} if chop is None else signs_of(chop, write.rate)),
        **({} if write.average is None else shares_of(write.average)),
    )
    kept: list[Tensor] = [] if chop is None else [chop.line_signs, chop.cross_signs]
    if chop is not None and chop.reference is not None:
        kept += chop.reference[:3]
    late_rate = None if chop is None or chop.correction is None else chop.correction.last_rate
    return Sifting(numbers, forget, buffer, source, found, lines, kept, late_rate, write.average), whole, busy


def shares_of(average: Average) -> dict[str, int]:
    """The numbers of a row ``Sift`` that only averages have."""
    return {"decay": bits(average.rate), "rest": bits(np.float32(1) - np.float32(average.rate))}


def signs_of(chop: Chop, rate: float) -> dict[str, int]:
    """The numbers of a row ``Sift`` that only buffers of chopped gradients have."""
    numbers = {
        "line_signs": chop.line_signs.data_ptr(),
        "cross_signs": chop.cross_signs.data_ptr(),
        "turns": int(chop.flips),
        "cross_chance": bits(chop.cross_chance),
        "cross_key": signed(chop.cross_key),
        "sweep": low_word(chop.sweep),
        "empties": int(chop.empties),
    }
    if (kept := chop.reference) is not None:
        numbers |= {
            "mean": kept.mean.data_ptr(),
            "reference": kept.reference.data_ptr(),
            "turned": kept.flipped.data_ptr(),
            "decay": bits(kept.decay),
            "rest": bits(1 - kept.decay),
            "bound": bits(kept.bound),
        }
    if (correction := chop.correction) is not None:
        numbers |= {
            "late_rate": correction.last_rate.data_ptr(),
            "read_rate": double_bits(rate),
            "value": double_bits(correction.base),
            "slow_step": double_bits(correction.slow_step),
            "fast_step": double_bits(correction.fast_step),
        }
    return numbers
