"""Geometry of a convolution: images to patches and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from resbench.crossbar.rows import PatchRows
from resbench.errors import BadValue


class Patches:
    """Geometry of a convolution: images to patches and back.

    Args:
        layer: the digital convolution.

    Raises:
        BadValue: for a grouped convolution.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        if layer.groups != 1:
            raise BadValue("groups", layer.groups, "does not fit one array; leave this convolution digital")
        self.kernel_size = _pair(layer.kernel_size)
        self.geometry: dict[str, Any] = {"stride": layer.stride, "dilation": layer.dilation, "padding": layer.padding}
        self.outer_padding: tuple[list[int], str] | None = None
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
            self.outer_padding = list(layer._reversed_padding_repeated_twice), mode
            self.geometry["padding"] = (0, 0)
        stride, padding, dilation = (_pair(self.geometry[name]) for name in ("stride", "padding", "dilation"))
        self.steps = stride, padding, dilation

    def pad(self, x: Tensor) -> Tensor:
        """Padding that the product itself cannot do: circular, reflected, named."""
        return x if self.outer_padding is None else functional.pad(x, *self.outer_padding)

    def unfold(self, x: Tensor) -> Tensor:
        """Images ``[b, channels, h, w]`` to patches ``[b, positions, channels * kh * kw]``, row-major both."""
        return functional.unfold(x, self.kernel_size, **self.geometry).transpose(1, 2)

    def rows(self, x: Tensor) -> PatchRows:
        """The patches as rows that stay in the image until a matrix of them is asked for."""
        stride, (high, wide), dilation = self.steps
        padded = functional.pad(x, (wide, wide, high, high)) if high or wide else x
        return PatchRows(padded, self.kernel_size, stride, dilation)

    def images(self, y: Tensor, x: Tensor) -> Tensor:
        """Outputs ``[b, positions, out]`` to ``[b, out, h', w']`` for the padded images x."""
        sides = zip(x.shape[2:], self.kernel_size, *self.geometry.values(), strict=True)
        height, width = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in sides)
        return y.transpose(1, 2).reshape(x.shape[0], -1, height, width)


def _pair(sizes: tuple[int, ...]) -> tuple[int, int]:
    height, width = sizes
    return height, width
