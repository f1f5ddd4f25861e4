"""Device models: mean parameters, fabrication of an array, response to one pulse."""

from resbench.crossbar.devices.base import Constants, Device, Response
from resbench.crossbar.devices.steps import ConstantStep, SoftBounds

__all__ = ["ConstantStep", "Constants", "Device", "Response", "SoftBounds"]
