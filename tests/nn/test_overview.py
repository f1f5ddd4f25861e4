"""What one can ask a converted model, and the end of an epoch, which it has to be told."""

import torch
from torch import nn

from resbench.algorithms import ResidualLearning, TikiTaka
from resbench.crossbar.devices import SoftBounds
from resbench.nn import analog_layers, end_epoch, summary, tiles, to_analog

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


def test_the_end_of_an_epoch_reaches_every_algorithm() -> None:
    """Residual learning notes that the loss has risen."""
    layers = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model = to_analog(layers, ResidualLearning(tiles=4, schedule="paper"), DEVICES)
    for loss in (1.0, 1.5):
        end_epoch(model, loss)
    states = [layer.algorithm.get_extra_state()["schedule"] for _, layer in analog_layers(model)]
    assert [state["flag"] for state in states] == [True, True]
