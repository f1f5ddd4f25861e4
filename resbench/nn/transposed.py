"""Transposed convolutions on crossbar tiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.errors import BadValue
from resbench.nn.arrays import on_arrays
from resbench.nn.hardware import Hardware
from resbench.nn.linear import linear_of
from resbench.nn.twin import MatrixTwin


class AnalogConvTranspose2d(MatrixTwin):
    """A two-dimensional transposed convolution on one array ``[out_channels * kh * kw, in_channels]``.

    Every input position is one row of the matrix-vector product and gives a patch of the output. Where patches overlap
    they are added digitally, and the bias is digital.

    Args:
        layer: the digital layer to take geometry, weights and bias from; ``groups`` must be 1.
        hardware: what the arrays are made of.

    Attributes:
        array: the product, a linear layer without bias.
        bias: digital bias ``[out]``.

    Raises:
        BadValue: for groups.
    """

    held = "array."

    def __init__(self, layer: nn.ConvTranspose2d, hardware: Hardware) -> None:
        super().__init__()
        if layer.groups != 1:
            raise BadValue("groups", layer.groups, "does not fit one array; leave this convolution digital")
        self.kernel_shape = layer.weight.shape
        self.stride, self.dilation = layer.stride, layer.dilation
        assert not isinstance(layer.padding, str)  # torch refuses words here
        self.padding, self.output_padding = layer.padding, layer.output_padding
        self.array = on_arrays(linear_of(layer.weight.flatten(1).T), hardware)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The outputs, as of ``nn.ConvTranspose2d``.

        Args:
            input: images, with or without a batch.
            output_size: height and width of the output, alone or behind the sizes of batch and channels; None adds
                ``output_padding``.

        Raises:
            BadValue: for an output size that the input cannot have.
        """
        if input.dim() == 3:
            return self.forward(input[None], None if output_size is None else output_size[-2:])[0]
        patches = self.array(input.flatten(2).transpose(1, 2)).transpose(1, 2)
        kernel = self.kernel_shape[2:]
        sides = zip(input.shape[2:], kernel, self.stride, self.dilation, strict=True)
        size = [(n - 1) * stride + dilation * (k - 1) + 1 for n, k, stride, dilation in sides]
        image = functional.fold(patches, tuple(size), tuple(kernel), self.dilation, 0, self.stride)
        (high, wide), (more_high, more_wide) = self.padding, self._more_lines(size, output_size)
        # Lines to add at the left, right, top and bottom; a negative number cuts lines off.
        y = functional.pad(image, [-wide, more_wide - wide, -high, more_high - high])
        bias: Tensor | None = self.bias
        return y if bias is None else y + bias[:, None, None]

    def _more_lines(self, size: Sequence[int], output_size: Sequence[int] | None) -> tuple[int, ...]:
        """Lines to add at the bottom and at the right of an image of this size, which is not cut yet."""
        if output_size is None:
            return self.output_padding
        least = [whole - 2 * padding for whole, padding in zip(size, self.padding, strict=True)]
        more = tuple(wanted - lines for wanted, lines in zip(output_size[-2:], least, strict=False))
        if len(output_size) not in (2, 4) or not all(0 <= n < step for n, step in zip(more, self.stride, strict=True)):
            most = [lines + step - 1 for lines, step in zip(least, self.stride, strict=True)]
            raise BadValue("output_size", tuple(output_size), f"is not possible; write {least} to {most}")
        return more

    @torch.no_grad()
    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight ``[in, out, kh, kw]`` and set the bias; as :meth:`AnalogLinear.set_weights`."""
        self.array.set_weights(weight.detach().flatten(1).T)
        if bias is not None and self.bias is not None:
            self.bias.copy_(bias)

    @torch.no_grad()
    def get_weights(self) -> tuple[Tensor, Tensor | None]:
        """Logical weight in the shape of the digital layer, and bias: copies."""
        weight = self.array.get_weights()[0].T.reshape(self.kernel_shape)
        return weight, None if self.bias is None else self.bias.detach().clone()

    def extra_repr(self) -> str:
        """The geometry, in torch's words."""
        shape = "x".join(str(size) for size in self.kernel_shape)
        return f"{shape}, stride={self.stride}, dilation={self.dilation}"
