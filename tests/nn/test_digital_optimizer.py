"""The digital optimiser inside an AnalogOptimizer takes the steps that it takes alone."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from resbench.algorithms import AnalogSGD
from resbench.crossbar.devices import SoftBounds
from resbench.errors import BadValue
from resbench.nn import AnalogOptimizer, AnalogWeight, analog_layers, to_analog

X = torch.linspace(-1.0, 1.0, 12).reshape(4, 3)
KINDS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "heavy SGD": partial(torch.optim.SGD, momentum=0.9, weight_decay=0.1, nesterov=True),
    "one by one": partial(torch.optim.SGD, momentum=0.9, foreach=False),
    "Adam": partial(torch.optim.Adam, amsgrad=True),
    "AdamW": torch.optim.AdamW,
    "Adagrad": torch.optim.Adagrad,
    "RMSprop": partial(torch.optim.RMSprop, centered=True),
    "Adafactor": torch.optim.Adafactor,
    "ASGD": torch.optim.ASGD,
}


def model() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 2))
    to_analog(network, AnalogSGD(), SoftBounds(states=1000))
    return network


def backward(network: nn.Module) -> Tensor:
    loss: Tensor = network(X).square().mean()
    loss.backward()
    return loss


def train(network: nn.Module, *optimizers: torch.optim.Optimizer, steps: int = 3) -> None:
    schedulers = [StepLR(optimizer, step_size=1, gamma=0.5) for optimizer in optimizers]
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        backward(network)
        for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
            optimizer.step()
            scheduler.step()


def values(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def split(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Digital parameters, and analog weights."""
    parts: tuple[list[nn.Parameter], list[nn.Parameter]] = [], []
    for parameter in network.parameters():
        parts[isinstance(parameter, AnalogWeight)].append(parameter)
    return parts


@pytest.mark.parametrize("digital_lr", [None, 0.125])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_both_take_the_steps_that_each_takes_alone(
    kind: Callable[..., torch.optim.Optimizer], digital_lr: float | None
) -> None:
    """Under a scheduler, which keeps the rates in proportion; with powers of two it does so exactly."""
    together, apart = model(), model()
    start = values(together)
    train(together, AnalogOptimizer(together.parameters(), lr=0.5, digital=kind, digital_lr=digital_lr))
    digital, analog = split(apart)
    train(apart, kind(digital, lr=digital_lr or 0.5), AnalogOptimizer(analog, lr=0.5))
    for one, other, before in zip(values(together), values(apart), start, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, before)


def test_groups_have_options_and_rates_of_their_own() -> None:
    networks = model(), model()
    group: dict[str, Any] = {"params": networks[0][0].parameters(), "weight_decay": 0.5, "digital_lr": 0.125}
    optimizer = AnalogOptimizer([group], lr=0.25, digital=torch.optim.AdamW)
    optimizer.add_param_group({"params": networks[0][1:].parameters(), "lr": 0.5, "betas": (0.5, 0.5)})
    train(networks[0], optimizer)
    first, rest = split(networks[1][0]), split(networks[1][1:])
    alone = torch.optim.AdamW([{"params": first[0], "lr": 0.125, "weight_decay": 0.5}, {"params": rest[0], "lr": 0.5}])
    alone.param_groups[1]["betas"] = (0.5, 0.5)
    tiles: list[dict[str, Any]] = [{"params": first[1]}, {"params": rest[1], "lr": 0.5}]
    train(networks[1], alone, AnalogOptimizer(tiles, lr=0.25))
    assert all(torch.equal(*pair) for pair in zip(values(networks[0]), values(networks[1]), strict=True))


@pytest.mark.parametrize(
    ("kind", "option"), [(partial(torch.optim.SGD, momentum=0.9), "momentum"), (torch.optim.Adam, "betas")]
)
def test_schedulers_reach_momentum_and_betas(kind: Callable[..., torch.optim.Optimizer], option: str) -> None:
    def seen(optimizer: torch.optim.Optimizer, stepped: torch.optim.Optimizer) -> list[Any]:
        options: list[Any] = []
        stepped.register_step_pre_hook(lambda inner, *_: options.append(inner.param_groups[0][option]))
        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=4)
        for _ in range(3):
            optimizer.step()
            scheduler.step()
        return options

    ours, alone = AnalogOptimizer(model().parameters(), digital=kind), kind([nn.Parameter(X)], 0.01)
    options = seen(ours, ours.digital)
    assert options == seen(alone, alone)
    assert len(set(options)) == 3


