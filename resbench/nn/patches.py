"""Geometry of a convolution: images to patches and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from resbench.crossbar.rows import PatchRows
from resbench.errors import BadValue


class Patches:
    """Turns the images of a convolution into patches, and results back into images. A sequence is an image of one line.

    Args:
        layer: the digital convolution, in one or two dimensions.

    Attributes:
        dimensions: 1 or 2.

    Raises:
        BadValue: for a grouped convolution.
    """

    def __init__(self, layer: nn.Conv1d | nn.Conv2d) -> None:
        if layer.groups != 1:
            raise BadValue("groups", layer.groups, "does not fit one array; leave this convolution digital")
        self.dimensions = len(layer.kernel_size)
        self.kernel_size = _pair(layer.kernel_size, 1)
        self.geometry: dict[str, Any] = {
            "stride": _pair(layer.stride, 1),
            "dilation": _pair(layer.dilation, 1),
            "padding": layer.padding if isinstance(layer.padding, str) else _pair(layer.padding, 0),
        }
        self.outer_padding: tuple[list[int], str] | None = None
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
            self.outer_padding = list(layer._reversed_padding_repeated_twice), mode
            self.geometry["padding"] = (0, 0)
        self.steps: tuple[tuple[int, int], ...] = tuple(
            self.geometry[name] for name in ("stride", "padding", "dilation")
        )

    def pad(self, x: Tensor) -> Tensor:
        """A batch as images, with padding that the product cannot do itself: circular, reflected, or given by name."""
        padded = x if self.outer_padding is None else functional.pad(x, *self.outer_padding)
        return padded if self.dimensions == 2 else padded.unsqueeze(2)

    def unfold(self, x: Tensor) -> Tensor:
        """Images ``[b, channels, h, w]`` to patches ``[b, positions, channels * kh * kw]``, row-major both."""
        return functional.unfold(x, self.kernel_size, **self.geometry).transpose(1, 2)

    def rows(self, x: Tensor) -> PatchRows:
        """The patches as rows, which stay in the image until somebody needs them as a matrix."""
        stride, (high, wide), dilation = self.steps
        padded = functional.pad(x, (wide, wide, high, high)) if high or wide else x
        return PatchRows(padded, self.kernel_size, stride, dilation)

    def images(self, y: Tensor, x: Tensor) -> Tensor:
        """Outputs ``[b, positions, out]`` to ``[b, out, h', w']`` for the padded images x."""
        sides = zip(x.shape[2:], self.kernel_size, *self.geometry.values(), strict=True)
        height, width = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in sides)
        return y.transpose(1, 2).reshape(x.shape[0], y.shape[-1], height, width)


def _pair(sizes: tuple[int, ...], of_one_line: int) -> tuple[int, int]:
    """Sizes of height and width; a sequence has ``of_one_line`` for its height."""
    return sizes[0] if len(sizes) == 2 else of_one_line, sizes[-1]
