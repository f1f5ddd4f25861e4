import copy
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from resbench.algorithms import AnalogSGD, DigitalSGD, TikiTaka
from resbench.crossbar.devices import ConstantStep, Ideal, SoftBounds
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.nn import AnalogConv2d, AnalogLayer, AnalogLinear, AnalogOptimizer, analog_layers, to_analog

SPLIT = MappingParameters(max_input_size=10)


class Network(nn.Module):
    """A stem, two blocks with a layer in common, and a head that torch subclasses."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 3)
        self.layer1 = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.layer10 = nn.Sequential(self.layer1[0], nn.Linear(4, 2))
        self.head = Head(4, 2)


class Head(nn.Linear):
    """Somebody's own linear layer."""


def converted(*layers: str, network: nn.Module | None = None) -> list[str]:
    model = to_analog(network or Network(), AnalogSGD(), Ideal(), layers or ("*",))
    return [name for name, _ in analog_layers(model)]


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ((), ["stem", "layer1.0", "layer1.2", "layer10.1"]),
        (("layer1",), ["layer1.0", "layer1.2"]),
        (("layer10",), ["layer1.0", "layer10.1"]),
        (("stem", "*.2"), ["stem", "layer1.2"]),
        (("layer1?.1",), ["layer10.1"]),
    ],
)
@pytest.mark.filterwarnings("ignore:layers. these stay digital")
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


@pytest.mark.parametrize("mapping", [MappingParameters(), SPLIT], ids=["one array", "blocks"])
def test_hooks_of_a_layer_are_those_of_its_analog_layer(mapping: MappingParameters) -> None:
    network = nn.Sequential(nn.Linear(20, 3))
    seen: list[str] = []
    handles = [
        network[0].register_forward_pre_hook(lambda _, inputs: (2 * inputs[0],)),
        network[0].register_forward_hook(lambda _, inputs, kwargs, y: seen.append("forward"), with_kwargs=True),
        network[0].register_forward_hook(lambda _, inputs, y: y + 1.0),
        network[0].register_full_backward_hook(lambda *_: seen.append("backward")),
    ]
    x = torch.linspace(-1, 1, 40).reshape(2, 20).requires_grad_()
    want = network(x).detach()
    to_analog(network, AnalogSGD(), Ideal(), mapping=mapping)
    seen.clear()
    y = network(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), want)
    assert seen == ["forward", "backward"]
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(network(2 * x).detach() + 1.0, want)
    assert len(seen) == 2


@pytest.mark.filterwarnings("ignore:layers. these stay digital")
@pytest.mark.parametrize("layers", [("*",), ("stem", "layer1"), ("stem", "layer10")])
def test_a_module_in_two_places_stays_one(layers: tuple[str, ...]) -> None:
    network = Network()
    to_analog(network, AnalogSGD(), Ideal(), layers)
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
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LSTM(4, 3))
    network[1].weight_hh_l0.requires_grad_(False)
    with pytest.raises(ValueError, match=r"layers: '1' cannot be analog: requires_grad: only some of the weights"):
        to_analog(network, AnalogSGD(), Ideal())
    assert not list(analog_layers(network)), "nothing was converted"


