from typing import Any

import pytest

from resbench.algorithms import RIDER
from resbench.errors import BadValue
from tests.algorithms.helpers import build, drive


def test_the_average_follows_the_residual_tile_and_the_main_tile_gets_the_rest() -> None:
    """P goes down by 0.5 in each step: what is read is 0.5, then 1 less the 0.25 that Q has of the first."""
    algorithm = build(RIDER(gamma=0.5, track_lr=0.5, transfer_lr=0.5))
    for residual, average, main in ((-0.5, -0.25, -0.25), (-1.0, -0.625, -0.625)):
        drive(algorithm, 1, lr=0.5)
        tiles = [tile.weight[1, 0].item() for tile in algorithm.tiles]
        assert (tiles[0], algorithm.get_buffer("average")[1, 0].item()) == (residual, average)
        assert tiles[1] == pytest.approx(main, abs=0.125)  # whole pulses
        assert algorithm.weight[1, 0].item() == pytest.approx(tiles[1] + 0.5 * (residual - average))


@pytest.mark.parametrize("arguments", [{"gamma": 1.5}, {"track_lr": 0.0}])
def test_impossible_values_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=next(iter(arguments))):
        RIDER(**arguments)
