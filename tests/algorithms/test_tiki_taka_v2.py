import math
from typing import Any

import pytest
import torch

from resbench.algorithms import TikiTakaV2
from tests.algorithms.helpers import build, drive, exact

#: One pulse on the fast tile and one column read at each vector, threshold of two steps, a quarter of the buffer kept.
ARGUMENTS: dict[str, Any] = {
    "fast_lr": 0.125, "transfer_lr": 0.5, "scale_transfer_lr": False, "units_in_mbatch": False,
    "thres_scale": 2.0, "momentum": 0.25,
}  # fmt: skip


@pytest.mark.parametrize(("forget", "kept"), [(True, 0.078125), (False, 0.125)])
def test_the_buffer_passes_on_whole_pulses(forget: bool, kept: float) -> None:
    algorithm = build(TikiTakaV2(**ARGUMENTS, forget_buffer=forget))
    buffer, slow = algorithm.get_buffer("buffer_0"), algorithm.tiles[1].weight
    drive(algorithm, 1)
    assert [buffer[0, 0], slow[0, 0]] == [0.0625, 0.0]
    drive(algorithm, 3)  # the column is read again: 0.0625 + 0.5 * 0.5 = 0.3125 passes 0.25
    assert [buffer[0, 0], slow[0, 0]] == [kept, 0.125]


def test_a_visible_fast_tile_scales_what_is_passed_on() -> None:
    algorithm = build(TikiTakaV2(**(ARGUMENTS | {"gamma": [0.5, 1.0]})))
    drive(algorithm, 1)
    assert algorithm.get_buffer("buffer_0")[0, 0] == 0.5 * 0.5 * 0.125


def test_a_slow_tile_without_granularity_takes_everything() -> None:
    coarse, fine = exact(), exact().with_states(math.inf)
    algorithm = build(TikiTakaV2(**(ARGUMENTS | {"thres_scale": 1.0, "momentum": 0.0})), coarse, fine)
    drive(algorithm, 1)
    assert algorithm.tiles[1].weight[:, 0].tolist() == pytest.approx([0.0625, -0.0625])
    assert not algorithm.get_buffer("buffer_0").any()


def test_every_pair_of_tiles_has_its_own_buffer() -> None:
    algorithm = build(TikiTakaV2(**(ARGUMENTS | {"tiles": 3, "transfer_every": [1.0, 2.0, 0.0]})))
    drive(algorithm, 40)
    assert algorithm.digital_storage() == {"buffer_0": 6, "buffer_1": 6}
    assert torch.count_nonzero(algorithm.get_buffer("buffer_1")) > 0


@pytest.mark.parametrize("arguments", [{"thres_scale": 0.0}, {"step": 0.0}, {"momentum": 5.0}])
def test_impossible_values_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        TikiTakaV2(**arguments)
