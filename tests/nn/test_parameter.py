"""The weight of an analog layer is that of its algorithm: what anybody else does to it is refused."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from resbench.algorithms import Algorithm, ResidualLearning
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal, SoftBounds
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


def test_a_functional_call_takes_digital_parameters_only() -> None:
    model = network()
    parameters: dict[str, Tensor] = dict(model.named_parameters())
    torch.testing.assert_close(torch.func.functional_call(model, parameters, (X,)), model(X))
    changed = {name: parameter + 1.0 for name, parameter in parameters.items() if name.endswith("2.bias")}
    torch.testing.assert_close(torch.func.functional_call(model, changed, (X,)), model(X) + 1.0)
    for other in (torch.zeros(4, 3), parameters["0.weight"].detach()):
        with pytest.raises(ForeignWrite, match=r"^0\.weight: the algorithm .* leave it out of the parameters of func"):
            torch.func.functional_call(model, {"0.weight": other}, (X,))
    backward(model)  # the layer has its weight back


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


def accumulated(model: nn.Module, copies: bool) -> None:
    """Backward passes of two mini-batches that come in the same memory."""
    inputs, errors = torch.empty(2, 3), torch.empty(2, 2)
    for scale in (1.0, 2.0):
        inputs.copy_(scale * X)
        errors.fill_(scale)
        x, d = (inputs.clone(), errors.clone()) if copies else (inputs, errors)
        model(x).backward(d)


def test_buffers_that_are_copied_train_as_in_torch() -> None:
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    analog = to_analog(copy.deepcopy(digital), OneTile(), Ideal())
    accumulated(analog, copies=True)
    accumulated(digital, copies=False)
    AnalogOptimizer(analog.parameters(), lr=0.1).step()
    torch.optim.SGD(digital.parameters(), lr=0.1).step()
    torch.testing.assert_close(analog(X), digital(X))


def test_a_step_with_overwritten_buffers_is_refused_before_anything_trains() -> None:
    model = network()
    before = copy.deepcopy(model.state_dict())
    accumulated(model, copies=False)
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    with pytest.raises(RuntimeError, match=r"^0\.weight: the input .* changed in place between .* write \.clone\(\)"):
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items() if "weight" in name)
    assert torch.equal(model.get_parameter("2.bias"), before["2.bias"])
    optimizer.zero_grad()
    backward(model)
    optimizer.step()


def test_a_gradient_that_is_overwritten_before_the_step_is_refused() -> None:
    model = network()
    errors = torch.ones(2, 2)
    model(X).backward(errors)
    errors.zero_()
    with pytest.raises(RuntimeError, match=r"^2\.weight: .* the gradient of its output, was changed in place"):
        AnalogOptimizer(model.parameters(), lr=0.1).step()


@pytest.mark.parametrize("scaled", [False, True])
def test_clipping_and_unscaling_in_place_leave_pairs_alone(scaled: bool) -> None:
    """A parameter of the shape of the output gets the same gradient as the layer."""

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.shift = nn.Linear(3, 2), nn.Parameter(torch.zeros(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.layer(x) + self.shift
            return y.relu_()

    digital = Shifted()
    analog = to_analog(copy.deepcopy(digital), OneTile(), Ideal())
    for model, kind in ((digital, torch.optim.SGD), (analog, AnalogOptimizer)):
        optimizer: torch.optim.Optimizer = kind(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0, enabled=scaled)
        scaler.scale(model(X).sum()).backward()
        if not scaled:
            nn.utils.clip_grad_norm_([model.get_parameter("shift")], 0.01)
        scaler.step(optimizer)
    torch.testing.assert_close(analog(X), digital(X))
