"""Layers of several products, or with digital parts: transposed and grouped convolutions, and LSTMs, beside torch's."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resbench.algorithms import Algorithm, MixedPrecision, ResidualLearning, TikiTakaV2
from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal, SoftBounds
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import IOParameters
from resbench.nn import AnalogOptimizer, analog_layers, digital_state, to_analog

torch.manual_seed(0)  # the layers below start alike in every process

Case = tuple[nn.Module, tuple[int, ...], list[tuple[str, tuple[int, int]]]]
#: Layer, shape of its input, and its arrays.
CASES: dict[str, Case] = {
    "transposed": (nn.ConvTranspose2d(2, 3, 3), (4, 2, 3, 5), [("0.array", (27, 2))]),
    "transposed, all options": (
        nn.ConvTranspose2d(2, 3, (3, 2), stride=(2, 3), padding=(2, 1), output_padding=(1, 2), dilation=(1, 3)),
        (4, 2, 3, 5),
        [("0.array", (18, 2))],
    ),
    "transposed, no bias, no batch": (nn.ConvTranspose2d(2, 3, 2, bias=False), (2, 3, 5), [("0.array", (12, 2))]),
    "groups": (
        nn.Conv2d(4, 6, 3, groups=2, padding=1),
        (3, 4, 5, 4),
        [("0.blocks.0", (3, 18)), ("0.blocks.1", (3, 18))],
    ),
    "depthwise": (nn.Conv2d(2, 2, 3, groups=2), (2, 5, 4), [("0.blocks.0", (1, 9)), ("0.blocks.1", (1, 9))]),
    "groups in one dimension": (
        nn.Conv1d(4, 2, 3, groups=2, stride=2),
        (3, 4, 7),
        [("0.blocks.0", (1, 6)), ("0.blocks.1", (1, 6))],
    ),
    "lstm": (nn.LSTM(3, 4), (5, 2, 3), [("0.cells.l0", (16, 7))]),
    "lstm, one sequence": (nn.LSTM(3, 4), (5, 3), [("0.cells.l0", (16, 7))]),
    "lstm, no bias": (nn.LSTM(3, 4, bias=False, batch_first=True), (2, 5, 3), [("0.cells.l0", (16, 7))]),
    "lstm, two layers": (
        nn.LSTM(3, 2, num_layers=2, batch_first=True),
        (2, 5, 3),
        [("0.cells.l0", (8, 5)), ("0.cells.l1", (8, 4))],
    ),
    "lstm, both directions": (
        nn.LSTM(3, 2, num_layers=2, bidirectional=True),
        (5, 2, 3),
        [
            ("0.cells.l0", (8, 5)),
            ("0.cells.l0_reverse", (8, 5)),
            ("0.cells.l1", (8, 6)),
            ("0.cells.l1_reverse", (8, 6)),
        ],
    ),
}
MAPPINGS = {
    "plain": ONE_ARRAY,
    "scaled": MappingParameters(weight_scaling_omega=0.6, learn_out_scaling=True),
    "analog bias": MappingParameters(digital_bias=False),
    "split": MappingParameters(max_input_size=3, max_output_size=5),
}


def twin(layer: nn.Module, **options: Any) -> nn.Module:
    """The analog layer in place of a digital one, on ideal devices."""
    return to_analog(nn.Sequential(copy.deepcopy(layer)), OneTile(), Ideal(), **options).get_submodule("0")


def first(y: Any) -> Tensor:
    """The outputs; of an LSTM with the last states, so that their gradients count too."""
    return torch.cat([part.flatten() for part in (y[0], *y[1])]) if isinstance(y, tuple) else y.flatten()


def inputs(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_torch(case: str, mapping: str) -> None:
    """One step of exact rank-1 updates is the step of torch's SGD, and the state goes there and back."""
    layer, shape, arrays = CASES[case]
    digital = nn.Sequential(copy.deepcopy(layer))
    model = to_analog(copy.deepcopy(digital), OneTile(), Ideal(), mapping=MAPPINGS[mapping])
    if mapping == "plain":
        assert [(name, part.algorithm.shape) for name, part in analog_layers(model)] == arrays
    assert list(digital_state(model)) == list(digital.state_dict())
    both = [inputs(shape).requires_grad_() for _ in range(2)]
    weights = torch.randn(len(first(digital(both[0]))), generator=torch.Generator().manual_seed(2))
    optimizers = [torch.optim.SGD(digital.parameters(), lr=0.1), AnalogOptimizer(model.parameters(), lr=0.1)]
    outputs = [first(network(x)) for network, x in zip((digital, model), both, strict=True)]
    torch.testing.assert_close(outputs[1], outputs[0])
    for output, optimizer in zip(outputs, optimizers, strict=True):
        optimizer.zero_grad()
        (output * weights).sum().backward()
    torch.testing.assert_close(both[1].grad, both[0].grad)
    if mapping in ("plain", "split"):
        for optimizer in optimizers:
            optimizer.step()
        wanted, found = digital.state_dict(), digital_state(model)
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)
    digital.load_state_dict(digital_state(model))
    torch.testing.assert_close(first(model(both[0])), first(digital(both[0])))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("case", CASES)
