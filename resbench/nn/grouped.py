"""Grouped convolutions: one array for each group."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from resbench.nn.arrays import on_arrays
from resbench.nn.base import AnalogLayer
from resbench.nn.hardware import Hardware
from resbench.nn.tiled import TiledLayer
from resbench.nn.twin import MatrixTwin


class GroupedConv(MatrixTwin):
    """A grouped convolution in one or two dimensions: every group is a convolution on an array of its own.

    On a single array most of the matrix would be zeros that must not be trained. A depthwise convolution has one array
    ``[1, kh * kw]`` for each channel, so it is slow to simulate.

    Args:
        layer: the digital convolution to take geometry, weights and bias from.
        hardware: what the arrays are made of; each group has a random stream of its own.

    Attributes:
        blocks: the convolutions of the groups.
        bias: digital bias ``[out]``; None without a bias, or where the bias is on the arrays.
    """

    held = "blocks."
    bias: nn.Parameter | None

    def __init__(self, layer: nn.Conv1d | nn.Conv2d, hardware: Hardware) -> None:
        super().__init__()
        self.groups, self.channels = layer.groups, layer.in_channels // layer.groups
        self.channel_axis = -2 if isinstance(layer, nn.Conv1d) else -3
        on_array = layer.bias is not None and not hardware.mapping.digital_bias
        biases = layer.bias.chunk(layer.groups) if layer.bias is not None and on_array else [None] * layer.groups
        self.blocks = nn.ModuleList()
        for group, (weight, bias) in enumerate(zip(layer.weight.chunk(layer.groups), biases, strict=True)):
            self.blocks.append(on_arrays(_group(layer, weight, bias), hardware.child("group", group)))
        self.bias = None if layer.bias is None or on_array else nn.Parameter(layer.bias.detach().clone())

    def forward(self, input: Tensor) -> Tensor:
        parts = input.split(self.channels, dim=self.channel_axis)
        outputs = [block(part) for block, part in zip(self.blocks, parts, strict=True)]
        y = torch.cat(outputs, dim=self.channel_axis)
        bias: Tensor | None = self.bias
        return y if bias is None else y + bias.view(-1, *[1] * (-1 - self.channel_axis))

    @torch.no_grad()
    def set_weights(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Program the logical weight, group by group, and the bias; as :meth:`AnalogLinear.set_weights`."""
        on_array = bias is not None and self.bias is None
        biases = bias.chunk(self.groups) if bias is not None and on_array else [None] * self.groups
        for block, part, own in zip(self._layers(), weight.detach().chunk(self.groups), biases, strict=True):
            block.set_weights(part, own)
        if bias is not None and self.bias is not None:
            self.bias.copy_(bias)

    @torch.no_grad()
    def get_weights(self) -> tuple[Tensor, Tensor | None]:
        """Logical weight in the shape of the digital layer, and bias: copies."""
        parts = [block.get_weights() for block in self._layers()]
        biases = [bias for _, bias in parts if bias is not None]
        bias = None if self.bias is None else self.bias.detach().clone()
        return torch.cat([weight for weight, _ in parts]), torch.cat(biases) if biases else bias

    def _layers(self) -> list[AnalogLayer | TiledLayer]:
        return [block for block in self.blocks if isinstance(block, AnalogLayer | TiledLayer)]

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"


def _group(layer: nn.Conv1d | nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv1d | nn.Conv2d:
    """One group of a convolution as a convolution of its own."""
    block: nn.Conv1d | nn.Conv2d = nn.utils.skip_init(
        type(layer),
        weight.shape[1],
        weight.shape[0],
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        bias=bias is not None,
        padding_mode=layer.padding_mode,
    )
    block.weight = nn.Parameter(weight.detach().contiguous())
    if bias is not None:
        block.bias = nn.Parameter(bias.detach())
    return block
