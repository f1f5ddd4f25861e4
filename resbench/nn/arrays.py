"""The analog layer of a matrix: on one array, or beyond the limits of an array on a grid of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters, TilePlan
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream
from resbench.nn.base import AnalogLayer
from resbench.nn.convolution import AnalogConv1d, AnalogConv2d
from resbench.nn.linear import AnalogLinear
from resbench.nn.tiled import TiledLayer


def on_arrays(
    layer: nn.Linear | nn.Conv1d | nn.Conv2d,
    algorithm: Algorithm,
    device: Device | Sequence[Device],
    stream: Stream,
    forward_io: IOParameters = PERFECT,
    backward_io: IOParameters = PERFECT,
    mapping: MappingParameters = ONE_ARRAY,
) -> AnalogLayer | TiledLayer:
    """The analog layer in place of a linear layer or a convolution without groups.

    Arguments and errors are those of :class:`~resbench.nn.AnalogLinear`; the mapping may split the layer.
    """
    out, columns = layer.weight.flatten(1).shape
    arguments = algorithm, device, stream, forward_io, backward_io, mapping
    if len(TilePlan.of((out, columns), mapping).arrays) > 1:
        return TiledLayer(layer, *arguments)
    if isinstance(layer, nn.Linear):
        return AnalogLinear(layer, *arguments)
    return AnalogConv1d(layer, *arguments) if isinstance(layer, nn.Conv1d) else AnalogConv2d(layer, *arguments)


def linear_of(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """The digital linear layer of a matrix ``[out, in]`` and a bias ``[out]``."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach().contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach())
    return layer