# -- slips, and what cannot become analog ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": nn.Linear(4, 3)}, ValueError, "model: a bare Linear has no name"),
        ({"model": nn.LSTM(4, 3)}, ValueError, "model: a bare LSTM has no name"),
        ({"model": Network}, TypeError, r"model: Network is a class; write an instance, Network\("),
        ({"model": nn.Sequential(nn.ReLU())}, ValueError, r"'\*' matches no layer .*; the model has none"),
        ({"algorithm": AnalogSGD}, TypeError, "algorithm: AnalogSGD is a class"),
        ({"algorithm": DigitalSGD}, TypeError, "algorithm: DigitalSGD is a class"),
        (
            {"algorithm": AnalogOptimizer([torch.zeros(1)])},
            TypeError,
            r"resbench.nn.optimizer.AnalogOptimizer is no Algorithm; write one, such as resbench.algorithms\.",
        ),
        ({"device": Ideal}, TypeError, "device: Ideal is a class"),
        ({"device": [Ideal(), SoftBounds]}, TypeError, "device: SoftBounds is a class"),
        ({"device": None}, TypeError, "device: NoneType is no Device; write one, such as resbench.devices"),
        ({"device": 16}, TypeError, "device: int is no Device"),
        ({"device": "SoftBounds"}, TypeError, "device: str is no Device"),
        ({"layers": "stem"}, TypeError, r"layers: 'stem' is one pattern; write a list, \['stem'\]"),
        ({"forward_io": IOParameters}, TypeError, "forward_io: IOParameters is a class"),
        ({"mapping": MappingParameters}, TypeError, "mapping: MappingParameters is a class"),
    ],
)
def test_slips_of_a_call_are_named(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments: dict[str, Any] = {"model": Network(), "algorithm": AnalogSGD(), "device": Ideal()}
    with pytest.raises(error, match=message):
        to_analog(**{**arguments, **changed})


def test_a_layer_is_converted_once() -> None:
    network = to_analog(Network(), AnalogSGD(), Ideal(), ("layer1",))
    with pytest.raises(ValueError, match=r"'layer1' matches layers that are analog already: layer1.0, layer1.2"):
        to_analog(network, AnalogSGD(), Ideal(), ("layer1",))
    to_analog(network, TikiTaka(), Ideal(), ("stem", "layer10"))  # what is left may get another algorithm
    with pytest.raises(ValueError, match=r"already: stem, layer1.0, layer1.2, layer10.1; a layer is converted once"):
        to_analog(network, AnalogSGD(), Ideal())
    with pytest.raises(ValueError, match="model: this AnalogConv2d is analog already"):
        to_analog(cast(nn.Module, network.stem), AnalogSGD(), Ideal())


def test_what_stays_digital_is_said() -> None:
    network = nn.ModuleDict(
        {
            "embed": nn.Embedding(5, 4),
            "recur": nn.GRU(4, 4),
            "project": nn.LSTM(4, 4, proj_size=2),
            "attend": nn.MultiheadAttention(4, 2),
            "up": nn.ConvTranspose2d(4, 4, 2, groups=2),
            "space": nn.Conv3d(4, 4, 2),
            "own": Head(4, 4),
            "norm": nn.LayerNorm(4),
            "last": nn.Linear(4, 4),
        }
    )
    said = (
        r"these stay digital.*: recur \(GRU\), project \(LSTM, proj_size=2\), attend \(MultiheadAttention\), "
        r"up \(ConvTranspose2d, groups=2\), space \(Conv3d\), own \(Head\)$"
    )
    with pytest.warns(UserWarning, match=said):
        to_analog(network, AnalogSGD(), Ideal())
    assert [name for name, _ in analog_layers(network)] == ["last"]
    with pytest.raises(ValueError, match=r"'rec\*' matches no layer .* but recur \(GRU\), which stay digital; "):
        to_analog(nn.ModuleDict({"recur": nn.GRU(4, 4), "last": nn.Linear(4, 4)}), AnalogSGD(), Ideal(), ("rec*",))


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_about_layers_that_nobody_named() -> None:
    network = nn.ModuleDict({"recur": nn.GRU(4, 4), "last": nn.Linear(4, 4)})
    to_analog(network, AnalogSGD(), Ideal(), ("last",))


class Tied(nn.Module):
    """Two linear layers and an embedding, with parameters in common."""

    def __init__(self, tie: Callable[[Any], None]) -> None:
        super().__init__()
        self.embed = nn.Embedding(6, 6)
        self.encode = nn.Linear(6, 6)
        self.decode = nn.Linear(6, 6)
        tie(self)


def tie_weights(net: Tied) -> None:
    net.decode.weight = net.encode.weight


def tie_to_embedding(net: Tied) -> None:
    net.decode.weight = net.embed.weight


def tie_biases(net: Tied) -> None:
    net.decode.bias = net.encode.bias


def tie_transposed(net: Tied) -> None:
    net.decode.weight = nn.Parameter(net.encode.weight.detach().t())


@pytest.mark.parametrize(
    ("tie", "layers", "names"),
    [
        (tie_weights, ("*",), "encode.weight and decode.weight"),
        (tie_weights, ("decode",), "decode.weight and encode.weight"),
        (tie_to_embedding, ("*",), "decode.weight and embed.weight"),
        (tie_biases, ("encode",), "encode.bias and decode.bias"),
        (tie_transposed, ("decode",), "decode.weight and encode.weight"),
    ],
)
def test_a_parameter_of_two_layers_is_refused(tie: Callable[[Any], None], layers: tuple[str, ...], names: str) -> None:
    network = Tied(tie)
    with pytest.raises(ValueError, match=f"layers: {names} are one parameter"):
        to_analog(network, AnalogSGD(), Ideal(), layers)
    assert not list(analog_layers(network))


def test_a_shared_parameter_of_layers_that_stay_digital_is_nobodys_business() -> None:
    network = Tied(tie_to_embedding)
    to_analog(network, AnalogSGD(), Ideal(), ("encode",))
    assert network.decode.weight is network.embed.weight


def test_a_weight_that_is_computed_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 3))
    prune.random_unstructured(network[0], "weight", amount=2)
    with pytest.raises(ValueError, match=r"'0' cannot be analog: its weight is computed from weight_orig"):
        to_analog(network, AnalogSGD(), Ideal())


