"""In-memory training on resistive crossbars with few conductance states: simulator, algorithms, leaderboard.

``import resbench as rb`` imports nothing heavy; each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resbench import algorithms, networks
    from resbench.crossbar import devices, presets
    from resbench.crossbar.periphery import IOParameters
    from resbench.crossbar.pulses import PulseTrain
    from resbench.crossbar.tile import Tile
    from resbench.leaderboard.compile import compile_leaderboard
    from resbench.nn import AnalogOptimizer, analog_layers, end_epoch, summary, tiles, to_analog
    from resbench.records.schema import read_record
    from resbench.training.in_python import fit
    from resbench.training.process import set_arithmetic

__all__ = [
    "AnalogOptimizer",
    "IOParameters",
    "PulseTrain",
    "Tile",
    "algorithms",
    "analog_layers",
    "compile_leaderboard",
    "devices",
    "end_epoch",
    "fit",
    "networks",
    "presets",
    "read_record",
    "set_arithmetic",
    "summary",
    "tiles",
    "to_analog",
]
__version__ = "0.1.0"

#: The modules among these names, and where the others are.
_MODULES = {
    "algorithms": "resbench.algorithms",
    "devices": "resbench.crossbar.devices",
    "networks": "resbench.networks",
    "presets": "resbench.crossbar.presets",
}
_PLACES = {
    "AnalogOptimizer": "resbench.nn",
    "IOParameters": "resbench.crossbar.periphery",
    "PulseTrain": "resbench.crossbar.pulses",
    "Tile": "resbench.crossbar.tile",
    "analog_layers": "resbench.nn",
    "compile_leaderboard": "resbench.leaderboard.compile",
    "end_epoch": "resbench.nn",
    "fit": "resbench.training.in_python",
    "read_record": "resbench.records.schema",
    "set_arithmetic": "resbench.training.process",
    "summary": "resbench.nn",
    "tiles": "resbench.nn",
    "to_analog": "resbench.nn",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
