"""Steps, symmetric points and curves of single devices."""

import math

import pytest
import torch

from resbench.crossbar.devices import ConstantStep, OneSidedCell, PulsedDevice, SoftBounds, SoftBoundsReference
from resbench.crossbar.randomness import Stream
from resbench.crossbar.response import step_at, sweep, symmetric_points
from tests.crossbar.zoo import PULSED, model_name

STREAM = Stream.from_seed(0)


def test_symmetric_point_of_soft_bounds_has_a_closed_form() -> None:
    device = SoftBounds(dw_min=0.1, up_down=0.4, w_max=0.8, w_min=-0.5, w_min_dtod=0.2)
    c = device.fabricate((30, 30), STREAM)
    rate = c["step_up"] / c["w_max"] - c["step_down"] / c["w_min"]
    expected = (c["step_up"] - c["step_down"]) / rate
    torch.testing.assert_close(symmetric_points(device, c), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("device", PULSED, ids=model_name)
def test_steps_agree_at_the_symmetric_point(device: PulsedDevice) -> None:
    constants = device.with_states(10).fabricate((10, 10), STREAM)
    points = symmetric_points(device, constants)
    there = ~points.isnan()
    points = points.nan_to_num()
    both = step_at(device, constants, points, up=True) + step_at(device, constants, points, up=False)
    assert float(both[there].abs().sum()) <= 1e-4 * there.sum()


def test_constant_steps_have_no_symmetric_point() -> None:
    assert symmetric_points(ConstantStep(), ConstantStep().fabricate((3, 3), STREAM)).isnan().all()


def test_step_is_taken_at_the_visible_weight() -> None:
    device = SoftBoundsReference(dw_min=0.1, reference_mean=0.2).without_spread()
    constants = device.fabricate((1, 1), STREAM)
    assert step_at(device, constants, torch.tensor(0.1), up=True).item() == pytest.approx(0.1 * (1 - 0.3 / 0.6))


def test_sweep_is_the_curve_of_the_device() -> None:
    device = SoftBounds(dw_min=0.1, w_max=1.0, w_min=-1.0, dw_min_std=0.0).without_spread()
    curve = sweep(device, -1.0, 12, 3, STREAM)
    rising = 1 - 2 * 0.9 ** torch.arange(13)
    falling = -1 + (rising[-1] + 1) * 0.9 ** torch.arange(1, 13)
    torch.testing.assert_close(curve, torch.cat([rising, falling])[:, None].expand(-1, 3))
    coarse = sweep(device, -1.0, 12, 3, STREAM, points=4)
    torch.testing.assert_close(coarse, curve[::3])


def test_sweep_of_cells_and_of_devices_without_granularity() -> None:
    element = ConstantStep(dw_min=0.01, dw_min_std=0.0, w_max=10, w_min=-10).without_spread()
    pair = sweep(OneSidedCell(device=element), 0.0, 5, 2, STREAM)
    torch.testing.assert_close(pair[[5, -1]], torch.tensor([[0.05, 0.05], [0.0, 0.0]]))
    exact = sweep(element.with_states(math.inf), 0.0, 10, 2, STREAM)
    torch.testing.assert_close(exact[[10, -1], 0], torch.tensor([10.0, -10.0]), atol=1e-4, rtol=0)
