"""The analog matrix-vector product in autograd: forward through one periphery, backward through the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from resbench.crossbar.periphery import Periphery
from resbench.crossbar.periphery.images import without_values
from resbench.crossbar.periphery.passes import may_repeat
from resbench.crossbar.rows import MapRows, PatchRows, Rows

Record = Callable[[Tensor], None]
#: Key of a hook that is never removed; torch's own keys count from 0.
NO_HANDLE = -1


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        patches: PatchRows | None,
        weight: Tensor,
        periphery: Periphery,
        may_repeat: bool,
        owner: Tensor | None,
        record: Record | None,
    ) -> Tensor:
        y, masked = periphery.multiply(weight, x if patches is None else patches, may_repeat)
        ctx.save_for_backward(weight, masked)
        ctx.periphery, ctx.record = periphery, record
        ctx.patches = None if patches is None else without_values(patches)
        return y

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, None, None, None, None, None, None]:
        weight, masked = ctx.saved_tensors
        if ctx.record is not None:
            ctx.record(d)
        if not ctx.needs_input_grad[0]:
            return None, None, None, None, None, None, None
        if masked is not None:
            d = d.masked_fill(masked, 0.0)
        rows = d if ctx.patches is None else MapRows(d)
        return ctx.periphery.backward(weight, rows, ctx.patches), None, None, None, None, None, None


class _MaskedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, masked: Tensor) -> Tensor:
        ctx.save_for_backward(masked)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        (masked,) = ctx.saved_tensors
        return d.masked_fill(masked, 0.0), None


class _Anchor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor) -> Tensor:
        return y.detach()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[None, None]:
        return None, None


def analog_product(
    rows: Rows,
    weight: Tensor,
    periphery: Periphery,
    owner: Tensor | None = None,
    record: Record | None = None,
) -> Tensor:
    """``W x`` of every row. Its gradient by x is the backward product of the periphery; W gets no gradient.

    Autograd runs the backward product only if the rows need a gradient.

    Args:
        rows: ``[n, in]``, a matrix or the patches of an image.
        weight: ``[out, in]``, detached.
        periphery: converters of both directions. Its mask sets entries of the gradient by the outputs to 0.
        owner: the parameter of the weight. It gets no gradient, but makes autograd run backward up to here.
        record: called in backward with the derivative of the loss by the result.

    Returns:
        ``[n, out]``; of patches maps ``[images, out, height, width]``.
    """
    # Asked here, because gradients are always off inside of an autograd function.
    repeats = may_repeat(periphery.training)
    patches = rows if isinstance(rows, PatchRows) else None
    return _Product.apply(rows.source, patches, weight, periphery, repeats, owner, record)  # type: ignore[no-any-return]


def mask_gradient(y: Tensor, masked: Tensor) -> Tensor:
    """``y`` itself, whose gradient is 0 where ``masked``."""
    return _MaskedGradient.apply(y, masked)  # type: ignore[no-any-return]


def anchor(y: Tensor, weight: Tensor) -> Tensor:
    """``y`` itself, as if it depended on the weight: autograd then runs backward up to here, but gives no gradient."""
    return _Anchor.apply(y, weight)  # type: ignore[no-any-return]


def on_gradient(y: Tensor, hook: Record) -> None:
    """``y.register_hook(hook)``, but without making the handle that could remove it, which takes most of the time."""
    register = getattr(y.grad_fn, "_register_hook_dict", None)
    if register is None or y._backward_hooks is not None:
        y.register_hook(hook)
    else:
        y._backward_hooks = OrderedDict({NO_HANDLE: hook})
        register(y)
