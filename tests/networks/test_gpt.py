import math
from typing import Any

import pytest
import torch
from torch import nn

from resbench.algorithms import AnalogSGD
from resbench.crossbar.devices import SoftBounds
from resbench.networks import CharGPT
from resbench.nn import analog_layers, to_analog

SMALL: dict[str, int] = {"vocabulary": 11, "context": 8, "layers": 2, "heads": 2, "width": 16}


def test_has_the_parameters_that_the_paper_states() -> None:
    network = CharGPT()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters - network.positions.weight.numel() == 10_646_784  # 10.65 M
    linear = {
        name: tuple(module.weight.shape) for name, module in network.named_modules() if isinstance(module, nn.Linear)
    }
    assert {name: shape for name, shape in linear.items() if name.startswith("blocks.0.")} == {
        "blocks.0.attn.qkv": (1152, 384),
        "blocks.0.attn.proj": (384, 384),
        "blocks.0.mlp.fc": (1536, 384),
        "blocks.0.mlp.proj": (384, 1536),
    }
    assert len(linear) == 24


def test_starts_close_to_the_uniform_distribution() -> None:
    torch.manual_seed(0)
    network, text = CharGPT(), torch.randint(65, (2, 257))
    loss = nn.functional.cross_entropy(network(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(65), abs=0.2)


def test_does_not_look_ahead() -> None:
    torch.manual_seed(0)
    network = CharGPT(**SMALL)
    text = torch.randint(11, (3, 8))
    other = text.clone()
    other[:, 5:] = (other[:, 5:] + 1) % 11
    first, second = network(text), network(other)
    torch.testing.assert_close(first[:, :5], second[:, :5])
    assert not torch.allclose(first[:, 5], second[:, 5])


def test_attends_to_the_past_by_heads() -> None:
    torch.manual_seed(0)
    attention = CharGPT(**SMALL).get_submodule("blocks.0.attn").double()
    x = torch.randn(1, 4, 16, dtype=torch.double)
    query, key, value = (part.view(4, 2, 8) for part in attention.get_submodule("qkv")(x)[0].split(16, dim=1))
    rows = []
    for t in range(4):
        weights = torch.einsum("hc,shc->hs", query[t], key[: t + 1]).div(8**0.5).softmax(1)
        rows.append(torch.einsum("hs,shc->hc", weights, value[: t + 1]).flatten())
    torch.testing.assert_close(attention(x)[0], attention.get_submodule("proj")(torch.stack(rows)))


def test_patterns_put_the_blocks_on_tiles() -> None:
    network = CharGPT(**SMALL)
    to_analog(network, AnalogSGD(), SoftBounds(states=4), ["blocks.*.mlp.*", "blocks.1.attn.proj"])
    names = [name for name, _ in analog_layers(network)]
    assert names == [
        "blocks.0.mlp.fc",
        "blocks.0.mlp.proj",
        "blocks.1.attn.proj",
        "blocks.1.mlp.fc",
        "blocks.1.mlp.proj",
    ]
    network(torch.zeros(2, 8, dtype=torch.long)).sum().backward()
    assert all(layer.weight.pairs[0][0].shape[0] == 16 for _, layer in analog_layers(network))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "heads: 0 is too small"),
        ({"width": 0}, "width: 0 is too small"),
        ({"width": 15}, "width: 15 cannot be shared by 2 heads; write a multiple of heads"),
    ],
)
def test_refuses_impossible_sizes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CharGPT(**{**SMALL, **options})


def test_refuses_an_input_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="vocabulary: 11 is too few for character number 12; write 13 or more"):
        CharGPT(**SMALL)(torch.tensor([[3, 12, 5]]))
    with pytest.raises(ValueError, match="context: 8 is less than the 9 characters of the input"):
        CharGPT(**SMALL)(torch.zeros(1, 9, dtype=torch.long))
