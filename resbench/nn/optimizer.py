"""SGD for models with analog layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.optim.sgd import sgd

from resbench.crossbar.processes import gathered, share
from resbench.crossbar.rows import matrix
from resbench.errors import Diverged
from resbench.nn.parameter import AnalogWeight, ForeignWrite


class AnalogSGD(torch.optim.SGD):
    """torch's SGD for digital parameters; every analog weight is trained by its algorithm.

    The learning rate is that of the parameter group. Schedulers, parameter groups, gradient accumulation and
    Lightning's automatic optimisation work as with any optimiser. Momentum, weight decay and gradient clipping act on
    digital parameters only; a learning rate of 0 drops the pending pairs, and frozen analog weights are left alone.
    Under a ``GradScaler`` the optimiser unscales gradients and pairs itself, so call ``scaler.step(optimizer)`` without
    ``scaler.unscale_``.

    Args:
        params: parameters or parameter groups, as for torch.
        lr: learning rate, 0 or above.
        momentum: momentum of digital parameters.
        weight_decay: weight decay of digital parameters.
        nesterov: Nesterov momentum of digital parameters.
        keep_pairs: let pending pairs survive ``zero_grad``, as aihwkit does, so that a skipped batch still trains.

    Raises:
        ValueError: for a negative learning rate, momentum or weight decay.
    """

    #: A GradScaler then leaves unscaling to :meth:`step`; its own would reach `.grad` only, not the pairs.
    _step_supports_amp_scaling = True
    grad_scale: Tensor | None
    found_inf: Tensor | None

    def __init__(
        self,
        params: torch.optim.optimizer.ParamsT,
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        keep_pairs: bool = False,
    ) -> None:
        if lr < 0:
            raise ValueError(f"lr: {lr} is negative; write a learning rate of 0 or above")
        super().__init__(params, lr, momentum, weight_decay=weight_decay, nesterov=nesterov)
        self.keep_pairs = keep_pairs

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step: torch's for digital parameters, then each analog weight with its pending pairs.

        Raises:
            RuntimeError: for ``GradScaler.unscale_`` before this step.
            ForeignWrite: where something else wrote to an analog weight, or autograd put a gradient on one.
            Diverged: for pairs that are not finite; nothing is trained then.
        """
        if hasattr(self, "grad_scale") and not self._unscale():
            return None
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parts = share()[1]
        with torch.no_grad():
            self._check_pairs(parts)
            for group in self.param_groups:
                self._step_digital(group)
                lr = float(group["lr"])
                for parameter in group["params"]:
                    if type(parameter) is AnalogWeight and parameter.requires_grad:
                        parameter.step(lr, parts)
        return loss

    def _check_pairs(self, parts: int) -> None:
        """A pulse or a digital memory would keep what a gradient that is not finite does, and nothing else shows it."""
        errors = []
        for group in self.param_groups:
            for parameter in group["params"]:
                if type(parameter) is AnalogWeight:
                    for _, d in parameter.pairs:
                        errors.append(d if isinstance(d, Tensor) else d.source)
        if not errors:
            return
        # A sum is not finite if one entry is not; one that overflows is looked at again.
        if errors[0].is_cpu and parts == 1:
            finite = math.isfinite(sum([error.sum().item() for error in errors]))
        else:  # one wait for the device instead of one for each, and a decision that all processes share
            sums = torch.stack([error.sum() for error in errors])[None]
            finite = math.isfinite(gathered(sums).sum().item())
        if not finite and not all(gathered(error.isfinite().all()[None]).all() for error in errors):
            raise Diverged("a gradient is not finite although the loss is; a smaller lr may help")

    def _step_digital(self, group: dict[str, Any]) -> None:
        """The arithmetic of torch's SGD, called directly: its own ``step`` would run the hooks of a step once more."""
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        for parameter in parameters:
            if type(parameter) is AnalogWeight:
                parameter.refuse_gradient()
        if not (group["momentum"] or group["weight_decay"] or group["maximize"]) and isinstance(group["lr"], float):
            # What it comes down to, in one call instead of one for each parameter.
            torch._foreach_add_(parameters, [p.grad for p in parameters], alpha=-group["lr"])
            return
        momenta = [self.state[p].get("momentum_buffer") for p in parameters] if group["momentum"] else []
        sgd(
            parameters,
            [p.grad for p in parameters],
            momenta or [None] * len(parameters),
            has_sparse_grad=any(p.grad.is_sparse for p in parameters),
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            foreach=group["foreach"],
            fused=group["fused"],
        )
        for parameter, momentum in zip(parameters, momenta, strict=False):
            self.state[parameter]["momentum_buffer"] = momentum

    @torch.no_grad()
    def _unscale(self) -> bool:
        """Divide gradients and pairs by the scale of a GradScaler; False for an overflow, which drops the pairs."""
        scale, found_inf = self.grad_scale, self.found_inf
        self.grad_scale, self.found_inf = None, None  # torch's step takes them for a fused kernel's
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        weights = [parameter for parameter in parameters if isinstance(parameter, AnalogWeight)]
        if scale is None:
            if any(weight.pairs for weight in weights):
                raise RuntimeError(
                    "GradScaler.unscale_ reaches digital gradients only; leave it out, AnalogSGD unscales by itself"
                )
            return not found_inf
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(scale)
        for weight in weights:
            weight.pairs = [(x, matrix(d) / scale) for x, d in weight.pairs]
        overflow = bool(found_inf) or not all(matrix(d).isfinite().all() for weight in weights for _, d in weight.pairs)
        if overflow:
            for weight in weights:
                weight.pairs.clear()
        return not overflow

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients and drop pending pairs."""
        if not set_to_none:
            super().zero_grad(set_to_none)
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                if type(parameter) is AnalogWeight and not self.keep_pairs:
                    parameter.pairs.clear()


def _refuse_other_optimizers(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Run by torch before any step of any optimiser: another one would pass over analog weights without a word.

    Raises:
        ForeignWrite: where analog weights that are to be trained were given to it.
    """
    if isinstance(optimizer, AnalogSGD):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if type(parameter) is AnalogWeight and parameter.requires_grad:
                name = type(optimizer).__name__
                raise ForeignWrite(
                    f"{parameter.label}: {name} does not train analog weights; write resbench.nn.AnalogSGD"
                    f"(model.parameters(), lr=...), and give {name} none that is a resbench.nn.AnalogWeight"
                )


register_optimizer_step_pre_hook(_refuse_other_optimizers)
