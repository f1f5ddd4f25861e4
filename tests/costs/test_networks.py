"""Closed forms against the networks themselves."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn

import resbench.networks
from resbench.costs import LayerShape, network_layers, select
from resbench.costs.networks import split

ARGUMENTS: dict[str, dict[str, Any]] = {
    "MLP": {"in_features": 784, "hidden": [250, 30], "classes": 26, "activation": "relu"},
    "LeNet5": {"classes": 26},
    "ResNet18": {"classes": 100},
    "ResNet34": {},
    "ResNet20": {"classes": 7},
    "ResNet9": {"width": 3},
    "CharLSTM": {"vocabulary": 11, "width": 3, "hidden": 5, "layers": 2},
    "RowLSTM": {"side": 4, "hidden": 3, "classes": 7},
    "CharGPT": {"vocabulary": 65, "context": 64, "layers": 2, "heads": 4, "width": 128},
}


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.LSTM):
            for layer in range(module.num_layers):
                sides = [getattr(module, f"weight_{side}_l{layer}") for side in ("ih", "hh")]
                shapes[f"{name}.cells.l{layer}"] = tuple(torch.cat(sides, dim=1).shape)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            shapes[name] = tuple(module.weight.flatten(1).shape)
    return shapes


@pytest.mark.parametrize("name", resbench.networks.__all__)
def test_layers_are_those_of_the_network(name: str) -> None:
    closed = network_layers(name, ARGUMENTS[name])
    network = getattr(resbench.networks, name)(**ARGUMENTS[name])
    assert {layer.name: (layer.out_features, layer.in_features) for layer in closed} == shapes_of(network)


@pytest.mark.parametrize("name", resbench.networks.__all__)
def test_defaults_are_those_of_the_network(name: str) -> None:
    parameters = inspect.signature(getattr(resbench.networks, name)).parameters.values()
    required = {key: value for key, value in ARGUMENTS[name].items() if key == "in_features"}
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    assert network_layers(name, required) == network_layers(name, required | defaults)


def test_reuse_is_the_number_of_output_positions() -> None:
    reuse = {layer.name: layer.reuse for layer in network_layers("ResNet18", {})}
    assert (reuse["conv1"], reuse["layer2.0.conv1"], reuse["layer4.1.conv2"], reuse["fc"]) == (1024, 256, 16, 1)
    assert {layer.reuse for layer in network_layers("CharGPT", {"context": 64})} == {64}


def test_patterns_choose_layers_as_the_conversion_does() -> None:
    layers = network_layers("ResNet18", {})
    assert [layer.name for layer in select(layers, ["layer4.0", "fc"])] == [
        "layer4.0.conv1",
        "layer4.0.conv2",
        "layer4.0.downsample.0",
        "fc",
    ]
    assert len(select(layers, ["*.conv?"])) == 16
    assert select(layers, ["*"]) == layers


def test_large_layers_are_split_evenly() -> None:
    (wide, small) = LayerShape("wide", 1200, 512, 4), LayerShape("small", 512, 10)
    blocks = split([wide, small], 512, 256)
    assert [(b.name, b.out_features, b.in_features, b.reuse) for b in blocks[:2]] == [
        ("wide[0,0]", 256, 400, 4),
        ("wide[0,1]", 256, 400, 4),
    ]
    assert len(blocks) == 7
    assert sum(block.weights for block in blocks) == wide.weights + small.weights


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("VGG11", {}, "network: VGG11 has no closed form; write one of MLP, LeNet5"),
        ("LeNet5", {"clases": 10}, "network: LeNet5 cannot be made: .*clases"),
        ("MLP", {}, "network: MLP cannot be made: .*in_features"),
        ("MLP", {"in_features": 5.5}, "in_features: 5.5 of layer fc1 does not fit; write a whole number of 1 or more"),
        (
            "LeNet5",
            {"classes": True},
            "out_features: True of layer fc2 does not fit; write a whole number of 1 or more",
        ),
        ("CharGPT", {"layers": 10**8}, "network.layers: 100000000 does not fit; write a whole number from 1 to 10000"),
        ("CharLSTM", {"layers": 0}, "network.layers: 0 does not fit; write a whole number from 1 to 10000"),
    ],
)
def test_what_has_no_closed_form_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network_layers(name, arguments)


def test_a_pattern_that_names_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="layers: 'conv3' names no layer; write one of conv1, conv2, fc1, fc2"):
        select(network_layers("LeNet5", {}), ["conv3"])