def test_what_was_frozen_stays_frozen_and_what_was_in_evaluation_stays_there() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 5)).eval()
    for parameter in network[:2].parameters():
        parameter.requires_grad_(False)
    network[1].bias.requires_grad_(True)
    to_analog(network, AnalogSGD(), Ideal(), mapping=MappingParameters(max_output_size=4))
    trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    assert [name for name, wanted in trained.items() if not wanted] == ["0.weight", "0.bias", "1.weight"]
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize(
    "layer", [nn.Linear(4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.LSTM(4, 3)], ids=["linear", "groups", "lstm"]
)
@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("digital_bias", [True, False])
def test_of_a_frozen_layer_nothing_trains(layer: nn.Module, size: int, digital_bias: bool) -> None:
    frozen = copy.deepcopy(layer).requires_grad_(False)
    mapping = MappingParameters(learn_out_scaling=True, max_output_size=size, digital_bias=digital_bias)
    network = to_analog(nn.Sequential(frozen), AnalogSGD(), Ideal(), mapping=mapping)
    assert [name for name, parameter in network.named_parameters() if parameter.requires_grad] == []
    assert any("out_scaling" in name for name, _ in network.named_parameters())


@pytest.mark.parametrize("which", ["weight", "bias"])
def test_a_bias_on_the_array_is_frozen_with_its_weight(which: str) -> None:
    layer = nn.Linear(4, 3)
    layer.get_parameter(which).requires_grad_(False)
    mapping = MappingParameters(digital_bias=False)
    trained = "bias" if which == "weight" else "weight"
    with pytest.raises(ValueError, match=rf"requires_grad: true only for the {trained} .* write digital_bias: true"):
        to_analog(nn.Sequential(layer), AnalogSGD(), Ideal(), mapping=mapping)
    layer.requires_grad_(False)
    model = to_analog(nn.Sequential(layer), AnalogSGD(), Ideal(), mapping=mapping)
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_model_in_double_precision_trains_in_it() -> None:
    network = nn.Sequential(nn.Linear(4, 3)).double()
    to_analog(network, AnalogSGD(), Ideal())
    layer = cast(AnalogLayer, network[0])
    before = layer.weight.clone()
    x = torch.ones(2, 4, dtype=torch.float64)
    network(x).sum().backward()
    AnalogOptimizer(network.parameters(), lr=0.1).step()
    expected: Tensor = before - 0.1 * 2.0
    torch.testing.assert_close(layer.weight, expected, atol=1e-12, rtol=0)


def test_buffers_that_are_wider_on_purpose_stay_so() -> None:
    network = to_analog(nn.Sequential(nn.Linear(4, 3)), AnalogSGD(), Ideal(), forward_io=IOParameters())
    assert {name for name, buffer in network.named_buffers() if buffer.dtype is torch.float64} == {
        "0.periphery.running"
    }


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_is_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"'0' cannot be analog: precision: tiles in {dtype}"):
        to_analog(nn.Sequential(nn.Linear(4, 3)).to(dtype), AnalogSGD(), Ideal())
    network = to_analog(nn.Sequential(nn.Linear(4, 3)), AnalogSGD(), Ideal())
    with pytest.raises(TypeError, match=f"precision: tiles in {dtype}"):
        network.to(dtype)


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
