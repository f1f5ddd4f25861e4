"""Transposed convolutions on crossbar tiles."""

from __future__ import annotations

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
        (high, wide), (more_high, more_wide) = layer.padding, layer.output_padding
        #: Lines to add at the left, right, top and bottom; a negative number cuts lines off.
        self.margins = [-wide, more_wide - wide, -high, more_high - high]
        self.array = on_arrays(linear_of(layer.weight.flatten(1).T), hardware)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return self.forward(x[None])[0]
        patches = self.array(x.flatten(2).transpose(1, 2)).transpose(1, 2)
        kernel = self.kernel_shape[2:]
        sides = zip(x.shape[2:], kernel, self.stride, self.dilation, strict=True)
        size = tuple((n - 1) * stride + dilation * (k - 1) + 1 for n, k, stride, dilation in sides)
        image = functional.fold(patches, size, tuple(kernel), self.dilation, 0, self.stride)
        y = functional.pad(image, self.margins)
        bias: Tensor | None = self.bias
        return y if bias is None else y + bias[:, None, None]

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
