import math
from typing import Any

import pytest
import torch

from resbench.algorithms import ResidualLearningV2
from tests.algorithms.helpers import build, drive, exact


def test_a_pulse_goes_on_where_the_average_has_reached_a_step() -> None:
    """P is 1/4, 1/2, ..., so with beta 1/4 the average is 1/16, then 11/64; a step is 1/8, and 3/64 stay."""
    algorithm = build(ResidualLearningV2(gamma=0.5, beta=0.25))
    for average, main in ((1 / 16, 0.0), (11 / 64 - 1 / 8, 1 / 8)):
        drive(algorithm, 1, lr=0.25)
        assert (algorithm.average[0, 0].item(), algorithm.tiles[1].weight[0, 0].item()) == (average, main)
    assert algorithm.weight[0, 0].item() == 1 / 8 + 0.5 * 0.5


def test_a_device_without_granularity_takes_a_share_of_the_average() -> None:
    algorithm = build(ResidualLearningV2(beta=0.25), exact().with_states(math.inf))
    drive(algorithm, 1, lr=0.25)
    torch.testing.assert_close(algorithm.tiles[1].weight[0], torch.full((3,), 0.25**3))


@pytest.mark.parametrize("arguments", [{"gamma": 0.0}, {"beta": 1.5}])
def test_impossible_values_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ResidualLearningV2(**arguments)
