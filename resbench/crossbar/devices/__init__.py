"""Device models: mean parameters, fabrication of an array, response to one pulse."""

from resbench.crossbar.devices.base import Constants, Device, Element
from resbench.crossbar.devices.curves import ExpStep, PiecewiseStep, PowStep, PowStepReference
from resbench.crossbar.devices.drift import Drift
from resbench.crossbar.devices.ideal import Ideal
from resbench.crossbar.devices.pulsed import PulsedDevice, Response
from resbench.crossbar.devices.steps import ConstantStep, LinearStep, SoftBounds, SoftBoundsPmax, SoftBoundsReference
from resbench.crossbar.devices.unit_cells import OneSidedCell, ReferenceCell, UnitCell, VectorCell

__all__ = [
    "ConstantStep",
    "Constants",
    "Device",
    "Drift",
    "Element",
    "ExpStep",
    "Ideal",
    "LinearStep",
    "OneSidedCell",
    "PiecewiseStep",
    "PowStep",
    "PowStepReference",
    "PulsedDevice",
    "ReferenceCell",
    "Response",
    "SoftBounds",
    "SoftBoundsPmax",
    "SoftBoundsReference",
    "UnitCell",
    "VectorCell",
]
