import math
from typing import Any

import pytest
import torch

from resbench.algorithms import MixedPrecision
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


def test_rows_take_turns() -> None:
    algorithm = build(MixedPrecision(n_rows_per_transfer=1))
    drive(algorithm, 2)
    assert (algorithm.weight != 0).any(dim=1).tolist() == [True, False]
    drive(algorithm, 1)
    assert algorithm.weight[:, 0].tolist() == [0.25, -0.375]


def test_inputs_are_rounded_relative_to_their_maximum() -> None:
    algorithm = build(MixedPrecision(n_x_bins=6, n_d_bins=4, stoc_round_x=False, stoc_round_d=False))
    x, d = torch.tensor([[0.5, -1.0, 0.15]]), torch.tensor([[0.8, -0.3]])
    torch.testing.assert_close(algorithm.quantise(x, 0), torch.tensor([[2 / 3, -1.0, 0.0]]))
    torch.testing.assert_close(algorithm.quantise(d, 1), torch.tensor([[0.8, -0.4]]))
    assert not algorithm.quantise(torch.zeros(2, 3), 0).any()


def test_stochastic_rounding_is_unbiased_and_stays_on_its_levels() -> None:
    algorithm = build(MixedPrecision(n_x_bins=4))
    x = torch.tensor([[1.0, 0.3, -0.8]]).repeat(4000, 1)
    rounded = algorithm.quantise(x, 0)
    assert set(rounded.unique().tolist()) == {-1.0, -0.5, 0.0, 0.5, 1.0}
    torch.testing.assert_close(rounded.mean(dim=0), x[0], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "arguments", [{"transfer_every": 0}, {"n_rows_per_transfer": 0}, {"n_x_bins": 1}, {"n_d_bins": -2}]
)
def test_impossible_values_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        MixedPrecision(**arguments)