@pytest.mark.parametrize("kind", [KINDS["heavy SGD"], KINDS["AdamW"]])
@pytest.mark.parametrize("how", ["state", "copy", "pickle"])
def test_a_training_goes_on_bit_for_bit(kind: Callable[..., torch.optim.Optimizer], how: str) -> None:
    def made(network: nn.Module) -> AnalogOptimizer:
        return AnalogOptimizer(network.parameters(), lr=0.5, digital=kind, digital_lr=0.1, keep_pairs=True)

    network = model()
    optimizer = made(network)
    train(network, optimizer)
    other, another = model(), made(model())
    if how == "state":
        another = made(other)
        file = io.BytesIO()
        torch.save([network.state_dict(), optimizer.state_dict()], file)
        file.seek(0)
        weights, state = torch.load(file, weights_only=True)
        other.load_state_dict(weights)
        another.load_state_dict(state)
    elif how == "copy":
        other, another = copy.deepcopy((network, optimizer))
    else:
        other, another = pickle.loads(pickle.dumps((network, optimizer)))
    assert another.keep_pairs
    for pair in ((network, optimizer), (other, another)):
        pair[1].zero_grad()
        backward(pair[0])
        pair[1].step()
    assert all(torch.equal(*pair) for pair in zip(values(network), values(other), strict=True))


def test_names_of_parameters_are_kept() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.named_parameters(), lr=0.1, digital=torch.optim.Adam)
    backward(network)
    optimizer.step()
    names = [name for name, _ in network.named_parameters()]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == names
    assert {names[index] for index in optimizer.state_dict()["state"]} == {n for n in names if n[2:] == "bias"} | {
        "1.weight"
    }


def test_under_a_grad_scaler_the_step_is_that_of_the_unscaled_loss() -> None:
    trained = []
    for scale in (1.0, 1024.0):
        network = model()
        optimizer = AnalogOptimizer(network.parameters(), lr=0.5, digital=torch.optim.Adam, digital_lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        scaler.scale(network(X).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
        trained.append(values(network))
    for plain, scaled in zip(*trained, strict=True):
        torch.testing.assert_close(plain, scaled)


def test_clipping_reaches_digital_gradients_only() -> None:
    """The norm is theirs too."""
    network, free = model(), model()
    backward(network)
    backward(free)
    digital, _ = split(free)
    norm = nn.utils.clip_grad_norm_(network.parameters(), 1e-3)
    grads = [parameter.grad for parameter in digital if parameter.grad is not None]
    torch.testing.assert_close(norm, torch.cat([grad.flatten() for grad in grads]).norm())
    for (_, clipped), (_, whole) in zip(analog_layers(network), analog_layers(free), strict=True):
        assert torch.equal(clipped.weight.pairs[0][1].dense(), whole.weight.pairs[0][1].dense())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"digital": torch.optim.LBFGS}, "digital: LBFGS evaluates the loss several times in one step"),
        ({"digital": torch.optim.Adam([nn.Parameter(X)])}, "digital: this Adam is made already; write torch.optim.Ad"),
        ({"digital": partial(torch.optim.Adam, lr=1.0)}, "digital: lr is among its options; write digital_lr"),
        ({"digital": partial(torch.optim.Adam, eps=-1.0)}, "digital: this optimiser cannot be made: Invalid epsilon"),
        ({"digital": AnalogOptimizer}, "digital: AnalogOptimizer is no optimiser of torch"),
        ({"digital": lambda params, lr: nn.Linear(1, 1)}, "digital: Linear is no optimiser of torch"),
        ({"digital": None}, "digital: this optimiser cannot be made"),
        ({"lr": -1}, "lr: -1 is negative"),
        ({"digital_lr": -0.5}, "digital_lr: -0.5 is negative"),
        ({"lr": 0.0, "digital_lr": 0.5}, "lr: 0.0 is in no proportion to digital_lr"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadValue, match=f"^{message}"):
        AnalogOptimizer(model().parameters(), **arguments)


def test_a_failed_step_of_the_digital_optimiser_leaves_the_groups_whole() -> None:
    network = model()
    optimizer = AnalogOptimizer(network.parameters(), lr=0.5, digital=torch.optim.SparseAdam, digital_lr=0.1)
    before = dict(optimizer.param_groups[0])
    backward(network)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        optimizer.step()
    assert optimizer.param_groups[0] == before
