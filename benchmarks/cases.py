"""The networks that are measured: LeNet-5 or a perceptron, all layers on 10-state devices, by training algorithm."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from benchmarks.loop import LR, Case, Loop
from resbench.algorithms import Algorithm, ResidualLearning
from resbench.crossbar.devices import SoftBounds
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.nn import AnalogOptimizer, to_analog
from resbench.registry import offers

STATES = 10
TILES = 6
DEVICE = SoftBounds(states=STATES, w_max=1.0, w_min=-1.0)


def registered() -> dict[str, Callable[..., Algorithm]]:
    """Every algorithm that can be named in a config, by the name of its class; residual learning with 6 tiles."""
    found: dict[str, Callable[..., Algorithm]] = {}
    for offer in offers("algorithms"):
        module, _, name = offer.path.rpartition(".")
        found[name] = getattr(import_module(module), name)
    return found | {"ResidualLearning": functools.partial(ResidualLearning, tiles=TILES)}


CASES = registered()
#: The converters and the noise of ``configs/periphery/noisy.yaml``.
NOISY = IOParameters(inp_bits=7, out_bits=9, out_noise=0.06)


def make_loop(name: str, images: Tensor, targets: Tensor, batch: int) -> Loop:
    """The network of a case in training; ``DigitalSGD`` is the plain network with the optimiser of torch."""
    case = Case.of(name)
    io = NOISY if case.is_noisy else PERFECT
    counts: dict[str, Any] = {"units_in_mbatch": False} if case.is_per_vector else {}
    network = to_analog(case.network(), CASES[case.algorithm](**counts), DEVICE, forward_io=io, backward_io=io)
    plain = case.algorithm == "DigitalSGD"
    optimizer = (torch.optim.SGD if plain else AnalogOptimizer)(network.parameters(), lr=LR)
    return Loop(network, optimizer, case.inputs(images), targets, batch)
