"""Layers beside torch's own: outputs, input gradients, and the recorded pairs beside autograd's weight gradient."""

import copy
import pickle
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from resbench.algorithms import AnalogSGD as OneTile
from resbench.algorithms import ResidualLearning
from resbench.crossbar.devices import Ideal, SoftBounds
from resbench.crossbar.randomness import Stream
from resbench.nn import AnalogConv1d, AnalogConv2d, AnalogLayer, AnalogLinear, AnalogOptimizer, Hardware

STREAM = Stream.from_seed(0)
CASES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 4), (5, 6)),
    "linear, one row": (nn.Linear(6, 4), (6,)),
    "linear, sequences": (nn.Linear(6, 4), (3, 2, 6)),
    "linear, no bias": (nn.Linear(6, 4, bias=False), (5, 6)),
    "linear, one by one": (nn.Linear(1, 1), (1, 1)),
    "conv": (nn.Conv2d(2, 3, 3), (4, 2, 6, 5)),
    "conv, no batch": (nn.Conv2d(2, 3, 3), (2, 6, 5)),
    "conv, no bias": (nn.Conv2d(2, 3, 3, bias=False), (4, 2, 6, 5)),
    "conv, one position": (nn.Conv2d(2, 3, (6, 5)), (1, 2, 6, 5)),
    "conv, stride and dilation": (
        nn.Conv2d(2, 3, (3, 2), stride=(2, 1), dilation=(1, 2), padding=(2, 1)),
        (4, 2, 6, 5),
    ),
    "conv, same": (nn.Conv2d(2, 3, (3, 2), padding="same"), (4, 2, 6, 5)),
    "conv, valid": (nn.Conv2d(2, 3, 2, padding="valid"), (4, 2, 6, 5)),
    **{
        f"conv, {mode}": (nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode=mode), (4, 2, 6, 5))
        for mode in ("reflect", "replicate", "circular")
    },
    "conv1d": (nn.Conv1d(2, 3, 3), (4, 2, 7)),
    "conv1d, no batch": (nn.Conv1d(2, 3, 3), (2, 7)),
    "conv1d, stride, dilation, padding": (nn.Conv1d(2, 3, 3, stride=2, dilation=2, padding=1), (4, 2, 9)),
    "conv1d, same": (nn.Conv1d(2, 3, 3, padding="same"), (4, 2, 7)),
    "conv1d, circular": (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular", bias=False), (4, 2, 7)),
    "conv, same and reflect": (nn.Conv2d(2, 3, (2, 3), padding="same", padding_mode="reflect"), (4, 2, 6, 5)),
}


def analog(layer: nn.Module, algorithm: Any = None, device: Any = None) -> AnalogLayer:
    kinds: dict[type, Any] = {nn.Linear: AnalogLinear, nn.Conv1d: AnalogConv1d, nn.Conv2d: AnalogConv2d}
    kind = kinds[type(layer)]
    return cast(AnalogLayer, kind(layer, Hardware(algorithm or OneTile(), device or Ideal(), STREAM)))


def weight_gradient(layer: AnalogLayer) -> Tensor:
    """What the pending pairs add up to, in the shape of the weight."""
    total = torch.zeros_like(layer.algorithm.weight)
    for x, d in layer.weight.pairs:
        total += d.dense().T @ x.dense()
    return total.view(layer.weight.shape)


@pytest.mark.parametrize("case", CASES)
def test_a_layer_computes_what_torch_computes(case: str) -> None:
    layer, shape = CASES[case]
    twin = analog(layer)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [model(values) for model, values in zip((layer, twin), inputs, strict=True)]
    torch.testing.assert_close(outputs[1], outputs[0])
    layer.zero_grad()
    for output in outputs:
        output.square().sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
    torch.testing.assert_close(weight_gradient(twin), layer.weight.grad, rtol=1e-4, atol=1e-5)
    assert twin.weight.grad is None
    if layer.bias is not None:
        assert twin.bias is not None
        torch.testing.assert_close(twin.bias.grad, layer.bias.grad)


@pytest.mark.parametrize("case", CASES)
def test_the_input_is_named_as_in_torch(case: str) -> None:
    layer, shape = CASES[case]
    torch.testing.assert_close(analog(layer)(input=torch.ones(shape)), layer(input=torch.ones(shape)))


def test_the_first_layer_of_a_model_records_too() -> None:
    """Its input needs no gradient, and without a bias nothing else does."""
    twin = analog(nn.Linear(3, 2, bias=False))
    twin(torch.ones(1, 3)).sum().backward()
    assert weight_gradient(twin).tolist() == [[1.0] * 3] * 2


