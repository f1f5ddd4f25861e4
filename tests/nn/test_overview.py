"""What one can ask a converted model, and the end of an epoch, which it has to be told."""

import pytest
import torch
from torch import nn

from resbench.algorithms import ResidualLearning, TikiTaka
from resbench.crossbar.devices import OneSidedCell, SoftBounds
from resbench.crossbar.devices.drift import Drift
from resbench.errors import BadValue
from resbench.nn import analog_layers, drifts, end_epoch, pass_time, summary, tiles, to_analog

DEVICES = [SoftBounds(states=16), SoftBounds(states=1000)]


def test_tiles_have_the_names_that_logs_use() -> None:
    model = to_analog(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), TikiTaka(), DEVICES)
    held = tiles(model)
    assert list(held) == ["0.A", "0.C", "1.A", "1.C"]
    assert held["0.C"] is next(analog_layers(model))[1].algorithm.tiles[1]
    assert tuple(held["1.A"].weight.shape) == (2, 4)


def test_the_summary_says_what_is_on_tiles_and_what_is_not() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False))
    model.register_parameter("scale", nn.Parameter(torch.ones(2)))
    assert summary(to_analog(model, TikiTaka(), DEVICES)).splitlines() == [
        "layer  shape  tiles  device      states   bits",
        "0      4x3    2      SoftBounds  16 1000  4 9.97",
        "2      2x4    2      SoftBounds  16 1000  4 9.97",
        "digital:",
        "the model itself: Sequential, 2 parameters",
        "0: AnalogLinear, 4 parameters",
        "1: LayerNorm, 8 parameters",
    ]
    assert summary(nn.ReLU()) == "no analog layers"


def test_products_that_stay_digital_are_named() -> None:
    network = nn.ModuleDict({"recur": nn.GRU(4, 4), "last": nn.Linear(4, 4)})
    lines = summary(to_analog(network, ResidualLearning(), DEVICES, ("last",))).splitlines()
    assert lines[2] == "products that stay digital: recur (GRU)"


def test_the_end_of_an_epoch_reaches_every_algorithm() -> None:
    """Residual learning notes that the loss has risen."""
    layers = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model = to_analog(layers, ResidualLearning(tiles=4, schedule="paper"), DEVICES)
    for loss in (1.0, 1.5):
        end_epoch(model, loss)
    states = [layer.algorithm.get_extra_state()["schedule"] for _, layer in analog_layers(model)]
    assert [state["flag"] for state in states] == [True, True]


@pytest.mark.parametrize("in_pairs", [False, True])
def test_all_tiles_drift_and_the_weight_that_the_layer_sees_with_them(in_pairs: bool) -> None:
    """``W (t / t_0)^-nu`` with t the time since the weight was programmed, in one go or in several."""
    element = SoftBounds(states=1000, w_max=1, w_min=-1, drift=Drift(nu=0.1, t_0=20.0))
    device = OneSidedCell(device=element) if in_pairs else element
    model = to_analog(nn.Sequential(nn.Linear(3, 4)), ResidualLearning(tiles=3, gamma=0.5), device)
    layer = next(analog_layers(model))[1]
    before = layer.weight.detach().clone()
    assert drifts(model)
    for seconds in (5.0, 1995.0, 18000.0):
        pass_time(model, seconds)
    torch.testing.assert_close(layer.weight.detach(), before * 1000**-0.1)


def test_time_changes_nothing_without_drift() -> None:
    model = to_analog(nn.Sequential(nn.Linear(3, 4)), TikiTaka(), DEVICES)
    before = next(analog_layers(model))[1].weight.detach().clone()
    pass_time(model, 1e9)
    assert not drifts(model)
    assert not drifts(nn.Linear(3, 4))
    assert torch.equal(next(analog_layers(model))[1].weight.detach(), before)
    with pytest.raises(BadValue, match="seconds: -1"):
        pass_time(model, -1)
