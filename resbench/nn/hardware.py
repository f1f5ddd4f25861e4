"""What analog layers are made of: the arguments that every one of them takes beside the digital layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream


@dataclass(frozen=True)
class Hardware:
    """What the arrays of an analog layer are made of: ``AnalogLinear(nn.Linear(64, 10), Hardware(...))``.

    Args:
        algorithm: hyper-parameters of the training algorithm; each array gets its own copy with tiles.
        device: device of all tiles, or one for each tile, fast tile first.
        stream: random stream of the layer; layers with different streams are independent.
        forward_io: periphery of the forward products.
        backward_io: periphery of the backward products.
        mapping: scales, bias column and largest array.
    """

    algorithm: Algorithm
    device: Device | Sequence[Device]
    stream: Stream
    forward_io: IOParameters = PERFECT
    backward_io: IOParameters = PERFECT
    mapping: MappingParameters = ONE_ARRAY

    def child(self, *path: str | int) -> Hardware:
        """The same for a part of the layer, such as a block or a group, with a random stream of its own."""
        return dataclasses.replace(self, stream=self.stream.child(*path))
