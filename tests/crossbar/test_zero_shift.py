"""Zero-shifting: a calibration of the zero of every device by pulses up and down in turn."""

import copy
import dataclasses
from collections.abc import Callable
from typing import cast

import pytest
import torch

from resbench.crossbar.devices import OneSidedCell, SoftBounds, SoftBoundsReference, VectorCell
from resbench.crossbar.presets import ReRamArrayOM
from resbench.crossbar.pulses import ONE_PULSE
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import symmetric_points
from resbench.crossbar.tile import Tile
from resbench.crossbar.unit_cells import VectorTile, make_tile
from resbench.errors import BadValue

STREAM = Stream.from_seed(0)
#: Up steps are ``0.02 (1 - v)``, down steps ``0.012 (1 + v)``: the symmetric point is v = 0.25.
EXACT = SoftBoundsReference(
    dw_min=0.02, up_down=0.4, w_max=1.0, w_min=-1.0,
    dw_min_dtod=0.0, dw_min_std=0.0, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0,
)  # fmt: skip
UP, DOWN = 0.02, 0.012


def moments(pulses: int, noise: float) -> tuple[float, float]:
    """Mean and variance of the weight after alternating pulses from 0, for steps that are linear in it."""
    mean = variance = 0.0
    for pulse in range(pulses):
        step, bound = (DOWN, -1.0) if pulse % 2 else (UP, 1.0)
        mean += step * (bound - mean)
        variance = (1 - step) ** 2 * variance + (step * noise) ** 2
    return mean, variance


@pytest.mark.parametrize("pulses", [1, 2, 25, 400, 2500])
def test_the_zero_moves_toward_the_symmetric_point(pulses: int) -> None:
    tile = Tile(dataclasses.replace(EXACT, zero_shift=pulses), (2, 3), STREAM)
    torch.testing.assert_close(tile.constants["reference"], torch.tensor([[moments(pulses, 0.0)[0]]]))
    assert not tile.weight.any()
    assert (tile.pulses_up == (pulses + 1) // 2).all()
    assert (tile.pulses_down == pulses // 2).all()
    assert tile.slots == pulses


def test_in_the_end_it_is_about_half_a_step_too_low() -> None:
    """The pair of pulses leaves one weight where it is, which lies below the symmetric point: the last pulse went down.

    Both steps are 0.015 at the symmetric point.
    """
    tile = Tile(dataclasses.replace(EXACT, zero_shift=2000), (1, 1), STREAM)
    low = (UP - DOWN - UP * DOWN) / (UP + DOWN - UP * DOWN)
    assert 0.25 - low == pytest.approx(0.0057, abs=1e-4)
    assert float(symmetric_points(EXACT, tile.constants)) == pytest.approx(0.25 - low, abs=1e-5)


def test_noise_of_the_pulses_stays_as_an_error() -> None:
    noisy = dataclasses.replace(EXACT, dw_min_std=2.0, zero_shift=400)
    reference = Tile(noisy, (100, 100), STREAM).constants["reference"]
    mean, variance = moments(400, 2.0)
    assert float(reference.mean()) == pytest.approx(mean, abs=4.5 * (variance / 1e4) ** 0.5)
    assert float(reference.var()) == pytest.approx(variance, rel=4.5 * (2 / 1e4) ** 0.5)


def test_a_calibrated_device_is_the_same_device_with_another_zero() -> None:
    """Bounds and reset value stay where they were, and a pulse changes the weight as it would have there."""
    device = dataclasses.replace(EXACT, reset=0.1, reset_std=0.0, half_constants=True)
    plain, tile = Tile(device, (1, 1), STREAM), Tile(device, (1, 1), STREAM)
    tile.zero_shift(100)
    zero = tile.constants["reference"]
    plain.program(zero)
    for each in (plain, tile):
        each.update(torch.ones(5, 1), -torch.ones(5, 1), 1.0, ONE_PULSE)
    torch.testing.assert_close(tile.weight + zero, plain.weight, atol=1e-6, rtol=0)
    tile.reset()
    torch.testing.assert_close(tile.weight + zero, torch.tensor([[0.1]]), atol=1e-4, rtol=0)


def test_elements_of_a_cell_are_calibrated_too() -> None:
    """Of devices with spreads, each has a symmetric point of its own; the mean one is at a third of the bound."""
    element = SoftBounds(states=200, w_max=1.0, w_min=-1.0, up_down=0.5)
    cell = VectorCell(devices=(element, dataclasses.replace(element, zero_shift=2000)))
    before, after = (
        symmetric_points(element, tile.constants).square().mean().sqrt()
        for tile in cast(VectorTile, make_tile(cell, (30, 30), STREAM)).tiles
    )
    assert float(before) > 0.33
    assert float(after) < 0.05


@pytest.mark.parametrize("half_constants", [False, True])
def test_a_calibrated_tile_and_one_as_it_was_made_take_the_state_of_each_other(half_constants: bool) -> None:
    device = dataclasses.replace(EXACT, dw_min_std=0.3, half_constants=half_constants)
    plain, calibrated = Tile(device, (3, 4), STREAM), Tile(device, (3, 4), STREAM)
    calibrated.zero_shift(101)
    for source, other in ((plain, calibrated), (calibrated, plain)):
        state, loads = source.state_dict(), copy.deepcopy(other)
        loads.numpy_views()
        loads.load_state_dict(state)
        assert {name: values.dtype for name, values in loads.held_constants.items()} == {
            name: values.dtype for name, values in source.held_constants.items()
        }
        trained = copy.deepcopy(source)
        for tile in (loads, trained):
            tile.update(torch.ones(5, 4), -torch.ones(5, 3), 0.1)
        assert torch.equal(loads.weight, trained.weight)
        assert loads.state_dict().keys() == state.keys()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoftBounds(zero_shift=-1), "zero_shift: -1 is no number"),
        (lambda: SoftBounds(states=float("inf"), zero_shift=2), "zero_shift: 2 needs pulses"),
        (lambda: ReRamArrayOM(zero_shift=2), "zero_shift, subtract_symmetry_point: 2, true both"),
        (lambda: OneSidedCell(device=SoftBounds(zero_shift=2)), "zero_shift: 2 needs pulses down"),
        (lambda: Tile(SoftBounds(), (1, 1), STREAM).zero_shift(-2), "pulses: -2"),
        (lambda: Tile(SoftBounds(states=float("inf")), (1, 1), STREAM).zero_shift(2), "pulses: 2 do not move"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadValue, match=message):
        make()