def test_an_input_is_named_as_in_torch(case: str, mapping: str) -> None:
    layer, shape, _ = CASES[case]
    analog = twin(layer, mapping=MAPPINGS[mapping])
    torch.testing.assert_close(first(analog(input=inputs(shape))), first(layer(input=inputs(shape))))


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("lstm")])
def test_an_lstm_takes_its_first_states_by_name(case: str) -> None:
    layer, shape, _ = CASES[case]
    _, (h, c) = layer(inputs(shape))
    given = h.detach() + 0.5, c.detach() - 0.5
    torch.testing.assert_close(first(twin(layer)(inputs(shape), hx=given)), first(layer(inputs(shape), hx=given)))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("size", [(2, 9), (3, 11), (4, 10)])
@pytest.mark.parametrize("all_sizes", [False, True])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_a_transposed_convolution_takes_the_size_of_its_output(
    batch: tuple[int, ...], all_sizes: bool, size: tuple[int, int], mapping: str
) -> None:
    layer = nn.ConvTranspose2d(2, 3, (3, 2), stride=(3, 3), padding=(2, 1), output_padding=(1, 2), dilation=(1, 1))
    x = inputs((*batch, 2, 2, 4))
    given = [*batch, 3, *size] if all_sizes else list(size)
    analog = twin(layer, mapping=MAPPINGS[mapping])
    assert analog(x, output_size=given).shape[-2:] == size
    torch.testing.assert_close(analog(x, output_size=given), layer(x, output_size=given))


@pytest.mark.parametrize("size", [(3, 9), (4, 12), (4,), (1, 4, 9)])
def test_a_size_that_no_output_has_is_refused(size: tuple[int, ...]) -> None:
    layer = nn.ConvTranspose2d(2, 3, (3, 2), stride=(3, 3), padding=(2, 1))
    with pytest.raises(ValueError, match=r"output[ _]size"):
        layer(inputs((1, 2, 3, 4)), output_size=size)
    with pytest.raises(ValueError, match=r"output_size: .* is not possible; write \[5, 9\] to \[7, 11\]"):
        twin(layer)(inputs((1, 2, 3, 4)), output_size=size)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("case", ["transposed", "groups", "lstm, both directions"])
