"""Periphery of a crossbar: DAC, ADC, noise, noise management and bound management around the matrix-vector product."""

from resbench.crossbar.periphery.array import Periphery
from resbench.crossbar.periphery.parameters import PERFECT, IOParameters

__all__ = ["PERFECT", "IOParameters", "Periphery"]
