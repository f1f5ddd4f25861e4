import pytest
import torch
from torch import Tensor

from resbench.algorithms import ERIDER, Algorithm, TikiTaka
from resbench.crossbar.devices import SoftBoundsReference
from resbench.errors import BadValue
from tests.algorithms.helpers import build, drive

#: Symmetric point at +0.3, the same for all devices.
OFFSET = SoftBoundsReference(
    dw_min=0.01, w_max=1.0, w_min=-1.0, mult_noise=True, subtract_symmetry_point=True, reference_mean=-0.3,
    dw_min_dtod=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
)  # fmt: skip


def test_under_a_negative_sign_the_residual_tile_climbs_and_counts_the_other_way() -> None:
    algorithm = build(ERIDER(gamma=0.5, track_lr=0.5, transfer_lr=0.5, chop_prob=1.0))
    drive(algorithm, 1, lr=0.5)
    assert algorithm.channel.sign == -1.0
    assert algorithm.weight[1, 0] == algorithm.tiles[1].weight[1, 0] + 0.125
    drive(algorithm, 1, lr=0.5)
    assert algorithm.tiles[0].weight[1, 0] == 0.0
    assert algorithm.channel.sign == 1.0


def test_the_sign_flips_as_often_as_it_should() -> None:
    algorithm = build(ERIDER(chop_prob=0.2))
    flips, sign = 0, 1.0
    for _ in range(1000):
        algorithm.channel.end_batch()
        flips, sign = flips + (algorithm.channel.sign != sign), algorithm.channel.sign
    assert abs(flips / 1000 - 0.2) < 4 * (0.2 * 0.8 / 1000) ** 0.5


def noisy_least_squares(algorithm: Algorithm) -> float:
    """Mean squared error over the last 200 of 1000 steps, on devices whose symmetric point is off."""
    target, generator = torch.full((4, 4), -0.3), torch.Generator().manual_seed(0)
    errors: list[Tensor] = []
    for _ in range(1000):
        x, noise = torch.randn(2, 4, 4, generator=generator)
        algorithm.step([(x, (x @ (algorithm.weight - target).T + noise) / 4)], 0.1)
        errors.append((algorithm.weight - target).square().mean())
    return torch.stack(errors[-200:]).mean().item()


def test_erider_finds_the_symmetric_point_that_misleads_tiki_taka() -> None:
    tiki_taka, erider = (
        build(algorithm, OFFSET, shape=(4, 4))
        for algorithm in (TikiTaka(fast_lr=0.05, transfer_lr=1.0, scale_transfer_lr=False), ERIDER())
    )
    assert noisy_least_squares(erider) < noisy_least_squares(tiki_taka) / 4
    assert erider.get_buffer("average").mean().item() == pytest.approx(0.3, abs=0.08)


def test_an_impossible_probability_is_named() -> None:
    with pytest.raises(BadValue, match="chop_prob"):
        ERIDER(chop_prob=-0.1)
