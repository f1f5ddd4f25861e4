"""How much a GPU has to start for an optimiser step, and where the host waits for it.

Both are counted in Triton's interpreter, where every operator is seen. A GPU copies what the host reads later, and
which operators it takes for that is up to torch.
"""

from __future__ import annotations

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
import triton

from tests.crossbar.kernels.launches import counted

pytestmark = pytest.mark.skipif(not triton.knobs.runtime.interpret, reason="counts on the CPU")

#: Whether all errors are finite, which the host reads one step later.
CHECK = ["_foreach_norm", "stack"]
#: The table of the launches is sent to the GPU.
TABLE = ["copy_"]
#: A rate follows the largest inputs and errors.
FOLLOW = ["maxima", "follow"]
UPDATE = ["scales", "draw_rows", "draw_columns", "replay"]


def trained(algorithm: Algorithm, *layers: nn.Module, steps: int = 1) -> tuple[nn.Module, AnalogOptimizer]:
    """A model after some steps, with pairs that wait for the next one."""
    kernels.use("cuda")
    model = nn.Sequential(*layers)
    to_analog(model, algorithm, SoftBounds(states=10))
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    for _ in range(steps):
        backward(model)
        optimizer.step()
        optimizer.zero_grad()
    backward(model)
    return model, optimizer


def backward(model: nn.Module, factor: float = 1.0) -> None:
    (model(torch.ones(1, 1, 2, 2)).sum() * factor).backward()


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        (algorithms.AnalogSGD(), [*CHECK, *TABLE, *UPDATE]),
        (algorithms.TikiTaka(gamma=0.5), [*CHECK, *TABLE, *UPDATE, *UPDATE, "compose"]),
        (algorithms.TikiTakaV2(), [*CHECK, *TABLE, *UPDATE, "sift", *UPDATE]),
        (algorithms.ResidualLearning(transfer_every=1.0), [*CHECK, *TABLE, *UPDATE, *UPDATE, "compose"]),
        (algorithms.ChoppedTikiTaka(auto_scale=False), [*CHECK, *TABLE, *UPDATE, "sift", *UPDATE]),
        (algorithms.ChoppedTikiTaka(), [*CHECK, *TABLE, *FOLLOW, *UPDATE, "sift", *UPDATE]),
        (algorithms.ChoppedTikiTaka(gamma=0.5), [*CHECK, *TABLE, *FOLLOW, *UPDATE, "sift", *UPDATE, "compose"]),
        (algorithms.ResidualLearningV2(), [*CHECK, *TABLE, *UPDATE, "sift", *UPDATE, "compose"]),
        (algorithms.RIDER(), [*CHECK, *TABLE, *UPDATE, "sift", *UPDATE, "compose"]),
        (algorithms.ERIDER(), [*CHECK, *TABLE, *UPDATE, "sift", *UPDATE, "compose"]),
        (algorithms.AGAD(), [*CHECK, *TABLE, *FOLLOW, *UPDATE, "sift"]),  # its first phase writes nothing
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_step_of_all_layers_is_few_launches_and_no_wait(algorithm: Algorithm, expected: list[str]) -> None:
    layers = nn.Conv2d(1, 2, 2, bias=False), nn.Flatten(), nn.Linear(2, 2, bias=False)
    _, optimizer = trained(algorithm, *layers)
    with counted() as launches:
        optimizer.step()
    assert launches.started == expected
    assert launches.waits == []


def test_mixed_precision_adds_the_digital_gradient_of_each_layer() -> None:
    layers = nn.Flatten(), nn.Linear(4, 2, bias=False), nn.Linear(2, 2, bias=False)
    _, optimizer = trained(algorithms.MixedPrecision(), *layers, steps=2)
    with counted() as launches:
        optimizer.step()
    assert launches.started == [*CHECK, "mm", "add_", "mm", "add_", *TABLE, "sift", *UPDATE]
    assert launches.waits == []


def test_a_gradient_that_is_not_finite_is_seen_one_step_later() -> None:
    model, optimizer = trained(algorithms.AnalogSGD(), nn.Conv2d(1, 2, 2, bias=False))
    (before,) = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer.zero_grad()
    backward(model, torch.inf)
    optimizer.step()
    assert all(torch.equal(parameter, before) for parameter in model.parameters())
    with pytest.raises(Diverged, match="not finite"):
        optimizer.state_dict()
