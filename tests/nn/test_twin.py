"""The state of a digital model in one with analog layers: it is programmed."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from resbench.algorithms import Algorithm, ResidualLearning
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal, SoftBounds
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.nn import AnalogOptimizer, ForeignWrite, analog_layers, digital_state, to_analog
from resbench.nn.twin import program

X = torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
MAPPINGS = {
    "plain": ONE_ARRAY,
    "scaled": MappingParameters(weight_scaling_omega=0.6),
    "output scale": MappingParameters(weight_scaling_omega=0.6, learn_out_scaling=True),
    "analog bias": MappingParameters(digital_bias=False),
    "split": MappingParameters(max_input_size=5, max_output_size=3),
}


def digital(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5), nn.Linear(5, 2, bias=False))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("algorithm", [OneTile(), ResidualLearning(tiles=2)], ids=["one tile", "two tiles"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_state_of_the_digital_model_is_programmed(mapping: str, algorithm: Algorithm, strict: bool) -> None:
    """The model then is what the conversion of that digital model gives."""
    options: dict[str, Any] = {"mapping": MAPPINGS[mapping]}
    wanted = digital(1)
    model = to_analog(digital(0), algorithm, Ideal(), **options)
    result = model.load_state_dict(copy.deepcopy(wanted.state_dict()), strict=strict)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    torch.testing.assert_close(model(X), wanted(X))
    for _, layer in analog_layers(model):
        held = sum(gamma * tile.weight for _, gamma, tile in layer.algorithm.named_tiles())
        assert torch.equal(layer.algorithm.weight, torch.as_tensor(held))


def test_devices_hold_of_it_what_they_can() -> None:
    model = to_analog(nn.Sequential(nn.Linear(3, 2)), ResidualLearning(), SoftBounds(states=10, w_max_dtod=0))
    model.load_state_dict({"0.weight": torch.full((2, 3), 50.0), "0.bias": torch.ones(2)})
    (_, layer), *_ = analog_layers(model)
    assert layer.weight.max() <= sum(layer.algorithm.gammas) * layer.algorithm.tiles[0].device.w_max
    assert layer.bias is not None
    assert layer.bias.tolist() == [1.0, 1.0]


def test_a_state_of_analog_layers_is_loaded_as_it_is() -> None:
    device = SoftBounds(states=10)
    source = to_analog(digital(1), ResidualLearning(tiles=2), device, seed=1)
    target = to_analog(digital(0), ResidualLearning(tiles=2), device, seed=2)
    target.load_state_dict(source.state_dict())
    for (_, mine), (_, theirs) in zip(analog_layers(target), analog_layers(source), strict=True):
        assert torch.equal(mine.weight, theirs.weight)
        for tile, other in zip(mine.algorithm.tiles, theirs.algorithm.tiles, strict=True):
            assert torch.equal(tile.constant("w_max"), other.constant("w_max"))


def test_what_is_missing_or_of_another_shape_is_said_as_torch_says_it() -> None:
    model = to_analog(nn.Sequential(nn.Linear(3, 2)), OneTile(), Ideal())
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\.bias"'):
        model.load_state_dict({"0.weight": torch.ones(2, 3)})
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.weight"):
        model.load_state_dict({"0.weight": torch.ones(3, 2), "0.bias": torch.ones(2)})


def test_memory_is_not_taken_from_a_state() -> None:
    model = to_analog(nn.Sequential(nn.Linear(3, 2)), OneTile(), Ideal())
    with pytest.raises(ForeignWrite, match="without assign=True"):
        model.load_state_dict(model.state_dict(), assign=True)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("algorithm", [OneTile(), ResidualLearning(tiles=3)], ids=["one tile", "three tiles"])
def test_the_digital_network_with_the_logical_weights_computes_the_same(mapping: str, algorithm: Algorithm) -> None:
    """After a training, so that the composite weight and the output scales are not where they began."""
    model = to_analog(digital(0), algorithm, SoftBounds(states=50), mapping=MAPPINGS[mapping])
    optimizer = AnalogOptimizer(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(X).square().sum().backward()
        optimizer.step()
    plain = digital(1)
    plain.load_state_dict(digital_state(model))
    torch.testing.assert_close(plain(X), model(X), rtol=1e-5, atol=1e-6)


def test_the_logical_weights_of_a_digital_network_are_its_state() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2))
    state = digital_state(model)
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


def test_a_layer_with_two_names_has_both() -> None:
    shared = nn.Linear(3, 3)
    model = to_analog(nn.Sequential(shared, nn.Tanh(), shared), OneTile(), Ideal())
    assert list(digital_state(model)) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_weights_that_devices_cannot_hold_are_said() -> None:
    """Two weights are out of the range of 1, by 0.5 and 2."""
    device = SoftBounds(states=10, w_max=1.0, w_min=-1.0, w_max_dtod=0, w_min_dtod=0)
    model = to_analog(nn.Sequential(nn.Linear(3, 2)), OneTile(), device)
    weight = torch.tensor([[0.5, -0.25, 1.5], [0.0, -3.0, 0.125]])
    lines = program(model, {"0.weight": weight, "0.bias": torch.full((2,), 9.0)})
    assert lines == ["0.weight: the devices cannot hold 2 of 6 weights, out of range or stuck; largest error 2"]
    assert torch.equal(digital_state(model)["0.weight"], weight.clamp(-1, 1))


def test_names_and_shapes_that_do_not_fit_are_said_in_one_line() -> None:
    model = to_analog(digital(0), OneTile(), Ideal())
    before = digital_state(model)
    state = {name: value for name, value in digital(1).state_dict().items() if name != "0.bias"}
    state |= {"head.weight": torch.ones(2), "3.weight": torch.ones(5, 63), "4.weight": torch.full((2, 5), torch.inf)}
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        program(model, state)
    assert str(refused.value) == (
        "weights: the state of another network; it lacks: 0.bias; it has other names: head.weight; "
        "it has other shapes: 3.weight [5, 63], here [5, 64]; it has values that are not finite: 4.weight"
    )
    assert all(torch.equal(value, before[name]) for name, value in digital_state(model).items())
