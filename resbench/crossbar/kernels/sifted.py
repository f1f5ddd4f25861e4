"""A write of whole pulses out of a digital buffer, as the kernels take it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.checks import Axis
from resbench.crossbar.pulses import PulseTrain


class Reference(NamedTuple):
    """What a channel with a dynamic reference keeps; :class:`resbench.algorithms.AGAD` explains it."""

    mean: Tensor  # float32 [lines, across]
    reference: Tensor  # float32 [lines, across]
    flipped: Tensor  # bool [lines]
    decay: float
    bound: float  # 0 for none


class Correction(NamedTuple):
    """A threshold that depends on a rate that only the GPU knows; the rate of the read is divided by it."""

    last_rate: Tensor  # float64 [1]
    base: float  # threshold at a rate of 1
    slow_step: float
    fast_step: float


class Chop(NamedTuple):
    """The signs of a buffer of chopped gradients, for the read of a single line."""

    line_signs: Tensor  # float32 [lines]
    cross_signs: Tensor  # float32 [across]
    flips: bool  # whether the sign of the line flips after the read
    cross_chance: float  # probability with which the signs across flip then
    cross_key: int  # key of these draws
    sweep: int  # and their counter
    empties: bool  # whether the buffer is empty before
    is_open: bool  # whether anything is written
    reference: Reference | None
    correction: Correction | None


class Average(NamedTuple):
    """What makes a buffer the running average of what is read; the rate of the read is not used then."""

    rate: float  # share of a read in the average
    passes_difference: bool  # pass on how far a read is from the average before it; False takes whole pulses out of it


class SiftedWrite(NamedTuple):
    """The arguments of :meth:`resbench.crossbar.tile.Tile.write_sifted`, which explains each of them."""

    lines: Tensor
    buffer: Tensor
    rule: tuple[float, float, bool, float]
    source: DeviceArray | None
    rate: float
    lr: float
    pulses: PulseTrain
    axis: Axis
    only_busy: bool
    chop: Chop | None = None
    average: Average | None = None

    @property
    def is_certain(self) -> bool:
        """Whether all lines are written, whatever is in the buffer."""
        return self.average is not None and self.average.passes_difference
