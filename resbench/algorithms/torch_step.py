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


def torch_step(
    make: MakeOptimizer, weight: Tensor, gradient: Tensor, lr: float, state: dict[str, Any] | None
) -> tuple[Tensor, dict[str, Any]]:
    """What one step of an optimiser would subtract from a weight, and the state that it leaves.

    Nothing of the optimiser lives on but its state. To make it anew takes about 10 microseconds, and then there is
    nothing that copies, checkpoints and moves to another device could miss.

    Args:
        make: what makes the optimiser, checked by :func:`make_optimizer`.
        weight: ``[out, in]``, which weight decay looks at; left as it is.
        gradient: ``[out, in]``.
        lr: learning rate.
        state: state after the step before, whose tensors change in place; None for the first step.

    Returns:
        ``weight before - weight after``, and the state of torch by name.
    """
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient
    optimizer = make([parameter], lr)
    if state is not None:
        optimizer.state[parameter] = state
    optimizer.step()
    return weight - parameter.detach(), dict(optimizer.state[parameter])
