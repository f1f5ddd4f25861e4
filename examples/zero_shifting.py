"""How well pulses up and down in turn find the symmetric point of a device (zero-shifting, arXiv:1907.10228).

    python zero_shifting.py

The first table is the root mean square distance between the zero of 10000 devices and their symmetric points after a
number of pulses, in units of the range of the weight. The second is the error of 16 weights that are trained on such
devices. ``docs/zero-shifting.md`` discusses both.
"""

from __future__ import annotations

import dataclasses

import torch

from resbench.algorithms import AGAD, ERIDER, Algorithm, TikiTaka
from resbench.crossbar.devices import PulsedDevice, SoftBounds
from resbench.crossbar.presets import ReRamArrayOM
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import symmetric_points
from resbench.crossbar.tile import Tile

PULSES = (0, 10, 30, 100, 300, 1000, 3000)
#: Half of a unit of asymmetry moves the symmetric point to a third of the range from zero to the bound.
ASYMMETRIC = SoftBounds(w_max=1.0, w_min=-1.0, up_down=0.5)
DEVICES: dict[str, PulsedDevice] = {
    "SoftBounds, 10 states": dataclasses.replace(ASYMMETRIC, states=10),
    "SoftBounds, 100 states": dataclasses.replace(ASYMMETRIC, states=100),
    "SoftBounds, 1000 states": dataclasses.replace(ASYMMETRIC, states=1000),
    "ReRamArrayOM, 21 states": ReRamArrayOM(subtract_symmetry_point=False, reference_std=0.0),
}


def error(device: PulsedDevice, pulses: int) -> float:
    """Root mean square distance of the zero from the symmetric point, in units of the range; of devices that have one.

    Stuck devices and those whose symmetric point lies beyond their bounds are left out.
    """
    tile = Tile(device, (100, 100), Stream.from_seed(0))
    points = symmetric_points(device, tile.constants)
    has_one = ~points.isnan()
    tile.zero_shift(pulses)
    points = symmetric_points(device, tile.constants)
    return float(points[has_one].square().mean().sqrt()) / (device.w_max - device.w_min)


#: Devices of one kind, whose symmetric point is 0.3: steps ``0.01 (1 - w)`` up and ``0.00538 (1 + w)`` down.
TRAINED = SoftBounds(
    dw_min=0.01, up_down=1 - 0.7 / 1.3, w_max=1.0, w_min=-1.0,
    dw_min_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
)  # fmt: skip
ALGORITHMS: dict[str, Algorithm] = {
    "TT-v1": TikiTaka(fast_lr=0.05, transfer_lr=1.0, scale_transfer_lr=False),
    "E-RIDER": ERIDER(),
    "AGAD": AGAD(),
}


def trained_error(algorithm: Algorithm, pulses: int) -> float:
    """Mean squared error of 16 weights with noisy gradients, over the last 200 of 1000 steps."""
    device = dataclasses.replace(TRAINED, zero_shift=pulses)
    built = algorithm.build((4, 4), device, Stream.from_seed(0))
    built.program(torch.zeros(4, 4))
    target, generator = torch.full((4, 4), -0.3), torch.Generator().manual_seed(0)
    errors = []
    for _ in range(1000):
        x, noise = torch.randn(2, 4, 4, generator=generator)
        built.step([(x, (x @ (built.weight - target).T + noise) / 4)], 0.1)
        errors.append((built.weight - target).square().mean())
    return float(torch.stack(errors[-200:]).mean())


def print_table(rows: dict[str, list[float]]) -> None:
    """One line for each row, with a value for each number of pulses."""
    print(f"{'pulses':<24}" + "".join(f"{pulses:>8}" for pulses in PULSES))
    for name, values in rows.items():
        print(f"{name:<24}" + "".join(f"{value:8.4f}" for value in values))


if __name__ == "__main__":
    torch.set_num_threads(1)
    print_table({name: [error(device, pulses) for pulses in PULSES] for name, device in DEVICES.items()})
    print()
    print_table({name: [trained_error(one, pulses) for pulses in PULSES] for name, one in ALGORITHMS.items()})
