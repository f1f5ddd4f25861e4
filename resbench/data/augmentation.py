"""Augmentation of training images in whole mini-batches; its random numbers are functions of (seed, epoch, batch)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from resbench.data.auto_augment import auto_augment
from resbench.data.images import ImageData
from resbench.data.order import random_words
from resbench.errors import BadValue


@dataclass(frozen=True)
class Augmentation:
    """The steps applied to training images, in this order: random crop, flip, AutoAugment, Cutout. By default none.

    Args:
        padding: number of black pixels that are added on every side before an image of the original size is cut out at
            a random place; 0 for none.
        flip: whether half of the images are mirrored left to right.
        auto_augment: whether each image gets one of the 25 policies that AutoAugment found for CIFAR-10, at random.
        cutout: side of a square at a random place whose pixels are set to the value that normalises to 0; 0 for none.
            At the border the square is cut off.

    Raises:
        BadValue: for a negative size.

    Source: E. Cubuk et al., AutoAugment, CVPR 2019, as implemented in torchvision; T. DeVries and G. Taylor, Improved
    regularization of convolutional neural networks with Cutout, arXiv:1708.04552.
    """

    padding: int = 0
    flip: bool = False
    auto_augment: bool = False
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("padding", "cutout"):
            if getattr(self, name) < 0:
                raise BadValue(name, getattr(self, name), "is negative; write 0 for none")

    def apply(self, images: Tensor, fill: Tensor, *path: str | int) -> Tensor:
        """Augmented copies of images.

        Args:
            images: uint8 ``[b, channels, h, w]``.
            fill: uint8 ``[channels, 1, 1]``, the pixel value of Cutout.
            path: key of the random numbers, such as (seed, epoch, batch).
        """
        height, width = images.shape[-2:]
        words = random_words(5 * len(images), "augment", *path).reshape(5, -1, 1)

        def below(word: int, limit: int) -> Tensor:
            return torch.from_numpy((words[word] % np.uint64(limit)).astype(np.int64)).to(images.device)

        if self.padding or self.flip:
            rows, columns = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
            source_rows = rows + below(0, 2 * self.padding + 1)  # [b, h]
            mirrored = self.flip * below(2, 2)
            source_columns = torch.where(mirrored == 1, width - 1 - columns, columns) + below(1, 2 * self.padding + 1)
            image = torch.arange(len(images), device=images.device)[:, None, None]
            padded = pad(images, (self.padding,) * 4).permute(0, 2, 3, 1)
            images = padded[image, source_rows[:, :, None], source_columns[:, None, :]].permute(0, 3, 1, 2)
        if self.auto_augment:
            images = auto_augment(images, int(random_words(1, "auto_augment", *path)[0]))
        if self.cutout:
            hidden = _square(height, below(3, height), self.cutout)[:, None, :, None]
            hidden = hidden & _square(width, below(4, width), self.cutout)[:, None, None, :]
            images = torch.where(hidden, fill, images)
        return images.contiguous()


#: The augmentation of CIFAR-10 in the literature on multi-tile residual learning.
CIFAR_AUGMENTATION = Augmentation(padding=4, flip=True, auto_augment=True, cutout=16)
NO_AUGMENTATION = Augmentation()


class AugmentedImageData(ImageData):
    """Base of data modules whose images are augmented in training.

    Args:
        normalize: "unit" divides by 255; "standard" gives each channel of the training images mean 0 and standard
            deviation 1.
        augmentation: augmentation of the training images.
        seed: seed of the order of the training images and of their augmentation, any whole number.

    The other arguments are those of :class:`~resbench.data.base.InMemoryData`.
    """

    def __init__(
        self,
        *,
        batch_size: int = 128,
        normalize: Literal["unit", "standard"] = "standard",
        augmentation: Augmentation = NO_AUGMENTATION,
        seed: int = 0,
        **inherited: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, normalize=normalize, seed=seed, **inherited)
        self.augmentation = augmentation
        self.prepares_ahead = augmentation != NO_AUGMENTATION

    def augment(self, inputs: Tensor, epoch: int, batch: int) -> Tensor:
        # The value that normalises to zero is the offset of the normalisation: black, or the mean colour.
        fill = self._offset.round().to(inputs.device, torch.uint8)
        return self.augmentation.apply(inputs, fill, self.seed, epoch, batch)

    def describe(self) -> dict[str, object]:
        """The description of :class:`~resbench.data.images.ImageData` with the augmentation."""
        return {**super().describe(), "augmentation": asdict(self.augmentation)}


def _square(size: int, center: Tensor, side: int) -> Tensor:
    """Which of ``size`` pixels lie in a square around each center ``[b, 1]``: bool ``[b, size]``."""
    distance = torch.arange(size, device=center.device) - (center - side // 2)
    return (distance >= 0) & (distance < side)
