import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal
from resbench.errors import BadValue, Diverged
from resbench.nn import AnalogLayer, AnalogOptimizer, AnalogWeight, ForeignWrite, to_analog

X = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])


def model() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    to_analog(network, OneTile(), Ideal())
    return network


def digital_twin() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def loss(network: nn.Module, x: Tensor = X) -> Tensor:
    result: Tensor = network(x).square().mean()
    return result


def layer(network: nn.Sequential, index: int) -> AnalogLayer:
    found = network[index]
    assert isinstance(found, AnalogLayer)
    return found


def assert_alike(network: nn.Sequential, twin: nn.Sequential) -> None:
    for mine, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), theirs.detach())


def test_schedulers_and_groups_reach_the_tiles() -> None:
    networks = model(), digital_twin()
    optimizers = [
        kind([{"params": network[0].parameters(), "lr": 0.5}, {"params": network[2].parameters()}], lr=0.1)
        for kind, network in zip((AnalogOptimizer, torch.optim.SGD), networks, strict=True)
    ]
    schedulers = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5) for optimizer in optimizers]
    for _ in range(3):
        for network, optimizer, scheduler in zip(networks, optimizers, schedulers, strict=True):
            optimizer.zero_grad()
            loss(network).backward()
            optimizer.step()
            scheduler.step()
    assert_alike(*networks)


def test_accumulated_steps_are_one_mini_batch() -> None:
    networks = model(), digital_twin()
    for kind, network in zip((AnalogOptimizer, torch.optim.SGD), networks, strict=True):
        optimizer = kind(network.parameters(), lr=0.5)
        for row in X:
            loss(network, row[None]).backward()
        optimizer.step()
    assert_alike(*networks)
    assert layer(networks[0], 0).algorithm.steps == 1


def test_a_closure_is_evaluated() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        value = loss(network)
        value.backward()
        return value.item()

    first = optimizer.step(closure)
    assert optimizer.step(closure) < first


def test_momentum_and_decay_act_on_digital_parameters_only() -> None:
    networks = model()[:1], model()[:1]
    for network, momentum in zip(networks, (0.0, 0.9), strict=True):
        optimizer = AnalogOptimizer(
            network.parameters(), lr=0.1, digital=partial(SGD, momentum=momentum, weight_decay=momentum)
        )
        for _ in range(2):
            optimizer.zero_grad()
            network(X).sum().backward()  # linear, so that gradients do not depend on the bias
            optimizer.step()
    plain, heavy = (layer(network, 0) for network in networks)
    assert torch.equal(plain.weight, heavy.weight)
    assert not torch.equal(plain.bias, heavy.bias)  # type: ignore[arg-type]


@pytest.mark.parametrize("lr", [0.3, 1])
def test_digital_parameters_take_the_steps_of_torch(lr: float) -> None:
    parameters = [[nn.Parameter(torch.linspace(-1, 1, size)) for size in (3, 70)] for _ in range(2)]
    for kind, group in zip((AnalogOptimizer, torch.optim.SGD), parameters, strict=True):
        for parameter in group:
            parameter.grad = torch.linspace(0, 0.7, parameter.numel())
        group.append(nn.Parameter(torch.ones(2)))  # has no gradient
        kind(group, lr=lr).step()
    for mine, theirs in zip(*parameters, strict=True):
        assert torch.equal(mine, theirs)


def test_a_rate_of_zero_drops_the_pairs() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.0)
    before = layer(network, 0).weight.detach().clone()
    loss(network).backward()
    optimizer.step()
    assert layer(network, 0).weight.pairs == []
    assert torch.equal(layer(network, 0).weight, before)


def test_a_frozen_layer_stays() -> None:
    network = model()
    layer(network, 0).requires_grad_(False)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    loss(network).backward()
    optimizer.step()
    moved = [not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True)]
    assert moved == [False, False, True, True]


def test_clearing_gradients_drops_pairs_unless_they_are_kept() -> None:
    for keep in (False, True):
        network = model()
        optimizer = AnalogOptimizer(network.parameters(), lr=0.5, keep_pairs=keep)
        loss(network).backward()
        optimizer.zero_grad()
        assert len(layer(network, 0).weight.pairs) == int(keep)


def test_the_state_of_the_optimiser_survives() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5, digital=partial(SGD, momentum=0.9))
    loss(network).backward()
    optimizer.step()
    other = AnalogOptimizer(network.parameters(), lr=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.5
    assert other.state_dict()["state"].keys() == optimizer.state_dict()["state"].keys() == {1, 3}


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_a_rate_that_is_negative_or_not_finite_is_refused(rate: float) -> None:
    with pytest.raises(BadValue, match=f"^lr: {rate} is negative or not finite"):
        AnalogOptimizer(model().parameters(), lr=rate)
    with pytest.raises(BadValue, match=f"^digital_lr: {rate} is negative or not finite"):
        AnalogOptimizer(model().parameters(), lr=0.1, digital_lr=rate)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.LBFGS, torch.optim.Muon])
def test_another_optimiser_is_refused_at_its_first_step(kind: Any) -> None:
    network = model()
    parameters = [p for p in network.parameters() if kind is not torch.optim.Muon or p.dim() == 2]
    optimizer = kind(parameters, lr=0.1)
    loss(network).backward()
    with pytest.raises(ForeignWrite, match=rf"^0\.weight: {kind.__name__} does not train analog weights; write resb"):
        optimizer.step(lambda: 0.0)


def test_another_optimiser_may_train_the_digital_parameters() -> None:
    """Beside ours, which has the others; frozen analog weights are nobody's."""
    network = model()
    digital = [parameter for parameter in network.parameters() if not isinstance(parameter, AnalogWeight)]
    others = [parameter for parameter in network.parameters() if isinstance(parameter, AnalogWeight)]
    optimizers = [torch.optim.Adam(digital, lr=0.1), AnalogOptimizer(others, lr=0.5)]
    before = [parameter.detach().clone() for parameter in network.parameters()]
    loss(network).backward()
    for optimizer in optimizers:
        optimizer.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    for parameter in others:
        parameter.requires_grad_(False)
    torch.optim.Adam(network.parameters()).step()


def test_a_gradient_of_autograd_on_an_analog_weight_is_refused() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    before = layer(network, 2).weight.detach().clone()
    (loss(network) + layer(network, 2).weight.square().sum()).backward()
    with pytest.raises(ForeignWrite, match=r"^2\.weight: autograd put a gradient on this analog weight"):
        optimizer.step()
    assert torch.equal(layer(network, 2).weight, before)


class Poison(torch.autograd.Function):
    """Itself, with a gradient that is not finite."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: float) -> Tensor:
        ctx.value = value
        return x.clone()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> Any:
        d = d.clone()
        d.view(-1)[0] = ctx.value
        return d, None


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_gradient_that_is_not_finite_reaches_nothing(value: float) -> None:
    """Not even what comes before it: the layer behind it in the network has a finite one."""
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    hidden = Poison.apply(network[0](X), value)
    network[2](torch.tanh(hidden)).sum().backward()
    with pytest.raises(Diverged, match="a gradient is not finite although the loss is"):
        optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_large_gradients_whose_sum_overflows_are_finite() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=1e-38)
    network[0](X).backward(torch.tensor([[3e38] * 4, [0.0] * 4]))
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in network.parameters())
