"""Every concrete device there is, found by being there, for the contract tests."""

import inspect
from collections.abc import Iterator
from typing import Any

from resbench.crossbar import presets  # its classes count as soon as they are imported
from resbench.crossbar.devices import Device, OneSidedCell, PulsedDevice, ReferenceCell, SoftBounds, VectorCell

__all__ = ["PRESETS", "PULSED", "ZOO", "model_name"]

ELEMENT = SoftBounds(states=10)
CELLS: list[Device] = [
    OneSidedCell(device=ELEMENT),
    ReferenceCell(device=ELEMENT),
    *(VectorCell(devices=(ELEMENT, ELEMENT), update_policy=policy) for policy in ("all", "single_random")),
]


def _concrete(base: Any) -> Iterator[type[Device]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("resbench.") and not inspect.isabstract(model) and model.__name__[0] != "_":
            yield model
        yield from _concrete(model)


def _unique() -> Iterator[Device]:
    for model in dict.fromkeys(_concrete(Device)):
        if model not in (OneSidedCell, ReferenceCell, VectorCell):
            yield model()


PRESETS = [device for device in _unique() if type(device).__module__.startswith(presets.__name__)]
ZOO = [*_unique(), *CELLS]
PULSED = [device for device in ZOO if isinstance(device, PulsedDevice)]


def model_name(device: Device) -> str:
    """For the names of tests."""
    return type(device).__name__
