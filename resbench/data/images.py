"""Base of the data modules of images, which turns pixels into normalised floats."""

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from resbench.data.base import InMemoryData
from resbench.errors import check_choice

Normalization = Literal["unit", "standard"]


class ImageData(InMemoryData):
    """Images uint8 ``[n, channels, height, width]``, normalised to float32 ``(pixel - offset) / scale`` by channel.

    "unit" divides by the value of white, which gives [0, 1]. "standard" subtracts the mean and divides by the standard
    deviation of the training images in use; validation and test images do not influence it. A channel of one value
    becomes 0.

    Args:
        normalize: unit or standard.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.
    """

    white: ClassVar[int] = 255

    def __init__(self, *, normalize: Normalization = "unit", **inherited: Any) -> None:
        super().__init__(**inherited)
        check_choice("normalize", normalize, get_args(Normalization))
        self.normalize = normalize
        self._offset, self._scale = torch.zeros(1, 1, 1), torch.full((1, 1, 1), float(self.white))

    def setup(self, stage: str) -> None:
        """Read the data and measure its pixels, once for all stages."""
        first = not self._splits
        super().setup(stage)
        if first and self.normalize == "standard":
            self._offset, self._scale = _pixel_statistics(self.split("train").inputs)

    def describe(self) -> dict[str, object]:
        """The description of :class:`~resbench.data.base.InMemoryData` with the normalisation."""
        return {**super().describe(), "normalize": self.normalize}

    def convert(self, inputs: Tensor) -> Tensor:
        """Pixels ``[b, channels, height, width]`` as normalised float32."""
        # Tensors on the device instead of numbers: CUDA would multiply by the reciprocal of a number, which rounds
        # differently.
        if self._offset.device != inputs.device:
            self._offset, self._scale = self._offset.to(inputs.device), self._scale.to(inputs.device)
        return (inputs - self._offset).div_(self._scale)


def _pixel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, ``[channels, 1, 1]``, from exact counts of the 256 pixel values."""
    value = torch.arange(256, dtype=torch.float64)
    mean, std = [], []
    for channel in images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean.append((share * value).sum())
        deviation = (share * (value - mean[-1]) ** 2).sum().sqrt()
        std.append(deviation if (share > 0).sum() > 1 else torch.ones_like(deviation))
    return torch.stack(mean).float().view(-1, 1, 1), torch.stack(std).float().view(-1, 1, 1)
