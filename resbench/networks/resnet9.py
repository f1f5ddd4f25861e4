"""ResNet-9: a residual network for 32x32 images that trains in a few epochs."""

from __future__ import annotations

from torch import Tensor, nn

from resbench.errors import BadValue
from resbench.networks.pooling import max_pool


class ResNet9(nn.Module):
    """ResNet-9 for 32x32 colour images: eight 3x3 convolutions, two shortcuts and a linear layer.

    ``prep`` keeps the image; ``layer1``, ``layer2`` and ``layer3`` each double the channels and halve the image, and
    ``residual1`` and ``residual3`` are pairs of convolutions with a shortcut behind the first and the last of them.
    The largest of the 4x4 positions that remain goes through ``fc``, times 0.125.

    Args:
        classes: number of classes.
        width: channels of ``prep``; the source has 64, and 16 is small enough for a CPU.

    Shapes:
        input ``[n, 3, h, w]`` with h and w of at least 32, output ``[n, classes]``.

    Raises:
        BadValue: for fewer than one class or channel, or for images that are not in colour or too small.

    Source: D. Page, How to train your ResNet, 2018 (the ResNet-9 of his entry to DAWNBench).
    """

    def __init__(self, classes: int = 10, width: int = 64) -> None:
        super().__init__()
        if classes < 1:
            raise BadValue("classes", classes, "is too few; write the number of classes of the data, for example 10")
        if width < 1:
            raise BadValue("width", width, "is too few channels; write 16 for a CPU, 64 as in the source")
        self.prep = _convolution(3, width)
        self.layer1 = _convolution(width, 2 * width)
        self.residual1 = nn.Sequential(_convolution(2 * width, 2 * width), _convolution(2 * width, 2 * width))
        self.layer2 = _convolution(2 * width, 4 * width)
        self.layer3 = _convolution(4 * width, 8 * width)
        self.residual3 = nn.Sequential(_convolution(8 * width, 8 * width), _convolution(8 * width, 8 * width))
        self.fc = nn.Linear(8 * width, classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[n, classes]`` of images ``[n, 3, h, w]``."""
        if images.dim() != 4 or images.shape[1] != 3 or min(images.shape[2:]) < 32:
            hint = f"takes images [n, 3, h, w] of 32x32 or more, not {list(images.shape)}; write LeNet5 or MLP"
            raise BadValue("network", type(self).__name__, hint)
        x: Tensor = max_pool(self.layer1(self.prep(images)), 2)
        x = x + self.residual1(x)
        x = max_pool(self.layer2(x), 2)
        x = max_pool(self.layer3(x), 2)
        x = x + self.residual3(x)
        logits: Tensor = 0.125 * self.fc(x.amax((2, 3)))
        return logits


def _convolution(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
