"""The analog matrix-vector product in autograd: forward through one periphery, backward through the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from resbench.crossbar.periphery import Periphery
from resbench.crossbar.periphery.images import without_values
from resbench.crossbar.periphery.passes import may_repeat
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.nn.parameter import ForeignWrite

Record = Callable[[Tensor], None]
#: Whether the backward pass that runs now reaches a node of the graph. The name is private, but the hooks that
#: ``torch.autograd.graph.register_multi_grad_hook`` documents rest on it in every torch that resbench takes. In one
#: without it every pass would train, also ``autograd.grad`` by an input.
_is_reached = getattr(torch._C, "_will_engine_execute_node", lambda node: True)


def is_trained(node: Any) -> bool:
    """Whether the backward pass that runs now wants a gradient of an analog weight, so that its pair is recorded.

    It does not where it was asked for the gradients of other tensors only: ``torch.autograd.grad(loss, x)``,
    ``loss.backward(inputs=...)``.

    Args:
        node: where the graph ends in the weight.

    Raises:
        ForeignWrite: for ``autograd.grad`` by the weight, whose gradient is never computed.
        RuntimeError: for ``create_graph=True``.
    """
    if torch.is_grad_enabled():
        raise RuntimeError(
            f"{node.variable.label}: create_graph=True asks for second derivatives, and an analog weight trains with "
            "first ones only; leave penalties on gradients out, or freeze this layer, layer.requires_grad_(False)"
        )
    try:
        return bool(_is_reached(node))
    except RuntimeError as error:  # torch refuses to say it of a leaf whose gradient `autograd.grad` returns
        raise ForeignWrite(
            f"{node.variable.label}: autograd.grad by an analog weight, whose gradient is never computed; leave it out "
            "of the inputs, and call backward() to train it"
        ) from error


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
        # Inputs that are tensors are x, the array and the owner.
        if ctx.record is not None and is_trained(ctx.next_functions[2][0]):
            ctx.record(d)
        if torch.is_grad_enabled():
            raise RuntimeError(
                "create_graph=True asks for second derivatives, and the converters of an analog layer have none; leave "
                "penalties on gradients out, or this layer digital"
            )
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


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, record: Record) -> Tensor:
        ctx.record = record
        return y.detach()  # of y itself torch would make a view, which could not change in place

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None, None]:
        if is_trained(ctx.next_functions[1][0]):
            ctx.record(d)
        return d, None, None


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
        owner: the parameter of the weight. It gets no gradient, but makes autograd run backward up to here, and say
            whether it is wanted.
        record: called with the derivative of the loss by the result, in a backward pass that wants the owner.

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


def recorded(y: Tensor, weight: Tensor, record: Record) -> Tensor:
    """``y`` itself, as if it depended on the weight, which gets no gradient.

    Args:
        y: the result of a product with the weight, detached.
        weight: the parameter.
        record: called with the derivative of the loss by y, in a backward pass that wants the weight.
    """
    return _Recorded.apply(y, weight, record)  # type: ignore[no-any-return]
