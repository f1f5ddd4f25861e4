"""AnalogSGD under a GradScaler."""

import pytest
import torch
from torch import Tensor, nn

from resbench.algorithms import AnalogSGD as OneTile
from resbench.crossbar.devices import Ideal
from resbench.nn import AnalogOptimizer, to_analog

X = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]])


def training(scale: float | None, factor: float = 1.0) -> tuple[nn.Module, AnalogOptimizer, torch.amp.GradScaler]:
    """A model after one backward pass, with the loss scaled or not."""
    torch.manual_seed(0)
    model = to_analog(nn.Sequential(nn.Linear(3, 2)), OneTile(), Ideal())
    scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None)
    loss: Tensor = scaler.scale(factor * model(X).square().sum())
    loss.backward()
    return model, AnalogOptimizer(model.parameters(), lr=0.1), scaler


def test_the_step_is_that_of_the_unscaled_loss() -> None:
    states = []
    for scale in (None, 1024.0):
        model, optimizer, scaler = training(scale)
        scaler.step(optimizer)
        scaler.update()
        states.append([parameter.detach() for parameter in model.parameters()])
    for plain, scaled in zip(*states, strict=True):
        torch.testing.assert_close(plain, scaled)


def test_an_overflow_skips_the_step_and_lowers_the_scale() -> None:
    model, optimizer, scaler = training(1024.0, factor=float("inf"))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert scaler.get_scale() == 512.0
    optimizer.step()  # the pairs of the overflow are gone
    assert all(p.isfinite().all() for p in model.parameters() if p.grad is None)


def test_unscaling_before_the_step_is_refused() -> None:
    _, optimizer, scaler = training(1024.0)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_ reaches digital gradients only; leave it out"):
        scaler.step(optimizer)
