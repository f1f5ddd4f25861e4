"""Results of the rows of a convolution, arranged as maps for the next layer or as an image for the one before."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from resbench.crossbar.rows import PatchRows


def maps_shape(patches: PatchRows, channels: int) -> tuple[int, int, int, int]:
    """Shape ``[images, channels, height, width]`` of maps with one number in each channel for each patch."""
    (images, _, height, _), geometry = patches.source.shape, patches.geometry
    kernel, stride, dilation, wide = geometry[0], geometry[2], geometry[4], geometry[-1]
    return images, channels, (height - dilation * (kernel - 1) - 1) // stride + 1, wide


def to_maps(rows: Tensor, patches: PatchRows) -> Tensor:
    """Outputs ``[n, channels]`` of patches as maps ``[images, channels, height, width]``."""
    shape = maps_shape(patches, rows.shape[1])
    return rows.view(shape[0], shape[2] * shape[3], rows.shape[1]).transpose(1, 2).reshape(shape)


def to_image(rows: Tensor, patches: PatchRows) -> Tensor:
    """Values ``[n, lines]`` of patches as an image, summed where patches overlap."""
    (images, _, height, width), geometry = patches.source.shape, patches.geometry
    columns = rows.view(images, -1, rows.shape[1]).transpose(1, 2)
    return functional.fold(columns, (height, width), geometry[:2], dilation=geometry[4:6], stride=geometry[2:4])


def without_values(patches: PatchRows) -> PatchRows:
    """Patches of the same geometry, of an image that takes no memory. Its values must not be read."""
    return patches.of(patches.source.new_empty(1).expand(patches.source.shape))
