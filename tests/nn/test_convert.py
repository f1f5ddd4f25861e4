from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from resbench.algorithms import AnalogSGD, DigitalSGD, TikiTaka
from resbench.crossbar.devices import ConstantStep, Ideal, SoftBounds
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.nn import AnalogConv2d, AnalogLayer, AnalogLinear, analog_layers, to_analog

SPLIT = MappingParameters(max_input_size=10)


class Network(nn.Module):
    """A stem, two blocks with a layer in common, and a head that torch subclasses."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.layer1 = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.layer10 = nn.Sequential(self.layer1[0], nn.Linear(4, 2))
        self.attention = nn.MultiheadAttention(4, 2)


def converted(*layers: str, network: nn.Module | None = None) -> list[str]:
    model = to_analog(network or Network(), AnalogSGD(), Ideal(), layers or ("*",))
    return [name for name, _ in analog_layers(model)]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ((), ["stem", "layer1.0", "layer1.2", "layer10.1"]),
        (("layer1",), ["layer1.0", "layer1.2"]),
        (("layer10",), ["layer10.0", "layer10.1"]),
        (("stem", "*.2"), ["stem", "layer1.2"]),
        (("layer1?.1",), ["layer10.1"]),
    ],
)
def test_patterns_name_modules_and_what_is_below(patterns: tuple[str, ...], names: list[str]) -> None:
    assert converted(*patterns) == names


@pytest.mark.parametrize(
    ("patterns", "hint"), [(("layr1.0",), "for example 'layer1.0'"), (("stem", "fc*"), "'fc\\*' matches no")]
)
def test_a_pattern_that_matches_nothing_is_refused(patterns: tuple[str, ...], hint: str) -> None:
    network = Network()
    with pytest.raises(ValueError, match=hint):
        converted(*patterns, network=network)
    assert not list(analog_layers(network)), "nothing was converted"


def test_a_module_in_two_places_stays_one() -> None:
    network = Network()
    to_analog(network, AnalogSGD(), Ideal())
    assert isinstance(network.layer1[0], AnalogLinear)
    assert network.layer1[0] is network.layer10[0]
    assert isinstance(network.stem, AnalogConv2d)


def test_a_digital_algorithm_leaves_the_model_but_checks_the_patterns() -> None:
    network = Network()
    assert to_analog(network, DigitalSGD(), Ideal()) is network
    assert not list(analog_layers(network))
    with pytest.raises(ValueError, match="fc"):
        to_analog(network, DigitalSGD(), Ideal(), ("fc",))


def test_layers_take_weights_as_far_as_the_devices_hold_them() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        cast(nn.Linear, network[0]).weight.copy_(torch.tensor([[0.5, -3.0], [0.0, 0.25]]))
    to_analog(network, AnalogSGD(), ConstantStep(w_max=1.0, w_min=-1.0, w_max_dtod=0.0, w_min_dtod=0.0))
    assert cast(AnalogLayer, network[0]).weight.tolist() == [[0.5, -1.0], [0.0, 0.25]]


def test_each_tile_may_have_its_own_device() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    fast, slow = SoftBounds(states=4), SoftBounds(states=16)
    to_analog(network, TikiTaka(), [fast, slow])
    assert [tile.device for tile in cast(AnalogLayer, network[0]).algorithm.tiles] == [fast, slow]


def test_devices_differ_between_layers_and_seeds_not_between_runs() -> None:
    def steps(seed: int) -> list[torch.Tensor]:
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        to_analog(network, AnalogSGD(), SoftBounds(states=4), seed=seed)
        return [layer.algorithm.tiles[0].get_buffer("step_up") for _, layer in analog_layers(network)]

    first, again, other = steps(0), steps(0), steps(1)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


def test_a_layer_that_does_not_fit_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2))
    with pytest.raises(ValueError, match=r"layers: '0' cannot be analog: groups: 2"):
        to_analog(network, AnalogSGD(), Ideal())


@pytest.mark.parametrize("options", [{}, {"forward_io": IOParameters(out_noise=0.5)}, {"mapping": SPLIT}])
def test_the_sublayers_of_a_transformer_are_called_in_evaluation(options: dict[str, Any]) -> None:
    """With a padding mask too, for which torch would make nested tensors."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    to_analog(model, AnalogSGD(), Ideal(), **options)
    x, padding = torch.randn(2, 5, 16), torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    calls: list[Tensor] = []
    convert = model.layers[1].linear2
    for mask in (None, padding):
        with torch.no_grad():
            unobserved = [model(x, src_key_padding_mask=mask) for _ in range(2)]
            handle = convert.register_forward_hook(lambda _, inputs, output: calls.append(output))
            observed = model(x, src_key_padding_mask=mask)
            handle.remove()
        if "forward_io" in options:
            assert not torch.equal(*unobserved), "every evaluation draws its noise"
        else:
            torch.testing.assert_close(unobserved[0], observed)
    assert len(calls) == 2
