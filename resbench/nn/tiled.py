"""A layer that is too large for one array: a grid of blocks, each on arrays of its own."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from resbench.crossbar.mapping import TilePlan
from resbench.nn.hardware import Hardware
from resbench.nn.linear import AnalogLinear, linear_of
from resbench.nn.patches import Patches
from resbench.nn.twin import MatrixTwin


class TiledLayer(MatrixTwin):
    """A linear or convolutional layer split into blocks, each with its own devices, converters and scales.

    ``y_i = sum_j block_ij(x_j) + bias``: partial outputs are added digitally and the bias is digital. The blocks are
    :class:`AnalogLinear` layers. A convolution is unfolded once, and its patches
    stay in memory until the update.

    Args:
        layer: the digital layer to take geometry, weights and bias from.
        hardware: what the arrays are made of; its mapping limits their size. Each block has a random stream of its own.

    Attributes:
        plan: the blocks and their sizes.
        blocks: the block layers, block row by block row.
        bias: digital bias ``[out]``.
    """

    held = "blocks."

    def __init__(self, layer: nn.Linear | nn.Conv1d | nn.Conv2d, hardware: Hardware) -> None:
        super().__init__()
        matrix = layer.weight.detach().flatten(1)
        self.kernel_shape = layer.weight.shape
        self.patches = None if isinstance(layer, nn.Linear) else Patches(layer)
        self.plan = TilePlan.of((matrix.shape[0], matrix.shape[1]), hardware.mapping, bias=layer.bias is not None)
        self.blocks = nn.ModuleList()
        for index, weight in enumerate(self._split(matrix)):
            place = divmod(index, len(self.plan.in_sizes))
            self.blocks.append(AnalogLinear(linear_of(weight), hardware.child("block", *place)))
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().clone())

    def forward(self, input: Tensor) -> Tensor:
        if self.patches is None:
            return self._outputs(input)
        if input.dim() == self.patches.dimensions + 1:
            return self.forward(input[None])[0]
        x = self.patches.pad(input)
        y = self.patches.images(self._outputs(self.patches.unfold(x)), x)
        return y if self.patches.dimensions == 2 else y.squeeze(2)

    def _outputs(self, x: Tensor) -> Tensor:
        parts = x.split(self.plan.in_sizes, dim=-1)
        columns = len(parts)
        sums = []
        for row in range(len(self.plan.out_sizes)):
            blocks = self._layers()[row * columns : (row + 1) * columns]
            sums.append(functools.reduce(torch.add, [block(part) for block, part in zip(blocks, parts, strict=True)]))
        y = torch.cat(sums, dim=-1)
        return y if self.bias is None else y + self.bias

    @torch.no_grad()
    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight, block by block, and the bias; as :meth:`AnalogLinear.set_weights`."""
        for block, part in zip(self._layers(), self._split(weight.detach().flatten(1)), strict=True):
            block.set_weights(part)
        if bias is not None and self.bias is not None:
            self.bias.copy_(bias)

    @torch.no_grad()
    def get_weights(self) -> tuple[Tensor, Tensor | None]:
        """Logical weight in the shape of the digital layer, and bias: copies."""
        blocks = [block.get_weights()[0] for block in self._layers()]
        columns = len(self.plan.in_sizes)
        rows = [torch.cat(blocks[start : start + columns], dim=1) for start in range(0, len(blocks), columns)]
        return torch.cat(rows).view(self.kernel_shape), None if self.bias is None else self.bias.detach().clone()

    def _layers(self) -> list[AnalogLinear]:
        return [block for block in self.blocks if isinstance(block, AnalogLinear)]

    def _split(self, matrix: Tensor) -> list[Tensor]:
        """The blocks of a matrix ``[out, in]``, block row by block row."""
        rows = matrix.split(self.plan.out_sizes)
        return [block.contiguous() for row in rows for block in row.split(self.plan.in_sizes, dim=1)]

    def extra_repr(self) -> str:
        """The plan of the blocks."""
        return str(self.plan)
