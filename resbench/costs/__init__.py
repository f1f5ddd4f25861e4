"""Hardware cost of in-memory training as pure arithmetic on layer shapes; nothing here was measured on hardware.

>>> from resbench.costs import CostModel, lenet5, residual
>>> cost = CostModel(batch_size=8).cost(lenet5(), residual(tiles=4))
>>> f"{cost.latency_ns:.1f} ns, {cost.storage_bytes} bytes"
'87.7 ns, 2130 bytes'
"""

from resbench.costs.algorithms import (
    DigitalGradient,
    Formula,
    InMemory,
    agad,
    analog_sgd,
    c_tt_v2,
    mixed_precision,
    residual,
    tt_v1,
    tt_v2,
)
from resbench.costs.counted import Counts, counted_cost, counted_energy_nj, counts, shapes
from resbench.costs.energy import Energy, break_even_tiles, energy
from resbench.costs.hardware import Hardware
from resbench.costs.model import CostModel, LayerCost, NetworkCost, plane_area_mm2
from resbench.costs.networks import REFERENCE_PERCEPTRON, LayerShape, lenet5, network_layers, resnet, select
from resbench.costs.settings import configured, published
from resbench.costs.workload import Workload, algorithm_columns, workload

__all__ = [
    "REFERENCE_PERCEPTRON",
    "CostModel",
    "Counts",
    "DigitalGradient",
    "Energy",
    "Formula",
    "Hardware",
    "InMemory",
    "LayerCost",
    "LayerShape",
    "NetworkCost",
    "Workload",
    "agad",
    "algorithm_columns",
    "analog_sgd",
    "break_even_tiles",
    "c_tt_v2",
    "configured",
    "counted_cost",
    "counted_energy_nj",
    "counts",
    "energy",
    "lenet5",
    "mixed_precision",
    "network_layers",
    "plane_area_mm2",
    "published",
    "residual",
    "resnet",
    "select",
    "shapes",
    "tt_v1",
    "tt_v2",
    "workload",
]
