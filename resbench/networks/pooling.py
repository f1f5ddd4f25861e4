"""Max-pooling of images by torch, in the memory layout for which torch has vector instructions on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        y, places = torch.ops.aten.max_pool2d_with_indices(
            x.contiguous(memory_format=torch.channels_last), [size, size]
        )
        ctx.save_for_backward(x, places.contiguous())
        ctx.size = size
        contiguous: Tensor = y.contiguous()
        return contiguous

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        x, places = ctx.saved_tensors
        window = [ctx.size, ctx.size]
        gradient: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            d, x, window, window, [0, 0], [1, 1], False, places
        )
        return gradient, None


def max_pool(x: Tensor, size: int) -> Tensor:
    """``torch.nn.functional.max_pool2d(x, size)``, values and gradients bit for bit.

    On a CPU, torch takes one number after the other from images whose channels are planes, and many channels at once
    where these are innermost. So the images are turned, pooled and turned back, which is up to five times as fast.

    Args:
        x: images ``[n, channels, height, width]``.
        size: height and width of a window, and the distance of windows.

    Returns:
        ``[n, channels, height // size, width // size]``.
    """
    if x.is_cpu and x.dim() == 4 and x.is_contiguous():
        pooled: Tensor = _MaxPool.apply(x, size)
        return pooled
    return max_pool2d(x, size)
