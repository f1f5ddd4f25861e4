"""Unit cells: which element a coincidence reaches, how the weight is programmed, and the refresh of pairs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from resbench.crossbar.devices import ConstantStep, OneSidedCell, PowStep, ReferenceCell, SoftBounds, VectorCell
from resbench.crossbar.devices.unit_cells import Policy
from resbench.crossbar.presets import PCMPair
from resbench.crossbar.pulses import PulseTrain
from resbench.crossbar.randomness import Stream
from resbench.crossbar.unit_cells import OneSidedTile, VectorTile, make_tile

STREAM = Stream.from_seed(0)
QUIET: dict[str, Any] = {
    "dw_min_dtod": 0.0,
    "dw_min_std": 0.0,
    "w_max_dtod": 0.0,
    "w_min_dtod": 0.0,
    "up_down_dtod": 0.0,
}
STEP = ConstantStep(dw_min=0.01, w_max=10, w_min=-10, **QUIET)
SURE = PulseTrain(desired_bl=1, update_bl_management=False, update_management=False)


def up(tile: VectorTile | OneSidedTile, samples: int, sign: float = 1.0) -> None:
    """Exactly one pulse on every cell for each sample."""
    tile.update(torch.ones(samples, tile.shape[1]), -sign * torch.ones(samples, tile.shape[0]), 1000.0, SURE)


def vector(policy: Policy, elements: int = 3, **options: Any) -> VectorTile:
    tile = make_tile(VectorCell(devices=(STEP,) * elements, update_policy=policy, **options), (4, 5), STREAM)
    assert isinstance(tile, VectorTile)
    return tile


@pytest.mark.parametrize(
    ("policy", "samples", "pulses"),
    [
        ("all", 4, [4, 4, 4]),
        ("single_fixed", 4, [0, 4, 0]),
        ("single_sequential", 4, [1, 1, 2]),
    ],
)
def test_policies_choose_the_elements(policy: Policy, samples: int, pulses: list[int]) -> None:
    tile = vector(policy, first_update_idx=1)
    up(tile, samples)
    assert [int(array.pulses_up[0, 0]) for array in tile.tiles] == pulses
    assert int(tile.pulses_up[0, 0]) == sum(pulses)
    torch.testing.assert_close(tile.weight, torch.full((4, 5), 0.01 * sum(pulses) / 3))


def test_the_turn_goes_on_across_updates() -> None:
    whole, parts = vector("single_sequential"), vector("single_sequential")
    up(whole, 5)
    for samples in (2, 3):
        up(parts, samples)
    assert [int(a.pulses_up[0, 0]) for a in whole.tiles] == [int(a.pulses_up[0, 0]) for a in parts.tiles] == [1, 2, 2]


def test_a_random_element_is_the_same_for_all_cells_of_a_sample() -> None:
    tile = vector("single_random")
    up(tile, 600)
    counts = torch.stack([array.pulses_up for array in tile.tiles])
    assert (counts == counts[:, :1, :1]).all()
    assert int(counts[:, 0, 0].sum()) == 600
    assert (counts[:, 0, 0] - 200).abs().max() < 4.5 * (600 * 2 / 9) ** 0.5


def test_elements_of_a_cell_differ() -> None:
    tile = make_tile(VectorCell(devices=(SoftBounds(), SoftBounds())), (3, 3), STREAM)
    assert isinstance(tile, VectorTile)
    first, second = (array.constants["step_up"] for array in tile.tiles)
    assert not torch.equal(first, second)


def test_programming_gives_every_element_the_weight() -> None:
    tile = vector("all", elements=2, gamma_vec=(0.25, 0.75))
    weight = torch.linspace(-1, 1, 20).reshape(4, 5)
    tile.program(weight)
    torch.testing.assert_close(tile.weight, weight)
    assert all(torch.equal(array.weight, weight) for array in tile.tiles)


def test_reference_cell_updates_one_of_two() -> None:
    tile = make_tile(ReferenceCell(device=STEP), (2, 2), STREAM)
    assert isinstance(tile, VectorTile)
    tile.program(torch.full((2, 2), 0.3))
    up(tile, 3)
    torch.testing.assert_close(tile.weight, torch.full((2, 2), 0.33))
    assert (tile.tiles[1].weight == 0).all()


def pair(**options: Any) -> OneSidedTile:
    device = ConstantStep(dw_min=0.01, w_max=1, w_min=0, reset_std=0.0, **QUIET)
    tile = make_tile(OneSidedCell(device=device, **options), (2, 3), STREAM)
    assert isinstance(tile, OneSidedTile)
    return tile


def test_pair_is_pulsed_up_only() -> None:
    tile = pair()
    tile.program(torch.full((2, 3), -0.2))
    up(tile, 3)
    up(tile, 2, sign=-1.0)
    minus, plus = tile.tiles
    torch.testing.assert_close(minus.weight, torch.full((2, 3), 0.22))
    torch.testing.assert_close(plus.weight, torch.full((2, 3), 0.03))
    assert int(tile.pulses_up.sum()) == 18
    assert int(tile.pulses_down.sum()) == 12
    assert int(minus.pulses_down.sum() + plus.pulses_down.sum()) == 0


@pytest.mark.parametrize(("units", "calls", "samples"), [(True, 3, 1), (False, 1, 3)])
def test_worn_cells_are_refreshed(units: bool, calls: int, samples: int) -> None:
    tile = pair(refresh_every=3, units_in_mbatch=units, refresh_update=PulseTrain(desired_bl=100))
    minus, plus = tile.tiles
    plus.program(torch.tensor([[0.9, 0.9, 0.5]] * 2))
    minus.program(torch.tensor([[0.4, 0.1, 0.4]] * 2))
    for _ in range(calls):
        up(tile, samples)
    weight = torch.tensor([[0.53, 0.83, 0.13]] * 2)
    torch.testing.assert_close(tile.weight, weight, atol=0.011, rtol=0)
    assert (minus.weight[:, 0] == 0).all()
    torch.testing.assert_close(minus.weight[:, 1:], torch.tensor([[0.1, 0.4]] * 2))
    assert torch.equal(tile.weight, plus.weight - minus.weight)


def test_refresh_is_not_done_before_its_time() -> None:
    tile = pair(refresh_every=3)
    for array in tile.tiles:
        array.program(torch.full((2, 3), 0.9))
    up(tile, 1)
    torch.testing.assert_close(tile.tiles[0].weight, torch.full((2, 3), 0.9))


def test_inverted_copy_mirrors_the_constants() -> None:
    device = PowStep(pow_gamma_dtod=0.3, pow_up_down_dtod=0.3)
    tile = make_tile(OneSidedCell(device=device, copy_inverted=True), (3, 3), STREAM)
    assert isinstance(tile, OneSidedTile)
    minus, plus = (array.constants for array in tile.tiles)
    for name, mirrored, sign in (
        ("step_up", "step_down", 1),
        ("gamma_down", "gamma_up", 1),
        ("w_max", "w_min", -1),
        ("w_min", "w_max", -1),
    ):
        torch.testing.assert_close(plus[name], sign * minus[mirrored])
    soft = make_tile(OneSidedCell(device=SoftBounds(w_max_dtod=0.0), copy_inverted=True), (3, 3), STREAM)
    assert isinstance(soft, OneSidedTile)
    minus, plus = (array.constants for array in soft.tiles)
    torch.testing.assert_close(plus["slope_up"], -minus["slope_down"])
    torch.testing.assert_close(plus["w_min"], -minus["w_max"])


def test_published_pair_keeps_learning_where_one_element_would_saturate() -> None:
    """Alternating pulses drive both elements of a pair to their bound; the refresh brings them back."""
    lower = []
    for refresh_every in (0, 1):
        cell = PCMPair(refresh_every=refresh_every)
        tile = make_tile(cell, (20, 20), STREAM)
        assert isinstance(tile, OneSidedTile)
        for _ in range(60):
            up(tile, 1)
            up(tile, 1, sign=-1.0)
        lower.append(float(torch.minimum(*(array.weight for array in tile.tiles)).mean()))
    worn, refreshed = lower
    assert worn > 1.2
    assert refreshed < 1.0


def test_cell_forwards_what_happens_beside_pulses() -> None:
    element = ConstantStep(lifetime=10, diffusion=0.01, reset=0.2, reset_std=0.0, w_max=1, w_min=-1, **QUIET)
    tile = make_tile(VectorCell(devices=(element, element)), (50, 50), STREAM)
    tile.program(torch.full((50, 50), 0.5))
    tile.decay()
    torch.testing.assert_close(tile.weight, torch.full((50, 50), 0.47))
    tile.diffuse()
    assert float(tile.weight.std()) == pytest.approx(0.01 / 2**0.5, rel=0.1)
    tile.clip(0.3)
    assert float(tile.weight.max()) == pytest.approx(0.3)
    tile.reset(probability=0.5)
    assert float((tile.weight == 0.2).float().mean()) == pytest.approx(0.5, abs=0.05)
    tile.reset(torch.arange(50) == 3)
    assert (tile.weight[:, 3] == 0.2).all()
    tile.end_of_step()
    assert set(tile.constants) == {"w_max", "w_min"}
