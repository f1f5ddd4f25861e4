"""Readings of simulated devices, made by the tiles that train networks, not by the code that fits."""

from __future__ import annotations

import numpy as np

from resbench.crossbar.devices import PulsedDevice
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import sweep
from resbench.fitting.table import Branch, Measurement


def measured(device: PulsedDevice, pulses: int, devices: int = 1, cycles: int = 1, seed: int = 0) -> Measurement:
    """Pulses up from near the lower bound, then as many down; devices of one array, each cycle the same devices."""
    branches = []
    for cycle in range(cycles):
        # Cycles of one device without spread are runs of equal devices with other noise.
        stream = Stream.from_seed(seed + cycle)
        weights = sweep(device, 0.9 * device.w_min, pulses, devices, stream, points=pulses).numpy().astype(np.float64)
        for sign, part in ((1, weights[: pulses + 1]), (-1, weights[pulses:])):
            for one in range(devices):
                branches.append(Branch(f"{one}", f"{cycle}", sign, np.arange(len(part)), part[:, one]))
    return Measurement("simulated", tuple(branches))
