"""A training step makes every tensor on the device of its layer.

A GPU is not needed to see that: with ``meta`` as the default device, a tensor made without saying where does not go
together with those of the layer.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from resbench import algorithms
from resbench.algorithms import Algorithm
from resbench.crossbar import kernels
from resbench.crossbar.devices import Device, OneSidedCell, SoftBounds
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.nn import AnalogOptimizer, to_analog

ALGORITHMS: list[Algorithm] = [
    algorithms.AnalogSGD(),
    algorithms.TikiTaka(with_reset_prob=0.5),
    algorithms.TikiTakaV2(),
    algorithms.ChoppedTikiTaka(out_chop_prob=0.5),
    algorithms.AGAD(),
    algorithms.MixedPrecision(n_x_bins=5, n_d_bins=5),
    algorithms.ResidualLearning(),
]
FADING = SoftBounds(states=10, lifetime=20.0, diffusion=0.01, write_noise_std=0.5)


@pytest.mark.parametrize("backend", ["events", "reference"])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: type(algorithm).__name__)
def test_training_steps_of_every_algorithm(algorithm: Algorithm, backend: kernels.Backend) -> None:
    steps(algorithm, FADING, IOParameters(), backend)


def test_training_steps_of_unit_cells() -> None:
    cell = OneSidedCell(device=SoftBounds(states=10), refresh_every=1, refresh_upper_thres=0.1, refresh_lower_thres=0.0)
    steps(algorithms.AnalogSGD(), cell, PERFECT, "events")


def steps(algorithm: Algorithm, device: Device, io: IOParameters, backend: kernels.Backend) -> None:
    kernels.use(backend)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    to_analog(model, algorithm, device, forward_io=io, backward_io=io)
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    images, classes = torch.randn(2, 1, 4, 4), torch.tensor([0, 2])
    weight = model.get_parameter("3.weight")
    before = weight.detach().clone()
    with torch.device("meta"):
        for _ in range(2):
            optimizer.zero_grad()
            functional.cross_entropy(model(images), classes).backward()
            optimizer.step()
    assert not torch.equal(weight, before)
