"""Steps of an optimiser of torch for a matrix that is not a parameter, such as the summed gradient of a layer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from resbench.errors import BadValue

#: Makes an optimiser from parameters and a rate: a class of torch.optim, or a functools.partial of one.
MakeOptimizer = Callable[[ParamsT, float], torch.optim.Optimizer]


def make_optimizer(key: str, make: MakeOptimizer, params: ParamsT, lr: float, rate: str) -> torch.optim.Optimizer:
    """Make an optimiser of torch, and check that it takes one step for one gradient.

    Args:
        key: name of the argument that holds ``make``, for messages.
        make: what makes the optimiser.
        params: parameters, or parameter groups.
        lr: learning rate.
        rate: where the learning rate is to be written, for messages.

    Raises:
        BadValue: if the optimiser is made already, if it cannot be made, or if it evaluates the loss several times in a
            step, as LBFGS does.
    """
    if isinstance(make, torch.optim.Optimizer):
        name = type(make).__name__
        raise BadValue(key, f"this {name} is made already", f"; write torch.optim.{name}, or a functools.partial of it")
    if isinstance(make, functools.partial) and "lr" in make.keywords:
        raise BadValue(key, "lr is among its options", f"; write {rate} instead")
    try:
        made = make(params, lr)
    except (TypeError, ValueError) as error:
        raise BadValue(key, "this optimiser cannot be made:", str(error)) from error
    name = type(made).__name__
    if not isinstance(made, torch.optim.Optimizer):
        raise BadValue(key, name, "is no optimiser of torch; write for example torch.optim.AdamW")
    closure = inspect.signature(made.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise BadValue(
            key,
            name,
            "evaluates the loss several times in one step, while tiles take one step for one evaluation; write "
            "another, for example torch.optim.AdamW",
        )
    return made


class TorchRule:
    """Adds gradients of a weight to a digital matrix: as they are, or the steps that an optimiser of torch makes.

    The state of the optimiser is kept in buffers of an owner. The optimiser is made anew for each step, which takes
    about 10 microseconds, so these buffers are all there is to copy, to move to another device and to put into a
    checkpoint.

    Args:
        make: what makes the optimiser, checked by :meth:`check`; None for gradients as they are.
        owner: gets a buffer ``optimizer_<name>`` for each tensor of the state.
        weight: ``[out, in]``, of the shape of all weights.

    Raises:
        BadValue: for a state that is not of tensors only.
    """

    def __init__(self, make: MakeOptimizer | None, owner: nn.Module, weight: Tensor) -> None:
        self.make, self.owner = make, owner
        self.names: list[str] = []
        state = {} if make is None else _stepped(make, weight, weight, 1.0, {})[1]  # only a step tells what is in it
        for name, value in state.items():
            if not isinstance(value, Tensor):
                raise BadValue("optimizer", f"its state {name}", "is no tensor, so no checkpoint holds it")
            owner.register_buffer(f"optimizer_{name}", torch.zeros_like(value))
            self.names.append(name)

    @staticmethod
    def check(make: MakeOptimizer | None) -> None:
        """Raise BadValue for an argument ``optimizer`` that is not usable; :func:`make_optimizer` says which are."""
        if make is not None:
            only = [nn.Parameter(torch.zeros(1, 1))]
            make_optimizer("optimizer", make, only, 1.0, "the rate of the analog optimiser")

    def start(self) -> None:
        """Forget the steps so far."""
        for name in self.names:
            self.owner.get_buffer(f"optimizer_{name}").zero_()

    def add(self, total: Tensor, weight: Tensor, gradient: Tensor, lr: float, is_first: bool) -> None:
        """Add what a step would subtract from a weight: ``lr gradient``, or what the optimiser makes of it.

        Args:
            total: ``[out, in]``, changed in place.
            weight: ``[out, in]``, left as it is; weight decay looks at it.
            gradient: ``[out, in]``.
            lr: learning rate.
            is_first: whether no step was made since :meth:`start`.
        """
        if self.make is None:
            total.add_(gradient, alpha=lr)
            return
        held = {name: self.owner.get_buffer(f"optimizer_{name}") for name in self.names}
        after, state = _stepped(self.make, weight, gradient, lr, {} if is_first else dict(held))
        for name, buffer in held.items():
            if state[name] is not buffer:
                buffer.copy_(state[name])
        total.add_(weight - after)


def _stepped(
    make: MakeOptimizer, weight: Tensor, gradient: Tensor, lr: float, state: dict[str, Any]
) -> tuple[Tensor, dict[str, Any]]:
    """The weight after a step of an optimiser, and the state of the optimiser then."""
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient
    optimizer = make([parameter], lr)
    if state:
        optimizer.state[parameter] = state
    optimizer.step()
    return parameter.detach(), dict(optimizer.state[parameter])
