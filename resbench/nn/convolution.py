"""Convolutions on crossbar tiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.nn.base import AnalogLayer
from resbench.nn.hardware import Hardware
from resbench.nn.patches import Patches


class AnalogConv2d(AnalogLayer):
    """A two-dimensional convolution on one array, there ``[out_channels, in_channels * kh * kw]``.

    Every output position of every image is one row of the matrix-vector product, with its own noise and bound
    management, and one rank-1 update.

    Args:
        layer: the digital convolution to take geometry, weights and bias from; ``groups`` must be 1.
        hardware: what the array is made of.

    Raises:
        BadValue: for a grouped convolution, or as :class:`AnalogLinear`.
    """

    def __init__(self, layer: nn.Conv2d | nn.Conv1d, hardware: Hardware) -> None:
        super().__init__(layer, hardware)
        self.patches = Patches(layer)
        self.plane_shape = torch.Size([*layer.weight.shape[:2], *self.patches.kernel_size])

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == 3:
            return super().forward(self.patches.pad(input[None]))[0]
        return super().forward(input if self.patches.outer_padding is None else self.patches.pad(input))

    def exact_product(self, x: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
        return functional.conv2d(x, weight.reshape(self.plane_shape), offset, **self.patches.geometry)

    def plain_product(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.weight.array)

    def _convolve(self, x: Tensor, kernel: Tensor) -> Tensor:
        # The bias is added afterwards: with a bias inside, oneDNN would also compute the gradient of the weight.
        stride, padding, dilation = self.patches.steps
        y = torch.conv2d(x, kernel, None, stride, padding, dilation)
        bias: Tensor | None = self.bias
        return y if bias is None else y.add_(bias.view(-1, 1, 1))

    def input_rows(self, x: Tensor) -> PatchRows:
        return self.patches.rows(x)

    def output_rows(self, y: Tensor) -> Tensor:
        return y.flatten(2).transpose(1, 2).flatten(0, 1)

    def update_rows(self, x: Tensor, d: Tensor) -> tuple[Rows, Rows]:
        return self.driven_rows(x), Rows(self.output_rows(d)) if self.bias_column else MapRows(d)

    def from_output_rows(self, rows: Tensor, x: Tensor) -> Tensor:
        return rows if rows.dim() == 4 else self.patches.images(rows.view(x.shape[0], -1, rows.shape[-1]), x)

    def per_output(self, values: Tensor) -> Tensor:
        return values[:, None, None]

    def extra_repr(self) -> str:
        """The geometry, in torch's words."""
        shape = "x".join(str(size) for size in self.kernel_shape)
        return f"{shape}, " + ", ".join(f"{name}={value}" for name, value in self.patches.geometry.items())


class AnalogConv1d(AnalogConv2d):
    """A one-dimensional convolution on one array, there ``[out_channels, in_channels * k]``.

    It treats a sequence as an image of one line. Arguments and errors are those of :class:`AnalogConv2d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == 2:
            return self.forward(input[None])[0]
        return AnalogLayer.forward(self, self.patches.pad(input)).squeeze(2)

    def plain_product(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.weight.array.view(self.plane_shape))
