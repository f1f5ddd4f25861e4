"""What may be saved: finite, and held by the tiles."""

import pytest
import torch
from torch import nn

from resbench.algorithms import Algorithm, MixedPrecision, ResidualLearning
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import SoftBounds
from resbench.errors import Diverged
from resbench.nn import AnalogLayer, AnalogOptimizer, ForeignWrite, analog_layers, to_analog
from resbench.training.state import check_state


def trained(algorithm: Algorithm) -> tuple[nn.Module, AnalogLayer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
    to_analog(model, algorithm, SoftBounds(states=10))
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(3, 5)).square().sum().backward()
        optimizer.step()
    return model, next(layer for _, layer in analog_layers(model))


@pytest.mark.parametrize("algorithm", [OneTile(), ResidualLearning(tiles=3), MixedPrecision()])
def test_a_training_is_in_order_and_stays_as_it_is(algorithm: Algorithm) -> None:
    model, layer = trained(algorithm)
    before = layer.weight.clone()
    check_state(model)
    assert torch.equal(layer.weight, before)


def test_what_is_not_finite_is_named() -> None:
    model, layer = trained(MixedPrecision())
    layer.algorithm.get_buffer("chi")[0, 0] = torch.nan
    with pytest.raises(Diverged, match=r"^0\.chi is not finite"):
        check_state(model)
    model, layer = trained(OneTile())
    assert layer.bias is not None
    layer.bias.data[1] = torch.inf
    with pytest.raises(Diverged, match=r"^0\.bias is not finite"):
        check_state(model)
    model, layer = trained(ResidualLearning(tiles=3))
    layer.algorithm.tiles[0].weight[0, 0] = torch.nan
    with pytest.raises(Diverged, match=r"^0\.tile0_\w+\.weight is not finite"):
        check_state(model)


def test_a_composite_weight_that_its_tiles_do_not_hold() -> None:
    """Written where torch does not see it."""
    model, layer = trained(ResidualLearning(tiles=3))
    layer.weight.detach().numpy()[0, 0] += 1
    with pytest.raises(ForeignWrite, match=r"^0\.weight: what the layer computes with is not what its tiles hold"):
        check_state(model)


def test_a_write_to_the_weight_of_one_tile() -> None:
    model, layer = trained(OneTile())
    layer.weight.data.mul_(0.5)
    with pytest.raises(ForeignWrite, match=r"^0\.weight: something other"):
        check_state(model)
