"""A write of whole pulses out of a digital buffer, as the kernels take it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from resbench.crossbar.array import DeviceArray
from resbench.crossbar.checks import Axis
from resbench.crossbar.pulses import PulseTrain


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
