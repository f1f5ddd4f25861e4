"""The analog layer of a matrix: on one array, or on a grid of arrays if it is too large for one."""

from __future__ import annotations

from torch import nn

from resbench.crossbar.mapping import TilePlan
from resbench.nn.base import AnalogLayer
from resbench.nn.convolution import AnalogConv1d, AnalogConv2d
from resbench.nn.hardware import Hardware
from resbench.nn.linear import AnalogLinear
from resbench.nn.tiled import TiledLayer


def on_arrays(layer: nn.Linear | nn.Conv1d | nn.Conv2d, hardware: Hardware) -> AnalogLayer | TiledLayer:
    """The analog layer in place of a linear layer or a convolution without groups.

    Raises:
        BadValue: for a mapping that scales the weight beyond what the devices hold.
    """
    out, columns = layer.weight.flatten(1).shape
    if len(TilePlan.of((out, columns), hardware.mapping).arrays) > 1:
        return TiledLayer(layer, hardware)
    if isinstance(layer, nn.Linear):
        return AnalogLinear(layer, hardware)
    return AnalogConv1d(layer, hardware) if isinstance(layer, nn.Conv1d) else AnalogConv2d(layer, hardware)
