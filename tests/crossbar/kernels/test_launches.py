"""How much a GPU has to start for an optimiser step, and where the host waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from resbench import algorithms
from resbench.algorithms import Algorithm
from resbench.crossbar import kernels
from resbench.crossbar.devices import SoftBounds
from resbench.errors import Diverged
from resbench.nn import AnalogOptimizer, to_analog

pytest.importorskip("triton")
from tests.crossbar.kernels.launches import counted

UPDATE = ["scales", "draw_rows", "draw_columns", "replay"]
#: A transfer on the way to its update: the numbers of the lines, and the lines themselves.
LINES = ["arange", "zeros", "scatter_"]


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    kernels.use("auto")


def trained(algorithm: Algorithm, *layers: nn.Module) -> tuple[nn.Module, AnalogOptimizer]:
    """A model with pairs that wait for their third step."""
    kernels.use("cuda")
    model = nn.Sequential(*layers)
    to_analog(model, algorithm, SoftBounds(states=10))
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    for _ in range(2):
        backward(model)
        optimizer.step()
        optimizer.zero_grad()
    backward(model)
    return model, optimizer


def backward(model: nn.Module, factor: float = 1.0) -> None:
    (model(torch.ones(2, 1, 3, 3)).sum() * factor).backward()


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (algorithms.AnalogSGD(), UPDATE),
        (algorithms.TikiTaka(gamma=0.5), [*UPDATE, *LINES, *UPDATE, "compose"]),
        (algorithms.ResidualLearning(tiles=3, transfer_every=1.0), [*UPDATE, *LINES, *UPDATE, "compose"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_step_is_few_launches_and_no_wait(algorithm: Algorithm, expected: list[str]) -> None:
    _, optimizer = trained(algorithm, nn.Conv2d(1, 2, 2, bias=False))
    with counted() as launches:
        optimizer.step()
    first = launches.started.index("scales")  # before it, all errors of all layers are checked once
    assert launches.started[first:] == expected
    assert len(expected) <= 12
    assert launches.waits == []


@pytest.mark.parametrize(
    ("algorithm", "waits"),
    [
        (algorithms.TikiTakaV2(), 1),
        (algorithms.MixedPrecision(), 3),
        (algorithms.ChoppedTikiTaka(), 3),
        (algorithms.AGAD(), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_digital_buffers_make_the_host_wait(algorithm: Algorithm, waits: int) -> None:
    """Whether anything is written decides which random numbers the next write draws."""
    _, optimizer = trained(algorithm, nn.Flatten(), nn.Linear(9, 2, bias=False))
    with counted() as launches:
        optimizer.step()
    assert len(launches.waits) == waits, launches.waits


def test_a_gradient_that_is_not_finite_is_seen_one_step_later() -> None:
    model, optimizer = trained(algorithms.AnalogSGD(), nn.Conv2d(1, 2, 2, bias=False))
    (before,) = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer.zero_grad()
    backward(model, torch.inf)
    optimizer.step()
    assert all(torch.equal(parameter, before) for parameter in model.parameters())
    with pytest.raises(Diverged, match="not finite"):
        optimizer.state_dict()
