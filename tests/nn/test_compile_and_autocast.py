"""Analog layers under torch.compile and autocast."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resbench.algorithms import AnalogSGD as OneTile
from resbench.algorithms import ResidualLearning
from resbench.crossbar.devices import Ideal, SoftBounds
from resbench.nn import AnalogLinear, AnalogOptimizer, to_analog


def trained(compiled: Callable[[nn.Module], Callable[[Tensor], Tensor]]) -> dict[str, object]:
    """The state of a network after three steps."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3))
    to_analog(network, ResidualLearning(tiles=3), SoftBounds(states=20))
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    call = compiled(network)
    for inputs in torch.randn(3, 8, 1, 6, 6):
        optimizer.zero_grad()
        call(inputs).square().mean().backward()
        optimizer.step()
    return dict(network.state_dict())


@pytest.mark.slow
def test_a_compiled_network_trains_the_bits_of_one_that_is_not() -> None:
    """The backend computes what was captured by the usual kernels, which need no C++ compiler."""
    plain = trained(lambda network: network)
    compiled = trained(lambda network: torch.compile(network, backend="aot_eager"))
    for name, value in plain.items():
        other = compiled[name]
        if isinstance(value, Tensor):
            assert isinstance(other, Tensor)
            assert torch.equal(value, other), name
        else:
            assert value == other, name


def test_under_autocast_products_are_in_bfloat16_and_tiles_in_single_precision() -> None:
    layer = nn.Linear(3, 2)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    network = nn.Sequential(layer)
    to_analog(network, OneTile(), Ideal())
    analog = network[0]
    assert isinstance(analog, AnalogLinear)
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    d = torch.tensor([[1.0, -0.5], [0.25, 2.0], [0.0, 1.0], [-1.0, 0.5]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = network(x)
        expected = nn.functional.linear(x, weight, bias)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, expected)
    y.backward(d.bfloat16())
    optimizer.step()
    assert analog.weight.dtype == torch.float32
    torch.testing.assert_close(analog.weight.detach(), weight - 0.5 * d.T @ x)
