from typing import Any

import pytest
import torch
from torch import nn

from resbench.networks import MLP


def test_computes_the_layers_in_order_on_flattened_input() -> None:
    network = MLP(in_features=12, hidden=[5, 4], classes=3, activation="relu")
    images = torch.randn(2, 3, 2, 2)
    fc1, fc2, fc3 = (network.get_submodule(name) for name in ("fc1", "fc2", "fc3"))
    torch.testing.assert_close(network(images), fc3(fc2(fc1(images.flatten(1)).relu()).relu()))
    assert [m.weight.shape for m in network if isinstance(m, nn.Linear)] == [(5, 12), (4, 5), (3, 4)]


def test_without_hidden_layers_is_linear() -> None:
    assert [name for name, _ in MLP(in_features=4, hidden=[]).named_children()] == ["flatten", "fc1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_features": 0}, "in_features: 0 is not a width"),
        ({"in_features": 4, "hidden": [3, 0]}, "hidden: 0 is not a width"),
        ({"in_features": 4, "classes": 0}, "classes: 0 is not a width"),
        ({"in_features": 4, "activation": "gelu"}, "activation: 'gelu' is unknown; write one of tanh, relu, sigmoid"),
    ],
)
def test_refuses_impossible_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLP(**options)


def test_without_bias_has_weights_alone() -> None:
    assert [name for name, _ in MLP(in_features=4, hidden=[3], bias=False).named_parameters()] == [
        "fc1.weight",
        "fc2.weight",
    ]
