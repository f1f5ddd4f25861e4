"""One step of an optimiser of torch for a matrix that is no parameter, such as the summed gradient of a layer."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from resbench.errors import BadValue

#: What makes an optimiser from parameters and a rate: a class of torch.optim, or a functools.partial of one.
MakeOptimizer = Callable[[ParamsT, float], torch.optim.Optimizer]


def make_optimizer(key: str, make: MakeOptimizer, params: ParamsT, lr: float, rate: str) -> torch.optim.Optimizer:
    """An optimiser of torch that takes one step for one gradient.

    Args:
        key: name of the argument that holds ``make``, for messages.
        make: what makes the optimiser.
        params: parameters, or parameter groups.
        lr: learning rate.
        rate: where the learning rate is to be written, for messages.

    Raises:
        BadValue: for an optimiser that is made already, that cannot be made, or that evaluates the loss several times
            in a step, as LBFGS does.
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
    """Passes the gradient of a weight through an optimiser of torch, whose state is kept in buffers of an owner.

    The optimiser is made anew for each step, which takes about 10 microseconds. So its buffers are all there is to
    copy, to move to another device and to put into a checkpoint.

    Args:
        make: what makes the optimiser, checked by :func:`make_optimizer`.
        owner: gets a buffer ``optimizer_<name>`` for each tensor of the state.
        weight: ``[out, in]``, of the shape of all weights.

    Raises:
        BadValue: for a state that is not of tensors only.
    """

    def __init__(self, make: MakeOptimizer, owner: nn.Module, weight: Tensor) -> None:
        self.make, self.owner = make, owner
        self.names: list[str] = []
        for name, value in self._step(weight, weight, 1.0, {})[1].items():  # only a step tells what it remembers
            if not isinstance(value, Tensor):
                raise BadValue("optimizer", f"its state {name}", "is no tensor, so no checkpoint holds it")
            owner.register_buffer(f"optimizer_{name}", torch.zeros_like(value))
            self.names.append(name)

    def start(self) -> None:
        """Forget the steps so far."""
        for name in self.names:
            self.owner.get_buffer(f"optimizer_{name}").zero_()

    def step(self, weight: Tensor, gradient: Tensor, lr: float, is_first: bool) -> Tensor:
        """What a step would subtract from a weight, which is left as it is.

        Args:
            weight: ``[out, in]``, which weight decay looks at.
            gradient: ``[out, in]``.
            lr: learning rate.
            is_first: whether no step was made since :meth:`start`.
        """
        held = {name: self.owner.get_buffer(f"optimizer_{name}") for name in self.names}
        after, state = self._step(weight, gradient, lr, {} if is_first else dict(held))
        for name, buffer in held.items():
            if state[name] is not buffer:
                buffer.copy_(state[name])
        return weight - after

    def _step(
        self, weight: Tensor, gradient: Tensor, lr: float, state: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Any]]:
        """The weight after a step, and the state."""
        parameter = nn.Parameter(weight.clone())
        parameter.grad = gradient
        optimizer = self.make([parameter], lr)
        if state:
            optimizer.state[parameter] = state
        optimizer.step()
        return parameter.detach(), dict(optimizer.state[parameter])
