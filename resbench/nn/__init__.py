"""Analog layers, their optimiser, and the conversion of digital models."""

from resbench.nn.base import AnalogLayer, analog_layers
from resbench.nn.convert import chosen_layers, to_analog
from resbench.nn.convolution import AnalogConv1d, AnalogConv2d
from resbench.nn.grouped import GroupedConv
from resbench.nn.hardware import Hardware
from resbench.nn.linear import AnalogLinear
from resbench.nn.lstm import AnalogLSTM
from resbench.nn.optimizer import AnalogOptimizer
from resbench.nn.overview import drifts, end_epoch, pass_time, summary, tiles
from resbench.nn.parameter import AnalogWeight, ForeignWrite
from resbench.nn.shared import collect_tiles
from resbench.nn.tiled import TiledLayer
from resbench.nn.transposed import AnalogConvTranspose2d
from resbench.nn.twin import digital_state

__all__ = [
    "AnalogConv1d",
    "AnalogConv2d",
    "AnalogConvTranspose2d",
    "AnalogLSTM",
    "AnalogLayer",
    "AnalogLinear",
    "AnalogOptimizer",
    "AnalogWeight",
    "ForeignWrite",
    "GroupedConv",
    "Hardware",
    "TiledLayer",
    "analog_layers",
    "chosen_layers",
    "collect_tiles",
    "digital_state",
    "drifts",
    "end_epoch",
    "pass_time",
    "summary",
    "tiles",
    "to_analog",
]