def test_the_state_of_the_digital_layer_is_programmed(case: str, mapping: str) -> None:
    layer, shape, _ = CASES[case]
    model = to_analog(nn.Sequential(copy.deepcopy(layer)), OneTile(), Ideal(), mapping=MAPPINGS[mapping])
    digital = nn.Sequential(copy.deepcopy(layer))
    with torch.no_grad():
        for parameter in digital.parameters():
            parameter.mul_(-0.5)
    result = model.load_state_dict(digital.state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    torch.testing.assert_close(first(model(inputs(shape))), first(digital(inputs(shape))))


@pytest.mark.parametrize("algorithm", [OneTile(), ResidualLearning(tiles=2), TikiTakaV2(), MixedPrecision()])
@pytest.mark.parametrize("case", ["transposed", "depthwise", "conv1d", "lstm, two layers"])
def test_pulses_train_it_and_a_checkpoint_continues_it(case: str, algorithm: Algorithm) -> None:
    """With noisy converters. What was resumed ends as what was not stopped, bit for bit."""
    layer, shape = (nn.Conv1d(2, 2, 3), (4, 2, 9)) if case == "conv1d" else CASES[case][:2]
    io = IOParameters(inp_res=1 / 126, out_res=1 / 510, out_noise=0.06)

    def model() -> nn.Module:
        start = nn.Sequential(copy.deepcopy(layer))
        return to_analog(start, algorithm, SoftBounds(states=50), seed=3, forward_io=io, backward_io=io)

    def train(network: nn.Module, steps: range) -> list[float]:
        optimizer, losses = AnalogOptimizer(network.parameters(), lr=0.3), []
        for step in steps:
            optimizer.zero_grad()
            x = torch.randn(shape, generator=torch.Generator().manual_seed(step % 3))
            loss = (first(network(x)) - 0.25).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    whole, half, rest = model(), model(), model()
    losses = train(whole, range(30))
    assert sum(losses[-3:]) < sum(losses[:3])
    assert all(
        int((tile.pulses_up + tile.pulses_down).sum())
        for _, part in analog_layers(whole)
        for tile in part.algorithm.tiles[:1]
    )
    train(half, range(15))
    rest.load_state_dict(copy.deepcopy(half.state_dict()))
    train(rest, range(15, 30))
    assert all(
        torch.equal(a, b) for a, b in zip(digital_state(whole).values(), digital_state(rest).values(), strict=True)
    )


def test_an_lstm_takes_a_state_and_drops_out_between_its_layers() -> None:
    digital = nn.LSTM(3, 2, num_layers=2, dropout=0.5)
    model: Any = to_analog(nn.Sequential(copy.deepcopy(digital)), OneTile(), Ideal())
    state = torch.full((2, 4, 2), 0.5), torch.full((2, 4, 2), -0.5)
    x = inputs((5, 4, 3))
    torch.testing.assert_close(model.eval()[0](x, state), digital.eval()(x, state))
    torch.manual_seed(0)
    some = model.train()[0](x, state)[0]
    assert not torch.equal(some, model[0](x, state)[0])
    alone = [part[:, 0] for part in state]
    torch.testing.assert_close(model.eval()[0](x[:, 0], tuple(alone)), digital.eval()(x[:, 0], tuple(alone)))


def test_an_lstm_of_packed_sequences_is_refused() -> None:
    model = to_analog(nn.Sequential(nn.LSTM(3, 2)), OneTile(), Ideal())
    packed = nn.utils.rnn.pack_sequence([torch.ones(2, 3), torch.ones(1, 3)])
    with pytest.raises(TypeError, match="takes a tensor, not a PackedSequence; pad the sequences"):
        model(packed)


@pytest.mark.filterwarnings("error")
def test_a_long_sequence_is_no_forgotten_step() -> None:
    model = to_analog(nn.Sequential(nn.LSTM(1, 1)), OneTile(), Ideal())
    model(torch.ones(1001, 1))[0].sum().backward()


def test_what_is_frozen_stays_frozen() -> None:
    for layer in (nn.LSTM(3, 2), nn.Conv2d(2, 2, 3, groups=2), nn.ConvTranspose2d(2, 2, 3)):
        layer.requires_grad_(False)
        model = to_analog(nn.Sequential(layer), OneTile(), Ideal())
        assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(
    "layer",
    [nn.Linear(4, 3), nn.Conv2d(2, 3, 3), nn.Conv1d(4, 6, 2, groups=2), nn.ConvTranspose2d(4, 3, 2)],
    ids=["linear", "conv", "groups", "transposed"],
)
def test_a_mini_batch_without_images_trains_nothing(layer: nn.Module, mapping: str) -> None:
    x = torch.zeros(0, *{nn.Linear: (4,), nn.Conv2d: (2, 5, 5), nn.Conv1d: (4, 6)}.get(type(layer), (4, 5, 5)))
    analog = twin(layer, mapping=MAPPINGS[mapping])
    before = digital_state(analog)
    y = analog(x)
    assert y.shape == layer(x).shape
    y.sum().backward()
    AnalogOptimizer(analog.parameters(), lr=0.1).step()
    for name, value in digital_state(analog).items():
        assert torch.equal(value, before[name])
