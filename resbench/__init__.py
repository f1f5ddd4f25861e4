"""In-memory training on resistive crossbars with few conductance states: simulator, algorithms, leaderboard.

``import resbench as rb`` imports nothing heavy; each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resbench import algorithms, networks, nn
    from resbench.crossbar import devices, periphery, presets, pulses
    from resbench.crossbar.tile import Tile
    from resbench.fitting.result import fit_device
    from resbench.leaderboard.compile import compile_leaderboard
    from resbench.nn import analog_layers, digital_state, end_epoch, summary, tiles, to_analog
    from resbench.records.schema import read_record
    from resbench.training.in_python import fit
    from resbench.training.process import set_arithmetic

__all__ = [
    "Tile",
    "algorithms",
    "analog_layers",
    "compile_leaderboard",
    "devices",
    "digital_state",
    "end_epoch",
    "fit",
    "fit_device",
    "networks",
    "nn",
    "periphery",
    "presets",
    "pulses",
    "read_record",
    "set_arithmetic",
    "summary",
    "tiles",
    "to_analog",
]
__version__ = "0.1.0"

#: The modules among these names, and where the others are. Classes that a config may name are not among them: their
#: class_path would become the shorter one.
_MODULES = {
    "algorithms": "resbench.algorithms",
    "devices": "resbench.crossbar.devices",
    "networks": "resbench.networks",
    "nn": "resbench.nn",
    "periphery": "resbench.crossbar.periphery",
    "presets": "resbench.crossbar.presets",
    "pulses": "resbench.crossbar.pulses",
}
_PLACES = {
    "Tile": "resbench.crossbar.tile",
    "analog_layers": "resbench.nn",
    "compile_leaderboard": "resbench.leaderboard.compile",
    "digital_state": "resbench.nn",
    "end_epoch": "resbench.nn",
    "fit": "resbench.training.in_python",
    "fit_device": "resbench.fitting.result",
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
