"""The optimiser of models with analog layers: one of torch for digital parameters, algorithms for analog weights.

A step goes this way: :meth:`AnalogOptimizer.step` gives each :class:`~resbench.nn.AnalogWeight` its learning rate. The
weight passes its pending pairs (x, d) to ``Algorithm.step``, which calls ``update`` of the algorithm. That pulses tiles
by ``Tile.update``, which calls a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, register_optimizer_step_pre_hook

from resbench.algorithms.torch_step import MakeOptimizer, make_optimizer
from resbench.crossbar import kernels
from resbench.crossbar.kernels.together import TOGETHER
from resbench.crossbar.late import LateNumbers
from resbench.crossbar.processes import gathered, share
from resbench.crossbar.rows import Rows
from resbench.errors import BadValue, Diverged
from resbench.nn.parameter import AnalogWeight, ForeignWrite, Pair
from resbench.nn.shared import step_shared

NOT_FINITE = "a gradient is not finite although the loss is; a smaller lr may help"


class AnalogOptimizer(torch.optim.Optimizer):
    """Trains digital parameters by any optimiser of torch, and every analog weight by its algorithm.

    The rate of the tiles is ``lr`` of the parameter group. The digital parameters have the same rate, unless
    ``digital_lr`` gives them another, as Adam needs. A scheduler changes ``lr``, and both rates follow in proportion:
    where it halves ``lr``, the digital rate is halved too.

    Schedulers, parameter groups, accumulated gradients, closures and Lightning's automatic optimisation work as with
    any optimiser. The digital optimiser is the attribute ``digital``. Both share the parameter groups, which have its
    options, and the state. At a rate of 0 the pending pairs are dropped; a frozen analog weight keeps its value.
    Under a ``GradScaler`` call ``scaler.step(optimizer)`` without ``scaler.unscale_``: this optimiser unscales
    gradients and pairs itself.

    Momentum, weight decay and clipping (``clip_grad_norm_``, ``gradient_clip_val``) act on digital parameters only, as
    in aihwkit: the gradient of an analog weight is never computed, so the norm that is clipped is that of the others.

    Args:
        params: parameters or parameter groups, as for torch; a group may have a ``digital_lr`` of its own.
        lr: learning rate of the tiles, 0 or above.
        digital: what makes the digital optimiser from parameters and rate: a class of ``torch.optim``, or a
            ``functools.partial`` of one with other options. It is called as ``digital(params, lr)``.
        digital_lr: learning rate of the digital parameters, 0 or above; None takes ``lr``.
        keep_pairs: let pending pairs survive ``zero_grad``, as aihwkit does, so that a skipped batch still trains.

    Raises:
        BadValue: for a negative rate, and for a digital optimiser that cannot be made, or that evaluates the loss
            several times in a step, as LBFGS does.
    """

    #: Tells a GradScaler to leave unscaling to :meth:`step`. It would unscale `.grad` only, not the pairs.
    _step_supports_amp_scaling = True
    grad_scale: Tensor | None
    found_inf: Tensor | None
    digital: torch.optim.Optimizer

    #: The largest errors of the last step, where the host does not wait for them.
    _largest: LateNumbers | None = None

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.01,
        digital: Callable[[ParamsT, float], torch.optim.Optimizer] = torch.optim.SGD,
        digital_lr: float | None = None,
        keep_pairs: bool = False,
    ) -> None:
        self.keep_pairs = keep_pairs
        super().__init__(params, {"lr": lr, "digital_lr": digital_lr})
        self.digital = _make(digital, [_digital_part(group) for group in self.param_groups], lr)
        self.defaults = {**self.digital.defaults, **self.defaults}
        for group, part in zip(self.param_groups, self.digital.param_groups, strict=True):
            _take_options(group, part)
        self._share()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of analog and digital parameters, as for torch."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        group["digital_ratio"] = _ratio(group["lr"], group.pop("digital_lr"))
        if not hasattr(self, "digital"):  # torch adds the first groups, and it is made for all of them
            return
        self.digital.param_groups = []  # else it would find these parameters in the groups that it shares
        self.digital.add_param_group(_digital_part(group))
        _take_options(group, self.digital.param_groups[0])
        self._share()

    def _share(self) -> None:
        """Give the digital optimiser the groups and the state of this one again; other code may have replaced them."""
        self.digital.param_groups, self.digital.state = self.param_groups, self.state

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step: that of the digital optimiser, then each analog weight with its pending pairs.

        Args:
            closure: computes the loss and its gradients; called once.

        Raises:
            RuntimeError: for ``GradScaler.unscale_`` before this step, and where the input of an analog layer or the
                gradient of its output was changed in place since backward; nothing is trained then.
            ForeignWrite: where something else wrote to an analog weight, or autograd put a gradient on one.
            Diverged: for pairs that are not finite; nothing is trained then. On a GPU, the host does not wait to see
                them, and the next step or :meth:`state_dict` raises it.
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
            self._step_digital()
            weights = [
                (parameter, lr)
                for group, lr in [(group, float(group["lr"])) for group in self.param_groups]
                for parameter in group["params"]
                if type(parameter) is AnalogWeight and parameter.requires_grad
            ]
            if parts > 1:
                step_shared(weights)
            else:
                with TOGETHER:
                    for weight, lr in weights:
                        weight.step(lr)
        return loss

    def _check_pairs(self, parts: int) -> None:
        """Refuse errors that are not finite: devices and buffers would keep the damage, and nothing would show it."""
        weights = self._weights()
        for weight in weights:
            weight.check_pairs()
        errors = [d.source for weight in weights for _, d in weight.pairs if d.source.numel() > 0]
        if not errors:
            return
        if kernels.runs_ahead(errors[0]):
            self._check_last_step()
            largest = torch._foreach_norm(errors, math.inf)
            self._largest = LateNumbers(gathered(torch.stack(largest)[None]))
            return
        # If an entry is not finite, neither is the sum. A sum can also overflow, so its entries are then looked at.
        if parts == 1:
            finite = math.isfinite(sum([error.sum().item() for error in errors]))
        else:  # a decision that all processes share
            sums = torch.stack([error.sum() for error in errors])[None]
            finite = math.isfinite(gathered(sums).sum().item())
        if not finite and not all(gathered(error.isfinite().all()[None]).all() for error in errors):
            raise Diverged(NOT_FINITE)

    def _check_last_step(self) -> None:
        """Refuse the errors of the last step, if they were not finite; a GPU tells it one step later."""
        largest, self._largest = self._largest, None
        if largest is not None and not all(map(math.isfinite, largest.read())):
            raise Diverged(NOT_FINITE)

    def state_dict(self) -> dict[str, Any]:
        """The state, as for torch.

        Raises:
            Diverged: if the last pairs were not finite; then so may be the state.
        """
        self._check_last_step()
        return super().state_dict()

    def _weights(self) -> list[AnalogWeight]:
        return [p for group in self.param_groups for p in group["params"] if type(p) is AnalogWeight]

    def _step_digital(self) -> None:
        """The step of the digital optimiser, on groups without analog weights and with the digital rate."""
        plain = type(self.digital) is torch.optim.SGD
        steps = []
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            for parameter in parameters:
                if type(parameter) is AnalogWeight:
                    parameter.refuse_gradient()
            plain = plain and not (group["momentum"] or group["weight_decay"] or group["maximize"])
            plain = plain and isinstance(group["lr"], float)
            steps.append((group, parameters))
        if plain:
            for group, parameters in steps:
                if parameters:  # plain SGD in one call of torch
                    rate = group["lr"] * group["digital_ratio"]
                    torch._foreach_add_(parameters, [p.grad for p in parameters], alpha=-rate)
            return
        self._share()
        kept = [(group["params"], group["lr"]) for group in self.param_groups]
        try:
            for group in self.param_groups:
                group.update(_digital_part(group))
            self.digital.step()
        finally:
            for group, (parameters, lr) in zip(self.param_groups, kept, strict=True):
                group["params"], group["lr"] = parameters, lr

    @torch.no_grad()
    def _unscale(self) -> bool:
        """Divide gradients and pairs by the scale of a GradScaler; False for an overflow, which drops the pairs."""
        scale, found_inf = self.grad_scale, self.found_inf
        weights = self._weights()
        if scale is None:
            if any(weight.pairs for weight in weights):
                raise RuntimeError(
                    "GradScaler.unscale_ reaches digital gradients only; leave it out, AnalogOptimizer unscales by "
                    "itself"
                )
            return not found_inf
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.div_(scale)
        for weight in weights:
            weight.check_pairs()
            weight.pairs = [Pair.of(x, Rows(d.dense() / scale)) for x, d in weight.pairs]
        overflow = bool(found_inf) or not all(d.source.isfinite().all() for weight in weights for _, d in weight.pairs)
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

    def __getstate__(self) -> dict[str, Any]:
        self._share()
        return {**super().__getstate__(), "digital": self.digital, "keep_pairs": self.keep_pairs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # load_state_dict calls this too. The digital optimiser then completes states of older versions of torch.
        self.digital.__setstate__({"state": self.state, "param_groups": self.param_groups})


def _make(digital: MakeOptimizer, groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    """Make the digital optimiser, or refuse what is none."""
    made = make_optimizer("digital", digital, groups, lr, rate="digital_lr")
    if isinstance(made, AnalogOptimizer):
        raise BadValue("digital", "AnalogOptimizer", "is no optimiser of torch; write for example torch.optim.AdamW")
    return made


def _ratio(lr: float, digital_lr: float | None) -> float:
    """Digital rate over that of the tiles, which schedulers keep."""
    if not 0 <= lr < math.inf:
        raise BadValue("lr", lr, "is negative or not finite; write a learning rate of 0 or above")
    if digital_lr is None:
        return 1.0
    if not 0 <= digital_lr < math.inf:
        raise BadValue("digital_lr", digital_lr, "is negative or not finite; write a learning rate of 0 or above")
    if lr == 0:
        raise BadValue(
            "lr", lr, "is in no proportion to digital_lr; write a rate above 0, and freeze layers that shall not train"
        )
    return digital_lr / lr


def _digital_part(group: dict[str, Any]) -> dict[str, Any]:
    """A parameter group for the digital optimiser: without analog weights, with the digital rate."""
    part = {name: value for name, value in group.items() if name != "param_names"}
    part["params"] = [parameter for parameter in group["params"] if type(parameter) is not AnalogWeight]
    part["lr"] = group["lr"] * group["digital_ratio"]
    return part


def _take_options(group: dict[str, Any], part: dict[str, Any]) -> None:
    """Take over the options that the digital optimiser gave to its part of a group."""
    group.update({name: value for name, value in part.items() if name not in ("params", "lr")})


def _refuse_other_optimizers(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Refuse other optimisers, which would silently skip analog weights; torch calls this before every step of any.

    Raises:
        ForeignWrite: where analog weights that are to be trained were given to it.
    """
    if isinstance(optimizer, AnalogOptimizer):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if type(parameter) is AnalogWeight and parameter.requires_grad:
                name = type(optimizer).__name__
                raise ForeignWrite(
                    f"{parameter.label}: {name} does not train analog weights; write resbench.nn.AnalogOptimizer"
                    f"(model.parameters(), lr=..., digital={name})"
                )


register_optimizer_step_pre_hook(_refuse_other_optimizers)
