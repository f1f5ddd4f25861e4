"""Layers with converters, scales, analog bias and blocks."""

import copy
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import ConstantStep, Ideal
from resbench.crossbar.mapping import MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream
from resbench.nn import (
    AnalogConv2d,
    AnalogLayer,
    AnalogLinear,
    AnalogOptimizer,
    Hardware,
    TiledLayer,
    analog_layers,
    to_analog,
)

#: Everything that a mapping can do to one array.
MAPPED = MappingParameters(
    digital_bias=False,
    weight_scaling_omega=0.6,
    weight_scaling_columnwise=True,
    weight_scaling_lr_compensation=True,
    learn_out_scaling=True,
    out_scaling_columnwise=True,
)
#: Converters so fine that the product is exact to single precision.
FINE = IOParameters(out_noise=0.0, inp_res=0.0, out_res=0.0, bound_management="none", out_bound=0.0)
VARIANTS: dict[str, dict[str, Any]] = {
    "perfect": {},
    "converters": {"forward_io": FINE, "backward_io": FINE},
    "mapped": {"mapping": MAPPED},
    "mapped converters": {"mapping": MAPPED, "forward_io": FINE, "backward_io": FINE},
    "blocks": {"mapping": MappingParameters(max_input_size=20, max_output_size=3)},
    "mapped blocks": {"mapping": MappingParameters(max_input_size=20, weight_scaling_omega=0.3)},
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        nn.Conv2d(4, 4, 3, padding="same", padding_mode="circular"),
        nn.Flatten(),
        nn.Linear(128, 5),
    )