def test_the_output_of_a_first_layer_without_bias_may_change_in_place() -> None:
    layer = analog(nn.Linear(3, 2, bias=False))
    layer(torch.ones(2, 3)).add_(1.0).sum().backward()
    torch.testing.assert_close(weight_gradient(layer), torch.full((2, 3), 2.0))


def test_a_layer_that_is_used_twice_records_both() -> None:
    layer = nn.Linear(3, 3)
    twin = analog(layer)
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    for model in (layer, twin):
        model(model(x)).square().sum().backward()
    assert len(twin.weight.pairs) == 2
    torch.testing.assert_close(weight_gradient(twin), layer.weight.grad)


def test_backward_passes_accumulate_until_they_are_dropped() -> None:
    layer = nn.Linear(3, 2)
    twin = analog(layer)
    for scale in (1.0, 2.0):
        for model in (layer, twin):
            model(scale * torch.ones(2, 3)).square().sum().backward()
    torch.testing.assert_close(weight_gradient(twin), layer.weight.grad)
    AnalogOptimizer(twin.parameters()).zero_grad()
    assert twin.weight.pairs == []


@pytest.mark.parametrize("how", ["no_grad", "frozen"])
def test_nothing_is_recorded_where_nothing_is_trained(how: str) -> None:
    twin = analog(nn.Linear(3, 2))
    x = torch.ones(1, 3, requires_grad=True)
    if how == "no_grad":
        with torch.no_grad():
            assert not twin(x).requires_grad
    else:
        twin.requires_grad_(False)
        twin(x).sum().backward()
        assert x.grad is not None, "a frozen layer still passes gradients on"
    assert twin.weight.pairs == []


def test_an_input_that_changed_before_backward_is_refused() -> None:
    twin = analog(nn.Linear(3, 3))
    x = torch.ones(2, 3)
    loss = twin(x).sum()
    x.add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_weight_is_a_parameter_that_shows_the_tiles() -> None:
    layer = nn.Conv2d(2, 3, 3)
    twin = analog(layer)
    assert [tuple(parameter.shape) for parameter in twin.parameters()] == [(3, 2, 3, 3), (3,)]
    assert twin.algorithm.shape == (3, 18)
    twin.algorithm.program(torch.full((3, 18), 0.25))
    assert (twin.weight == 0.25).all()


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_has_its_own_tiles_and_trains_on_alike(how: str) -> None:
    twin = analog(nn.Conv2d(2, 3, 3), ResidualLearning(fast_lr=0.5), SoftBounds(states=10))
    other = copy.deepcopy(twin) if how == "deepcopy" else pickle.loads(pickle.dumps(twin))
    assert other.weight.algorithm is other.algorithm is not twin.algorithm
    before = twin.weight.detach().clone()
    for model in (other, twin):
        optimizer = AnalogOptimizer(model.parameters(), lr=0.5)
        model(torch.ones(1, 2, 5, 5)).square().sum().backward()
        optimizer.step()
        if model is other:
            assert torch.equal(twin.weight, before)
    assert not torch.equal(twin.weight, before)
    assert torch.equal(other.weight, twin.weight)


@pytest.mark.parametrize("algorithm", [OneTile(), ResidualLearning(tiles=2)])
def test_a_layer_follows_to_double_precision_and_back(algorithm: Any) -> None:
    layer = nn.Linear(3, 2)
    twin = analog(layer, algorithm).double()
    assert twin.weight.dtype == torch.float64
    assert twin.weight.data_ptr() == twin.algorithm.weight.data_ptr()
    optimizer = AnalogOptimizer(twin.parameters(), lr=0.1)
    twin(torch.ones(2, 3, dtype=torch.float64)).sum().backward()
    optimizer.step()
    assert not torch.equal(twin.weight.float(), layer.weight)
    assert twin.float()(torch.ones(2, 3)).dtype == torch.float32
    assert twin.weight.data_ptr() == twin.algorithm.weight.data_ptr()


def test_a_grouped_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="groups: 2"):
        analog(nn.Conv2d(2, 4, 3, groups=2))


def test_layers_print_like_torch() -> None:
    assert "in_features=3, out_features=2, bias=True" in repr(analog(nn.Linear(3, 2)))
    assert "3x2x3x3" in repr(analog(nn.Conv2d(2, 3, 3)))
