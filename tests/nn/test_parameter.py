"""The weight of an analog layer is that of its algorithm: what anybody else does to it is refused."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from resbench.algorithms import Algorithm, ResidualLearning
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import SoftBounds
from resbench.nn import AnalogLayer, AnalogOptimizer, AnalogWeight, ForeignWrite, analog_layers, to_analog
from resbench.nn.parameter import MANY

ALGORITHMS = [OneTile(), ResidualLearning(tiles=3)]
X = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])


def network(algorithm: Algorithm | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    to_analog(model, algorithm or OneTile(), SoftBounds(states=10))
    return model


def first(model: nn.Module) -> AnalogLayer:
    return next(layer for _, layer in analog_layers(model))


def backward(model: nn.Module) -> None:
    model(X).square().sum().backward()


def in_place(weight: AnalogWeight) -> None:
    with torch.no_grad():
        weight.mul_(0.5)


def average(weight: AnalogWeight) -> None:
    """As the averaging callbacks of Lightning put their result into a model."""
    weight.detach().copy_(torch.ones_like(weight))


WRITES: dict[str, Callable[[AnalogWeight], Any]] = {
    "in place": in_place,
    "nn.init": nn.init.zeros_,
    "detach": average,
    "data in place": lambda weight: weight.data.clamp_(-0.1, 0.1),
    "data": lambda weight: setattr(weight, "data", torch.ones_like(weight)),
    "vector_to_parameters": lambda weight: nn.utils.vector_to_parameters(torch.ones(weight.numel()), [weight]),
    "copy of a copy": lambda weight: weight.data.copy_(copy.deepcopy(weight).data),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=["one tile", "three tiles"])
@pytest.mark.parametrize("write", WRITES)
def test_a_foreign_write_is_an_error_at_the_next_use(write: str, algorithm: Algorithm) -> None:
    uses: list[Callable[[nn.Module], Any]] = [
        lambda model: model(X),
        lambda model: model.state_dict(),
        lambda model: AnalogOptimizer(model.parameters()).step(),
        lambda model: model.double(),
    ]
    for use in uses:
        model = network(algorithm)
        backward(model)
        WRITES[write](first(model).weight)
        with pytest.raises(ForeignWrite, match=r"^0\.weight: something other than its algorithm wrote"):
            use(model)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=["one tile", "three tiles"])
def test_programming_takes_a_foreign_write_back(algorithm: Algorithm) -> None:
    model = network(algorithm)
    layer = first(model)
    wanted, _ = layer.get_weights()
    nn.init.ones_(layer.weight)
    layer.set_weights(wanted)
    composed = sum(gamma * tile.weight for _, gamma, tile in layer.algorithm.named_tiles())
    assert torch.equal(layer.weight, torch.as_tensor(composed))
    torch.testing.assert_close(model[0](X), nn.functional.linear(X, layer.weight, layer.bias))


def test_what_the_algorithm_does_is_no_foreign_write() -> None:
    for algorithm in ALGORITHMS:
        model = network(algorithm)
        layer = first(model)
        optimizer = AnalogOptimizer(model.parameters(), lr=0.5)
        before = layer.weight.clone()
        for _ in range(3):
            optimizer.zero_grad()
            backward(model)
            optimizer.step()
        layer.algorithm.tiles[-1].reset()
        layer.algorithm.program(torch.zeros(4, 3))
        layer.set_weights(torch.ones(4, 3))
        model.load_state_dict(model.state_dict())
        model.double().float()
        model(X)
        assert not torch.equal(layer.weight, before)


@pytest.mark.parametrize(
    "replace",
    [
        lambda layer: setattr(layer, "weight", nn.Parameter(torch.ones(4, 3))),
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
        parametrizations.spectral_norm,
        nn.utils.weight_norm,
    ],
    ids=["assignment", "pruning", "spectral norm", "weight norm"],
)
def test_the_weight_cannot_be_replaced(replace: Callable[[AnalogLayer], Any]) -> None:
    with pytest.raises(ForeignWrite, match=r"^0\.weight: the algorithm of the layer owns this analog weight"):
        replace(first(network()))


def test_clearing_the_gradients_of_a_module_drops_its_pairs() -> None:
    for set_to_none in (True, False):
        model = network()
        wrapped = nn.ModuleDict({"inside": model})
        for module, left in ((model[0], [0, 1]), (wrapped, [0, 0])):
            backward(model)
            module.zero_grad(set_to_none)
            assert [len(layer.weight.pairs) for _, layer in analog_layers(model)] == left
            assert model[2].bias is not None


def test_pairs_that_nobody_trains_with_are_said_once() -> None:
    model = network()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(MANY + 2):
            model[0](X).sum().backward()
    assert [str(warning.message).partition(";")[0] for warning in said] == [
        f"0.weight: {MANY} backward passes wait for a step, and stay in memory until then"
    ]
