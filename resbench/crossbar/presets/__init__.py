"""Published devices by name, to be written as ``class_path: resbench.crossbar.presets.ReRamArrayHfO2`` in a config.

Each has its published step. ``init_args: {states: 4}`` gives the same device another precision; relative spreads and
noise stay. ``source`` names the source of the parameters, and ``obtained`` says how they were obtained. Unless the
source says otherwise, they follow the presets of IBM's aihwkit 1.1.0, whose fits are those of the named papers.
"""

from resbench.crossbar.presets.cells import (
    Capacitor2,
    Capacitor4,
    EcRam2,
    EcRam4,
    EcRamMO2,
    EcRamMO4,
    Idealized2,
    Idealized4,
    PCMPair,
    ReRamES2,
    ReRamES4,
    ReRamSB2,
    ReRamSB4,
)
from resbench.crossbar.presets.elements import (
    PCM,
    Capacitor,
    EcRam,
    EcRamMO,
    ENODe,
    GokmenVlasov,
    Idealized,
    NeuroSim,
    ReRamArrayHfO2,
    ReRamArrayOM,
    ReRamES,
    ReRamSB,
)
from resbench.crossbar.presets.states_only import ReRamAlOxHfO2, ReRamCMO, ReRamHfO2, ReRamPCMO

__all__ = [
    "PCM",
    "Capacitor",
    "Capacitor2",
    "Capacitor4",
    "ENODe",
    "EcRam",
    "EcRam2",
    "EcRam4",
    "EcRamMO",
    "EcRamMO2",
    "EcRamMO4",
    "GokmenVlasov",
    "Idealized",
    "Idealized2",
    "Idealized4",
    "NeuroSim",
    "PCMPair",
    "ReRamAlOxHfO2",
    "ReRamArrayHfO2",
    "ReRamArrayOM",
    "ReRamCMO",
    "ReRamES",
    "ReRamES2",
    "ReRamES4",
    "ReRamHfO2",
    "ReRamPCMO",
    "ReRamSB",
    "ReRamSB2",
    "ReRamSB4",
]
