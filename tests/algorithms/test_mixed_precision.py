import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from resbench.algorithms import MixedPrecision
from resbench.crossbar.devices import Ideal
from tests.algorithms.helpers import build, drive, exact


@pytest.mark.parametrize(
    ("at", "weights", "memory"),
    [
        ("batch_end", [0.0, 0.5, 0.75], [-0.25, 0.0, 0.0]),
        ("first_vector", [0.0, 0.375, 0.625], [-0.25, -0.125, -0.125]),
    ],
)
def test_whole_steps_go_to_the_devices_from_the_second_batch_on(
    at: Any, weights: list[float], memory: list[float]
) -> None:
    algorithm = build(MixedPrecision(transfer_at=at))
    for weight, chi in zip(weights, memory, strict=True):
        drive(algorithm, 1, batch=2)
        assert (algorithm.weight[0, 0].item(), algorithm.chi[0, 0].item()) == (weight, chi)


def test_what_is_not_a_whole_step_waits() -> None:
    algorithm = build(MixedPrecision())
    drive(algorithm, 3, lr=0.05)
    torch.testing.assert_close(algorithm.weight[0], torch.full((3,), 0.125))
    torch.testing.assert_close(algorithm.chi[0], torch.full((3,), -0.025))


def test_what_does_not_fit_one_pulse_train_is_lost() -> None:
    algorithm = build(MixedPrecision(), exact(bound=100.0))
    drive(algorithm, 2, lr=2.5)
    assert algorithm.weight[0].tolist() == [31 * 0.125] * 3
    assert not algorithm.chi.any()


def test_a_device_without_granularity_takes_all_of_it() -> None:
    algorithm = build(MixedPrecision(), exact().with_states(math.inf))
    drive(algorithm, 2, lr=0.01)
    torch.testing.assert_close(algorithm.weight[0], torch.full((3,), 0.02))
    assert algorithm.chi.abs().max() < 1e-7


@pytest.mark.parametrize(
    ("at", "optimizer"), [("batch_end", None), ("first_vector", None), ("batch_end", torch.optim.Adam)]
)
def test_a_step_without_vectors_changes_nothing(at: Any, optimizer: Any) -> None:
    one, other = (build(MixedPrecision(transfer_at=at, optimizer=optimizer, n_x_bins=4)) for _ in range(2))
    for steps in (0, 2, 1):
        drive(one, steps)
        drive(other, steps)
        drive(other, 1, batch=0)
    assert other.state() == one.state()
    assert torch.equal(other.chi, one.chi)
    assert torch.equal(other.weight, one.weight)
    assert one.weight.any()


def test_rows_take_turns() -> None:
    algorithm = build(MixedPrecision(n_rows_per_transfer=1))
    drive(algorithm, 2)
    assert (algorithm.weight != 0).any(dim=1).tolist() == [True, False]
    drive(algorithm, 1)
    assert algorithm.weight[:, 0].tolist() == [0.25, -0.375]


@pytest.mark.parametrize(
    "arguments",
    [
        {"transfer_every": 0},
        {"transfer_every": 1.5},
        {"n_rows_per_transfer": 1.5},
        {"transfer_at": "batch-end"},
        {"n_rows_per_transfer": 0},
        {"n_x_bins": 1},
        {"n_d_bins": -2},
        {"transfer_lr": -1.0},
        {"transfer_lr": math.inf},
        {"granularity": -0.1},
        {"granularity": math.nan},
        {"granularity": math.inf},
    ],
)
def test_impossible_values_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        MixedPrecision(**arguments)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "momentum": partial(torch.optim.SGD, momentum=0.9, dampening=0.5, weight_decay=0.1),
    "AdamW": partial(torch.optim.AdamW, weight_decay=0.1, amsgrad=True),
    "Adagrad": partial(torch.optim.Adagrad, initial_accumulator_value=0.5),
    "NAdam": torch.optim.NAdam,
    "Adafactor": torch.optim.Adafactor,
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_on_ideal_devices_the_weight_goes_where_the_optimiser_takes_it(
    make: Callable[..., torch.optim.Optimizer],
) -> None:
    """One step later, since nothing is transferred with the first mini-batch."""
    start = torch.tensor([[0.5, -0.25, 0.0], [0.125, 1.0, -1.0]])
    algorithm = build(MixedPrecision(optimizer=make, transfer_every=1), Ideal(), weight=start)
    digital = nn.Parameter(start.clone())
    optimizer = make([digital], 0.125)
    for step in range(1, 5):
        x, d = torch.linspace(-step, 1, 12).reshape(4, 3), torch.linspace(0.5, -1, 8).reshape(4, 2)
        algorithm.step([(x, d)], 0.125)
        optimizer.param_groups[0]["params"][0].grad = d.T @ x
        optimizer.step()
        if step == 1:
            assert torch.equal(algorithm.weight, start)
            algorithm.tiles[0].program(start - algorithm.chi)
            algorithm.chi.zero_()
        torch.testing.assert_close(algorithm.weight, digital.detach(), rtol=1e-5, atol=1e-6)


def test_the_step_not_the_gradient_is_summed_until_it_is_whole() -> None:
    """Adam divides a gradient of any size by its size: steps of lr 0.05, of which three cross one of 0.125."""
    algorithm = build(MixedPrecision(optimizer=torch.optim.Adam))
    for _ in range(3):
        algorithm.step([(torch.full((1, 3), 1000.0), torch.tensor([[-1.0, 0.001]]))], 0.05)
    assert algorithm.weight.tolist() == [[0.125] * 3, [-0.125] * 3]
    torch.testing.assert_close(algorithm.chi[:, 0], torch.tensor([-0.025, 0.025]), rtol=0, atol=1e-5)


def test_what_the_optimiser_remembers_is_digital_storage() -> None:
    storage = build(MixedPrecision(optimizer=torch.optim.AdamW)).digital_storage()
    assert storage == {"chi": 6, "optimizer_step": 1, "optimizer_exp_avg": 6, "optimizer_exp_avg_sq": 6}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": torch.optim.LBFGS}, "optimizer: LBFGS evaluates the loss several times"),
        ({"optimizer": partial(torch.optim.SGD, lr=0.1)}, "optimizer: lr is among its options; write the rate of the"),
        ({"optimizer": partial(torch.optim.SGD, momentum=-1.0)}, "optimizer: this optimiser cannot be made"),
        ({"optimizer": torch.optim.Adam, "transfer_at": "first_vector"}, "transfer_at: first_vector cuts gradients"),
    ],
)
def test_impossible_optimisers_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixedPrecision(**arguments)