def twins(**variant: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """A digital network and the same on ideal devices."""
    digital = network()
    return digital, cast(nn.Sequential, to_analog(copy.deepcopy(digital), OneTile(), Ideal(), **variant))


def only(layer: nn.Module, **variant: Any) -> AnalogLayer:
    """A layer on ideal devices."""
    ((_, analog),) = analog_layers(to_analog(nn.Sequential(layer), OneTile(), Ideal(), **variant))
    return analog


def images() -> Tensor:
    return torch.randn(3, 2, 7, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_ideal_devices_train_like_the_digital_network(variant: dict[str, Any]) -> None:
    digital, analog = twins(**variant)
    optimizers = torch.optim.SGD(digital.parameters(), lr=0.01), AnalogOptimizer(analog.parameters(), lr=0.01)
    for layer in analog.modules():
        if isinstance(layer, AnalogLayer) and layer.out_scaling is not None:
            layer.out_scaling.requires_grad_(False)  # the digital network has no such factor
    for _ in range(3):
        inputs = [images().requires_grad_() for _ in range(2)]
        for model, optimizer, x in zip((digital, analog), optimizers, inputs, strict=True):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(analog(images()), digital(images()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_setting_what_was_got_changes_nothing(variant: dict[str, Any]) -> None:
    _, analog = twins(**variant)
    for _, layer in analog_layers(analog):
        if layer.out_scaling is not None:
            layer.out_scaling.data = torch.linspace(0.5, 2.0, len(layer.out_scaling))
    before = analog(images())
    for module in analog:
        if isinstance(module, (AnalogLayer, TiledLayer)):
            module.set_weights(*module.get_weights())
    torch.testing.assert_close(analog(images()), before)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_checkpoint_and_a_copy_continue_bit_for_bit(variant: dict[str, Any], tmp_path: Any) -> None:
    def trained(model: nn.Module) -> Tensor:
        optimizer = AnalogOptimizer(model.parameters(), lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            model(images()).square().mean().backward()
            optimizer.step()
        return cast(Tensor, model(images()))

    _, analog = twins(**variant)
    trained(analog)
    torch.save(analog.state_dict(), tmp_path / "state.pt")
    _, resumed = twins(**variant)
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.zero_()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    copied = copy.deepcopy(analog)
    want = trained(analog)
    assert torch.equal(trained(resumed), want)
    assert torch.equal(trained(copied), want)


def test_noise_differs_between_layers_and_calls_but_not_between_runs() -> None:
    outputs = []
    for _ in range(2):
        model = nn.Sequential(*(copy.deepcopy(nn.Linear(4, 4, bias=False)) for _ in range(2)))
        for layer in model:
            cast(nn.Linear, layer).weight = nn.Parameter(torch.eye(4))
        to_analog(model, OneTile(), Ideal(), forward_io=IOParameters())
        x = torch.ones(2, 4)
        outputs.append([model[0](x), model[1](x), model[0](x)])
    first, second, again = outputs[0]
    assert not torch.equal(first, second)
    assert not torch.equal(first, again)
    assert all(torch.equal(*pair) for pair in zip(*outputs, strict=True))


def test_every_patch_has_its_own_scale() -> None:
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.weight = nn.Parameter(torch.ones(1, 1, 2, 2))
    analog = only(layer, forward_io=IOParameters(out_noise=0.0))
    x = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(2))
    together = analog(torch.cat([x, 1000 * x]))
    assert torch.equal(together[:2], analog(x))
    torch.testing.assert_close(together[2:], 1000 * analog(x))
    assert torch.equal(analog(x[0]), analog(x)[0])


def test_saturated_outputs_pass_no_gradient_but_train() -> None:
    layer = nn.Linear(1, 2, bias=False)
    layer.weight = nn.Parameter(torch.tensor([[1.0], [0.25]]))
    io = IOParameters(out_noise=0.0, out_bound=0.5, bound_management="none")
    analog = only(layer, forward_io=io)
    x = torch.ones(1, 1, requires_grad=True)
    analog(x).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == 0.25
    assert torch.equal(analog.weight.pairs[0][1].dense(), torch.ones(1, 2))


def test_the_peers_mask_acts_on_a_perfect_periphery() -> None:
    layer = nn.Linear(1, 2, bias=False)
    layer.weight = nn.Parameter(torch.tensor([[20.0], [0.25]]))
    io = IOParameters(is_perfect=True, grad_mask="peer")
    analog = only(layer, forward_io=io)
    x = torch.ones(1, 1, requires_grad=True)
    analog(x).sum().backward()
    assert x.grad is not None
    assert x.grad.item() == 0.25
    assert torch.equal(analog.weight.pairs[0][1].dense(), torch.ones(1, 2))


def test_no_backward_product_where_the_input_needs_no_gradient() -> None:
    analog = only(nn.Linear(3, 2), backward_io=IOParameters())
    analog(torch.ones(4, 3)).sum().backward()
    assert analog.periphery is not None
    assert analog.periphery.rows == {"forward": 0, "backward": 0, "evaluation": 0, "read": 0}
    analog(torch.ones(4, 3, requires_grad=True)).sum().backward()
    assert analog.periphery.rows["backward"] == 4


def test_blocks_have_their_own_devices_and_names() -> None:
    digital = nn.Linear(7, 5)
    model = to_analog(
        nn.Sequential(digital),
        OneTile(),
        ConstantStep(),
        mapping=MappingParameters(max_input_size=4, max_output_size=4),
    )
    shapes = {name: tuple(layer.weight.shape) for name, layer in analog_layers(model)}
    assert shapes == {"0.blocks.0": (3, 4), "0.blocks.1": (3, 3), "0.blocks.2": (2, 4), "0.blocks.3": (2, 3)}
    tiled = cast(nn.Sequential, model)[0]
    assert isinstance(tiled, TiledLayer)
    assert str(tiled.plan) in repr(tiled)
    bounds = [layer.algorithm.tiles[0].get_buffer("w_max").flatten()[:3] for _, layer in analog_layers(model)]
    assert not torch.equal(bounds[0], bounds[1])


def test_layers_refuse_what_does_not_fit() -> None:
    stream = Stream.from_seed(0)
    hardware = Hardware(OneTile(), Ideal(), stream, mapping=MappingParameters(max_input_size=4))
    with pytest.raises(ValueError, match="they split this layer"):
        AnalogLinear(nn.Linear(7, 5), hardware)
    hardware = Hardware(OneTile(), ConstantStep(), stream, mapping=MappingParameters(weight_scaling_omega=0.8))
    with pytest.raises(ValueError, match=r"weight_scaling_omega: 0.8 is beyond what the devices hold; write .* 0.6"):
        AnalogConv2d(nn.Conv2d(1, 1, 1), hardware)


def test_autocast_leaves_converters_in_single_precision() -> None:
    analog = only(nn.Linear(3, 2), forward_io=FINE)
    x = torch.rand(4, 3, generator=torch.Generator().manual_seed(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = analog(x)
    assert torch.equal(y, analog(x))


def test_perfect_directions_keep_the_plain_product() -> None:
    analog = only(nn.Linear(3, 2), forward_io=PERFECT)
    assert analog.periphery is None


# -- activation checkpointing: the forward pass is computed again in backward ------------------------------------------

REPEATED = {
    "output noise": IOParameters(out_noise=0.5),
    "all noise": IOParameters(inp_noise=0.2, w_noise=0.1, w_noise_type="additive_constant", out_sto_round=True),
    "running mean": IOParameters(out_noise=0.0, noise_management="average_abs_max", nm_decay=0.3),
    "quiet": IOParameters(out_noise=0.0),
}


def segments() -> list[nn.Module]:
    torch.manual_seed(0)
    parts: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(48, 6)),
        nn.Sequential(nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6)),
    ]
    return parts


def trained(io: IOParameters, how: bool | None, mode: bool) -> tuple[list[Tensor], list[dict[str, int]]]:
    """Losses, input gradients and recorded pairs of three steps on one input, two passes each, and the row counters."""
    mapping = MappingParameters(max_input_size=32)
    net = nn.Sequential(*segments())
    to_analog(net, OneTile(), Ideal(), forward_io=io, backward_io=IOParameters(out_noise=0.1), mapping=mapping)
    net.train(mode)
    optimizer = AnalogOptimizer(net.parameters(), lr=0.1)
    seen = []
    for _ in range(3):
        optimizer.zero_grad()
        for scale in (1.0, 0.5):
            x = (scale * torch.linspace(-1.0, 1.0, 100).reshape(2, 2, 5, 5)).requires_grad_()
            y = x
            for part in net:
                y = part(y) if how is None else checkpoint(part, y, use_reentrant=how)
            loss = y.square().sum()
            loss.backward()
            assert x.grad is not None
            seen += [loss.detach(), x.grad]
        seen += [side.dense() for _, layer in analog_layers(net) for pair in layer.weight.pairs for side in pair]
        optimizer.step()
    return seen, [layer.periphery.get_extra_state() for _, layer in analog_layers(net) if layer.periphery is not None]


@pytest.mark.parametrize("io", REPEATED.values(), ids=REPEATED)
@pytest.mark.parametrize(("reentrant", "mode"), [(False, True), (True, True), (False, False)])
def test_a_pass_that_is_computed_again_sees_the_noise_of_the_first(
    io: IOParameters, reentrant: bool, mode: bool
) -> None:
    (plain, rows), (again, rows_again) = trained(io, None, mode), trained(io, reentrant, mode)
    assert len(plain) == len(again)
    for one, other in zip(plain, again, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    if io.varies[mode]:
        assert rows == rows_again, "what is computed again counts once"


def test_a_repeated_pass_whose_noise_is_not_known_is_refused() -> None:
    def half(twice: bool, x: Tensor) -> Tensor:
        y: Tensor = layer(x)
        return y + layer(x) if twice else y

    layer = to_analog(nn.Sequential(nn.Linear(3, 3)), OneTile(), Ideal(), forward_io=REPEATED["output noise"])
    x = torch.ones(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"activation checkpointing.*the same input came more than once"):
        checkpoint(half, True, x, use_reentrant=False).sum().backward()
    layer.eval()
    with pytest.raises(RuntimeError, match="no pass before it had this input"):
        checkpoint(half, False, x, use_reentrant=True).sum().backward()
