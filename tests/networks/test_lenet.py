import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from resbench.networks import LeNet5


def test_layers_and_weights_are_those_of_the_source() -> None:
    network = LeNet5()
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters() if name.endswith(".weight")}
    assert shapes == {
        "conv1.weight": (16, 1, 5, 5),
        "conv2.weight": (32, 16, 5, 5),
        "fc1.weight": (128, 512),
        "fc2.weight": (10, 128),
    }
    assert sum(weight.numel() for weight in network.parameters() if weight.dim() > 1) == 80016


def test_equals_the_source_with_tanh_before_pooling() -> None:
    torch.manual_seed(0)
    network, images, labels = LeNet5(), torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    source = nn.Sequential(
        *(network.conv1, nn.Tanh(), nn.MaxPool2d(2)),
        *(network.conv2, nn.Tanh(), nn.MaxPool2d(2), nn.Tanh(), nn.Flatten()),
        *(network.fc1, nn.Tanh(), network.fc2, nn.LogSoftmax(1)),
    )
    parameters = list(network.parameters())
    torch.testing.assert_close(network(images).log_softmax(1), source(images))
    gradients = torch.autograd.grad(cross_entropy(network(images), labels), parameters)
    expected = torch.autograd.grad(nn.functional.nll_loss(source(images), labels), parameters)
    for gradient, reference in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_returns_one_logit_a_class() -> None:
    assert LeNet5(classes=47)(torch.zeros(3, 1, 28, 28)).shape == (3, 47)


def test_refuses_other_inputs() -> None:
    with pytest.raises(ValueError, match=r"takes images \[n, 1, 28, 28\], not \[2, 1, 8, 8\]"):
        LeNet5()(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="classes: 0 is too few"):
        LeNet5(classes=0)
