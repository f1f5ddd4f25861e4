"""SGD for models with analog layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import torch

from resbench.nn.parameter import AnalogWeight


class AnalogSGD(torch.optim.SGD):
    """torch's SGD for digital parameters; every analog weight is trained by its algorithm.

    The learning rate is that of the parameter group. Schedulers, parameter groups, gradient accumulation and
    Lightning's automatic optimisation work as with any optimiser. Momentum, weight decay and gradient clipping act on
    digital parameters only; a learning rate of 0 drops the pending pairs, and frozen analog weights are left alone.

    Args:
        params: parameters or parameter groups, as for torch.
        lr: learning rate, 0 or above.
        momentum: momentum of digital parameters.
        weight_decay: weight decay of digital parameters.
        nesterov: Nesterov momentum of digital parameters.

    Raises:
        ValueError: for a negative learning rate, momentum or weight decay.
    """

    def __init__(
        self,
        params: torch.optim.optimizer.ParamsT,
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if lr < 0:
            raise ValueError(f"lr: {lr} is negative; write a learning rate of 0 or above")
        super().__init__(params, lr, momentum, weight_decay=weight_decay, nesterov=nesterov)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step: torch's for digital parameters, then each analog weight with its pending pairs."""
        loss: float | None = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if isinstance(parameter, AnalogWeight) and parameter.requires_grad:
                        parameter.step(float(group["lr"]))
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients and drop pending pairs."""
        super().zero_grad(set_to_none)
        for group in self.param_groups:
            for parameter in group["params"]:
                if isinstance(parameter, AnalogWeight):
                    parameter.pairs.clear()
