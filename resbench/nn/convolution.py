"""Convolutions on crossbar tiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from resbench.algorithms import Algorithm
from resbench.crossbar.devices import Device
from resbench.crossbar.mapping import ONE_ARRAY, MappingParameters
from resbench.crossbar.periphery import PERFECT, IOParameters
from resbench.crossbar.randomness import Stream
from resbench.crossbar.rows import MapRows, PatchRows, Rows
from resbench.nn.base import AnalogLayer
from resbench.nn.patches import Patches


class AnalogConv2d(AnalogLayer):
    """A two-dimensional convolution on one array, there ``[out_channels, in_channels * kh * kw]``.

    Every output position of every image is one row of the matrix-vector product, with its own noise and bound
    management, and one rank-1 update.

    Args:
        layer: the digital convolution to take geometry, weights and bias from; ``groups`` must be 1.
        algorithm: how the weight is held and trained.
        device: device of the tiles, or one for each tile, fast tile first.
        stream: random stream of the layer.
        forward_io: periphery of the forward product.
        backward_io: periphery of the backward product.
        mapping: scales and bias column.

    Raises:
        BadValue: for a grouped convolution, or as :class:`AnalogLinear`.
    """

    def __init__(
        self,
        layer: nn.Conv2d | nn.Conv1d,
        algorithm: Algorithm,
        device: Device | Sequence[Device],
        stream: Stream,
        forward_io: IOParameters = PERFECT,
        backward_io: IOParameters = PERFECT,
        mapping: MappingParameters = ONE_ARRAY,
    ) -> None:
        super().__init__(layer, algorithm, device, stream, forward_io, backward_io, mapping)
        self.patches = Patches(layer)
        self.plane_shape = torch.Size([*layer.weight.shape[:2], *self.patches.kernel_size])

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(self.patches.pad(x[None]))[0]
        return super().forward(x if self.patches.outer_padding is None else self.patches.pad(x))

    def exact_product(self, x: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
        return functional.conv2d(x, weight.reshape(self.plane_shape), offset, **self.patches.geometry)

    def plain_product(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.weight.array)

    def _convolve(self, x: Tensor, kernel: Tensor) -> Tensor:
        # Asked for the gradient of a bias inside the convolution, oneDNN would compute that of the weight as well.
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

    Sequences are images of one line: otherwise, and in its arguments and errors, it is :class:`AnalogConv2d`.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            return self.forward(x[None])[0]
        return AnalogLayer.forward(self, self.patches.pad(x)).squeeze(2)

    def plain_product(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.weight.array.view(self.plane_shape))
