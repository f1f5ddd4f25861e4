"""Backward passes that want no gradient of an analog weight train nothing, as with torch's layers."""

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.nn import AnalogOptimizer, ForeignWrite, analog_layers, to_analog

#: Converters so fine that the product is exact to single precision.
FINE = IOParameters(out_noise=0.0, inp_res=0.0, out_res=0.0, bound_management="none", out_bound=0.0)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "converters": {"forward_io": FINE, "backward_io": FINE},
    "scales": {"mapping": MappingParameters(weight_scaling_omega=0.5)},
    "converters and scales": {"forward_io": FINE, "mapping": MappingParameters(weight_scaling_omega=0.5)},
}
each_variant = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def twins(bias: bool = True, **variant: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """A digital network and the same on ideal devices."""
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(4, 3, bias=bias), nn.Tanh(), nn.Linear(3, 2, bias=bias))
    return digital, cast(nn.Sequential, to_analog(copy.deepcopy(digital), OneTile(), Ideal(), **variant))


def pairs(network: nn.Module) -> list[int]:
    return [len(layer.weight.pairs) for _, layer in analog_layers(network)]


def x() -> Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


@each_variant
@pytest.mark.parametrize("bias", [True, False])
def test_a_gradient_of_the_input_trains_nothing(bias: bool, variant: dict[str, Any]) -> None:
    digital, analog = twins(bias, **variant)
    expected, got = x(), x()
    loss = analog(got).square().sum()
    (found,) = torch.autograd.grad(loss, got, retain_graph=True)
    torch.testing.assert_close(found, *torch.autograd.grad(digital(expected).square().sum(), expected))
    loss.backward(inputs=[got], retain_graph=True)
    if bias:
        torch.autograd.grad(loss, analog.get_parameter("0.bias"), retain_graph=True)
    assert pairs(analog) == [0, 0]
    loss.backward()
    assert pairs(analog) == [1, 1], "the same graph still trains"


@each_variant
def test_adversarial_training_is_that_of_torch(variant: dict[str, Any]) -> None:
    """The loss grows along the gradient of the input, and the network trains with what comes out."""
    digital, analog = twins(**variant)
    for network in (digital, analog):
        kind: Any = AnalogOptimizer if network is analog else torch.optim.SGD
        optimizer = kind(network.parameters(), lr=0.1)
        for _ in range(3):
            attacked = x()
            for _ in range(2):
                (gradient,) = torch.autograd.grad(network(attacked).square().sum(), attacked)
                attacked = (attacked + 0.1 * gradient.sign()).detach().requires_grad_()
            optimizer.zero_grad()
            network(attacked).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(analog(x()), digital(x()), rtol=1e-4, atol=1e-5)


@each_variant
def test_backward_trains_the_weights_that_it_is_asked_for(variant: dict[str, Any]) -> None:
    """A generator learns through a discriminator that does not."""
    outputs = []
    for network in twins(**variant):
        generator, critic = network[:2], network[2]
        network(x()).square().sum().backward(inputs=list(generator.parameters()))
        if pairs(network):
            assert pairs(network) == [1, 0]
            AnalogOptimizer(generator.parameters(), lr=0.1).step()
        else:
            torch.optim.SGD(generator.parameters(), lr=0.1).step()
        assert all(parameter.grad is None for parameter in critic.parameters())
        outputs.append(network(x()))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)


@each_variant
@pytest.mark.parametrize("bias", [True, False])
def test_backward_by_an_analog_weight_alone_trains_it(bias: bool, variant: dict[str, Any]) -> None:
    _, analog = twins(bias, **variant)
    analog(x()).square().sum().backward(inputs=[analog[0].weight])
    assert pairs(analog) == [1, 0]
    assert [parameter.grad for parameter in analog.parameters()] == [None] * (4 if bias else 2)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_train_as_without(reentrant: bool) -> None:
    digital, analog = twins()
    for network in (digital, analog):
        checkpoint(network, x(), use_reentrant=reentrant).square().sum().backward()
    assert pairs(analog) == [1, 1]
    AnalogOptimizer(analog.parameters(), lr=0.1).step()
    torch.optim.SGD(digital.parameters(), lr=0.1).step()
    torch.testing.assert_close(analog(x()), digital(x()))


def test_a_gradient_of_the_input_behind_a_checkpoint_trains_nothing() -> None:
    _, analog = twins()
    got = x()
    torch.autograd.grad(checkpoint(analog, got, use_reentrant=False).square().sum(), got)
    assert pairs(analog) == [0, 0]


@each_variant
def test_second_derivatives_are_refused_and_train_nothing(variant: dict[str, Any]) -> None:
    _, analog = twins(**variant)
    got = x()
    loss = analog(got).square().sum()
    with pytest.raises(RuntimeError, match=r"^2\.weight: create_graph=True asks .*; leave penalties .*requires_grad_"):
        torch.autograd.grad(loss, got, create_graph=True)
    with pytest.raises(RuntimeError, match="create_graph"):
        torch.autograd.backward(loss, create_graph=True)
    assert pairs(analog) == [0, 0]


def test_a_frozen_network_has_the_second_derivatives_of_torch() -> None:
    found = []
    for network in twins():
        network.requires_grad_(False)
        got = x()
        (gradient,) = torch.autograd.grad(network(got).square().sum(), got, create_graph=True)
        gradient.square().sum().backward()
        found.append(got.grad)
    torch.testing.assert_close(found[1], found[0])


def test_converters_have_no_second_derivatives() -> None:
    _, analog = twins(forward_io=FINE, backward_io=FINE)
    analog.requires_grad_(False)
    got = x()
    with pytest.raises(RuntimeError, match="the converters of an analog layer have none"):
        torch.autograd.grad(analog(got).square().sum(), got, create_graph=True)


@each_variant
def test_autograd_has_no_gradient_of_an_analog_weight(variant: dict[str, Any]) -> None:
    _, analog = twins(**variant)
    with pytest.raises(ForeignWrite, match=r"weight: autograd\.grad by an analog weight, .*backward\(\)"):
        torch.autograd.grad(analog(x()).square().sum(), list(analog.parameters()))
    assert pairs(analog) == [0, 0]
